"""The file that MLflow runs to make the model (models from code); import `tagger` instead."""

from mlflow.models import set_model

from yt8m_exp.terminal import quiet

quiet.load_tensorflow()

from yt8m_exp.serving.tagger import Tagger  # noqa: E402  it loads TensorFlow, not as quietly

set_model(Tagger())

"""The file that MLflow runs to make the model (models from code); import `tagger` instead."""

from mlflow.models import set_model

from yt8m_exp.serving.tagger import Tagger

set_model(Tagger())

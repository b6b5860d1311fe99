import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from tests.verbs import SCORED, sample_records
from yt8m_exp.jobs.steps.checks import inputs
from yt8m_exp.spec import InputError


def test_a_model_is_written_with_the_signature_asked_for(store, trained, tmp_path):
    words = ("model_uri=models:/tagger/1", f"output={tmp_path}/yt8m/1")
    result = store.done("export", *words)
    assert result == {
        "output": f"{tmp_path}/yt8m/1",
        "form": "starter_code",
        "model": "tagger/1",
    }
    serve = tf.saved_model.load(result["output"]).signatures["serving_default"]
    assert serve(example_bytes=tf.constant(sample_records(SCORED)[:2]))["predictions"].shape == (
        2,
        20,
    )
    again = store.run("export", *words)
    assert again.status == 2
    assert "into an empty folder" in again.sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model_uri=models:/nobody/1",), "No model at 'models:/nobody/1'"),
        (
            ("model_uri=models:/tagger/1", "form=onnx"),
            "`form` must be 'starter_code' or 'mediapipe'",
        ),
        (("model_uri=models:/tagger/1", "form=mediapipe"), "this is a video-level model"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(
    store, trained, tmp_path, words, sentence
):
    outcome = store.run("export", *words, f"output={tmp_path}/1")
    assert outcome.status == 2
    assert sentence in outcome.sentence
    assert not (tmp_path / "1").exists()


def test_a_full_folder_is_refused_before_the_model_is_looked_for(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match="into an empty folder"):
        inputs.export(OmegaConf.create({"output": str(tmp_path)}))

import shutil
import sys
import threading
from importlib.metadata import version

import mlflow
import pytest

from yt8m_exp.serving import loading, tagger, uris


@pytest.fixture(autouse=True)
def tracking(store, trained, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # MLflow adds the folder of a model's code
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.uri)
    yield
    mlflow.set_tracking_uri(before)


def test_an_alias_is_resolved_to_the_version_it_stands_for(store):
    store.client.set_registered_model_alias("tagger", "fixed", "1")
    for uri in ("models:/tagger@fixed", "models:/tagger/1", "models:/tagger/latest"):
        assert uris.resolve(uri) == ("models:/tagger/1", "tagger", "1")


@pytest.mark.parametrize("uri", ["models:/m-0123", "runs:/0123/best", "/a/folder@b"])
def test_other_uris_stay_as_they_are(uri):
    assert uris.resolve(uri) == (uri, None, None)


def test_a_loaded_model_says_which_it_is(trained):
    loaded = loading.load("models:/tagger/1")
    assert loaded.tags() == {
        "model.uri": "models:/tagger/1",
        "model.id": trained["model_uri"].removeprefix("models:/"),
        "model.run_id": trained["run_id"],
        "model.name": "tagger",
        "model.version": "1",
    }
    assert loaded.tagger.schema.classes == 3862
    assert loaded.tagger.about["train"]["records"] == 510


def test_a_model_bears_the_name_it_was_asked_for_by(trained, monkeypatch):
    monkeypatch.setattr(tagger, "_version", lambda folder: "loaded meanwhile/2")
    assert loading.load("models:/tagger/1").tagger.version == "tagger/1"


def test_a_model_waits_for_a_process_that_is_writing_its_name(store, trained, tmp_path):
    name = emptied(store, trained, tmp_path)
    text = "model_name: tagger\nmodel_version: 7\n"
    writer = threading.Timer(0.3, name.write_text, [text])
    writer.start()
    assert loading.load(str(name.parent)).tagger.version == "tagger/7"
    writer.join()


def test_a_model_whose_name_was_never_written_goes_by_its_id(store, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(tagger, "WRITING_SECONDS", 0.1)
    name = emptied(store, trained, tmp_path)
    model_id = trained["model_uri"].removeprefix("models:/")
    assert loading.load(str(name.parent)).tagger.version == model_id


def emptied(store, trained, tmp_path):
    """Copies a model, and empties the file of its name, as MLflow does before it writes it."""
    folder = shutil.copytree(store.model(trained["model_uri"]), tmp_path / "model")
    name = folder / "registered_model_meta"
    name.write_text("")
    return name


@pytest.mark.parametrize(
    "uri",
    [
        "models:/nobody/1",
        "models:/nobody/latest",
        "models:/nobody@champion",
        "models:/tagger@nothing",
        "models:/tagger/99",
        "models:/tagger/one",
        "models:/tagger",
        "models:/m-0123",
        "runs:/0123/best",
        "/nowhere",
        "nowhere",
    ],
)
def test_a_model_that_does_not_exist_is_refused_with_its_uri_and_the_store(store, uri):
    with pytest.raises(ValueError, match="No model at") as raised:
        loading.load(uri)
    assert repr(uri) in str(raised.value)
    assert store.uri in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "remedy"),
    [
        ("models:/tagger", "name a version or an alias: models:/tagger/1"),
        ("tagger/1", "A version of a registered model is models:/tagger/1"),
        ("0123456789abcdef" * 2, f"is runs:/{'0123456789abcdef' * 2}/best"),
        (f"runs:/{'0123456789abcdef' * 2}/model", f"is runs:/{'0123456789abcdef' * 2}/best"),
        ("models:/crownless@champion", "Promote a version: yt8m promote name=crownless"),
        ("models:/nobody@champion", "Train and register one: yt8m train register=yt8m"),
    ],
)
def test_who_names_no_model_is_told_how_to(store, uri, remedy):
    if "crownless" in uri:
        store.client.create_registered_model("crownless")
    with pytest.raises(ValueError, match="No model at") as raised:
        loading.load(uri)
    assert str(raised.value).endswith(remedy)


def test_a_model_of_another_kind_is_refused(store, tmp_path):
    (tmp_path / "other.py").write_text(
        "from mlflow.models import set_model\n"
        "from mlflow.pyfunc import PythonModel\n"
        "class Other(PythonModel):\n"
        "    def predict(self, context, model_input: list[str], params=None):\n"
        "        return model_input\n"
        "set_model(Other())\n"
    )
    mlflow.pyfunc.save_model(
        tmp_path / "model", python_model=str(tmp_path / "other.py"), pip_requirements=[]
    )
    with pytest.raises(ValueError, match="is no model of this project: Other"):
        loading.load(str(tmp_path / "model"))


def test_other_versions_than_a_model_was_logged_with_are_told(store, trained, tmp_path, caplog):
    folder = shutil.copytree(store.model(trained["model_uri"]), tmp_path / "model")
    loading.load(str(folder))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    (folder / "requirements.txt").write_text("keras==1.0\nnothing-here==2.0\nnumpy\n")
    loading.load(str(folder))
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    said = f"other versions: keras==1.0 (here {version('keras')}), nothing-here==2.0 (here none)."
    assert said in record.getMessage()

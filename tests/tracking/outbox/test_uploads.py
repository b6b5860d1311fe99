import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from yt8m_exp.tracking.outbox.uploads import Uploader


@pytest.fixture
def run(folder):
    return MlflowClient().create_run("0").info


@pytest.fixture
def uploads(run) -> Path:
    """The folder in which uploads arrive."""
    return Path(run.artifact_uri) / "checkpoints"


@pytest.fixture
def uploader(run):
    return Uploader(MlflowClient(), run.run_id, "checkpoints")


@pytest.fixture
def files(tmp_path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def test_what_is_handed_in_is_there_after_the_end(uploader, uploads, files):
    for name in ("a.npz", "best.keras"):
        (files / name).write_text(name)
        uploader.put(files / name)
    uploader.close()
    assert {path.name: path.read_text() for path in uploads.iterdir()} == {
        "a.npz": "a.npz",
        "best.keras": "best.keras",
    }


def test_the_latest_content_of_a_name_stays(uploader, uploads, files):
    for content in range(20):
        (files / "best.keras").write_text(str(content))
        uploader.put(files / "best.keras")
    uploader.close()
    assert (uploads / "best.keras").read_text() == "19"


def test_what_is_replaced_on_disk_is_removed_among_the_artifacts(run, uploader, uploads, files):
    (files / "1.npz").write_text("1")
    uploader.put(files / "1.npz")
    uploader.close()
    assert [path.name for path in uploads.iterdir()] == ["1.npz"]
    (files / "1.npz").unlink()
    (files / "2.npz").write_text("2")
    again = Uploader(MlflowClient(), run.run_id, "checkpoints")
    again.put(files / "2.npz")
    again.close()
    assert [path.name for path in uploads.iterdir()] == ["2.npz"]


def test_the_run_is_not_read_for_each_file(run, uploads, files, monkeypatch):
    asked, read = [], MlflowClient.get_run

    def counted(self, run_id):
        asked.append(run_id)
        return read(self, run_id)

    monkeypatch.setattr(MlflowClient, "get_run", counted)
    uploader = Uploader(MlflowClient(), run.run_id, "checkpoints")
    for name in ("1.npz", "2.npz", "3.npz"):
        (files / name).write_text(name)
        uploader.put(files / name)
    uploader.close()
    assert len(list(uploads.iterdir())) == 3
    assert asked == [run.run_id]


def test_a_file_that_was_replaced_before_its_turn_is_no_failure(uploader, files, caplog):
    uploader.put(files / "gone.npz")
    uploader.close()
    assert caplog.text == ""


def test_a_failure_is_told_and_tried_again_at_the_end(uploader, uploads, files, caplog):
    uploads.parent.mkdir(parents=True, exist_ok=True)
    uploads.write_text("in the way")
    (files / "a.npz").write_text("a")
    uploader.put(files / "a.npz")
    while "a.npz was not uploaded yet" not in caplog.text:
        pass
    uploads.unlink()
    uploader.close()
    assert (uploads / "a.npz").read_text() == "a"


def test_what_cannot_be_uploaded_is_named_and_kept(uploader, uploads, files, caplog, run):
    shutil.rmtree(uploads.parent, ignore_errors=True)
    uploads.parent.mkdir(parents=True)
    uploads.write_text("in the way")
    (files / "a.npz").write_text("a")
    uploader.put(files / "a.npz")
    uploader.close()
    assert f"Not uploaded to run {run.run_id}, but kept on disk: a.npz." in caplog.text
    assert (files / "a.npz").exists()

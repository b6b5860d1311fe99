import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from yt8m_exp.tracking import provenance


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text("experts = 2\n")
    (tmp_path / "uv.lock").write_text("version = 1\n")
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    git(tmp_path, "add", ".")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    git(tmp_path, *author, "commit", "--quiet", "--message", "first")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_tree_is_named_by_its_commit(repository):
    collected = provenance.collect(repository)
    commit = git(repository, "rev-parse", "HEAD")
    assert collected.tags["git.commit"] == commit
    assert collected.tags["mlflow.source.git.commit"] == commit
    assert collected.tags["git.branch"] == "trunk"
    assert collected.tags["git.dirty"] == "false"
    assert collected.diff == ""


def test_the_diff_of_a_dirty_tree_makes_the_tree_again(repository):
    (repository / "model.py").write_text("experts = 4\n")
    collected = provenance.collect(repository)
    assert collected.tags["git.dirty"] == "true"
    git(repository, "checkout", "--quiet", ".")
    (repository / "change.diff").write_text(collected.diff)
    git(repository, "apply", "change.diff")
    assert (repository / "model.py").read_text() == "experts = 4\n"


def test_untracked_files_are_named_and_make_a_tree_dirty(repository):
    (repository / "new.py").write_text("secret = 1\n")
    collected = provenance.collect(repository)
    assert collected.tags["git.dirty"] == "true"
    assert "new.py" in collected.diff
    assert "secret" not in collected.diff


def test_files_that_no_run_reads_make_no_tree_dirty(repository):
    for name in ("predictions.csv.gz", "notes/idea.md", "exported/1/saved_model.pb"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text("mine")
    collected = provenance.collect(repository)
    assert (collected.tags["git.dirty"], collected.diff) == ("false", "")


def test_a_large_diff_is_cut_and_says_so(repository):
    (repository / "model.py").write_text("x = 1\n" * 200_000)
    diff = provenance.collect(repository).diff
    assert len(diff) < provenance.DIFF_CHARACTERS + 100
    assert diff.endswith("more characters are left out.\n")


def test_a_detached_head_has_no_branch_and_a_new_repository_no_commit(repository, tmp_path_factory):
    git(repository, "checkout", "--quiet", "--detach")
    assert "git.branch" not in provenance.collect(repository).tags
    empty = tmp_path_factory.mktemp("empty")
    git(empty, "init", "--quiet")
    assert "git.commit" not in provenance.collect(empty).tags


@pytest.mark.parametrize("without_git", [True, False])
def test_it_works_without_git_and_outside_a_repository(tmp_path, monkeypatch, without_git):
    if without_git:
        monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "orig_argv", ["/bin/python", "-m", "yt8m_exp.train", "model=a b"])
    collected = provenance.collect(tmp_path)
    assert collected.diff == ""
    assert not [key for key in collected.tags if "git" in key]
    for package in ("python", "tensorflow", "keras"):
        assert f"{package} " in collected.tags["versions"]
    assert re.match(r"\d+ cores of .+, [\d.]+ GiB of memory; ", collected.tags["hardware"])
    assert collected.tags["command"].endswith("-m yt8m_exp.train 'model=a b'")


def test_the_lock_is_named_by_its_digest(repository):
    digest = hashlib.sha256((repository / "uv.lock").read_bytes()).hexdigest()
    assert provenance.collect(repository).tags["lock.digest"] == digest


def test_an_image_without_a_repository_knows_its_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("YT8M_COMMIT", "0123abc")
    tags = provenance.collect(tmp_path).tags
    assert tags["git.commit"] == tags["mlflow.source.git.commit"] == "0123abc"

"""A verb is its door, its job, its YAML, its types and its entry point: here all are written.

They go into a copy of the project, and nothing else is touched.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verbs import PROJECT

pytestmark = pytest.mark.slow

PARTS = ("yt8m_exp", "conf", "tests", "sample/vocabulary.csv", "conftest.py", "pyproject.toml")
PARTS = (*PARTS, "MLproject", "Makefile")
FILES = {
    "yt8m_exp/classes.py": '''
"""Finds the classes whose name holds a text."""

from yt8m_exp import cli

if __name__ == "__main__":
    cli.run("classes", tensorflow=False)
''',
    "yt8m_exp/jobs/classes.py": '''
"""Finds the classes whose name holds a text."""

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.data import vocabulary
from yt8m_exp.terminal.summary import Summary


def run(cfg: DictConfig) -> Summary:
    """Searches as a configuration of `conf/classes.yaml` says."""
    names = vocabulary.read(cfg.vocabulary, spec.CLASSES).names
    found = [name for name in names if cfg.text in name]
    return Summary("Classes", {"found": len(found), "classes": found[: cfg.most]})
''',
    "conf/classes.yaml": """
# Finds the classes whose name holds a text: python -m yt8m_exp.classes text=Guitar
text: ??? # part of a name
vocabulary: sample/vocabulary.csv # a table of the classes' names
most: 10 # classes that are listed
""",
}
TYPES = '    "classes": {"text": Text, "vocabulary": Text, "most": Count},\n'
ENTRY = """
  classes:
    command: "python -m yt8m_exp.classes --parameters"
"""
OF_EACH = ("tests/config/test_schema.py", "tests/test_docs.py", "tests/test_architecture.py")
TESTS = (
    "test_every_key_has_a_type[classes]",
    "test_the_defaults_are_of_their_types[classes]",
    "test_every_verb_has_types",
    "test_every_verb_is_an_entry_point",
    "test_an_entry_point_is_a_verb_and_declares_no_parameter[classes]",
    "test_imports_point_down[jobs/classes.py]",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the new verb."""
    folder = tmp_path_factory.mktemp("project")
    for name in PARTS:
        (folder / name).parent.mkdir(exist_ok=True)
        if (PROJECT / name).is_dir():
            shutil.copytree(
                PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(PROJECT / name, folder / name)
    for name, text in FILES.items():
        (folder / name).write_text(text.lstrip())
    table = folder / "yt8m_exp" / "config" / "key_types.py"
    head, start, rest = table.read_text().partition("TYPES: dict[str, dict[str, Any]] = {\n")
    table.write_text(head + start + TYPES + rest)
    with (folder / "MLproject").open("a") as file:
        file.write(ENTRY.rstrip("\n").lstrip("\n") + "\n")
    return folder


def ran(project, *words):
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
    )


def test_it_is_listed_with_its_help(project):
    listed = ran(project, "yt8m_exp").stdout
    assert "  classes            Finds the classes whose name holds a text.\n" in listed
    done = ran(project, "yt8m_exp.classes", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "  most=10                             classes that are listed\n" in done.stdout
    assert "  yt8m classes text=Guitar\n" in done.stdout


def test_it_ends_with_a_line_of_json(project):
    done = ran(project, "yt8m_exp.classes", "text=Guitar", "most=2")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["found"] > 2
    assert len(result["classes"]) == 2
    assert all("Guitar" in name for name in result["classes"])


def test_a_value_that_is_out_of_range_is_bad_usage(project):
    done = ran(project, "yt8m_exp.classes", "text=Guitar", "most=0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: `most >= 1` must hold, but got most=0.\n"


def test_it_passes_the_tests_of_every_verb(project):
    chosen = ("-p", "no:cacheprovider", "-vv", "-k", "classes or every_verb")
    done = ran(project, "pytest", *chosen, *OF_EACH)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in TESTS:
        assert f"::{name} PASSED" in done.stdout, done.stdout

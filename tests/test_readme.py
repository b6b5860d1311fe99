import re
import shlex
from pathlib import Path

import pytest
import yaml

from yt8m_exp.config import compose, overrides

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
LINES = "".join(BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = [line for line in LINES if line.startswith("python -m yt8m_exp.")]


def test_there_are_commands():
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_is_accepted(line):
    module, *overrides = shlex.split(line.replace("<run id>", "0123abc"))[2:]
    compose.compose(module.removeprefix("yt8m_exp."), overrides)


def test_every_picture_is_there():
    for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (PROJECT / picture).is_file()


def test_the_entry_points_are_the_verbs_and_their_parameters_are_configuration():
    entries = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
    for verb, entry in entries.items():
        assert (PROJECT / "yt8m_exp" / f"{verb}.py").is_file()
        defaults = {name: value["default"] for name, value in entry["parameters"].items()}
        words = shlex.split(entry["command"].format(**{k: f"'{v}'" for k, v in defaults.items()}))
        compose.compose(verb, overrides.from_mlproject(words[3:]))

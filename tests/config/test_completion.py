import os
import shutil
import sys

import pytest

from tests import pseudo_terminal
from tests.verbs import PROJECT
from yt8m_exp.config import completion
from yt8m_exp.config.doors import verbs

SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        'eval "$(yt8m completion bash)"; PS1="READY "',
    ),
    "zsh": (["zsh", "-f", "-i"], 'eval "$(yt8m completion zsh)"; PS1="READY "'),
    "fish": (
        ["fish", "--no-config", "-i"],
        'yt8m completion fish | source; function fish_prompt; echo -n "READY "; end',
    ),
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("yt8m ", [*verbs(), "completion"]),
        ("yt8m tra", ["train"]),
        ("yt8m completion ", ["bash", "zsh", "fish"]),
        ("yt8m train model=mo", ["model=moe"]),
        ("yt8m train model.head=lo", ["model.head=logistic"]),
        ("yt8m train model=moe model.head.ex", ["model.head.experts="]),
        ("yt8m train model.head.ex", []),
        ("yt8m train precision=", ["precision=float32", "precision=mixed_bfloat16"]),
        ("yt8m train figures=", ["figures=true", "figures=false"]),
        ("yt8m sweep sweep=res", ["sweep=resnet_mlp"]),
        ("yt8m train data.train=sample/vid", ["data.train=sample/video/"]),
        ("yt8m nothing ", []),
    ],
)
def test_a_line_is_completed(line, found, monkeypatch):
    monkeypatch.chdir(PROJECT)
    assert completion.candidates([line]) == found


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_verbs_keys_and_choices(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command = tmp_path / "yt8m"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m yt8m_exp "$@"\n')
    command.chmod(0o755)
    words, start = SHELLS[shell]
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(tmp_path),
    }
    opened = pseudo_terminal.opened(words, columns=120, environment=environment, cwd=PROJECT)
    with opened as terminal:
        terminal.type(f"{start}\n")
        terminal.until("\nREADY")
        terminal.type("yt8m tra\t")
        terminal.until("READY yt8m train")
        terminal.type("model=mo\t")
        terminal.until("model=moe")
        terminal.type(" data.tra\t")
        terminal.until("data.train=")
        terminal.type("sample/vid\t")
        terminal.until("data.train=sample/video/")

"""What all verbs share: Hydra's command line, exit statuses, and the last line of output.

A verb's last line on standard output is one JSON object; all else goes to standard error.
Exit status: 0 done, 1 failed, 2 bad usage or bad input, 128 + n stopped by signal n.
"""

import ctypes
import json
import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf

from yt8m_exp import spec
from yt8m_exp.config import groups

CONF = str(Path(__file__).parents[1] / "conf")
HYDRA = [
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
]
BAD_INPUT = (ValueError, LookupError, FileNotFoundError, IsADirectoryError, NotADirectoryError)
BAD_INPUT += (PermissionError,)  # type: ignore[assignment]
CLEAR = (*BAD_INPUT, OSError, ArithmeticError, RuntimeError)
# mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, and M_ARENA_MAX, as blocks of a thread's own arena
# are limited to 64 MiB.
MALLOC = {-3: 1 << 30, -1: (1 << 31) - 1, -8: 1}
CHOICES = ("model", "data")
PLAIN = re.compile(r"[\w./:@*?+-]*|[\[{'\"].*", re.ASCII)
BEFORE_QUOTE = re.compile(r"(\\*)('|$)")  # only there does Hydra take a backslash for an escape


def run(verb: str, work: Callable[[DictConfig], dict[str, Any]]) -> None:
    """Runs a verb from the command line, and exits.

    Args:
        verb: the name of its file in `conf/`.
        work: takes the configuration, returns what a script needs next.
    """
    prepare()
    began = False

    @hydra.main(config_path=CONF, config_name=verb, version_base="1.3")
    def main(cfg: DictConfig) -> None:
        nonlocal began
        began = True
        sys.exit(_finish(work, cfg))

    try:
        sys.argv[1:] = _placed(groups.to_hydra(arguments(sys.argv[1:])))
    except ValueError as error:
        print(f"ValueError: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        main()
    except SystemExit as ending:
        raise SystemExit(ending.code if began or not ending.code else 2) from None


def prepare() -> None:
    """Sets what must be set before TensorFlow, MLflow or a configuration is loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    _keep_freed_memory()
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    OmegaConf.register_new_resolver("spec", lambda name: getattr(spec, name), replace=True)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for ours in "yt8m_exp", "__main__":  # a verb that python -m runs has the second name
        logging.getLogger(ours).setLevel(logging.INFO)


def _keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next step.

    Otherwise it returns large blocks to the kernel, and TensorFlow spends more time on taking them
    back, page by page, than on computing. Elsewhere than on Linux nothing is done.
    """
    if sys.platform == "linux":
        for option, value in MALLOC.items():
            getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)(option, value)


def compose(verb: str, overrides: Sequence[str] = (), *, choices: bool = False) -> DictConfig:
    """Composes the configuration of a verb as its command line does.

    Args:
        verb: the name of its file in `conf/`.
        overrides: as on the command line.
        choices: whether Hydra's own configuration, with the choice of each group, is in it too.
    """
    prepare()
    words = groups.to_hydra(overrides)
    if GlobalHydra.instance().is_initialized():
        return hydra.compose(verb, words, return_hydra_config=choices)
    with hydra.initialize_config_dir(CONF, version_base="1.3"):
        return hydra.compose(verb, words, return_hydra_config=choices)


def settings(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """Composes the configuration of a verb; returns its values by dotted key.

    The choice of a group stands under the group's name: `model` beside `model.dropout`.

    Raises:
        ValueError: an override is not of this configuration.
    """
    try:
        cfg = compose(verb, overrides, choices=True)
    except HydraException as error:
        raise ValueError(f"{' '.join(str(error).split())} (overrides: {list(overrides)})") from None
    choices = cfg.hydra.runtime.choices.items()
    chosen = {groups.from_hydra(key): value for key, value in choices if "/" not in key}
    plain = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.resolve(plain)
    return chosen | {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in _leaves(plain).items()
    }


def override(key: str, value: Any) -> str:
    """Returns the override that sets a key to a value, quoted where Hydra's grammar needs it."""
    return _quoted(f"{key}={value if isinstance(value, str) else json.dumps(value)}")


def changes(verb: str, cfg: DictConfig) -> dict[str, Any]:
    """Returns what the command line sets or makes differ from the defaults, by dotted key.

    A group with a `_target_` counts as a whole where it is another than by default or was named.
    Naming the model or the data is no change: their defaults are those of the choice.
    """
    words = _words()
    defaults = compose(verb, [word for word in words if word.partition("=")[0] in CHOICES])
    OmegaConf.resolve(defaults)
    before, values = _leaves(defaults), _leaves(cfg)
    targets = {key.removesuffix("._target_") for key in values if key.endswith("._target_")}
    whole = {
        group
        for group in targets
        if (group in given() and group not in CHOICES)
        or values[f"{group}._target_"] != before.get(f"{group}._target_")
    }
    leaves = {
        key: value
        for key, value in values.items()
        if key in given() or before.get(key, ...) != value
    }
    changed = {group: OmegaConf.select(cfg, group) for group in whole} | leaves
    inside = tuple(f"{group}." for group in whole)
    return {key: value for key, value in changed.items() if not key.startswith(inside)}


def given() -> set[str]:
    """Returns the keys and groups that the command line names."""
    return {groups.from_hydra(word.lstrip("+").partition("=")[0]) for word in _words()}


def _words() -> list[str]:
    return list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []


def arguments(words: Sequence[str]) -> list[str]:
    """Turns the words of an MLproject command into Hydra's.

    Such a command ends in `--overrides '...'`, one word of free overrides. Parameters before it
    that were not given are empty and left out, and values are quoted where Hydra's grammar needs
    it. Words without `--overrides` are Hydra's own already.
    """
    if "--overrides" not in words:
        return list(words)
    place = list(words).index("--overrides")
    given = [word for word in words[:place] if not word.endswith("=")]
    free = shlex.split(" ".join(words[place + 1 :]))
    return [_quoted(word) for word in given] + free


def _placed(words: list[str]) -> list[str]:
    """Adds our overrides beside those given: argparse takes no others behind an option."""
    overrides = [
        n for n, word in enumerate(words) if word[0] != "-" and ("=" in word or "~" in word)
    ]
    place = overrides[0] if overrides else len(words)
    return [*words[:place], *HYDRA, *words[place:]]


def _leaves(cfg: DictConfig, prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in cfg.items():
        nested = isinstance(value, DictConfig) and value
        leaves |= _leaves(value, f"{prefix}{key!s}.") if nested else {f"{prefix}{key!s}": value}
    return leaves


def _quoted(word: str) -> str:
    key, _, value = word.partition("=")
    if PLAIN.fullmatch(value):
        return word
    escaped = BEFORE_QUOTE.sub(lambda found: 2 * found[1] + ("\\'" if found[2] else ""), value)
    return f"{key}='{escaped}'"


def _finish(work: Callable[[DictConfig], dict[str, Any]], cfg: DictConfig) -> int:
    try:
        OmegaConf.resolve(cfg)
        missing = sorted(OmegaConf.missing_keys(cfg))
        if missing:
            raise ValueError(f"{missing[0]} must be given: {missing[0]}=...")
        with redirect_stdout(sys.stderr):
            result = work(cfg)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as raised:
        clear = (*CLEAR, InstantiationException)
        ours = isinstance(raised, clear) or type(raised).__name__ == "MlflowException"
        if not ours or os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        error = _reason(raised)
        print(f"{type(error).__name__}: {_sentence(error)}", file=sys.stderr)
        unknown_parameter = error is not raised and isinstance(error, TypeError)
        return 2 if isinstance(error, BAD_INPUT) or unknown_parameter else 1
    print(json.dumps(result), flush=True)
    return 0


def _reason(error: BaseException) -> BaseException:
    """Returns what a `_target_` raised, where Hydra has wrapped it."""
    wrapped = isinstance(error, InstantiationException) and error.__cause__
    return wrapped or error


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error)

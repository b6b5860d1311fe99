"""What doors share: Hydra's command line, exit statuses, and the last line of output.

The last line on standard output is one JSON object, if standard output is not a terminal or with
`json=true`; everything else goes to standard error.
Exit status: 0 done, 1 failed, 2 bad usage or bad input, 75 a server gives no answer (EX_TEMPFAIL:
try again later), 128 + n stopped by signal n.
"""

import ctypes
import errno
import importlib
import logging
import os
import signal
import sys
import traceback
from contextlib import redirect_stdout
from types import ModuleType
from typing import NoReturn

import hydra
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from yt8m_exp.config import compose, groups, help, overrides
from yt8m_exp.spec import InputError, RefusedError, UnansweredError, UserError, caused_by
from yt8m_exp.terminal import quiet
from yt8m_exp.terminal.redaction import redact_output
from yt8m_exp.terminal.summary import Summary

HYDRA = [
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
]
CHECKS = ("inputs", "preflight")
"""The steps that refuse bad input, the fast one first."""
OF_HYDRA = ("hydra.searchpath", "hydra.verbose")
"""What a command line may change of Hydra itself."""
WANTS_JSON = "json=true"
FULL_ERROR = "HYDRA_FULL_ERROR"
OUTSIDE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EFBIG, errno.ENAMETOOLONG),
}
"""Errors of the operating system that are no fault of the program."""
CALLED = "Error in call to target"
# mallopt(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, and M_ARENA_MAX, because blocks of a thread's own
# arena are limited to 64 MiB.
MALLOC = {-3: 1 << 30, -1: (1 << 31) - 1, -8: 1}

logger = logging.getLogger(__name__)

REPORT = (
    "This is a fault of the program, not of its input. Please report it with the lines above, as "
    "CONTRIBUTING.md says."
)


def run(verb: str, *, tensorflow: bool = True) -> None:
    """Runs a verb from the command line, and exits.

    Args:
        verb: the name of its file in `conf/` and in `jobs/`.
        tensorflow: whether its work needs TensorFlow.
    """
    redact_output()
    prepare()
    compose.register_resolvers()
    argv = sys.argv[1:]
    began = wants_json = False
    shown = os.environ.get(FULL_ERROR, "0")

    @hydra.main(config_path=compose.CONF, config_name=verb, version_base=compose.VERSION_BASE)
    def main(cfg: DictConfig) -> None:
        nonlocal began
        began, os.environ[FULL_ERROR] = True, shown
        sys.exit(_status(verb, cfg, tensorflow=tensorflow, wants_json=wants_json))

    words: list[str] = []
    try:
        words = _words(verb, argv)
        wants_json = WANTS_JSON in words or not sys.stdout.isatty()
        words = [word for word in words if word != WANTS_JSON]
        if overrides.MARK not in argv:
            words = _load("config.mistakes").corrected(verb, words)
        overrides.require_no_hydra(words, allowed=OF_HYDRA)
        if help.FLAGS & set(words):
            print(help.text(verb, [word for word in words if word not in help.FLAGS]), end="")
            return
        sys.argv[1:] = _placed(groups.to_hydra(words))
        os.environ[FULL_ERROR] = "1"  # Hydra raises what it would otherwise print
        if any(word.lstrip("+~").startswith(("-", "hydra.")) for word in words):
            main()
        else:  # in half the time
            with compose.of_process(verb, words) as cfg:
                main(cfg)
    except InputError as error:
        _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        _refuse(_load("config.mistakes").explained(verb, words, error))
    except SystemExit as ending:
        raise SystemExit(ending.code if began or not ending.code else 2) from None


def _refuse(sentence: str) -> NoReturn:
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


def prepare() -> None:
    """Sets what must be set before TensorFlow, MLflow or a configuration is loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    _keep_freed_memory()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("yt8m_exp").setLevel(logging.INFO)
    # It prints the traceback of each error of a database that it raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _keep_freed_memory() -> None:
    """Makes glibc keep freed memory for the next step.

    Otherwise it returns large blocks to the kernel, and TensorFlow spends more time on taking them
    back, page by page, than on computing. On other systems than Linux, this does nothing.
    """
    if sys.platform == "linux":
        for option, value in MALLOC.items():
            getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)(option, value)


def _words(verb: str, argv: list[str]) -> list[str]:
    """Returns the overrides of the command line, or of an MLproject command, in Hydra's grammar."""
    _require_one_run(verb, argv)
    if overrides.MARK in argv:
        return _load("config.schema").words_of(verb, argv)
    return overrides.in_full(argv, verb)


def _require_one_run(verb: str, words: list[str]) -> None:
    """Refuses Hydra's multirun, which starts a verb for each of several configurations."""
    for word in words:
        if word == "-m" or (word.startswith("--m") and "--multirun".startswith(word)):
            raise InputError(
                f"`{word}` is not offered: `{verb}` runs once. To train many configurations, write "
                "a study (docs/tune.md): yt8m sweep sweep=<file>"
            )


def _placed(words: list[str]) -> list[str]:
    """Adds our overrides next to those given: argparse takes no others after an option."""
    places = [n for n, word in enumerate(words) if word[:1] != "-" and ("=" in word or "~" in word)]
    place = places[0] if places else len(words)
    return [*words[:place], *HYDRA, *words[place:]]


def _status(verb: str, cfg: DictConfig, *, tensorflow: bool, wants_json: bool) -> int:
    """Does the work, shows its result, and returns the exit status."""
    try:
        with redirect_stdout(sys.stderr):
            summary = _work(verb, cfg, tensorflow=tensorflow)
            summary.show()
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "Stopped by Ctrl-C.", file=sys.stderr)
        return 128 + signal.SIGINT
    except SystemExit as ending:  # of a signal; see `tracking.endings`
        if ending.code in (128 + signal.SIGTERM, 128 + signal.SIGHUP):
            print(f"Stopped by {signal.Signals(ending.code - 128).name}.", file=sys.stderr)
        raise
    except Exception as raised:
        if os.environ.get(FULL_ERROR) == "1":
            raise
        return _explained(raised)
    if wants_json:
        print(summary.json(), flush=True)
    return summary.status


def _work(verb: str, cfg: DictConfig, *, tensorflow: bool) -> Summary:
    """Checks the configuration, and only then loads what the work needs, which takes seconds."""
    compose.require_complete(cfg)
    values = compose.plain(cfg)
    schema = _load("config.schema")
    schema.require_keys(verb, values)
    schema.check(verb, values)
    cfg = compose.from_plain(values)
    logger.info("Loading%s ...", " TensorFlow and MLflow" if tensorflow else "")
    with quiet.uncollected():
        for step in CHECKS:
            if check := getattr(_load(f"jobs.steps.checks.{step}"), verb, None):
                check(cfg)
        if tensorflow:
            quiet.load_tensorflow()
        job = _load(f"jobs.{verb}")
    return job.run(cfg)


def _load(module: str) -> ModuleType:
    return importlib.import_module(f"yt8m_exp.{module}")


def _explained(raised: Exception) -> int:
    """Prints what went wrong on standard error; returns the exit status."""
    wrapped = isinstance(raised, InstantiationException) and raised.__cause__
    error = wrapped or raised  # what a `_target_` raised
    unknown_argument = wrapped and isinstance(error, TypeError)
    if isinstance(raised, InstantiationException) and CALLED not in str(raised):
        words = " ".join(str(raised).split())
        error = InputError(words)  # there is no such target, or Hydra refuses it
    if unanswered := caused_by(raised, UnansweredError):
        print(f"Error: {unanswered}", file=sys.stderr)
        return os.EX_TEMPFAIL
    error = caused_by(raised, RefusedError) or error
    if isinstance(error, UserError) or unknown_argument or _is_outside(error):
        print(f"Error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) or unknown_argument else 1
    traceback.print_exception(raised)
    print(REPORT, file=sys.stderr)
    return 1


def _is_outside(error: BaseException) -> bool:
    """Returns whether the system, the network or a server stopped the work."""
    outside = isinstance(error, ConnectionError | TimeoutError)
    if outside or (isinstance(error, OSError) and error.errno in OUTSIDE):
        return True
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MlflowException", "RequestException"})

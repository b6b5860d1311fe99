"""Says which parts of a team's setup can be reached, with which rights, and what to do."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.data import shards
from yt8m_exp.spec import OutsideError, UserError
from yt8m_exp.stores.cache import Cache
from yt8m_exp.terminal import table
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store
from yt8m_exp.tracking.connection import login, server
from yt8m_exp.tuning import storage

COLUMNS = ("part", "where", "ms", "found")


@dataclass(frozen=True)
class Finding:
    """A part of the setup.

    Attributes:
        part: its name.
        where: its address.
        found: what there is, as a version or a right; or what is wrong, and what to do.
        milliseconds: how long the answer took.
        usable: whether this user can work with it.
    """

    part: str
    where: str
    found: str
    milliseconds: float
    usable: bool


def run(cfg: DictConfig) -> Summary:
    """Asks each part as a configuration of `conf/doctor.yaml` says; changes nothing.

    Returns:
        Whether all parts can be used, and each with its address, version or right, and latency.
    """
    uri = login.moved(store.tracking_uri())
    tracking = _examined("tracking", uri, lambda: _tracking(uri))
    others = _parts(cfg, served=tracking.usable and server.is_server(tracking.where))
    findings = [tracking, *(_examined(*part) for part in others)]
    table.show("Setup", COLUMNS, [_row(finding) for finding in findings], numbers=(2,))
    wrong = [finding.part for finding in findings if not finding.usable]
    result = {"usable": not wrong, "parts": [asdict(finding) for finding in findings]}
    rows = {"cannot be used": ", ".join(wrong)} if wrong else {"usable": "all parts"}
    return Summary("Doctor", result, rows, status=1 if cfg.require and wrong else 0)


def _parts(cfg: DictConfig, *, served: bool) -> list[tuple[str, str, Callable[[], str]]]:
    """Returns the other parts: name, address, and what asks it."""
    uri = store.tracking_uri()
    parts: list[tuple[str, str, Callable[[], str]]] = []
    if served:
        name = cfg.tracking.experiment
        parts += [
            ("login", uri, lambda: _login(uri)),
            ("runs", f"experiment {name}", lambda: _runs(uri, name)),
            ("artifacts", f"experiment {name}", lambda: _artifacts(uri, name)),
            ("promotion", f"model {cfg.name}", lambda: _promotion(uri, cfg.name)),
        ]
    parts.append(("studies", cfg.storage, lambda: storage.describe(cfg.storage)))
    folder = Cache(**compose.plain(cfg.data.cache)).path
    runs = Path(cfg.tracking.runs).absolute()
    parts.append(("cache", str(folder), lambda: _folder(folder, "YT8M_CACHE")))
    parts.append(("working folder", str(runs), lambda: _folder(runs, "tracking.runs")))
    if cfg.shards is not None:
        patterns: Any = compose.plain(cfg)["shards"]
        parts.append(("shards", str(patterns), lambda: f"{len(shards.find(patterns)):,} shards"))
    return parts


def _examined(part: str, where: str, ask: Callable[[], str]) -> Finding:
    began = time.perf_counter()
    try:
        found, usable = ask(), True
    except (UserError, OSError) as error:
        found, usable = str(error), False
    return Finding(part, where, found, (time.perf_counter() - began) * 1000, usable)


def _row(finding: Finding) -> tuple[str, str, str, str]:
    mark = "" if finding.usable else "WRONG: "
    return finding.part, finding.where, f"{finding.milliseconds:.0f}", mark + finding.found


def _tracking(uri: str) -> str:
    ours = metadata.version("mlflow")
    if not server.is_server(uri):
        database = store.sqlite_file(uri)
        made = database is None or database.exists()
        return f"MLflow {ours}, without a server" if made else "none yet; the first run makes it"
    theirs = server.version(uri)
    return f"MLflow {theirs}" + (f" (here: {ours})" if theirs != ours else "")


def _login(uri: str) -> str:
    user = server.user(uri)
    if user is None:
        return "the server asks for no login: whoever reaches it can write"
    return f"{user.name}, admin" if user.is_admin else user.name


def _runs(uri: str, experiment: str) -> str:
    found = server.experiment_id(uri, experiment)
    if found is None:
        return "none yet; the first run makes it"
    return _required(server.permission(uri, "experiment", found), "log runs", "researcher")


def _artifacts(uri: str, experiment: str) -> str:
    found = server.experiment_id(uri, experiment)
    if found is None:
        return "none yet; the first run makes them"
    server.require_artifacts(uri, found)
    return "can be listed, through the server"


def _promotion(uri: str, name: str) -> str:
    right = server.permission(uri, "registered_model", name)
    may = right is None or right in server.CAN_WRITE
    return "may promote" if may else f"may not promote ({right}): an admin gives the role promoter"


def _required(right: str | None, what: str, role: str) -> str:
    """Returns a right; raises OutsideError where it is not enough to write."""
    if right is not None and right not in server.CAN_WRITE:
        raise OutsideError(f"This user may not {what} ({right}). Ask an admin for the role {role}.")
    return f"may {what}"


def _folder(folder: Path, key: str) -> str:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise OutsideError(f"{place} cannot be written to ({error.strerror}). Set {key}.") from None
    return f"{shutil.disk_usage(place).free / 1e9:,.0f} GB free"

"""Where Optuna keeps studies: a journal file, or a PostgreSQL database that many drivers share."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import Engine, NullPool, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from yt8m_exp.spec import InputError, OutsideError

ADVISORY = "SELECT pg_advisory_lock({0})", "SELECT pg_advisory_unlock({0})"
CONNECT_SECONDS = 10
POLL_SECONDS = 0.01
SCHEMA = "the tables of Optuna"


@dataclass(frozen=True)
class Storage:
    """A storage of studies, and the locks under which drivers claim trials.

    Attributes:
        url: as it was given.
        optuna: Optuna's own storage.
        claiming: holds a study's lock, by the study's name, until the block or the process ends.
    """

    url: str
    optuna: BaseStorage
    claiming: Callable[[str], AbstractContextManager[Any]]

    def close(self) -> None:
        """Ends connections to a database."""
        if isinstance(self.optuna, RDBStorage):
            self.optuna.engine.dispose()


def open_storage(url: str) -> Storage:
    """Opens a storage of studies; a journal is created where there is none.

    Args:
        url: a file, or `postgresql+psycopg://user@host/database`.

    Raises:
        InputError: it is another kind of URL, or the database belongs to another program.
        OutsideError: the database cannot be reached.
    """
    if url.startswith("postgresql"):
        with _reached(url) as engine, _advisory(engine, SCHEMA):  # drivers may start at once
            _require_own(engine)
            database = RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        return Storage(url, database, lambda study: _advisory(database.engine, study))
    if "://" in url:
        raise InputError(
            f"`storage` must be a file for Optuna's journal or a postgresql URL, but got '{url}'. "
            "SQLite does not support several drivers at a time."
        )
    path = Path(url).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    claims = path.with_name(f"{path.name}.claims")
    return Storage(str(path), _journal(path), lambda study: _file_lock(claims))


def describe(url: str) -> str:
    """Returns what there is at a storage's URL; makes nothing.

    Raises:
        InputError: the database belongs to another program.
        OutsideError: the database cannot be reached.
    """
    if not url.startswith("postgresql"):
        return "a journal" if Path(url).exists() else "none yet; the first sweep makes it"
    with _reached(url) as engine, engine.connect() as connection:
        version = str(connection.exec_driver_sql("SHOW server_version").scalar()).split()[0]
        _require_own(engine)
        if not inspect(connection).has_table("studies"):
            return f"PostgreSQL {version}; the first sweep makes its tables"
        studies = connection.exec_driver_sql("SELECT count(*) FROM studies").scalar()
        return f"PostgreSQL {version}, {studies:,} studies"


@contextmanager
def _reached(url: str) -> Iterator[Engine]:
    """Yields connections to a database; says in a sentence that it cannot be reached or used."""
    try:
        options = {"connect_timeout": CONNECT_SECONDS}
        yield create_engine(url, poolclass=NullPool, connect_args=options)
    except (SQLAlchemyError, ImportError) as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        raise OutsideError(
            f"The database of studies cannot be used: {reason[:300]} Start it, or check "
            "YT8M_STUDIES and PGPASSWORD."
        ) from error


def _journal(path: Path) -> JournalStorage:
    """Opens a journal whose lines Optuna can all read.

    It would go beyond a last line that it cannot read, and stop there once others follow.
    """
    backend, lock = _Journal(path), _JournalLock(path)
    lock.acquire()
    try:
        storage = JournalStorage(backend)
        with path.open("rb") as file:
            if sum(1 for _ in file) > backend.line:
                raise BadLine(path, backend.line + 1, "is no JSON")
        return storage
    except BadLine:
        raise
    except (LookupError, TypeError, AttributeError, AssertionError, ValueError) as error:
        raise BadLine(path, backend.line, "is no entry of Optuna's") from error
    finally:
        lock.release()


class BadLine(InputError):
    """A line of a journal that Optuna cannot go beyond."""

    def __init__(self, path: Path, line: int, reason: str):
        super().__init__(
            f"{path}, line {line} {reason}, so that no study in it can be read. Put back a copy of "
            f"the file, or cut it before that line (head -n {line - 1} {path} > new.journal; what "
            "came later is lost), or begin anew with storage=another.journal."
        )


class _Journal(JournalFileBackend):
    """Optuna's file, which knows the line that it has read last."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _JournalLock(path))  # type: ignore[arg-type]
        self._path, self.line = path, 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        self.line = log_number_from
        try:
            for entry in super().read_logs(log_number_from):
                self.line += 1
                yield entry
        except ValueError as error:
            reason = f"is no JSON ({error})"
            raise BadLine(self._path, self.line + 1, reason) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        try:
            super().append_logs(logs)
        except OSError as error:
            raise OutsideError(
                f"The journal {self._path} cannot be written to: {error.strerror}. Make room; the "
                "same command then continues the study."
            ) from error


def _require_own(engine: Engine) -> None:
    # Optuna and MLflow both write their schema's version into the table alembic_version
    # (mlflow/mlflow#3374, open in 3.17).
    tables = inspect(engine).get_table_names()
    if "alembic_version" in tables and "version_info" not in tables:
        raise InputError(
            f"`storage` must be a database for Optuna alone, but {engine.url!r} has tables of "
            f"another program: {', '.join(sorted(tables)[:4])}, ... Make one with `createdb`."
        )


@contextmanager
def _advisory(engine: Engine, name: str) -> Iterator[None]:
    # https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with engine.connect() as connection:  # whose end frees the lock
        connection.exec_driver_sql(ADVISORY[0].format(number))
        try:
            yield
        finally:
            connection.exec_driver_sql(ADVISORY[1].format(number))


class _JournalLock:
    """A lock of the journal that ends with its process.

    Optuna's own locks stay for 30 s after a kill (optuna/optuna#5921, so in 5.0). This one also
    removes the partial line of a writer that died while writing, at which every reader stops
    (optuna/optuna#5138, so in 5.0).
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = _file_lock(journal.with_name(f"{journal.name}.lock"))

    def acquire(self) -> bool:
        self._lock.acquire()
        if self._journal.exists():
            _cut_partial_line(self._journal)
        return True

    def release(self) -> None:
        self._lock.release()


def _file_lock(path: Path) -> FileLock:
    return FileLock(path, poll_interval=POLL_SECONDS)


def _cut_partial_line(journal: Path) -> None:
    with journal.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        start = end
        while start and file.seek(start - 1) >= 0 and file.read(1) != b"\n":
            start -= 1
        if start != end:
            file.truncate(start)

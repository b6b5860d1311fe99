"""The store of runs: the tracking URI, the database beside the project, its experiments."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlsplit

import mlflow
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import ExperimentTag, RunInfo
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from mlflow.utils.workspace_context import get_request_workspace
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from yt8m_exp import spec
from yt8m_exp.spec import InputError, OutsideError, RefusedError, UnansweredError, caused_by
from yt8m_exp.tracking import patience
from yt8m_exp.tracking.connection import login, session
from yt8m_exp.tracking.connection.client import Client
from yt8m_exp.tracking.pages import views

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
LOCAL_SERVER = "http://127.0.0.1:5000"
"""Where `mlflow ui` serves by default."""
SEARCH = "/api/2.0/mlflow/experiments/search"
PAGES = {"mlflow.experimentKind": "custom_model_development"}
"""Makes MLflow show an experiment's pages for training, not those for language models."""


def tracking_uri() -> str:
    """Returns MLFLOW_TRACKING_URI, or else the database in the project's folder.

    MLflow's own default is a database in the current directory, so a verb that is started in
    another directory would make a second one.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{quote(str(_folder()))}/mlflow.db"


def _folder() -> Path:
    return Path(spec.kept("mlflow.db")).absolute().parent


def connect() -> MlflowClient:
    """Makes `tracking_uri()` the URI of this process and returns a client of it.

    A new sqlite database is made under a file lock: processes that migrate one database at a time
    break it (mlflow/mlflow#19299, open in 3.17). Its artifacts go to `mlruns` beside it, not to
    the current directory as by default (mlflow/mlflow#4077, open in 3.17).
    """
    uri = login.moved(tracking_uri())
    mlflow.set_tracking_uri(uri)
    # With a server, MLflow prints two links on standard output, which is for the verb's result.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        database = sqlite_file(uri)
        if database is None:
            _require_answer(uri)
            return Client(uri)
        _require_place(database)
        with FileLock(database.with_name(f"{database.name}.lock")):
            if not database.exists():
                logger.info("Making the tracking database %s; this takes some seconds.", database)
                _store_beside(uri, database)
            return Client(uri)
    except (SQLAlchemyError, MlflowException, ImportError) as error:
        reason = str(error).partition("\n")[0].strip()
        raise OutsideError(
            f"MLFLOW_TRACKING_URI names no store that can be used: {reason}"
        ) from error


def _require_place(database: Path) -> None:
    """Raises OutsideError where no database can be; MLflow itself retries for two minutes."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(
            f"The folder of the tracking database {database} cannot be made ({error.strerror}). "
            "Set MLFLOW_TRACKING_URI."
        ) from None
    if database.is_dir():
        raise OutsideError(
            f"The tracking database must be a file, but {database} is a folder. Set "
            "MLFLOW_TRACKING_URI."
        )


def _require_answer(uri: str) -> None:
    """Raises UnansweredError where no server answers soon, another OutsideError if it refuses."""
    if uri.startswith("postgresql"):
        create_engine(uri, connect_args={"connect_timeout": int(ANSWER_SECONDS)}).connect().close()
    if not uri.startswith(("http://", "https://")):
        return
    session.install()
    credentials = get_default_host_creds(uri)
    try:
        with patience.of(patience.START_SECONDS):
            answer = http_request(credentials, SEARCH, "GET", params={"max_results": 1})
    except MlflowException as error:
        if refused := caused_by(error, RefusedError):
            raise refused from None
        unanswered = caused_by(error, UnansweredError)
        if not unanswered:
            raise
        raise UnansweredError(
            f"{unanswered} Start it, or unset MLFLOW_TRACKING_URI to track in the project's own "
            "database."
        ) from None
    if answer.status_code == HTTPStatus.FORBIDDEN:
        raise OutsideError(
            f"The tracking server at {uri} does not let this user in. Ask its administrator, or "
            "log in as another user: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD."
        )
    if not answer.ok or "json" not in answer.headers.get("Content-Type", ""):
        raise OutsideError(
            f"A server answers at {uri} (status {answer.status_code}), but it is no tracking "
            "server of MLflow. Check MLFLOW_TRACKING_URI."
        )


def pages(client: MlflowClient, run: RunInfo) -> dict[str, str]:
    """Returns where a run is seen, by what is to be done: its page, and that of all runs by GAP.

    Without a server, the first entry is the command that starts one.
    """
    found = {
        "This run": views.run_page(run.experiment_id, run.run_id),
        "All runs by GAP": views.page(run.experiment_id),
    }
    if server := _server(client):
        return {what: _shown_by(server, page) for what, page in found.items()}
    look = {"Look": f"mlflow ui --backend-store-uri {client.tracking_uri}"}
    return look | {what: f"{LOCAL_SERVER}/{page}" for what, page in found.items()}


def experiment_id(client: MlflowClient, name: str) -> str:
    """Returns the id of an experiment, which is created where there is none.

    Args:
        client: A client of the tracking store.
        name: The experiment's name.

    Raises:
        InputError: The experiment is deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return _create(client, name)
        except MlflowException as error:  # another process has created it
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return experiment_id(client, name)
    if found.lifecycle_stage == "deleted":
        raise InputError(
            f"The experiment '{name}' is deleted. Choose another name, or restore it: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}"
        )
    views.ensure(client, found.experiment_id, found.tags)
    return found.experiment_id


def addresses(client: MlflowClient, run_id: str) -> Callable[[str], str | None]:
    """Returns where a server shows the runs of a run's experiment, by id; None without a server."""
    if not _server(client):
        return lambda run_id: None
    experiment_id = client.get_run(run_id).info.experiment_id
    return lambda run_id: address(client, experiment_id, run_id)


def address(client: MlflowClient, experiment_id: str, run_id: str) -> str | None:
    """Returns where a server shows a run; None without a server."""
    server = _server(client)
    return _shown_by(server, views.run_page(experiment_id, run_id)) if server else None


def _shown_by(server: str, page: str) -> str:
    # A server with workspaces asks a new browser for one, and forgets the page; one without them
    # takes no notice.
    return f"{server}/{page}&workspace={get_request_workspace() or DEFAULT_WORKSPACE_NAME}"


def _server(client: MlflowClient) -> str | None:
    server = urlsplit(client.tracking_uri)
    if server.scheme not in ("http", "https"):
        return None
    place = f"{server.netloc.rpartition('@')[2]}{server.path.rstrip('/')}"  # no password
    return f"{server.scheme}://{place}"


def sqlite_file(uri: str) -> Path | None:
    """Returns the file of a sqlite database; None where the URI names something else."""
    if not uri.startswith("sqlite:"):
        return None
    file = make_url(uri).database
    return Path(file).absolute() if file else None


@contextmanager
def no_bars() -> Iterator[None]:
    """Hides MLflow's progress bars while it holds, as for single small files."""
    shown = mlflow.environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
    before = shown.get_raw()
    shown.set(False)
    try:
        yield
    finally:
        shown.unset() if before is None else shown.set(before)


def _create(client: MlflowClient, name: str) -> str:
    database = sqlite_file(client.tracking_uri)
    if database is None:
        return client.create_experiment(name, tags=PAGES | views.tags())
    tags = [ExperimentTag(key, value) for key, value in (PAGES | views.tags()).items()]
    return _store_beside(client.tracking_uri, database).create_experiment(name, None, tags)


def _store_beside(uri: str, database: Path) -> AbstractStore:
    # An experiment keeps the artifact root of the store that creates it.
    # Imported here: it takes 0.7 s, and a server needs none of it.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    return SqlAlchemyStore(uri, str(database.parent / "mlruns"))

"""Custom jobs of Vertex AI.

Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from yt8m_exp import spec
from yt8m_exp.config import compose, schema
from yt8m_exp.config.overrides import in_full
from yt8m_exp.spec import InputError, MissingInputError, OutsideError
from yt8m_exp.tracking import store

SHAPES = "cloud/vertex/{}.yaml"
COMMAND = ("python", "-m")
TRACKING = "MLFLOW_TRACKING_URI"


def request(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a job as `google.cloud.aiplatform_v1.CustomJob` takes it.

    Args:
        values: the configuration of `conf/submit.yaml`, as plain data.

    Raises:
        InputError: the overrides do not fit the verb, or a job cannot reach the tracking server.
        MissingInputError: there is no such shape.
    """
    verb, overrides = values["job"], values["overrides"]
    _require_fit(verb, overrides)
    if not values["staging"].startswith("gs://"):
        raise InputError(f"`staging` must be a folder in gs://, but got {values['staging']!r}.")
    env = {TRACKING: _server()} | values["env"]
    container = {
        "image_uri": values["image"],
        "command": [*COMMAND, f"{spec.PACKAGE.name}.{verb}"],
        "args": list(overrides),
        "env": [{"name": name, "value": str(value)} for name, value in env.items()],
    }
    pools = [{**pool, "container_spec": container} for pool in _shape(values["shape"])]
    job_spec: dict[str, Any] = {
        "worker_pool_specs": pools,
        "base_output_directory": {"output_uri_prefix": values["staging"]},
    }
    if values["service_account"]:
        job_spec["service_account"] = values["service_account"]
    return {"display_name": f"yt8m-{verb}", "job_spec": job_spec}


def submit(values: Mapping[str, Any], job: Mapping[str, Any], client: Any = None) -> str:
    """Submits a job; returns its name, `projects/.../customJobs/<id>`.

    Args:
        values: the configuration of `conf/submit.yaml`, as plain data.
        job: see `request`.
        client: a client of Vertex AI; None makes one with the user's own credentials.

    Raises:
        OutsideError: Vertex AI refuses the job, or the client is not installed.
    """
    try:
        # Imported here: it takes seconds, and nothing else needs it.
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import aiplatform_v1
    except ImportError as error:
        raise OutsideError(
            f"Vertex AI needs its client ({error}). Install it: uv sync --extra vertex"
        ) from None
    endpoint = {"api_endpoint": f"{values['region']}-aiplatform.googleapis.com"}
    parent = f"projects/{values['project']}/locations/{values['region']}"
    try:
        client = client or aiplatform_v1.JobServiceClient(client_options=endpoint)
        made = client.create_custom_job(parent=parent, custom_job=aiplatform_v1.CustomJob(job))
    except (GoogleAPIError, GoogleAuthError) as error:
        raise OutsideError(f"Vertex AI did not take the job: {error}") from error
    return str(made.name)


def page(job: str) -> str:
    """Returns the address of a job's page."""
    _, project, _, region, _, number = job.split("/")
    place = f"locations/{region}/training/{number}?project={project}"
    return f"https://console.cloud.google.com/vertex-ai/{place}"


def _require_fit(verb: str, overrides: list[str]) -> None:
    """Refuses overrides that the verb would refuse."""
    try:
        cfg = compose.compose(verb, in_full(overrides, verb))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(f"`overrides` do not fit {verb}: {' '.join(str(error).split())}") from None
    compose.require_complete(cfg)
    schema.check(verb, compose.plain(cfg))


def _shape(name: str) -> list[dict[str, Any]]:
    path = Path(name if "/" in name else spec.shipped(SHAPES.format(name)))
    if not path.is_file():
        known = sorted(found.stem for found in path.parent.glob("*.yaml"))
        raise MissingInputError(
            f"`shape` must be one of {', '.join(known)}, or the path of a file, but got {name!r}."
        )
    return yaml.safe_load(path.read_text())


def _server() -> str:
    """Returns the tracking server, which a job must reach by itself."""
    uri = store.tracking_uri()
    parts, shown = urlsplit(uri), uri.partition("?")[0]
    if parts.scheme not in ("http", "https") or parts.hostname in ("localhost", "127.0.0.1"):
        raise InputError(f"{TRACKING} must name a server that the job can reach, but is {shown!r}.")
    if parts.username or parts.password:
        raise InputError(
            f"{TRACKING} must hold no password, as a job's request shows it. Let the server know "
            "the job by its service account."
        )
    return uri

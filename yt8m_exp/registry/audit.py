"""Stores the decisions on a registered model.

The decisions on `yt8m` are the versions of a second registered model, `yt8m.decisions`. MLflow
sets an alias without comparing it with the old one, and keeps no record of it. But its database
numbers versions one after another, on every backend, and `chain` needs only these numbers.
`aliases` follows them.
"""

import getpass
import socket
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from yt8m_exp.registry import registration, versions
from yt8m_exp.registry.chain import Chain, Kind, Record
from yt8m_exp.spec import DECISIONS, InputError
from yt8m_exp.tracking import store
from yt8m_exp.tracking.connection import server, session

RECORD, COMPLETED = "record", "completed"
ABSENT = "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"
"""Codes of MLflow for a registered model that does not exist; the second where users log in."""
ON_VERSION = "decision."
"""Begins the tag of a version that holds a copy of the record that made it champion."""


def decisions_of(name: str) -> str:
    """Returns the name of the registered model that holds the decisions on another."""
    return f"{name}{DECISIONS}"


def read(client: MlflowClient, name: str) -> Chain:
    """Reads the decisions on a registered model.

    Raises:
        InputError: a record cannot be read.
    """
    return Chain.of(_parsed(version) for version in versions.find(client, decisions_of(name)))


def record(
    chain: Chain,
    kind: Kind,
    version: int | None,
    *,
    champion: int | None,
    reason: str,
    run_id: str | None = None,
    evidence: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
) -> Record:
    """Returns the record of a decision made on the state of this chain."""
    return Record(
        kind=kind,
        version=version,
        champion=champion,
        after=chain.last_number,
        after_digest=chain.last.digest if chain.last else None,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        by=me(),
        run_id=run_id,
        reason=reason,
        id=uuid.uuid4().hex,
        evidence=evidence or {},
        policy=policy or {},
    )


def append(client: MlflowClient, name: str, decision: Record) -> None:
    """Writes a record, which gets the next number; `chain` says whether it takes effect."""
    about = decision.version or decision.champion
    source = f"models:/{name}/{about}"
    if decision.kind == "void":  # the version is deleted, but the record that names it exists
        source = f"models:/{decisions_of(name)}/{decision.after}"

    text = decision.to_json()

    def make() -> ModelVersion:
        return client.create_model_version(
            decisions_of(name),
            source,
            tags={RECORD: text, "kind": decision.kind, "version": str(about)},
            description=decision.reason,
            await_creation_for=0,
        )

    def made() -> ModelVersion | None:
        found = versions.find(client, decisions_of(name))
        return next((version for version in found if version.tags.get(RECORD) == text), None)

    write = partial(registration.numbered, partial(session.made_once, make, made))
    try:
        write()
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        _make(client, name)
        write()


def lost(client: MlflowClient, name: str, chain: Chain) -> list[int]:
    """Returns the numbers of the records that are missing.

    A gap in the numbers shows them, or the copy of a record on the version that it made champion.
    A record that was written after the chain had been read is not missing.
    """
    tags = [tag for version in versions.find(client, name) for tag in version.tags]
    copies = {int(tag.removeprefix(ON_VERSION)) for tag in tags if tag.startswith(ON_VERSION)}
    missing = chain.missing | copies - {record.number for record in chain.records}
    if missing:
        missing -= {record.number for record in read(client, name).records}
    return sorted(missing)


def me() -> str:
    """Returns this user and host, as user@host: the user that the server has verified, if any."""
    user = server.user(store.tracking_uri())
    return f"{user.name if user else getpass.getuser()}@{socket.gethostname()}"


def _parsed(version: ModelVersion) -> Record:
    try:
        return Record.from_json(
            version.tags[RECORD],
            number=int(version.version),
            completed=COMPLETED in version.tags,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"Version {version.version} of {version.name} must hold a record of a decision, but it "
            f"cannot be read ({type(error).__name__}: {error}). If another program wrote it, "
            'delete it: python -c "import mlflow; mlflow.MlflowClient().delete_model_version('
            f"'{version.name}', '{version.version}')\""
        ) from error


def _make(client: MlflowClient, name: str) -> None:
    # A server refuses this tag to a user who may not change the model, nor decide on it.
    client.set_registered_model_tag(name, "decisions", decisions_of(name))
    try:
        client.create_registered_model(
            decisions_of(name), description=f"Each version is a decision on the champion of {name}."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise

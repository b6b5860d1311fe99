"""Stores the decisions on a registered model, and sets its aliases accordingly.

The decisions on `yt8m` are the versions of a second registered model, `yt8m.decisions`. MLflow
sets an alias without comparing it with the old one, and keeps no record of it. But its database
numbers versions one after another, on every backend, and `chain` needs only these numbers. A
switch takes place when its record is written, in one transaction, even if the writer ends right
after. The aliases `champion` and `previous` are set afterwards. If a process ends in between, the
next promote finishes the interrupted switch, or voids it if the version was deleted.

An alias must not be set late, after further switches. On one host, a file lock prevents that; it
is released when its process ends. A switch that another host has begun is left to that host for
`GRACE_SECONDS`. One case is not covered: a process on another host freezes for longer, between its
record and its alias, and then continues. The next `promote` reports it.
"""

import getpass
import logging
import socket
import time
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from yt8m_exp.registry import damage, registration, versions
from yt8m_exp.registry.chain import Chain, Kind, Record
from yt8m_exp.spec import InputError
from yt8m_exp.tracking import patience, store
from yt8m_exp.tracking.connection import server

logger = logging.getLogger(__name__)

CHAMPION, PREVIOUS = "champion", "previous"
RECORD, COMPLETED = "record", "completed"
ABSENT = "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED"
"""Codes of MLflow for a registered model that does not exist; the second where users log in."""
ON_VERSION = "decision."
"""Begins the tag of a version that holds a copy of the record that made it champion."""
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.5


def decisions_of(name: str) -> str:
    """Returns the name of the registered model that holds the decisions on another."""
    return f"{name}.decisions"


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

    write = partial(registration.numbered, partial(patience.made_once, make, made))
    try:
        write()
    except MlflowException as error:
        if error.error_code not in ABSENT:
            raise
        _make(client, name)
        write()


def settle(client: MlflowClient, name: str) -> Chain:
    """Sets the aliases as the last switch says, whichever process wrote it.

    The caller holds `lock.champion_lock`.

    Returns:
        The chain, with its last switch completed.
    """
    chain = read(client, name)
    while (last := chain.last) is not None and not last.completed:
        if last.by != me() and _wait(client, name, last):
            chain = read(client, name)
            continue
        if last.version is None or versions.exists(client, name, last.version):
            _follow(client, name, chain, last)
        else:
            reason = f"Version {last.version} was deleted before it became champion."
            before = chain.line[-2] if len(chain.line) > 1 else None
            append(
                client, name, record(chain, "void", before, champion=last.version, reason=reason)
            )
        chain = read(client, name)
    return chain


def current(client: MlflowClient, name: str) -> tuple[Chain, int | None]:
    """Settles the chain; returns it and the champion, None if there has never been one.

    The caller holds `lock.champion_lock`.

    Raises:
        InputError: the alias is not on the version that the records name, records were deleted, or
            there is no such registered model.
    """
    while True:
        chain = settle(client, name)
        alias = versions.aliases(client, name).get(CHAMPION)
        if chain.last is None and (numbers := lost(client, name, chain)):
            raise InputError(damage.deleted(name, decisions_of(name), numbers, alias, chain))
        if chain.last is None or alias == chain.champion:
            return chain, alias
        if (
            read(client, name).last_number == chain.last_number
        ):  # otherwise a further switch has just been made
            raise InputError(_misplaced(client, name, chain, alias))


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


def restorable(client: MlflowClient, name: str, chain: Chain) -> list[int]:
    """Returns the champions before the present one that are not deleted, the last one last."""
    before = dict.fromkeys(chain.line[:-1])
    return [version for version in before if versions.exists(client, name, version)]


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


def _wait(client: MlflowClient, name: str, last: Record) -> bool:
    """Waits for the host that began a switch; returns whether the chain has changed."""
    logger.info("Waiting for %s, which is making version %s the champion", last.by, last.version)
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end:
        now = read(client, name).last
        if now is None or now.number != last.number or now.completed:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _follow(client: MlflowClient, name: str, chain: Chain, last: Record) -> None:
    if last.version is not None:
        tag = f"{ON_VERSION}{last.number:06d}"
        client.set_model_version_tag(name, str(last.version), tag, last.to_json())
    previous = chain.previous if versions.exists(client, name, chain.previous) else None
    _put(client, name, PREVIOUS, previous)
    _put(client, name, CHAMPION, last.version)
    client.set_model_version_tag(decisions_of(name), str(last.number), COMPLETED, me())


def _misplaced(client: MlflowClient, name: str, chain: Chain, alias: int | None) -> str:
    if numbers := lost(client, name, chain):
        return damage.deleted(name, decisions_of(name), numbers, alias, chain)
    if alias is not None:
        return damage.moved(name, decisions_of(name), alias, chain)
    there = versions.exists(client, name, chain.champion)
    before = restorable(client, name, chain)
    return damage.gone(name, decisions_of(name), chain, there=there, before=before)


def _put(client: MlflowClient, name: str, alias: str, version: int | None) -> None:
    if version is not None:
        client.set_registered_model_alias(name, alias, str(version))
    elif alias in versions.aliases(client, name):
        client.delete_registered_model_alias(name, alias)

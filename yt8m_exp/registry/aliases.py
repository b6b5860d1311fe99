"""Sets the aliases of a registered model as the decisions on it say.

`audit` stores the decisions. A switch takes place when its record is written, in one transaction,
even if the writer ends right after. The aliases `champion` and `previous` are set afterwards. If a
process ends in between, the next promote finishes the interrupted switch, or voids it if the
version was deleted.

An alias must not be set late, after further switches. On one host, a file lock prevents that; it
is released when its process ends. A switch that another host has begun is left to that host for
`GRACE_SECONDS`. One case is not covered: a process on another host freezes for longer, between its
record and its alias, and then continues. The next `promote` reports it.
"""

import logging
import time

from mlflow import MlflowClient

from yt8m_exp.registry import audit, damage, versions
from yt8m_exp.registry.chain import Chain, Record
from yt8m_exp.spec import InputError

logger = logging.getLogger(__name__)

CHAMPION, PREVIOUS = "champion", "previous"
GRACE_SECONDS = 30.0
POLL_SECONDS = 0.5


def settle(client: MlflowClient, name: str) -> Chain:
    """Sets the aliases as the last switch says, whichever process wrote it.

    The caller holds `lock.champion_lock`.

    Returns:
        The chain, with its last switch completed.
    """
    chain = audit.read(client, name)
    while (last := chain.last) is not None and not last.completed:
        if last.by != audit.me() and _wait(client, name, last):
            chain = audit.read(client, name)
            continue
        if last.version is None or versions.exists(client, name, last.version):
            _follow(client, name, chain, last)
        else:
            reason = f"Version {last.version} was deleted before it became champion."
            before = chain.line[-2] if len(chain.line) > 1 else None
            void = audit.record(chain, "void", before, champion=last.version, reason=reason)
            audit.append(client, name, void)
        chain = audit.read(client, name)
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
        if chain.last is None and (numbers := audit.lost(client, name, chain)):
            raise InputError(damage.deleted(name, audit.decisions_of(name), numbers, alias, chain))
        if chain.last is None or alias == chain.champion:
            return chain, alias
        if audit.read(client, name).last_number == chain.last_number:
            raise InputError(_misplaced(client, name, chain, alias))
        # Otherwise a further switch has just been made.


def restorable(client: MlflowClient, name: str, chain: Chain) -> list[int]:
    """Returns the champions before the present one that are not deleted, the last one last."""
    before = dict.fromkeys(chain.line[:-1])
    return [version for version in before if versions.exists(client, name, version)]


def _wait(client: MlflowClient, name: str, last: Record) -> bool:
    """Waits for the host that began a switch; returns whether the chain has changed."""
    logger.info("Waiting for %s, which is making version %s the champion", last.by, last.version)
    end = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < end:
        now = audit.read(client, name).last
        if now is None or now.number != last.number or now.completed:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _follow(client: MlflowClient, name: str, chain: Chain, last: Record) -> None:
    if last.version is not None:
        tag = f"{audit.ON_VERSION}{last.number:06d}"
        client.set_model_version_tag(name, str(last.version), tag, last.to_json())
    previous = chain.previous if versions.exists(client, name, chain.previous) else None
    _put(client, name, PREVIOUS, previous)
    _put(client, name, CHAMPION, last.version)
    decisions = audit.decisions_of(name)
    client.set_model_version_tag(decisions, str(last.number), audit.COMPLETED, audit.me())


def _misplaced(client: MlflowClient, name: str, chain: Chain, alias: int | None) -> str:
    if numbers := audit.lost(client, name, chain):
        return damage.deleted(name, audit.decisions_of(name), numbers, alias, chain)
    if alias is not None:
        return damage.moved(name, audit.decisions_of(name), alias, chain)
    there = versions.exists(client, name, chain.champion)
    before = restorable(client, name, chain)
    return damage.gone(name, audit.decisions_of(name), chain, there=there, before=before)


def _put(client: MlflowClient, name: str, alias: str, version: int | None) -> None:
    if version is not None:
        client.set_registered_model_alias(name, alias, str(version))
    elif alias in versions.aliases(client, name):
        client.delete_registered_model_alias(name, alias)

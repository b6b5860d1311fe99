"""The decisions on a registered model, and the champions that follow from them.

Decisions are numbered by the registry's database, and each names the last switch that it was made
after. The first that names it is the next switch; another that names the same one came too late
and switches nothing. So whoever reads the records, in whatever process, finds one chain.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

Kind = Literal["promote", "refuse", "rollback", "void"]
SWITCHES = ("promote", "rollback", "void")


@dataclass(frozen=True)
class Record:
    """One decision.

    Attributes:
        kind: `promote` and `rollback` make `version` the champion; `void` takes back a switch whose
            version was deleted before it was made; `refuse` changes nothing.
        version: of the registered model; None where `void` leaves no champion.
        champion: the version before, None before the first.
        after: number of the last switch at the time, None before the first.
        after_digest: of that record, so that a change of it shows.
        at: when, ISO 8601, UTC.
        by: who, user@host.
        run_id: the run that decided.
        reason: in a sentence.
        evidence: what was measured, and what of it passed.
        policy: what was asked for.
        id: unique, so that a record sent twice is known.
        number: what the registry numbered it, 0 before.
        completed: whether the aliases have followed it.
    """

    kind: Kind
    version: int | None
    champion: int | None
    after: int | None
    after_digest: str | None
    at: str
    by: str
    run_id: str | None
    reason: str
    id: str
    evidence: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    completed: bool = False

    def to_json(self) -> str:
        """Returns what is stored of it: all but what the registry adds."""
        stored = {k: v for k, v in asdict(self).items() if k not in ("number", "completed")}
        return json.dumps(stored, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, number: int, completed: bool) -> Self:
        """Rebuilds a record from what is stored."""
        return cls(**json.loads(text), number=number, completed=completed)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of a SHA-256 over what is stored."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Chain:
    """What a list of decisions amounts to.

    Attributes:
        records: all, by rising number.
        switches: those that changed the champion, in order.
        line: the champions that led to the present one, which is the last; a rollback shortens it.
    """

    records: tuple[Record, ...] = ()
    switches: tuple[Record, ...] = ()
    line: tuple[int, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """Finds the switches among records, and where they led."""
        chain = cls(tuple(sorted(records, key=lambda record: record.number)))
        for record in chain.records:
            if record.kind in SWITCHES and record.after == chain.last_number:
                line = _line(chain.line, record)
                chain = replace(chain, switches=(*chain.switches, record), line=line)
        return chain

    @property
    def last(self) -> Record | None:
        """The last switch."""
        return self.switches[-1] if self.switches else None

    @property
    def last_number(self) -> int | None:
        """The number of the last switch, None before the first."""
        return self.switches[-1].number if self.switches else None

    @property
    def champion(self) -> int | None:
        """The version that is champion."""
        return self.line[-1] if self.line else None

    @property
    def previous(self) -> int | None:
        """The version that a rollback restores."""
        return self.line[-2] if len(self.line) > 1 else None

    @property
    def judged(self) -> set[int | None]:
        """Versions that were champion, or that were refused since the last switch."""
        found = {version for r in self.switches for version in (r.version, r.champion)}
        since = [r for r in self.records if r.kind == "refuse" and r.after == self.last_number]
        return found | {record.version for record in since}

    @property
    def too_late(self) -> list[Record]:
        """Switches that were decided after the same one as another, which came first."""
        made = {record.number for record in self.switches}
        return [r for r in self.records if r.kind in SWITCHES and r.number not in made]

    @property
    def altered(self) -> list[Record]:
        """Switches that are not what they were when the next was decided."""
        pairs = zip(self.switches, self.switches[1:], strict=False)
        return [record for record, successor in pairs if record.digest != successor.after_digest]


def _line(line: tuple[int, ...], record: Record) -> tuple[int, ...]:
    if record.champion is not None and not line:
        line = (record.champion,)  # made champion by hand, before there were records
    if record.kind == "void":
        return line[:-1]
    if record.version is None:
        return line
    if record.kind == "rollback" and record.version in line:
        return line[: len(line) - line[::-1].index(record.version)]
    return (*line, record.version)

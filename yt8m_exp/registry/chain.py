"""The decisions on a registered model, and the champions that follow from them.

A switch is a decision that changes the champion. The registry's database numbers the decisions, and
each names the last switch that its process knew of. If several decisions name the same switch, only
the one with the lowest number takes effect; the others come too late and change nothing. So every
process that reads the records finds the same chain.
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
            version was deleted before its aliases were set; `refuse` changes nothing.
        version: the version decided on; None if `void` leaves no champion.
        champion: the champion before the decision; None if there was none.
        after: number of the last switch at that time; None if there was none.
        after_digest: digest of that switch's record, which shows whether it was altered.
        at: time of the decision, ISO 8601, UTC.
        by: who decided, as user@host.
        run_id: the run that made the decision.
        reason: the reason, in a sentence.
        evidence: what was measured, and which checks passed.
        policy: what was required.
        id: unique, so that a record that was sent twice is recognised.
        number: its number in the registry, 0 before it has one.
        completed: whether the aliases have been set accordingly.
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
        """Returns the stored text: all fields except those that the registry adds."""
        stored = {k: v for k, v in asdict(self).items() if k not in ("number", "completed")}
        return json.dumps(stored, sort_keys=True)

    @classmethod
    def from_json(cls, text: str, *, number: int, completed: bool) -> Self:
        """Makes a record from the stored text."""
        return cls(**json.loads(text), number=number, completed=completed)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of a SHA-256 of the stored text."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Chain:
    """The result of a list of decisions.

    Attributes:
        records: all decisions, by rising number.
        switches: decisions that changed the champion, in order.
        line: the champions up to the present one, which is the last; a rollback shortens it.
    """

    records: tuple[Record, ...] = ()
    switches: tuple[Record, ...] = ()
    line: tuple[int, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """Finds the switches among records, and the champions that they made."""
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
        """Versions that were champion, or were refused since the last switch."""
        found = {version for r in self.switches for version in (r.version, r.champion)}
        since = [r for r in self.records if r.kind == "refuse" and r.after == self.last_number]
        return found | {record.version for record in since}

    @property
    def missing(self) -> set[int]:
        """Numbers below the last one that no record has: they were deleted."""
        numbers = {record.number for record in self.records}
        return set(range(1, max(numbers, default=0))) - numbers

    @property
    def too_late(self) -> list[Record]:
        """Decisions that name the same switch as a lower-numbered one, and took no effect."""
        made = {record.number for record in self.switches} | {r.number for r in self.unconnected}
        return [r for r in self.records if r.kind in SWITCHES and r.number not in made]

    @property
    def unconnected(self) -> list[Record]:
        """Decisions on a switch whose record is missing, and those that follow from them."""
        numbers = set(self.missing)
        for record in self.records:
            if record.kind in SWITCHES and record.after in numbers:
                numbers.add(record.number)
        return [record for record in self.records if record.number in numbers]

    @property
    def altered(self) -> list[Record]:
        """Switches whose record was changed after the next switch was decided."""
        pairs = zip(self.switches, self.switches[1:], strict=False)
        return [record for record, successor in pairs if record.digest != successor.after_digest]


def _line(line: tuple[int, ...], record: Record) -> tuple[int, ...]:
    if record.champion is not None and not line:
        line = (record.champion,)  # its alias was set by hand, before the first record
    if record.kind == "void":
        return line[:-1]
    if record.version is None:
        return line
    if record.kind == "rollback" and record.version in line:
        return line[: len(line) - line[::-1].index(record.version)]
    return (*line, record.version)

"""What of a filter the store itself can answer: ids, tenants, the subject, and the time of making.

Everything else in a filter is asked of each record after it was read, so what is found here decides how many are read. It is
only what must hold of every record that is looked for: terms within `or` and `not` narrow nothing. Whether it is also all
that the filter asks is told as well, for then the store can count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import strawberry

from graph.identifiers import CROCKFORD
from graph.kinds import OperationStatus
from schema.filters import OWNER

UNSET = strawberry.UNSET
CLOCK_SLACK_MS = 86_400_000
"""An id is never from before its record's time. It may be from after it, by as much as a clock was put back while a process
ran; a range of times is looked for in ids of so much later too."""


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """What must hold of every record that is looked for; None: nothing in particular."""

    ids: frozenset[str] | None = None
    tenants: frozenset[str] | None = None
    subjects: frozenset[str] | None = None
    statuses: frozenset[OperationStatus] | None = None
    """Of operations; the store does not know them, but which operations it has at all."""
    at_from: int | None = None
    """UTC milliseconds."""
    at_until: int | None = None
    """UTC milliseconds; the first moment that is out."""
    whole: bool = True
    """Whether this is all that the filter asks, but for the statuses."""

    @property
    def nothing(self) -> bool:
        """Whether no record can be so."""
        sets = (self.ids, self.tenants, self.subjects, self.statuses)
        if any(one is not None and not one for one in sets):
            return True
        return self.at_from is not None and self.at_until is not None and self.at_from >= self.at_until

    def both(self, other: Narrowing) -> Narrowing:
        """What must hold when both must."""
        return Narrowing(
            ids=_common(self.ids, other.ids),
            tenants=_common(self.tenants, other.tenants),
            subjects=_common(self.subjects, other.subjects),
            statuses=_common(self.statuses, other.statuses),
            at_from=max((one for one in (self.at_from, other.at_from) if one is not None), default=None),
            at_until=min((one for one in (self.at_until, other.at_until) if one is not None), default=None),
            whole=self.whole and other.whole,
        )

    def id_bounds(self, prefix: str) -> tuple[str | None, str | None]:
        """Texts between which the ids of this time are, both excluded; None: no bound."""
        low = None if self.at_from is None else f"{prefix}_{_time_text(self.at_from)}"
        high = None if self.at_until is None else f"{prefix}_{_time_text(self.at_until + CLOCK_SLACK_MS)}"
        return low, high


def _common(mine: frozenset[Any] | None, other: frozenset[Any] | None) -> frozenset[Any] | None:
    if mine is None or other is None:
        return other if mine is None else mine
    return mine & other


def _time_text(at_ms: int) -> str:
    """The first ten characters of the ULIDs of a time; what such text begins sorts behind it."""
    inside = min(max(at_ms, 0), 2**48 - 1)
    return "".join(CROCKFORD[inside >> shift & 31] for shift in range(45, -1, -5))


def narrowing_of(wanted: Any, *, subject: str | None, time: str) -> Narrowing:
    """The narrowing of a filter input; `subject` and `time` are its fields for what the store keeps as those."""
    found = Narrowing()
    if wanted is None or wanted is UNSET:
        return found
    for name, value in vars(wanted).items():
        if value is not UNSET and value is not None:
            found = found.both(_term(name, value, subject=subject, time=time))
    return found


def _term(name: str, value: Any, *, subject: str | None, time: str) -> Narrowing:
    if name == "and_":
        found = Narrowing()
        for one in value:
            found = found.both(narrowing_of(one, subject=subject, time=time))
        return found
    if name == "id":
        return Narrowing(ids=_keys(value))
    if name == OWNER.removesuffix("_id"):
        return Narrowing(tenants=_keys([value]))
    if name in (subject, time, "status"):
        # Null is asked of each record.
        operators = {key: one for key, one in vars(value).items() if one is not UNSET}
        of = _subject if name == subject else _time if name == time else _status
        return of(operators)
    return Narrowing(whole=False)


def _subject(operators: Mapping[str, Any]) -> Narrowing:
    found = Narrowing(whole=operators.keys() <= {"eq", "in_"} and None not in operators.values())
    for one in ("eq", "in_"):
        value = operators.get(one)
        if value is not None:
            found = found.both(Narrowing(subjects=_keys([value] if one == "eq" else value)))
    return found


def _time(operators: Mapping[str, Any]) -> Narrowing:
    found = Narrowing()
    for name, value in operators.items():
        one = Narrowing(whole=False)
        if value is not None and name in ("eq", "gt", "gte", "lt", "lte"):
            one = Narrowing(
                at_from=value + (name == "gt") if name in ("eq", "gt", "gte") else None,
                at_until=value + (name != "lt") if name in ("eq", "lt", "lte") else None,
            )
        found = found.both(one)
    return found


def _status(operators: Mapping[str, Any]) -> Narrowing:
    statuses = frozenset(OperationStatus)
    for name, value in operators.items():
        if value is not None and name in ("eq", "in_"):
            statuses &= frozenset([value] if name == "eq" else value)
        elif value is not None and name == "not_in":
            statuses -= frozenset(value)
    return Narrowing(statuses=statuses, whole=False)


def _keys(values: Iterable[str]) -> frozenset[str]:
    """Those of the values that can be ids at all."""
    return frozenset(one for one in values if one.isascii())

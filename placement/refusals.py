"""Why each other site was not chosen: the rules that refuse it, or what choosing it would have cost.

A decision looks at every site, and of thousands of refusals a reader wants a page. What decided is kept as masks and arrays,
each site's words are made from them when they are asked for, and nothing is worked out anew: the problem, the screening and
the choice are immutable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np

from placement.arrays import Ints, Mask, places_of
from placement.decision import Reason, SiteRefusal
from placement.modelling import Modelled
from placement.placements import Layout
from placement.rivals import Rivals
from placement.solve.model import Choice

NO_CHOICE = Reason(
    rule="not_needed",
    need="a feasible decision",
    have="none",
    unit="",
    message="it passes every rule, but the policy as a whole cannot be met",
)
NOT_SEARCHED = Reason(
    rule="not_needed",
    need="to be among the most promising of the sites that pass",
    have="less promising",
    unit="",
    message="it passes every rule, and promised less, by what it costs and whom it reaches, than the sites searched",
)
NO_WEIGHT = Reason(
    rule="not_needed",
    need="a weight above 0",
    have="0",
    unit="",
    message="it passes every rule, but the policy gives it no weight, so it has no part of the total",
)
TOO_DEAR = Reason(
    rule="not_needed",
    need="a price at which all is within the ceiling",
    have="a higher one",
    unit="",
    message="it passes every rule, but a total with a part at it would cost more than the policy allows",
)
NO_PART = Reason(
    rule="not_needed",
    need="1",
    have="0",
    unit="replicas",
    message="it passes every rule, and its part of the total is less than a replica, or all is placed at sites before it",
)


class Refusals(Sequence[SiteRefusal]):
    """Every site that was looked at and runs nothing of a unit, by ascending site id, then by unit."""

    def __init__(self, made: Modelled, choice: Choice | None, layout: Layout | None) -> None:
        """Without a choice and a layout none was feasible."""
        self.made = made
        """What was decided on."""
        self.choice = choice
        """What was chosen of it; None when nothing was."""
        self.layout = layout
        """The choice on nodes; None when there is none."""

    @cached_property
    def _places_of_refusals(self) -> tuple[Ints, Ints]:
        """The row and the unit of each, row by row, so that a site's units are beside each other."""
        chosen: Mask = np.zeros((len(self.made.problem), len(self.made.units)), dtype=bool)
        if self.layout is not None:
            for at, rows in enumerate(self.layout.rows):
                chosen[rows, at] = True
        rows, units = np.nonzero(~chosen)
        return rows.astype(np.int64), units.astype(np.int64)

    @property
    def _rows(self) -> Ints:
        return self._places_of_refusals[0]

    @property
    def _units(self) -> Ints:
        return self._places_of_refusals[1]

    @cached_property
    def _candidate(self) -> Mask:
        """(units, sites): those that were candidates of the model."""
        found: Mask = np.zeros((len(self.made.units), len(self.made.problem)), dtype=bool)
        for at in range(len(found)):
            found[at, self.made.rows(at)] = True
        return found

    @property
    def units(self) -> int:
        """How many units there are: a site has at most so many refusals."""
        return len(self.made.units)

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of every site: decisions are values."""
        return isinstance(other, Refusals) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # they are compared by what they say

    def __iter__(self) -> Iterator[SiteRefusal]:
        for first in range(0, len(self), _AT_ONCE):
            yield from self._refusals(slice(first, first + _AT_ONCE))

    @overload
    def __getitem__(self, index: int) -> SiteRefusal: ...
    @overload
    def __getitem__(self, index: slice) -> list[SiteRefusal]: ...
    def __getitem__(self, index: int | slice) -> SiteRefusal | list[SiteRefusal]:
        if isinstance(index, slice):
            return self._refusals(index)
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(index)
        return self._refusal(at)

    def where(self, *, rule: str | None = None, site_id: str | None = None) -> Ints:
        """The places of those by a rule and of a site, ascending."""
        keep = np.ones(len(self), dtype=bool)
        if rule is not None:
            keep &= self._by_rule.get(rule, np.zeros(len(self), dtype=bool))
        if site_id is not None:
            row = self._row_of.get(site_id, -1)
            keep &= self._rows == row
        return np.flatnonzero(keep)

    def after(self, site_id: str) -> int:
        """The place of the first that is of a greater site id."""
        ids = self._ids
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if ids[self._rows[middle]] <= site_id:
                low = middle + 1
            else:
                high = middle
        return low

    def ruled_out(self, site_ids: Iterable[str]) -> set[str]:
        """Those of some sites that could not have been chosen, whatever else was: a rule keeps a unit out."""
        fine: Mask = np.ones(len(self.made.problem), dtype=bool)
        for screening, candidates in zip(self.made.screenings, self.made.candidates, strict=True):
            fine &= screening.passed & candidates
        rows = self._row_of
        return {one for one in site_ids if one not in rows or not fine[rows[one]]}

    def refused_by_these_alone(self, rules: Iterable[str]) -> dict[str, frozenset[str]]:
        """By site id the rules that refuse it to the first unit, for sites that none but these refuse."""
        screening = self.made.screenings[0]
        names = [one for one in rules if one in screening.refused]
        rows = np.flatnonzero(screening.passed_but_for(names) & ~screening.passed).tolist()
        return {self._ids[row]: frozenset(one for one in names if screening.refused[one][row]) for row in rows}

    def by_rule(self) -> dict[str, int]:
        """How many sites each rule refused."""
        counts = {name: len(np.unique(self._rows[mask])) for name, mask in self._by_rule.items()}
        return {name: count for name, count in counts.items() if count}

    @cached_property
    def _ids(self) -> list[str]:
        return [one.id for one in self.made.problem.sites]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {one: row for row, one in enumerate(self._ids)}

    @cached_property
    def _by_rule(self) -> dict[str, Mask]:
        found: dict[str, Mask] = {}
        for at, screening in enumerate(self.made.screenings):
            mine = self._units == at
            for name, refused in screening.refused.items():
                mask = found.setdefault(name, np.zeros(len(self), dtype=bool))
                mask |= mine & refused[self._rows]
            passed = mine & screening.passed[self._rows]
            candidate = self._candidate[at][self._rows]
            crowded = (
                ~self.made.candidates[at][self._rows] & ~self._weightless(self._rows) & ~self._dear(at, self._rows)
            )
            for name, which in (("not_needed", candidate | ~crowded), (CROWDED, crowded)):
                mask = found.setdefault(name, np.zeros(len(self), dtype=bool))
                mask |= passed & which
        return found

    def _weightless(self, rows: Ints | int) -> Mask:
        """Whether sites are no candidates because the policy gives them no weight."""
        weights = self.made.problem.words.weights
        division = self.made.problem.policy.division
        if weights is None or division is None or division.min_each:
            return np.zeros(np.shape(rows), dtype=bool)
        return np.asarray(weights[rows] == 0)

    def _dear(self, unit: int, rows: Ints | int) -> Mask:
        """Whether sites are no candidates of a unit for their price."""
        dear = self.made.dear
        return np.asarray(dear[unit][rows]) if dear else np.zeros(np.shape(rows), dtype=bool)

    @cached_property
    def _rivals(self) -> list[Rivals | None]:
        return [
            None if self.choice is None else Rivals(self.made, self.choice, at) for at in range(len(self.made.units))
        ]

    @cached_property
    def _places(self) -> list[Ints]:
        """By unit: the candidate at each row, -1 for none."""
        return [places_of(self.made.rows(at), len(self.made.problem)) for at in range(len(self.made.units))]

    def _refusals(self, which: slice) -> list[SiteRefusal]:
        """Some of them. Most sites are refused by rules, and those by the same ones are told the same."""
        made, ids = self.made, self._ids
        rows, units = self._rows[which], self._units[which]
        told: list[list[Reason] | None] = [None] * len(rows)
        for unit, screening in enumerate(made.screenings):
            refused = np.flatnonzero((units == unit) & ~screening.passed[rows])
            for place, reasons in zip(refused.tolist(), screening.reasons_of(rows[refused]), strict=True):
                told[place] = reasons
        names = [one.names if len(made.units) > 1 else [] for one in made.units]
        return [
            SiteRefusal(
                site_id=ids[row],
                reasons=self._reasons(unit, row) if reasons is None else reasons,
                components=names[unit],
            )
            for row, unit, reasons in zip(rows.tolist(), units.tolist(), told, strict=True)
        ]

    def _refusal(self, at: int) -> SiteRefusal:
        row, unit = int(self._rows[at]), int(self._units[at])
        made = self.made
        names = made.units[unit].names if len(made.units) > 1 else []
        return SiteRefusal(site_id=self._ids[row], reasons=self._reasons(unit, row), components=names)

    def _reasons(self, unit: int, row: int) -> list[Reason]:
        made = self.made
        if not made.screenings[unit].passed[row]:
            return made.screenings[unit].reasons(row)
        if not self._candidate[unit, row]:
            if made.candidates[unit][row]:
                return [NOT_SEARCHED]
            if self._weightless(row):
                return [NO_WEIGHT]
            return [TOO_DEAR] if self._dear(unit, row) else [_crowded(made.units[unit].names)]
        if self.choice is not None and made.problem.policy.division is not None:
            # What is open and has nothing has no part; what is not open was weighed against what is.
            place = int(self._places[unit][row])
            if place in self.choice.open[unit]:
                return [NO_PART]
        rivals = self._rivals[unit]
        if rivals is None:
            return [NO_CHOICE]
        return [rivals.not_needed(int(self._places[unit][row]))]


CROWDED = "crowded"
_AT_ONCE = 256
"""Words that are made together where all are gone through."""


def _crowded(names: Sequence[str]) -> Reason:
    what = ", ".join(repr(one) for one in names)
    return Reason(
        rule=CROWDED,
        need=f"room for {what} and what else was chosen for the site",
        have="room for one of them",
        unit="",
        message=f"{what} would fit alone, but not on the same nodes as what else was chosen for the site",
    )

"""The relaxation of one tier, told row by row what its answers break.

First what a client pays (`ladders`), with it what serving in steps demands (`streams`). With all of these the relaxation of
an ordinary model is whole, so that its answer is the best choice; where it is not, it is near, and its reduced costs leave
few candidates to search. That each candidate is served where it is open is told late as well: these rows are as many as the
candidates, nearly all of which every answer leaves closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from placement.arrays import Floats, Mask
from placement.solve.entries import parts_of, rows_at, weighed
from placement.solve.growing import Growing
from placement.solve.highs import Relaxed, rows_with, scale_of
from placement.solve.ladders import Rows, Told
from placement.solve.model import IDLE
from placement.solve.pool import Known
from placement.solve.program import Program
from placement.solve.streams import Chain
from placement.stopping import Stop, look

TIGHT = 1e-7
"""A row with less to spare is one that matters."""
AGAIN = 1e-6
"""A row that was told before and dropped is told again when it is broken by more; HiGHS's tolerance is a tenth of it."""
WHOLE = 1e-6
"""A value this near to a whole number is one."""
DEEP = 60
"""How often candidates are opened in a dive."""
TOLD, HASTY_TOLD = 4, 2
"""How often it is told what that breaks, each time; of a dive whose steps are counted."""
SURE, HASTY_SURE = 0.8, 0.6
"""Candidates that are open to such a part are opened at once; else that which is open the most."""
STALLED = 4
"""Rounds in which the value grows by less than `enough` each, after which it is left as it is."""


@dataclass(slots=True)
class Relaxation:
    """What a tier's relaxation has been told, and what it came to."""

    rows: Program
    tier: int
    told: Told
    chains: Sequence[Chain] = ()
    more: Rows | None = None
    """Rows besides the program's."""
    known: Known | None = None
    """With chains: what is known of them."""
    given: Mask | None = None
    """(opens,): candidates that HiGHS is given to begin with; None: all."""
    steps: int = 0
    """Of the simplex."""
    late: Rows = field(init=False)
    """The program's rows that are told when they are broken."""
    begun: Growing | None = None
    """With what `run` has told."""

    def run(
        self,
        *,
        enough: float = 0.0,
        rounds: int = 200,
        most_steps: int | None = None,
        target: float = np.inf,
        idle: int = IDLE,
        stop: Stop | None = None,
    ) -> Relaxed:
        """Its value, which is a lower bound in any case, and its answer.

        It ends when its answer breaks nothing, after so many rounds or steps, when its value reaches `target` (without
        constants), or when it has grown by no more than `enough`, a part of the value, in several rounds on end. `idle` is
        as of `Limits`.
        """
        objective = self.rows.costs[self.tier]
        if not len(objective):
            kept = bool((self.rows.low <= 0.0).all() and (self.rows.high >= 0.0).all())
            nothing = np.empty(0)
            return Relaxed(True, 0.0, nothing, None, nothing) if kept else Relaxed(False)
        scale = scale_of(objective)
        first = self._begin()
        matrix, low, high = rows_with(first, self.more)
        clients = np.append(first.clients, np.full(len(low) - len(first.low), -1))
        given = None
        if self.given is not None:
            given = np.append(self.given, np.ones(self.rows.columns - self.rows.opens, dtype=bool))
        begun = Growing(
            objective * scale,
            matrix,
            low=low,
            high=high,
            upper=self.rows.upper,
            given=given,
            clients=clients,
            idle=idle,
            stop=stop,
        )
        self.begun = begun
        begin = None if self.known is None else self.known.rows
        parts = (self.told.rows(self.rows.columns), begin)
        begun.tell([one for one in parts if one is not None and len(one.low)])
        size, stalled = abs(float(self.rows.constants[self.tier])), 0
        found = Relaxed(None)
        for _ in range(rounds):
            look(stop)
            answer = begun.solve()
            self.steps = begun.steps
            if answer.status == "infeasible":
                return Relaxed(False)
            if answer.status != "optimal" or answer.values is None or answer.reduced is None:
                break
            value, before = answer.value / scale, found.value
            if value >= before:
                found = Relaxed(True, value, answer.values, None, answer.reduced / scale)
            else:
                # With candidates that were not given before, an answer can say less of the bound; it is the nearer one.
                found = replace(found, values=answer.values)
            grown = value - before > enough * (size + abs(value))
            stalled = 0 if grown or len(begun.saving) else stalled + 1
            if value >= target or (enough and stalled >= STALLED):
                break
            if most_steps is not None and begun.steps >= most_steps:
                break
            if not self._tell(begun, answer.values, answer.reduced / scale) and not len(begun.saving):
                break
            begun.give_more()
        return found

    def prices(self, clients: int) -> Floats:
        """(clients of the first unit,): what each adds to its last answer's value, beyond what serving it costs at least."""
        assert self.begun is not None, "it was run"
        return self.begun.prices(clients) / scale_of(self.rows.costs[self.tier])

    def dive(
        self, values: Floats, *, most: float, most_steps: int | None = None, stop: Stop | None = None
    ) -> Floats | None:
        """Whole values near those of its answer: what is open the most is opened, and what that breaks told, until all are.

        None when that costs `most` (without constants) and more, takes more steps of the simplex, or leads nowhere. It is of
        no use afterwards.
        """
        begun, whole = self.begun, self.rows.integral
        assert begun is not None, "it was run"
        scale, before = scale_of(self.rows.costs[self.tier]), begun.steps
        enough, told = (SURE, TOLD) if most_steps is None else (HASTY_SURE, HASTY_TOLD)
        for _ in range(DEEP):
            parts = np.flatnonzero(whole & (values > WHOLE) & (values < 1.0 - WHOLE))
            if not len(parts):
                return values
            sure = parts[values[parts] >= enough]
            begun.fix(sure if len(sure) else parts[[np.argmax(values[parts])]])
            for _ in range(told):
                look(stop)
                answer = begun.solve()
                self.steps = begun.steps
                if answer.status != "optimal" or answer.values is None or answer.reduced is None:
                    return None
                if answer.value / scale >= most or (most_steps is not None and begun.steps - before > most_steps):
                    return None
                values = answer.values
                if not self._tell(begun, values, answer.reduced / scale) and not len(begun.saving):
                    break
                begun.give_more()
        return None

    def _begin(self) -> Program:
        """The program without the rows that are told late."""
        rows, late = self.rows, self.rows.late
        after = rows.only(np.flatnonzero(late))
        self.late = Rows(after.matrix, after.low, after.high)
        return rows.only(np.flatnonzero(~late)) if late.any() else rows

    def _late(self, values: Floats) -> Rows | None:
        """The program's rows of those that are told late that these values break."""
        late = self.late
        which = np.flatnonzero(weighed(*parts_of(late.matrix), values) < late.low - AGAIN)
        if not len(which):
            return None
        return Rows(rows_at(late.matrix, which), late.low[which], late.high[which])

    def _tell(self, begun: Growing, values: Floats, reduced: Floats) -> bool:
        """Tells what these values break; whether there was anything."""
        parts = []
        ladders = self.told.rows_of(self.told.broken(values, again=AGAIN), self.rows.columns)
        if ladders is not None:
            parts.append(ladders)
        late = self._late(values)
        if late is not None:
            parts.append(late)
        for chain in self.chains:
            broken = chain.broken(values, reduced)
            if broken is not None:
                parts.append(broken)
                if self.known is not None:
                    self.known.learn(broken)
        begun.tell(parts)
        return bool(parts)

    def tight(self, values: Floats) -> Rows | None:
        """Of what it was told beyond the ladders, the rows that these values just keep."""
        return None if self.known is None else self.known.tight(values, by=TIGHT)

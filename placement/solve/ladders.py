"""What serving costs, told to HiGHS a little at a time.

Let a client's candidates in reach cost c1 <= c2 <= ... <= cK. Served by the cheapest that is open it costs c1 + t, and for
every k, with y(j) for whether candidate j is open,

    t >= (c(k) - c1) - sum over j < k of (c(k) - c(j)) y(j)

holds: either one before k is open, or the client costs c(k) at least. These rows say all that there is to say, as tightly as
a column for every pair would (a projection of the radius formulation of the p-median problem; García, Labbé, Marín 2011;
Fischetti, Ljubić, Sinnl 2017, "Redesigning Benders decomposition for large-scale facility location"), but of the K rows of a
client only a few matter. So HiGHS is given some, and then, while its answer breaks others, the most broken one of each
client: the k at which the y(j) add up to 1. Told all at once, a model of 60 candidates and 500 clients has twenty thousand
rows and takes several times as long.

A candidate that must be served by another unit is a client too, with its own column in the place of the 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array, vstack

from placement.arrays import Floats, Ints

BROKEN = 1e-7
"""A row broken by more, as a part of the client's span of costs, is added."""
FIRST = (0.125, 0.35)
"""With which k to begin, as parts of K."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows beyond the program's own."""

    matrix: csr_array
    low: Floats
    high: Floats
    clients: Ints | None = None
    """(rows,): the client of the first unit whose row it is, -1: nobody's; None: it is not known of any."""


def stacked(parts: list[Rows]) -> Rows | None:
    """The rows of all; None without any."""
    if len(parts) < 2:
        return parts[0] if parts else None
    matrix = csr_array(vstack([one.matrix for one in parts], format="csr"))
    return Rows(matrix, np.concatenate([one.low for one in parts]), np.concatenate([one.high for one in parts]))


@dataclass(frozen=True, slots=True)
class Ladders:
    """The candidates in reach of each client, the cheapest first; clients whose costs do not differ are left out."""

    columns: Ints
    """(pairs,), by client: the candidate's column."""
    prices: Floats
    """(pairs,): what it costs more than the cheapest, as a part of the client's span."""
    starts: Ints
    """(clients + 1,): where each client's pairs begin."""
    demand: Ints
    """(clients,): the column of what must be served; -1: it always must."""
    extra: Ints
    """(clients,): the column of t, as a part of the client's span."""
    whose: Ints
    """(clients,): which client of the first unit it is; -1: it is none."""

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self.extra)


def no_ladders() -> Ladders:
    """Of nobody."""
    nothing = np.empty(0, dtype=np.int64)
    return Ladders(nothing, np.empty(0), np.zeros(1, dtype=np.int64), nothing, nothing, nothing)


def joined(parts: list[Ladders]) -> Ladders:
    """The clients of all."""
    if len(parts) < 2:
        return parts[0] if parts else no_ladders()
    lengths = np.concatenate([np.diff(one.starts) for one in parts])
    return Ladders(
        columns=np.concatenate([one.columns for one in parts]),
        prices=np.concatenate([one.prices for one in parts]),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        demand=np.concatenate([one.demand for one in parts]),
        extra=np.concatenate([one.extra for one in parts]),
        whose=np.concatenate([one.whose for one in parts]),
    )


@dataclass(slots=True)
class Told:
    """The rows that HiGHS has been given so far."""

    ladders: Ladders
    pairs: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Ascending: the pair k of each row."""

    def begin(self, opened: Floats | None) -> None:
        """Tells the first rows, with those that matter where these columns (opens,) are open."""
        one = self.ladders
        if not one.clients:
            return
        lengths = np.diff(one.starts)
        for part in FIRST:
            self._tell(one.starts[:-1] + np.minimum(lengths - 1, np.maximum(1, (part * lengths).astype(np.int64))))
        if opened is not None:
            self._tell(self._last_before(opened[one.columns], np.ones(one.clients)))

    def learn(self, values: Floats) -> bool:
        """Tells the rows that these values of the columns break the most; whether there are any."""
        return len(self.broken(values, again=np.inf).pairs) > 0

    def broken(self, values: Floats, *, again: float) -> Told:
        """Tells the rows that these values of the columns break the most, and gives them.

        again: a row that was told before is given when it is broken by more than this part of the client's span.
        """
        one = self.ladders
        if not one.clients:
            return Told(one)
        opened = values[one.columns]
        need = np.where(one.demand < 0, 1.0, values[one.demand])
        last = self._last_before(opened, need)
        begin = one.starts[:-1]
        total, paid = _before(opened), _before(opened * one.prices)
        opened_before = total[last] - total[begin]
        paid_before = paid[last] - paid[begin]
        price = one.prices[last]
        least = price * need - (price * opened_before - paid_before)
        by = least - values[one.extra]
        new = self._tell(last[by > BROKEN])
        return Told(one, np.union1d(new, last[(by > max(again, BROKEN)) & (price > 0.0)]))

    def rows(self, columns: int) -> Rows | None:
        """The rows, over so many columns."""
        one, pairs = self.ladders, self.pairs
        if not len(pairs):
            return None
        client = np.searchsorted(one.starts, pairs, side="right") - 1
        begin = one.starts[client]
        lengths = pairs - begin
        row = np.repeat(np.arange(len(pairs)), lengths)
        ends = np.cumsum(lengths)
        entry = np.arange(int(ends[-1])) + np.repeat(begin - ends + lengths, lengths)
        price = one.prices[pairs]
        asked = one.demand[client]
        some = np.flatnonzero(asked >= 0)
        matrix = csr_array(
            (
                np.concatenate([price[row] - one.prices[entry], np.ones(len(pairs)), -price[some]]),
                (
                    np.concatenate([row, np.arange(len(pairs)), some]),
                    np.concatenate([one.columns[entry], one.extra[client], asked[some]]),
                ),
            ),
            shape=(len(pairs), columns),
        )
        return Rows(matrix, np.where(asked < 0, price, 0.0), np.full(len(pairs), np.inf), one.whose[client])

    def _last_before(self, opened: Floats, need: Floats) -> Ints:
        """(clients,): the first pair up to which enough is open, or the last."""
        one = self.ladders
        through = _before(opened)[1:]
        reached = through - np.repeat(_before(opened)[one.starts[:-1]], np.diff(one.starts))
        enough = np.flatnonzero(reached >= np.repeat(need, np.diff(one.starts)) - 1e-9)
        place = np.searchsorted(enough, one.starts[:-1])
        found = np.append(enough, len(reached))[place]
        last: Ints = np.minimum(found, one.starts[1:] - 1)
        return last

    def _tell(self, pairs: Ints) -> Ints:
        """Tells these rows; those that were not told before."""
        new: Ints = np.setdiff1d(pairs[self.ladders.prices[pairs] > 0.0], self.pairs)
        self.pairs = np.union1d(self.pairs, new)
        return new


def _before(amounts: Floats) -> Floats:
    """(amounts + 1,): what all before each add up to."""
    return np.concatenate([[0.0], np.cumsum(amounts)])

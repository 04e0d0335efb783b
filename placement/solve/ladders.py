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
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.compiled import Numbers, Row, Small, kernel
from placement.solve.entries import Listed, matrix_of, stacked_rows

BROKEN = 1e-7
"""A row broken by more, as a part of the client's span of costs, is added."""
ENOUGH = 1e-9
"""Less than what is needed by no more than this is enough."""
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
    whose = [np.full(len(one.low), -1) if one.clients is None else one.clients for one in parts]
    low, high = np.concatenate([one.low for one in parts]), np.concatenate([one.high for one in parts])
    return Rows(stacked_rows([one.matrix for one in parts]), low, high, np.concatenate(whose))


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
    told: Mask = field(init=False)
    """(pairs,): whether the row with this pair as k was."""

    def __post_init__(self) -> None:
        """None yet."""
        self.told = np.zeros(len(self.ladders.columns), dtype=bool)

    def begin(self, opened: Floats | None) -> None:
        """Tells the first rows, with those that matter where these columns (opens,) are open."""
        one = self.ladders
        if not one.clients:
            return
        lengths = np.diff(one.starts)
        for part in FIRST:
            self._tell(one.starts[:-1] + np.minimum(lengths - 1, np.maximum(1, (part * lengths).astype(np.int64))))
        if opened is not None:
            self._tell(_rungs(one.starts, one.columns, one.prices, np.ones(one.clients), opened)[0])

    def learn(self, values: Floats) -> bool:
        """Tells the rows that these values of the columns break the most; whether there are any."""
        return len(self.broken(values, again=np.inf)) > 0

    def broken(self, values: Floats, *, again: float) -> Ints:
        """Tells the rows that these values of the columns break the most: the pair k of each, ascending.

        again: a row that was told before is told again when it is broken by more than this part of the client's span.
        """
        one = self.ladders
        if not one.clients:
            return np.empty(0, dtype=np.int64)
        need = np.where(one.demand < 0, 1.0, values[one.demand])
        last, least = _rungs(one.starts, one.columns, one.prices, need, values)
        by = least - values[one.extra]
        some = (by > BROKEN) & (one.prices[last] > 0.0)
        some &= ~self.told[last] | (by > again)
        pairs: Ints = last[some]
        self.told[pairs] = True
        return pairs

    def rows(self, columns: int) -> Rows | None:
        """All that were told, over so many columns."""
        return self.rows_of(np.flatnonzero(self.told), columns)

    def rows_of(self, pairs: Ints, columns: int) -> Rows | None:
        """The rows with these pairs as k, ascending, over so many columns."""
        one = self.ladders
        if not len(pairs):
            return None
        client = np.searchsorted(one.starts, pairs, side="right") - 1
        matrix = matrix_of(
            Listed(*_rows(one.starts, one.columns, one.prices, one.demand, one.extra, client, pairs)), columns=columns
        )
        low = np.where(one.demand[client] < 0, one.prices[pairs], 0.0)
        return Rows(matrix, low, np.full(len(pairs), np.inf), one.whose[client])

    def _tell(self, pairs: Ints) -> None:
        self.told[pairs[self.ladders.prices[pairs] > 0.0]] = True


@kernel
def _rungs(starts: Numbers, columns: Numbers, prices: Row, need: Row, values: Row) -> tuple[Numbers, Row]:
    """(clients,): the first pair up to which enough is open, or the last; and what its row says that t is at least."""
    clients = len(starts) - 1
    last, least = np.empty(clients, dtype=np.int64), np.empty(clients)
    for client in range(clients):
        opened, paid = 0.0, 0.0
        pair, end = starts[client], starts[client + 1] - 1
        while pair < end and opened + values[columns[pair]] < need[client] - ENOUGH:
            opened += values[columns[pair]]
            paid += values[columns[pair]] * prices[pair]
            pair += 1
        last[client] = pair
        least[client] = prices[pair] * need[client] - (prices[pair] * opened - paid)
    return last, least


@kernel
def _rows(
    starts: Numbers, columns: Numbers, prices: Row, demand: Numbers, extra: Numbers, client: Numbers, pairs: Numbers
) -> tuple[Numbers, Small, Row]:
    """The rows with these pairs as k, of these clients: their entries, the columns ascending."""
    begin = np.zeros(len(pairs) + 1, dtype=np.int64)
    for row in range(len(pairs)):
        begin[row + 1] = begin[row] + pairs[row] - starts[client[row]] + 1 + (demand[client[row]] >= 0)
    column, value = np.empty(begin[-1], dtype=np.int32), np.empty(begin[-1])
    for row in range(len(pairs)):
        one, price, free = client[row], prices[pairs[row]], begin[row]
        found, figures = np.empty(begin[row + 1] - free, dtype=np.int64), np.empty(begin[row + 1] - free)
        size = pairs[row] - starts[one]
        for at in range(size):
            found[at], figures[at] = columns[starts[one] + at], price - prices[starts[one] + at]
        found[size], figures[size] = extra[one], 1.0
        if demand[one] >= 0:
            found[size + 1], figures[size + 1] = demand[one], -price
        for at in np.argsort(found):
            column[free], value[free] = found[at], figures[at]
            free += 1
    return begin, column, value

"""What a spread asks of the candidates that a search is given: that some of them keep it, when some of all do.

The most promising of thousands may all lie in one domain, and a few of each of many domains may be too few of one. No more
is added than the spread is short of, so where there is enough nothing changes.
"""

from __future__ import annotations

import numpy as np

from placement.arrays import Floats, Ints, Mask
from placement.solve.model import Domains

SPARE = 4
"""Candidates beyond those that a spread needs."""


def some_for_spread(spread: Domains, promised: Floats, chosen: Mask, *, min_open: int) -> None:
    """Adds to the chosen candidates where they cannot keep a spread, though of all together some do.

    promised: (candidates,) less is better, infinite of those that are of no use. chosen: (candidates,) is added to.
    Added is one of each domain, then a second of each, the most promising first; with `max_domains` of the largest domains.
    """
    useful = np.isfinite(promised)
    have, size = _inside(spread, chosen & useful), _inside(spread, useful)
    if _suffice(spread, have, min_open) or not _suffice(spread, size, min_open):
        return
    largest = np.zeros(len(size), dtype=bool)
    largest[np.argsort(-size, kind="stable")[: spread.max_domains]] = True
    among = np.flatnonzero(useful & largest[spread.domain])
    among = among[np.lexsort((promised[among], spread.domain[among]))]
    turn = turns_of(spread.domain[among])
    if spread.max_each is not None:
        among, turn = among[turn < spread.max_each], turn[turn < spread.max_each]
    dealt = among[np.lexsort((promised[among], turn))]
    chosen[dealt[: max(min_open, spread.min_domains) + SPARE]] = True


def turns_of(kinds: Ints) -> Ints:
    """How many before each are of the same kind."""
    order = np.argsort(kinds, kind="stable")
    begin = np.flatnonzero(np.append(True, np.diff(kinds[order]) != 0))
    turn = np.empty(len(kinds), dtype=np.int64)
    turn[order] = np.arange(len(kinds)) - np.repeat(begin, np.diff(np.append(begin, len(kinds))))
    return turn


def _inside(spread: Domains, some: Mask) -> Ints:
    """(domains,): how many of some candidates may be open in each."""
    found: Ints = np.bincount(spread.domain[some], minlength=int(spread.domain.max(initial=-1)) + 1)
    return found if spread.max_each is None else np.minimum(found, spread.max_each)


def _suffice(spread: Domains, inside: Ints, min_open: int) -> bool:
    """Whether there are enough domains, and enough sites in as many as may be."""
    most = np.sort(inside)[::-1][: spread.max_domains]
    return int(np.count_nonzero(inside)) >= spread.min_domains and int(most.sum()) >= min_open

"""Those of a batch whose choices the relaxation would not make, decided again at once.

The relaxation over all known choices says what each is worth beside the others. Where it takes what was chosen, there is
little to be had; the others are taken out together, and the best of their choices beside what stays is an exact problem of
some hundred columns. It is laid out on the nodes; where that cannot be, what jams a site is learnt, and the next answer does
without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.batch_prices import Known, Priced
from placement.batch_search import Batch

GROUP = 14
"""How many are decided again at once."""
EACH = 14
"""Choices of each of them that the exact choice is made among: those of least reduced cost that have room."""
STEP = 4
"""How many others come first when nothing came of those that are most in doubt."""
LAID = 3
"""How often an exact choice is made anew because it does not fit on nodes."""
SURE = 0.9
"""A share of a choice in the relaxation that leaves no doubt of it."""


def settle(batch: Batch, priced: Priced, known: Sequence[Known], *, later: int, nodes: int) -> None:
    """Chooses anew for those whose choices the relaxation would not make, beside the others.

    priced: of these known choices. later: how often nothing came of it with those that are most in doubt.
    """
    reduced = {id(one): float(more) for one, more in zip(known, priced.reduced.tolist(), strict=True)}
    shares = {id(one): share for one, share in zip(known, priced.shares.tolist(), strict=True)}
    doubt = []
    for at in batch.chosen:
        one = batch.known_of(at)
        if one is not None and shares.get(id(one), 0.0) < SURE:
            doubt.append((-reduced.get(id(one), np.inf), at))
    doubt.sort()
    first = STEP * later
    group = [at for _, at in (doubt[first:] + doubt[:first])[:GROUP]]
    for at in group:
        batch.leave(at)
    penalties = batch.penalties()
    for _ in range(LAID):
        others = list(batch.chosen.values())
        some = []
        for at in group:
            mine = [one for one in known if one.at == at and batch.prices.fits(one, others)]
            some += sorted(mine, key=lambda one: reduced[id(one)])[:EACH]
        picked = batch.prices.chosen(some, penalties, others=others, nodes=nodes)
        jams = len(batch.prices.jams)
        lacking = [one for one in sorted(picked, key=lambda each: batch.order.index(each.at)) if not batch.have(one)]
        if not lacking or len(batch.prices.jams) == jams:
            break
        for at in group:
            batch.leave(at)
    for at in batch.order:
        if at in batch.alone and at not in batch.chosen:
            batch.place(at)

"""The room that problems share: what is taken by one is missing to all, and each problem stays a value."""

from __future__ import annotations

import numpy as np
from placement_graphs import Builder, amount

from placement.batch_room import SharedRoom, Use
from placement.projection import Projection


def test_what_is_taken_is_missing_to_every_problem_and_given_back_as_it_was() -> None:
    """One problem sees a site of its tenant's own, so that the same node is another bin to each, and the same row another
    site."""
    build = Builder()
    private = build.site(tenant_id=build.tenant.id, nodes=2)
    shared = build.site(nodes=2)
    stated = build.site(nodes=0, capacity=amount(4000))
    component, projection = build.component(), Projection(build.view)
    other = build.problem(component, tenant_id="tenant_of_nobody", projection=projection)
    own = build.problem(component, projection=projection)
    again = build.problem(component, projection=projection)
    assert again.sites is own.sites, "numbered once for both"
    assert [[one.id for one in problem.sites] for problem in (own, other)] == [
        [private.id, shared.id, stated.id],
        [shared.id, stated.id],
    ]
    room = SharedRoom([own, other, again])
    assert room.left(0) is own

    holders = room.holder_of[1][[1, 2]]
    use = Use(holders, np.array([[1000, 500], [0, 0], [0, 0]]), np.zeros(2, dtype=bool))
    room.take(use)
    for at, first in ((0, 2), (1, 0), (2, 2)):
        left, before = room.left(at), room.problems[at]
        lacking = before.bins.free - left.bins.free
        assert lacking[:, 0].tolist() == [0] * first + [0, 1000, 500]
        assert not lacking[:, 1:].any()
        assert [one.id for one, here in zip(before.sites, room.touched(at), strict=True) if here] == [
            shared.id,
            stated.id,
        ]
    kept = room.left(0)
    room.take(use)
    assert (kept.bins.free[3:, 0] == own.bins.free[3:, 0] - [1000, 500]).all(), "what was given out stays as it was"
    room.give_back(use)
    room.give_back(use)
    assert [room.left(at) is room.problems[at] for at in range(3)] == [True] * 3


def test_rows_of_sites_are_each_problems_own() -> None:
    build = Builder()
    build.site(tenant_id=build.tenant.id)
    build.site()
    component = build.component()
    room = SharedRoom([build.problem(component), build.problem(component, tenant_id="tenant_of_nobody")])
    assert [one.tolist() for one in room.site_of] == [[0, 1], [1]]
    assert [one.tolist() for one in room.row_of] == [[0, 1], [-1, 0]]

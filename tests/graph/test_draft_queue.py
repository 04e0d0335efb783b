"""What somebody waits for is written before the system's own changes, and neither starves the other."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from graph.draft_queue import DraftQueue
from graph.drafts import Draft
from graph.request import Request

GROUP = 8


def draft(loop: asyncio.AbstractEventLoop, action: str, *, background: bool) -> Draft:
    request = Request(author="test", action=action, background=background)
    return Draft(lambda edit: None, request, None, loop.create_future())


def told(drafts: list[Draft]) -> list[str]:
    return [one.request.action for one in drafts]


def queued(*wanted: str) -> DraftQueue:
    """Names that begin with `own` are the system's own changes."""
    queue = DraftQueue(group_size=GROUP)
    loop = asyncio.new_event_loop()
    for one in wanted:
        queue.put(draft(loop, one, background=one.startswith("own")))
    loop.close()
    return queue


def test_what_somebody_waits_for_comes_first_and_by_itself():
    queue = queued("own1", "own2", "asked1", "asked2")

    assert told(queue.take()) == ["asked1", "asked2"]
    assert told(queue.take()) == ["own1", "own2"]


def test_the_systems_own_changes_are_passed_over_once_at_most():
    loop = asyncio.new_event_loop()
    queue = queued("own1", "asked1")

    assert told(queue.take()) == ["asked1"]
    queue.put(draft(loop, "asked2", background=False))
    assert told(queue.take()) == ["asked2", "own1"]
    loop.close()


def test_many_requests_leave_half_of_a_mixed_group_to_the_systems_own_changes():
    queue = queued(*(f"own{n}" for n in range(20)), *(f"asked{n}" for n in range(20)))

    assert told(queue.take()) == [f"asked{n}" for n in range(8)]
    mixed = told(queue.take())
    assert mixed == [*(f"asked{n}" for n in range(8, 12)), *(f"own{n}" for n in range(4))]


def test_what_is_drained_is_all_that_waited():
    queue = queued("own1", "asked1", "own2")

    assert sorted(told(queue.drained())) == ["asked1", "own1", "own2"]
    assert not queue
    assert queue.take() == []


@given(st.lists(st.one_of(st.booleans(), st.none()), max_size=120))
def test_nothing_is_lost_or_overtaken_among_its_own_and_groups_are_bounded(steps: list[bool | None]):
    """True: something is asked; False: the system's own; None: a transaction is taken."""
    loop = asyncio.new_event_loop()
    queue = DraftQueue(group_size=GROUP)
    put: dict[bool, list[str]] = {True: [], False: []}
    taken: dict[bool, list[str]] = {True: [], False: []}
    without = 0

    def take() -> None:
        nonlocal without
        waited = len(put[False]) > len(taken[False])
        drafts = queue.take()
        assert len(drafts) <= GROUP
        for one in drafts:
            taken[not one.request.background].append(one.request.action)
        without = without + 1 if waited and not any(one.request.background for one in drafts) else 0
        assert without <= 1

    for number, step in enumerate(steps):
        if step is None:
            take()
        else:
            put[step].append(f"{step}{number}")
            queue.put(draft(loop, f"{step}{number}", background=not step))
    while queue:
        take()
    loop.close()
    assert taken == put

"""Turns at a source: nobody's slow calls keep out another's, and no more are under way than may be."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lifecycle.autoscaling_turns import Turns


class Asking:
    """Calls that have a turn until they are told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.ends: dict[asyncio.Task[None], asyncio.Event] = {}
        self.party: dict[asyncio.Task[None], str] = {}
        self.under_way: list[tuple[str, asyncio.Task[None]]] = []

    def ask(self, party: str) -> asyncio.Task[None]:
        end = asyncio.Event()

        async def call() -> None:
            async with self.turns.turn(party):
                self.order.append(party)
                mine = (party, asyncio.current_task())
                self.under_way.append(mine)
                try:
                    await end.wait()
                finally:
                    self.under_way.remove(mine)

        task = asyncio.ensure_future(call())
        self.ends[task] = end
        self.party[task] = party
        self.tasks.append(task)
        return task

    async def settle(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    async def end_oldest(self) -> None:
        self.ends[self.under_way[0][1]].set()
        await self.settle()

    async def over(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_one_party_has_only_so_many_turns_and_the_others_the_rest() -> None:
    asking = Asking(Turns(at_once=3, each=2))
    for _ in range(50):
        asking.ask("greedy")
    asking.ask("small")
    asking.ask("other")
    await asking.settle()
    assert sorted(party for party, _ in asking.under_way) == ["greedy", "greedy", "small"]
    await asking.end_oldest()
    assert asking.order[-1] == "other", "whoever has the fewest comes next"
    await asking.over()


async def test_of_equals_the_one_that_waited_longest_since_its_last_turn_is_next() -> None:
    asking = Asking(Turns(at_once=1, each=1))
    for party in ("a", "a", "a", "b", "b", "c"):
        asking.ask(party)
    await asking.settle()
    for _ in range(5):
        await asking.end_oldest()
    assert asking.order == ["a", "b", "c", "a", "b", "a"]
    asking.ask("c")
    asking.ask("a")
    await asking.end_oldest()
    assert asking.order[-1] == "c", "remembered from before"
    await asking.over()


async def test_a_call_that_is_given_up_leaves_its_turn_to_the_next() -> None:
    asking = Asking(Turns(at_once=1, each=1))
    first, second = asking.ask("a"), asking.ask("b")
    asking.ask("c")
    await asking.settle()
    second.cancel()
    first.cancel()
    await asking.settle()
    assert asking.order == ["a", "c"]
    await asking.over()


async def test_a_turn_that_comes_as_its_call_is_given_up_is_not_lost() -> None:
    turns = Turns(at_once=1, each=1)
    asking = Asking(turns)
    asking.ask("a")
    waiting = asking.ask("b")
    await asking.settle()
    asking.ends[asking.tasks[0]].set()
    await asyncio.sleep(0)
    waiting.cancel()
    await asking.settle()
    async with asyncio.timeout(5), turns.turn("c"):
        pass
    await asking.over()


@given(
    st.integers(1, 4),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["ask", "end", "cancel"])), max_size=60),
)
def test_no_more_than_may_be_are_under_way_and_no_turn_is_lost(at_once: int, each: int, steps) -> None:
    async def run() -> None:
        asking = Asking(Turns(at_once=at_once, each=each))
        for party, what in steps:
            if what == "ask":
                asking.ask(party)
            elif what == "end" and asking.under_way:
                asking.ends[asking.under_way[-1][1]].set()
            elif what == "cancel" and asking.tasks:
                asking.tasks[len(asking.tasks) // 2].cancel()
            await asking.settle()
            has = Counter(one for one, _ in asking.under_way)
            assert has.total() <= at_once
            assert all(count <= each for count in has.values())
            waiting = {one for task, one in asking.party.items() if not task.done()} - {
                one for one, _ in asking.under_way
            }
            assert has.total() == at_once or not waiting, "a turn is free and somebody waits"
        await asking.over()

    asyncio.run(run())

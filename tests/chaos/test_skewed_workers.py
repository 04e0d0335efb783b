"""Workers whose clocks differ, by a minute each way and by an hour's jump: nothing is done twice, and little is asked twice.

What is held against what: times in the graph are written by one worker and read by another, claims are waited out by who
did not make them, and observers follow each other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from drivers.simulated.effects import Outcome
from faultkit import broken
from faultkit.checks import check, rest
from faultkit.failpoints import arrive
from faultkit.fleets import Workers, workers_of
from faultkit.logical_time import run
from faultkit.scenarios import SMALL, over, version_id
from faultkit.user import Notes, User

pytestmark = pytest.mark.usefixtures("quiet_logs")
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
SITES = 5
SHOPS = 4
OBSERVED_LATE_S = 3.0
"""Later than a call is made again: who sees at once what a lost reply would have told makes no second call."""
AGAIN_AT_MOST = 1.5
"""Calls that did nothing, a call that did something: as often as with clocks that are right, times this."""
LONGER_AT_MOST = 2.0
"""Times as long: the graph's time goes at half the rate of a clock that is behind it."""
LOSES_REPLIES = {"observeEveryMs": 1_000, "latencyMs": 20, "latencyJitterMs": 100, "lostReplyRate": 0.3}


@dataclass
class Calls:
    """What reached the cluster, and in how many seconds."""

    done: int
    nothing: int
    took_s: float

    @property
    def again(self) -> float:
        """How many did nothing for one that did something."""
        return self.nothing / self.done


async def make_network(workers: Workers) -> None:
    """Sites under one cluster and two versions of an app, known to all."""
    edge = workers.alive[0].edge
    await edge.network(sites=SITES, nodes=1, **LOSES_REPLIES)
    for version in ("1", "2"):
        await edge.version(version, reference=f"shop:{version}", c0=SMALL, c1=SMALL)
    for one in workers.alive:
        for name in ("tenant_id", "site_ids", "cluster_ids", "version_id"):
            setattr(one.edge, name, getattr(edge, name))
        one.edge.deadline_s = 600.0
        assert await one.edge.ledger.wait_for(edge.view.revision)
    await edge.connected()


async def changed(workers: Workers, *, jumps_ms: Sequence[int], killed: bool) -> Calls:
    """Has changes asked of one worker and the other, while replies are lost; the clock of one jumps, or it dies."""
    await make_network(workers)
    first, last = workers.alive
    began = asyncio.get_running_loop().time()
    notes, jumps = Notes({}), iter(jumps_ms)
    users = [User(one.edge, notes) for one in workers.alive]
    shops = [await users[0].deploy(f"d{number}", sites=first.edge.site_ids) for number in range(SHOPS)]
    for number, shop in enumerate(shops):
        asks, hears = users[number % len(users)], users[(number + 1) % len(users)]
        # Each has heard of what the other has committed: an operation that is not known of is not over.
        assert await asks.edge.ledger.wait_for(hears.edge.view.revision)
        assert await hears.edge.ledger.wait_for(asks.edge.view.revision)
        await over(hears, shop.operation)
        scaled = await asks.scale(f"d{number} to 2 replicas", shop.deployment, c0=2)
        last.clock.ahead_ms += next(jumps, 0)
        await over(asks, scaled.operation)
        to = version_id(asks.edge, "2")
        dies = killed and number == SHOPS // 2
        last.points.die_on = "before ensure" if dies else None
        updated = await asks.update(f"d{number} to version 2", shop.deployment, app_version_id=to)
        if dies:
            await last.points.dead.wait()
            await workers.die(last)
            del users[-1]
        await over(asks, updated.operation)
        if dies:  # what it had sent is old by now
            await over(asks, (await asks.scale(f"d{number} to 1 replica", shop.deployment, c0=1)).operation)
    took_s = asyncio.get_running_loop().time() - began
    await rest(first.edge)
    await check(first.edge, notes.told)
    if killed:
        assert last.points.late, "nothing of the dead one was on its way"
        await arrive(last.points.late, first.driver.open[-1])
        await rest(first.edge)
        await check(first.edge, notes.told)
    assert all("before ensure" in one.points.passed for one in (first, last)), "one of them has done nothing"
    outcomes = Counter(one.outcome for one in first.edge.world().effects.after(0))
    return Calls(outcomes[Outcome.DONE], outcomes[Outcome.NOTHING], took_s)


class Skew(NamedTuple):
    """How clocks are wrong, and whether the second worker dies of something else meanwhile."""

    ahead_ms: tuple[int, int] = (0, 0)
    jumps_ms: tuple[int, ...] = ()
    """Of the second one's, at each change."""
    killed: bool = False


def calls(folder: Path, skew: Skew) -> Calls:
    """The same of two workers on a store in a folder."""

    async def live() -> Calls:
        async with workers_of(folder, ahead_ms=skew.ahead_ms, observed_after_s=OBSERVED_LATE_S) as workers:
            return await changed(workers, jumps_ms=skew.jumps_ms, killed=skew.killed)

    return run(live())


SKEWS = {
    "a minute ahead and a minute behind": Skew(ahead_ms=(MINUTE_MS, -MINUTE_MS)),
    "a minute behind and a minute ahead, which dies": Skew(ahead_ms=(-MINUTE_MS, MINUTE_MS), killed=True),
    "one jumps an hour ahead and back": Skew(jumps_ms=(HOUR_MS, 0, -HOUR_MS)),
    "one jumps an hour back and ahead, and dies": Skew(jumps_ms=(-HOUR_MS, 0, HOUR_MS), killed=True),
}


def check_skewed(tmp_path: Path, skew: Skew) -> None:
    """As little is done in vain, and in as little time, as where clocks are right, or nearly so."""
    found = {}
    for name, one in {"right": Skew(killed=skew.killed), "skewed": skew}.items():
        (tmp_path / name).mkdir()
        found[name] = calls(tmp_path / name, one)
    skewed, right = found["skewed"], found["right"]
    assert right.nothing, "no call was made twice"
    assert skewed.again <= AGAIN_AT_MOST * right.again, f"{skewed}, and {right} where clocks are right"
    assert skewed.took_s <= LONGER_AT_MOST * right.took_s, f"{skewed}, and {right} where clocks are right"


@pytest.mark.parametrize("name", SKEWS)
def test_workers_whose_clocks_differ_do_nothing_twice_and_wait_and_ask_hardly_more(tmp_path: Path, name: str) -> None:
    check_skewed(tmp_path, SKEWS[name])


@pytest.mark.parametrize("name", list(SKEWS)[:2])
def test_workers_that_hold_times_of_the_graph_against_their_own_clocks_are_found_out(tmp_path: Path, name: str) -> None:
    with broken.by_the_machines_clock(), pytest.raises(AssertionError, match="where clocks are right"):
        check_skewed(tmp_path, SKEWS[name])


def test_a_backend_that_takes_what_comes_from_a_worker_that_is_dead_is_found_out(tmp_path: Path) -> None:
    with broken.without_the_fence(), pytest.raises(AssertionError, match=r"generation \d+ (applied|removed) over \d+"):
        calls(tmp_path, Skew(ahead_ms=(-MINUTE_MS, MINUTE_MS), killed=True))

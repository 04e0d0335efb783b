"""One scenario with one death, and what must be true when another process has gone on from there.

It is checked twice: when all is done, and again when the calls that the dead process had sent have arrived after all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from faultkit.checks import check, rest
from faultkit.failpoints import Failpoints, arrive
from faultkit.lives import Installation
from faultkit.logical_time import run
from faultkit.memory import memory_folder
from faultkit.scenarios import Scenario, check_end, make_world
from faultkit.user import Notes, User
from lifecyclekit.edge import Edge

Made = Callable[[Path], Installation]


OBSERVATIONS = 8
"""Of the points of observers so many are died at, where nothing else is said."""


def passed(scenario: Scenario, *, observations: int = OBSERVATIONS, components: int = 1) -> list[str]:
    """The points that the scenario passes, in order, when nobody dies."""
    return _survived(scenario, None, made=Installation, keyed=True, observations=observations, components=components)


def die_at(
    scenario: Scenario,
    number: int,
    *,
    made: Made = Installation,
    keyed: bool = True,
    observations: int = OBSERVATIONS,
    components: int = 1,
) -> str | None:
    """Dies at one point, counted from 1, goes on with another life and checks all; the name of the point.

    None: the scenario was over before. Raises AssertionError when something that must hold does not.
    """
    points = _survived(scenario, number, made=made, keyed=keyed, observations=observations, components=components)
    return points[number - 1] if len(points) >= number else None


def _survived(
    scenario: Scenario, number: int | None, *, made: Made, keyed: bool, observations: int, components: int
) -> list[str]:
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        points = Failpoints(die_at=number, observations=observations)
        return run(_live(scenario, points, made(Path(folder)), keyed=keyed, components=components))


async def _live(
    scenario: Scenario, points: Failpoints, installation: Installation, *, keyed: bool, components: int
) -> list[str]:
    notes = Notes({}, keyed=keyed)

    def begun() -> None:
        points.armed = True

    async def work(edge: Edge) -> None:
        await make_world(edge, components=components, chained=scenario.chained)
        installation.know(edge)
        await scenario.act(User(edge, notes), begun)
        await rest(edge)

    await installation.until_death(points, work)
    points.armed = False
    async with installation.life() as edge:
        await scenario.act(User(edge, notes), lambda: None)
        await rest(edge)
        await check(edge, notes.told, partial=scenario.partial)
        check_end(edge, scenario)
        if points.late:
            await arrive(points.late, installation.driver.open[0])
            await rest(edge)
            await check(edge, notes.told, partial=scenario.partial)
            check_end(edge, scenario)
    return points.passed

"""Servers killed under many who watch, while lines are cut at random: nobody misses a change, or is told one twice.

Each watcher comes back to whichever server answers, with the cursor of what it was last told, and keeps a picture; in the
end all pictures are the graph's. With one process and any order of events this is in `tests/server/test_broadcast_truth.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from faultkit.convergence import HANGS_AFTER_S, converging
from serverkit.commands import CommandLine
from serverkit.process import RunningServer
from serverkit.watchers import Line, Missed, Watcher, Writer

REGIONS = 8
A_LINE = 10
"""Watchers that share a connection."""
CHANGES_A_KILL = 30


@dataclass
class Toll:
    """What a test of watchers did."""

    watchers: int
    kills: int = 0
    cuts: int = 0
    changes: int = 0
    connections: int = 0
    told: int = 0
    """Events that held changes, of all watchers."""
    converged_s: float = 0.0
    """The longest from when a killed server was ready again until everybody knew all that was acknowledged."""


def token_of(server: RunningServer) -> str:
    """That of the first user, who is signed in by the server's link."""
    environment = {**server.environment, "EDGEATLAS_URL": "", "EDGEATLAS_TOKEN": "", "EDGEATLAS_CONTEXT": ""}
    CommandLine(environment)("login", "--link", server.link)
    config = (Path(environment["XDG_CONFIG_HOME"]) / "edgeatlas" / "config.toml").read_text()
    return next(line.split('"')[1] for line in config.splitlines() if line.startswith("token ="))


@contextmanager
def serving(folder: Path, *flags: str, count: int = 1) -> Iterator[tuple[list[RunningServer], str]]:
    """Servers over one store, and somebody's token."""
    with ExitStack() as stack:
        made = []
        for number in range(count):
            (folder / f"server{number}").mkdir()
            server = RunningServer(folder / f"server{number}", flags)
            stack.callback(server.kill)
            made.append(server.start())
        yield made, token_of(made[0])


async def watched(
    servers: Sequence[RunningServer], token: str, *, watchers: int, kills: int, seed: int, resumes: bool = True
) -> Toll:
    """Kills servers in turn and cuts lines at random while regions change; then all must know all."""
    dice, toll = random.Random(seed), Toll(watchers)
    everybody = [Watcher(resumes=resumes) for _ in range(watchers)]
    lines = [
        Line(servers, token, everybody[first : first + A_LINE], seed=first) for first in range(0, watchers, A_LINE)
    ]
    writer = Writer(servers, token)

    async def change() -> None:
        await writer.update(dice.choice(sorted(writer.regions)))
        toll.changes += 1
        if dice.random() < 0.3:
            await dice.choice(lines).cut()
            toll.cuts += 1

    async def all_know() -> None:
        """All are told of all that was acknowledged."""
        began = asyncio.get_running_loop().time()
        while (behind := sum(one.revision < writer.revision for one in everybody)) > 0:
            waited_s = asyncio.get_running_loop().time() - began
            assert waited_s < HANGS_AFTER_S, f"{behind} are behind {writer.revision}"
            await asyncio.sleep(0.05)

    async def go_on() -> None:
        await all_know()
        for number in range(REGIONS):
            await writer.create(f"region-{number}")
        for number in range(kills):
            for _ in range(CHANGES_A_KILL):
                await change()
            victim = servers[number % len(servers)]
            changing = [asyncio.create_task(change()) for _ in range(3)]
            await asyncio.sleep(dice.uniform(0.0, 0.05))
            await asyncio.to_thread(victim.kill)
            toll.kills += 1
            await asyncio.to_thread(victim.start)
            with converging() as took:
                await asyncio.gather(*changing)
                await all_know()
            toll.converged_s = max(toll.converged_s, took.seconds)
        await change()
        await all_know()

    try:
        async with asyncio.TaskGroup() as running:
            watching = [running.create_task(one.run()) for one in lines]
            await go_on()
            for one in watching:
                one.cancel()
    except* Missed as found:
        raise found.exceptions[0] from None
    finally:
        await writer.close()
    for one in everybody:
        assert one.resyncs == 0, "a cursor that was good was refused"
        assert one.picture == writer.regions, "its picture is not the graph's"
    toll.connections = sum(one.connections for one in lines)
    toll.told = sum(one.told for one in everybody)
    return toll


async def test_whoever_watches_a_server_that_is_killed_misses_nothing(
    tmp_path: Path, converged: Callable[[float], None]
) -> None:
    with serving(tmp_path) as (servers, token):
        toll = await watched(servers, token, watchers=40, kills=1, seed=1)
    converged(toll.converged_s)
    assert toll.connections >= 2 * 40 / A_LINE


async def test_a_watcher_that_comes_back_without_its_cursor_is_found_to_have_missed_something(tmp_path: Path) -> None:
    with serving(tmp_path) as (servers, token), pytest.raises(Missed):
        await watched(servers, token, watchers=20, kills=1, seed=2, resumes=False)


@pytest.mark.chaos
async def test_two_hundred_who_watch_one_server_through_ten_kills_miss_nothing(
    tmp_path: Path, report: Callable[[str, object], None]
) -> None:
    with serving(tmp_path) as (servers, token):
        report("who watch, kill -9, SQLite", await watched(servers, token, watchers=200, kills=10, seed=3))


@pytest.mark.chaos
async def test_two_hundred_who_watch_two_servers_through_ten_kills_miss_nothing(
    tmp_path: Path, neo4j_server, nats_server, report: Callable[[str, object], None]
) -> None:
    neo4j_server.clear()
    key_file = str(tmp_path / "shared" / "key")
    flags = ("--store", neo4j_server.store, "--nats", nats_server.url, "--key-file", key_file)
    with serving(tmp_path, *flags, count=2) as (servers, token):
        report("who watch, kill -9, Neo4j and NATS", await watched(servers, token, watchers=200, kills=10, seed=4))

"""A disk or a size limit that is full: commits are refused as retryable, nothing is half applied, and it works again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from graph import replica
from graph.change import Record
from graph.edit import Edit
from graph.kinds import Region
from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.store import RecordPage, StoreProblem, StoreUnavailable
from graph.stores.sqlite import SqliteStore
from storekit import races
from storekit.checks import State, check_whole
from storekit.fixtures import plain_logs
from storekit.graphs import audit, head_of, write
from storekit.kills import check_told
from storekit.processes import ROOT, environment

__all__ = ["plain_logs"]


def run_on_a_full_disk(path: Path, *, limit: int, end: str, control: str = "none") -> list[str]:
    """What the writer was told, line by line."""
    done = subprocess.run(
        [sys.executable, "-m", "storekit.full_disk", str(path), str(limit), end, control],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == (0 if end == "mend" else -9), done.stderr.decode()[-3000:]
    return done.stdout.decode().splitlines()


async def checked(path: Path, lines: list[str]) -> State:
    told = {line.split()[2]: int(line.split()[1]) for line in lines if line.startswith("R ")}
    store = SqliteStore(path)
    await store.open()
    try:
        state = await check_whole(store)
        await check_told(store, state, told)
        return state
    finally:
        await store.close()


@pytest.mark.parametrize("end", ["mend", "die"])
@pytest.mark.parametrize("limit", [150_000, 1_000_001])
async def test_a_full_disk_loses_nothing_and_works_again_when_there_is_room(
    tmp_path: Path, limit: int, end: str
) -> None:
    path = tmp_path / "graph.db"
    lines = await asyncio.to_thread(run_on_a_full_disk, path, limit=limit, end=end)
    assert "full" in lines
    while_full = lines[lines.index("full") + 1 :]
    refusals = {line for line in lines if line.startswith("code")}
    assert refusals == {"code UNAVAILABLE"}
    assert while_full[3:5] == ["code UNAVAILABLE"] * 2, "the first may fit, for they are smaller than what did not"
    await checked(path, lines)
    if end == "mend":
        assert sum(line.startswith("R ") for line in while_full[5:]) == 20


async def test_the_check_finds_a_store_that_answers_in_spite_of_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    lines = await asyncio.to_thread(run_on_a_full_disk, path, limit=150_000, end="die", control="ignores")
    with pytest.raises((AssertionError, StoreProblem), match=r"was told durable at|the log has no commit"):
        await checked(path, lines)


async def test_a_database_at_its_size_limit_refuses_commits_and_takes_them_when_it_may_grow(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    told: dict[str, int] = {}
    async with Ledger(SqliteStore(path, max_bytes=400_000), group_size=4).running() as ledger:
        refused = None
        for number in range(1_000):
            try:
                done = await ledger.commit(races.several_entities(f"k-{number}", 0.5), races.REQUEST)
            except Unavailable as problem:
                refused = problem
                break
            told[f"k-{number}"] = done.revision
        assert refused is not None
        assert "full" in refused.message
        assert ledger.view.revision == len(told)
        assert await ledger.store.private("private:k-0") == b"k-0", "reads go on"
        await check_told(ledger.store, await check_whole(ledger.store), told)
    async with Ledger(SqliteStore(path, max_bytes=4_000_000)).running() as ledger:
        done = await ledger.commit(races.several_entities("grown", 0.5), races.REQUEST)
        await check_told(ledger.store, await check_whole(ledger.store), {**told, "grown": done.revision})


async def test_pruning_makes_room_within_the_size_limit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "graph.db", max_bytes=400_000)
    await store.open()
    try:
        written = 0

        async def fill() -> None:
            nonlocal written
            while True:
                await write(store, records=[audit(n) for n in range(100)])
                written += 100

        with pytest.raises(StoreUnavailable, match="full"):
            await fill()
        assert len(await store.records(RecordPage(collection="audit", limit=10_000))) == written > 0
        assert await store.prune("audit", before=10**15) == written
        await write(store, records=[audit(n) for n in range(100)])
        assert (await head_of(store)).revision == 0
    finally:
        await store.close()


async def test_a_group_that_does_not_fit_is_refused_and_a_smaller_commit_still_fits(tmp_path: Path) -> None:
    async with Ledger(SqliteStore(tmp_path / "graph.db", max_bytes=300_000)).running() as ledger:
        await ledger.commit(lambda edit: edit.create(Region, name="small"), races.REQUEST)
        with pytest.raises(Unavailable):
            await ledger.commit(
                lambda edit: [edit.create(Region, name=f"r{number}") for number in range(1_000)], races.REQUEST
            )
        await ledger.commit(lambda edit: edit.create(Region, name="small-too"), races.REQUEST)
        assert len((await check_whole(ledger.store)).live) == 2


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_store_that_has_room_for_a_word_alone_is_not_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "PROBE_S", 0.01)
    async with Ledger(SqliteStore(tmp_path / "graph.db", max_bytes=4_000_000)).running() as ledger:

        def filing(size: int) -> Callable[[Edit], None]:
            body = msgspec.Raw(b'"' + b"x" * size + b'"')
            return lambda edit: edit.file(
                Record(collection="audit", id=f"audit_{size}", tenant_id=None, subject_id=None, at=1, body=body)
            )

        await ledger.commit(filing(3_200_000), races.REQUEST)
        with pytest.raises(Unavailable, match="full"):
            await ledger.commit(filing(2_000_000), races.REQUEST)
        await asyncio.sleep(0.3)
        assert ledger.stale, "there is room for hundreds of kilobytes, and not for what is wanted"
        await ledger.store.prune("audit", before=10)
        await until(lambda: ledger.writable)
        await ledger.commit(filing(2_000_000), races.REQUEST)


async def test_a_store_that_falls_back_at_once_must_take_more_before_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "PROBE_S", 0.01)
    async with Ledger(SqliteStore(tmp_path / "graph.db", max_bytes=3_000_000)).running() as ledger:
        follows = ledger._replica
        follows.mark_stale()
        await until(lambda: ledger.writable)
        follows.mark_stale()
        await asyncio.sleep(0.3)
        assert ledger.stale, "1 MiB fits, 4 MiB do not"
        follows.mark_fresh()
        monkeypatch.setattr(replica, "RELAPSE_S", 0.0)
        follows.mark_stale()
        await until(lambda: ledger.writable)

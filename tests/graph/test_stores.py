"""Which store a setting names, and the thread that works for one."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from graph.store import StoreProblem, StoreUnavailable
from graph.stores import store_for
from graph.stores.sqlite import SqliteStore
from graph.stores.sqlite_thread import SqliteThread


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("graph.db", "graph.db"),
        ("./a:b/graph.db", "a:b/graph.db"),
        ("/var/lib/edgeatlas/graph.db", "/var/lib/edgeatlas/graph.db"),
        ("sqlite:graph.db", "graph.db"),
        ("sqlite:///var/lib/graph.db", "/var/lib/graph.db"),
        ("sqlite:/var/lib/graph.db", "/var/lib/graph.db"),
        ("sqlite://data/graph.db", "data/graph.db"),
    ],
)
def test_a_path_is_an_embedded_database(url: str, path: str) -> None:
    store = store_for(url)
    assert isinstance(store, SqliteStore)
    assert store.path == Path(path).absolute()
    assert (store.name, store.shared) == ("sqlite", False)


@pytest.mark.parametrize("url", ["postgres://host/db", "http://host", "sqlite:", "", "bolt://", "neo4j:nothing"])
def test_what_names_no_store_is_refused_with_what_does(url: str) -> None:
    with pytest.raises(StoreProblem, match=r"write .*"):
        store_for(url)


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)


async def test_jobs_run_in_order_in_one_thread_that_is_not_the_loops() -> None:
    thread = SqliteThread(memory, name="t", database=Path("g"))
    order: list[int] = []
    names = await asyncio.gather(
        *(thread.run(lambda _, n=n: (order.append(n), threading.current_thread().name)[1]) for n in range(50))
    )
    assert order == list(range(50))
    assert set(names) == {"t"}
    await thread.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await thread.run(lambda connection: None)
    await thread.close()


async def test_more_jobs_than_may_wait_are_refused_and_then_accepted_again() -> None:
    thread = SqliteThread(memory, name="t", database=Path("g"), waiting=3)
    gate = threading.Event()
    waiting = [asyncio.create_task(thread.run(lambda connection: gate.wait(10))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="3 requests wait"):
        await thread.run(lambda connection: None)
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    await thread.run(lambda connection: None)
    await thread.close()


async def test_a_cancelled_caller_that_waits_to_the_end_knows_that_the_work_is_over() -> None:
    thread = SqliteThread(memory, name="t", database=Path("g"))
    gate = threading.Event()
    done: list[str] = []

    def work(connection: sqlite3.Connection) -> None:
        gate.wait(10)
        done.append("work")

    async def ask() -> None:
        try:
            await thread.run(work, to_the_end=True)
        finally:
            done.append("caller")

    task = asyncio.create_task(ask())
    await asyncio.sleep(0.01)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["work", "caller"]
    await thread.close()


async def test_a_connection_that_fails_is_opened_anew_for_the_next_job() -> None:
    opened = 0

    def connect() -> sqlite3.Connection:
        nonlocal opened
        opened += 1
        if opened == 2:
            raise sqlite3.OperationalError("cannot be opened just now")
        return memory()

    def fail(connection: sqlite3.Connection) -> None:
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise problem

    thread = SqliteThread(connect, name="t", database=Path("g"))
    with pytest.raises(StoreUnavailable):
        await thread.run(fail)
    with pytest.raises(StoreProblem):
        await thread.run(lambda connection: 1)
    assert await thread.run(lambda connection: 1) == 1
    assert opened == 3
    await thread.close()

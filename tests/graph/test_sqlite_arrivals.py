"""The newest commits in rows of their own: found as if they were in their places, and put there without a trace."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from graph.change import Record
from graph.kinds import Operation, OperationKind, OperationStatus, Region
from graph.ledger import Ledger
from graph.store import RecordPage, Store, StoreProblem, StoreUnavailable
from graph.stores import sqlite_arrivals
from graph.stores.sqlite import SqliteStore
from graph.stores.sqlite_arrivals import LARGE_BYTES, LARGE_COMMITS, MANY
from storekit import races
from storekit.checks import all_commits, all_records, body, check_whole
from storekit.graphs import Chain, audit, created, head_of, idempotency_record, region, write


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "graph.db")
    await made.open()
    yield made
    await made.close()


def in_table(path: Path, table: str) -> int:
    """How many rows a table has, of `arrivals` those that are not in their places."""
    where = " WHERE number > (SELECT placed FROM meta)" if table == "arrivals" else ""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}{where}").fetchone()[0])


async def abandoned(store: SqliteStore) -> None:
    """Leaves the file as a killed process does: nothing is put in its place at the end."""
    await store._file.close()
    store._commits.forget()


async def test_small_commits_arrive_and_large_ones_go_to_their_places_with_what_arrived(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    for _ in range(3):
        await write(store, [chain.commit(*created(region("small")))])
    assert (in_table(store.path, "arrivals"), in_table(store.path, "log")) == (3, 0)
    await write(store, [chain.commit(*created(region(f"r{n}"))) for n in range(LARGE_COMMITS)])
    assert (in_table(store.path, "arrivals"), in_table(store.path, "log")) == (0, 3 + LARGE_COMMITS)
    await write(store, [chain.commit(*created(region("x", display_name="x" * LARGE_BYTES)))])
    assert (in_table(store.path, "arrivals"), in_table(store.path, "log")) == (0, 4 + LARGE_COMMITS)
    assert (await check_whole(store)).revision == chain.revision


async def test_rows_are_used_again_and_the_file_does_not_grow_with_them(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    for number in range(3 * MANY):
        await write(store, [chain.commit(*created(region("r", display_name="x" * (number * 37 % 9_000))))])
        with closing(sqlite3.connect(store.path)) as connection:
            assert connection.execute("SELECT count(*) FROM arrivals").fetchone()[0] <= MANY
    assert in_table(store.path, "log") == 2 * MANY
    assert (await check_whole(store)).revision == 3 * MANY


@pytest.mark.parametrize("count", [1, MANY - 1, MANY, MANY + 1])
async def test_what_had_arrived_when_the_process_was_killed_is_there_at_the_next_start(
    tmp_path: Path, count: int
) -> None:
    store = SqliteStore(tmp_path / "graph.db")
    await store.open()
    chain = Chain(await head_of(store))
    for number in range(count):
        await write(
            store,
            [chain.commit(*created(region(f"r{number}")), counters={"c": number})],
            records=[audit(number)],
            idempotency=[idempotency_record(f"k{number}")],
            private={f"p{number}": str(number).encode()},
        )
    head = await head_of(store)
    await abandoned(store)
    again = SqliteStore(store.path)
    assert await again.open() == head
    state = await check_whole(again)
    assert (state.revision, state.counters) == (count, {"c": count - 1})
    assert len(await all_records(again, "audit")) == count
    async with again.begin() as transaction:
        await transaction.head()
        assert len(await transaction.idempotency([f"k{number}" for number in range(count)])) == count
    assert [await again.private(f"p{number}") for number in range(count)] == [str(n).encode() for n in range(count)]
    await write(again, [chain.commit(*created(region("next")))])
    await again.close()
    assert in_table(store.path, "arrivals") == 0, "a store that is closed has put all in its place"
    last = SqliteStore(store.path)
    await last.open()
    assert (await check_whole(last)).revision == count + 1
    await last.close()


def _record(number: int, *, tenant: str | None, subject: str | None) -> Record:
    return Record(
        collection="things",
        id=f"thing_{number:04}",
        tenant_id=tenant,
        subject_id=subject,
        at=number,
        body=msgspec.Raw(b"{}"),
    )


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"ascending": True},
        {"limit": 3},
        {"limit": 3, "ascending": True, "after_id": "thing_0004"},
        {"limit": 30, "after_id": "thing_0013"},
        {"before_id": "thing_0005"},
        {"before_id": "thing_0015", "ascending": True},
        {"tenant_ids": ["t0"]},
        {"tenant_ids": [None, "t1"], "limit": 4},
        {"tenant_ids": []},
        {"subject_id": "s1"},
        {"subject_id": "s1", "tenant_ids": ["t1"]},
        {"at_from": 4, "at_until": 15},
        {"ids": ["thing_0001", "thing_0019", "thing_0099"]},
        {"but_ids": ["thing_0001", "thing_0019"]},
        {"limit": 0},
    ],
)
async def test_records_are_paged_and_counted_as_if_they_were_in_their_places(
    store: SqliteStore, page: dict[str, object]
) -> None:
    asked = RecordPage(collection="things", **page)  # type: ignore[arg-type]  # of a table of cases
    things = [_record(n, tenant=[None, "t0", "t1"][n % 3], subject=[None, "s1"][n % 2]) for n in range(20)]
    await write(store, records=things[::2])
    await store._commits.settle()
    await write(store, records=[_record(4, tenant="t1", subject="s1")])  # put again, and otherwise
    for one in things[1::2]:
        await write(store, records=[one])
    before = [body(one) for one in await store.records(asked)]
    counted = await store.count_records(asked)
    assert in_table(store.path, "arrivals") == 11
    await store._commits.settle()
    assert in_table(store.path, "arrivals") == 0
    assert before == [body(one) for one in await store.records(asked)]
    assert counted == await store.count_records(asked)
    again = await store.record("things", "thing_0004")
    assert again is not None
    assert again.subject_id == "s1"


async def test_an_operation_that_ends_begins_again_and_is_deleted_is_found_as_it_is(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    running = Operation(id="operation_1", kind=OperationKind.DRAIN)
    ended = Operation(id="operation_1", kind=OperationKind.DRAIN, status=OperationStatus.FAILED)
    for before, after, filed in ((None, running, 0), (running, ended, 1), (ended, running, 0), (running, ended, 1)):
        await write(store, [chain.commit((before, after))])
        for _ in range(2):
            assert (await store.record("Operation", "operation_1") is not None) == bool(filed)
            assert await store.count_records(RecordPage(collection="Operation")) == filed
            assert (await check_whole(store)).revision == chain.revision
            await store._commits.settle()


async def test_the_log_is_read_over_the_border_between_both(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region(f"r{n}"))) for n in range(LARGE_COMMITS)])
    for number in range(5):
        await write(store, [chain.commit(*created(region(f"s{number}")))])
    last = chain.revision
    for limit in (1, 3, LARGE_COMMITS, LARGE_COMMITS + 2, 100):
        for after in range(last + 1):
            found = [one.revision for one in await store.commits_after(after, limit=limit)]
            assert found == list(range(after + 1, last + 1))[:limit]
    assert len(await all_commits(store)) == last


async def test_a_draft_or_a_key_is_not_taken_twice_wherever_the_first_is(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("r")), draft_id="d")], idempotency=[idempotency_record("k")])
    for _ in range(2):
        for draft, key in (("d", "other"), ("other", "k")):
            again = Chain(await head_of(store)).commit(*created(region("r")), draft_id=draft)
            with pytest.raises(StoreProblem):
                await write(store, [again], idempotency=[idempotency_record(key)])
        await store._commits.settle()
    assert (await check_whole(store)).revision == 1


async def test_a_number_that_would_not_find_its_place_does_not_arrive(store: SqliteStore) -> None:
    for at in (2**63, 2**64, -(2**63) - 1):
        with pytest.raises(Exception):  # noqa: B017 - which one is no matter: that it does not stay is
            await write(store, records=[audit(1, at=at)])
    chain = Chain(await head_of(store))
    with pytest.raises(OverflowError):
        await write(store, [chain.commit(*created(region("r")), counters={"c": 2**63})])
    assert await all_records(store, "audit") == []
    assert (await head_of(store)).revision == 0


async def test_a_secret_that_was_put_in_its_place_is_not_among_the_arrivals(store: SqliteStore) -> None:
    marker = b"a secret of which nothing may stay " * 3
    await write(store, private={"k": marker})
    await store._commits.settle()
    await write(store, private={"k": None})
    await store._commits.settle()
    assert await store.private("k") is None
    with closing(sqlite3.connect(store.path)) as connection:
        bodies = connection.execute("SELECT body FROM arrivals").fetchall()
    assert len(bodies) == 2
    assert not any(marker in one for (one,) in bodies)


async def test_a_damaged_arrival_is_named_and_nothing_is_lost_by_looking(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "graph.db")
    await store.open()
    chain = Chain(await head_of(store))
    for number in range(3):
        await write(store, [chain.commit(*created(region(f"r{number}")))])
    await abandoned(store)
    for damage in ("UPDATE arrivals SET body = x'ff' WHERE number = 2", "DELETE FROM arrivals WHERE number = 2"):
        with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
            connection.execute(damage)
        again = SqliteStore(store.path)
        with pytest.raises(StoreProblem, match="arrival 2"):
            await again.open()


async def test_where_rows_were_used_in_another_order_none_is_written_over_before_it_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "graph.db")
    await store.open()
    chain = Chain(await head_of(store))
    for number in range(7):
        await write(store, [chain.commit(*created(region(f"r{number}")))])
    await abandoned(store)
    monkeypatch.setattr(sqlite_arrivals, "MANY", 5)
    again = SqliteStore(store.path)
    await again.open()
    for number in range(12):
        await write(again, [chain.commit(*created(region(f"s{number}")))])
        assert (await check_whole(again)).revision == 8 + number
    await again.close()


async def test_reading_goes_on_where_there_is_no_room_to_put_anything_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: sqlite3.Connection, arrivals: object) -> None:
        raise StoreUnavailable("full on purpose")

    async with Ledger(SqliteStore(tmp_path / "graph.db")).running() as ledger:
        store: Store = ledger.store
        for number in range(4):
            await ledger.commit(races.several_entities(f"k{number}", 0.5), races.REQUEST)
        with monkeypatch.context() as patched:
            patched.setattr("graph.stores.sqlite_commits.put_in_place", full)
            assert (await check_whole(store)).revision == 4
            assert await store.private("private:k0") == b"k0"
            assert len(await all_records(store, "audit")) == 4
            assert await store.prune("audit", before=10**15) == 0, "what has not found its place is not dropped"
            assert await store.compact(keep_commits=0, keep_after=0) == 0
        assert await store.prune("audit", before=10**15) == 4
        assert await store.compact(keep_commits=1, keep_after=0) == 3
        region_ = ledger.view.find("Region", "k0")
        assert isinstance(region_, Region)

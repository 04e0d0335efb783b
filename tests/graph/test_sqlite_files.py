"""The embedded database as a file: whose it is, what is in it, who may read it, and what happens when it changes hands."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from graph.ledger import Ledger
from graph.refusal import Unavailable
from graph.store import (
    SCHEMA_NUMBER,
    RecordPage,
    SchemaTooNew,
    StoreOwned,
    StoreProblem,
    StoreUnavailable,
    UnknownOutcome,
)
from graph.stores import sqlite_arrivals
from graph.stores.sqlite import SqliteStore
from graph.stores.sqlite_backup import ROOM_KEPT_BYTES, restore
from graph.stores.sqlite_commits import Commits
from graph.stores.sqlite_errors import at_commit, breaks_connection, translated
from graph.stores.sqlite_file import SqliteFile, Work
from graph.stores.sqlite_schema import APPLICATION_ID, CHECKPOINT_PAGES, PAGE_BYTES, UNFINISHED_RESTORE
from graph.stores.sqlite_thread import BrokenConnectionError
from storekit import races
from storekit.checks import check_whole
from storekit.fixtures import plain_logs
from storekit.graphs import Chain, audit, created, head_of, region, sample_graph, write

__all__ = ["plain_logs"]

T = TypeVar("T")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(tmp_path / "graph.db")
    await made.open()
    yield made
    await made.close()


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for one in statements:
            connection.execute(one)


async def test_the_database_and_its_lock_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "data" / "deep" / "graph.db")
    await store.open()
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    for ending in ("", "-wal", "-shm", ".lock"):
        mode = stat.S_IMODE(os.stat(f"{store.path}{ending}").st_mode)
        assert mode == 0o600, ending
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    await store.close()


async def test_a_commit_is_flushed_before_it_is_answered(store: SqliteStore) -> None:
    settings = await store._file.write(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "user_version")
        ]
    )
    assert settings == ["wal", 2, SCHEMA_NUMBER]


async def test_a_second_owner_in_the_same_process_is_refused_and_the_first_is_unharmed(store: SqliteStore) -> None:
    other = SqliteStore(store.path)
    with pytest.raises(StoreOwned, match=f"process {os.getpid()} on .* stop it first"):
        await other.open()
    with pytest.raises(StoreUnavailable, match="not open"):
        await other.private("k")
    await write(store, private={"k": b"v"})
    assert await store.private("k") == b"v"
    await store.close()
    await other.open()
    await other.close()


@pytest.mark.parametrize(
    "content",
    [
        b"this is no database, but it is long enough to be taken for one" * 20,
        b"x",
        b"SQLite format 3\x00" + b"\xff" * 5000,
    ],
)
async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(StoreProblem, match=r"notes\.txt") as problem:
        await SqliteStore(path).open()
    assert not isinstance(problem.value, StoreUnavailable)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "statements",
    [("CREATE TABLE live (x)",), ("PRAGMA application_id = 7",), ("CREATE TABLE t (x)", "PRAGMA user_version = 1")],
)
async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path, statements: tuple[str, ...]) -> None:
    path = tmp_path / "theirs.db"
    alter(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StoreProblem, match=r"theirs\.db is not an EdgeAtlas database"):
        await SqliteStore(path).open()
    assert path.read_bytes() == before


async def test_a_damaged_database_is_named_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    store = SqliteStore(path)
    await store.open()
    chain = Chain(await head_of(store))
    for _ in range(40):
        await write(store, [chain.commit(*created(*(region("x" * 200) for _ in range(20))))])
    await store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(3, size // PAGE_BYTES):
            file.seek(page * PAGE_BYTES)
            file.write(b"\xee" * 300)

    async def look() -> None:
        store = SqliteStore(path)
        try:
            await store.open()
            await check_whole(store)
        finally:
            await store.close()

    with pytest.raises(StoreProblem, match=r"damaged|cannot be read"):
        await look()


async def test_a_newer_schema_is_read_and_never_written(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    async with Ledger(SqliteStore(path)).running() as ledger:
        kept = (await ledger.commit(races.several_entities("kept", 0.5), races.REQUEST)).value
    alter(path, f"PRAGMA user_version = {SCHEMA_NUMBER + 1}")
    store = SqliteStore(path)
    async with Ledger(store).running() as ledger:
        assert ledger.view.get(kept) is not None
        assert len(await store.records(RecordPage(collection="audit"))) == 1
        assert not ledger.writable
        with pytest.raises(Unavailable, match="newer version"):
            await ledger.commit(races.several_entities("new", 0.5), races.REQUEST)
        assert (await head_of(store)).schema == SCHEMA_NUMBER + 1
        for attempt in (
            write(store, private={"k": b"v"}),
            store.put_ephemeral("k", b"v", expires_at=1),
            store.compact(keep_commits=0, keep_after=0),
            store.prune("audit", before=10**15),
            store.prune_subject("audit", "site_1"),
            store.new_epoch(),
        ):
            with pytest.raises(SchemaTooNew, match="upgrade"):
                await attempt


async def test_opening_again_and_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    heads = []
    for _ in range(3):
        store = SqliteStore(path)
        heads.append(await store.open())
        await store.close()
    assert len(set(heads)) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


async def test_a_migration_that_was_cut_short_is_done_by_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    path.touch()
    alter(path, "PRAGMA journal_mode = WAL")
    store = SqliteStore(path)
    assert (await store.open()).revision == 0
    await store.close()


async def test_a_database_that_is_moved_away_takes_no_commit_until_it_is_back(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    elsewhere = store.path.with_name("elsewhere.db")
    store.path.rename(elsewhere)
    with pytest.raises(StoreUnavailable, match="gone"):
        await write(store, [chain.commit(*created(region("one")))])
    store.path.write_bytes(elsewhere.read_bytes())
    with pytest.raises(StoreUnavailable, match="replaced"):
        await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    store.path.unlink()
    elsewhere.rename(store.path)
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    assert (await check_whole(store)).revision == 1


async def test_while_another_program_locks_the_file_commits_wait_and_the_loop_does_not(store: SqliteStore) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        chain = Chain(await head_of(store))
        waiting = asyncio.create_task(write(store, [chain.commit(*created(region("one")))]))
        for _ in range(30):
            await asyncio.sleep(0.005)  # the loop goes on, or this would never end before the lock does
        assert not waiting.done()
        assert await store.private("reads go on") is None
        other.execute("ROLLBACK")
        await waiting
    assert (await check_whole(store)).revision == 1


async def test_a_folder_that_cannot_be_made_is_a_problem_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreProblem, match="file"):
        await SqliteStore(tmp_path / "file" / "graph.db").open()


async def test_the_write_ahead_log_is_bounded(store: SqliteStore) -> None:
    log = store.path.with_name(store.path.name + "-wal")
    bound = CHECKPOINT_PAGES * PAGE_BYTES + 10_000_000
    for number in range(2 * bound // 4_000_000):
        await write(store, private={f"k{part}": bytes(1_000_000) for part in range(number, number + 4)})
        assert log.stat().st_size < bound
    await store.close()
    assert not log.exists()


async def test_a_backup_under_load_is_one_moments_graph(tmp_path: Path) -> None:
    path = tmp_path / "graph.db"
    async with Ledger(SqliteStore(path)).running() as ledger:
        await asyncio.gather(
            *(ledger.commit(races.several_entities(f"before-{n}", 0.5), races.REQUEST) for n in range(300))
        )
        stop = asyncio.Event()

        async def keep_writing() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await ledger.commit(races.several_entities(f"during-{number}", 0.5), races.REQUEST)

        writer = asyncio.create_task(keep_writing())
        before = ledger.view.revision
        await ledger.store.backup(tmp_path / "copy.db")
        after = ledger.view.revision
        stop.set()
        await writer
    copy = SqliteStore(tmp_path / "copy.db")
    head = await copy.open()
    assert before <= head.revision <= after
    await check_whole(copy)
    await copy.close()
    assert sorted(one.name for one in tmp_path.iterdir() if "copy" in one.name) == ["copy.db", "copy.db.lock"]


async def test_a_backup_never_takes_the_place_of_a_file_and_leaves_none_half_made(store: SqliteStore) -> None:
    target = store.path.with_name("copy.db")
    target.write_text("precious")
    with pytest.raises(StoreProblem, match=r"copy\.db exists"):
        await store.backup(target)
    assert target.read_text() == "precious"
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store.backup(store.path.parent / "nowhere" / "copy.db")
    await write(store, private={f"k{number}": bytes(1_000_000) for number in range(20)})
    stopped = asyncio.create_task(store.backup(store.path.with_name("stopped.db")))
    await asyncio.sleep(0.005)
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    left = {one.name for one in store.path.parent.iterdir()}
    assert "stopped.db.partial" not in left


async def test_a_restored_graph_is_the_backups_with_a_new_epoch(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(*sample_graph(2)))], records=[audit(1)])
    saved = await check_whole(store)
    before = await head_of(store)
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    await write(store, [chain.commit(*created(region("later")))])
    with pytest.raises(StoreOwned):
        await asyncio.to_thread(restore, backup, store.path)
    await store.close()
    made = await asyncio.to_thread(restore, backup, store.path)
    assert (made.head.revision, made.head.at) == (before.revision, before.at)
    assert made.head.epoch != before.epoch
    again = SqliteStore(store.path)
    assert await again.open() == made.head
    assert (await check_whole(again)).live == saved.live
    await again.close()
    assert made.previous == store.path.with_name(store.path.name + ".before-restore")
    old = SqliteStore(made.previous)
    assert (await old.open()).revision == 2, "what was there before is kept"
    await old.close()


async def test_a_second_restore_leaves_what_the_first_put_aside(store: SqliteStore) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one")))])
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    await write(store, [chain.commit(*created(region("two")))])
    await store.close()
    asides = [(await asyncio.to_thread(restore, backup, store.path)).previous for _ in range(3)]
    revisions = []
    for one in asides:
        assert one is not None
        old = SqliteStore(one)
        revisions.append((await old.open()).revision)
        await old.close()
    assert revisions == [2, 1, 1]


async def test_a_backup_goes_where_there_was_no_graph(store: SqliteStore, tmp_path: Path) -> None:
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    backup, elsewhere = store.path.with_name("copy.db"), tmp_path / "new" / "folder" / "graph.db"
    await store.backup(backup)
    made = await asyncio.to_thread(restore, backup, elsewhere)
    assert (made.head.revision, made.previous) == (1, None)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600


async def test_commits_in_a_copied_write_ahead_log_are_restored_with_it(store: SqliteStore, tmp_path: Path) -> None:
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    copied = tmp_path / "copied"
    copied.mkdir()
    for ending in ("", "-wal"):
        path = store.path.with_name(store.path.name + ending)
        (copied / path.name).write_bytes(path.read_bytes())
    made = await asyncio.to_thread(restore, copied / store.path.name, tmp_path / "new.db")
    assert made.head.revision == 1


async def test_a_database_that_is_too_damaged_to_open_is_put_aside_with_its_log(store: SqliteStore) -> None:
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    await store.close()
    log = store.path.with_name(store.path.name + "-wal")
    store.path.write_bytes(b"\xee" * 9_000)
    log.write_bytes(b"a log")
    made = await asyncio.to_thread(restore, backup, store.path)
    assert made.previous is not None
    assert made.previous.read_bytes() == b"\xee" * 9_000
    assert made.previous.with_name(made.previous.name + "-wal").read_bytes() == b"a log"
    assert not log.exists(), "beside the restored database it would be taken for that one's"
    assert (await store.open()).revision == 1


async def test_a_damaged_backup_is_not_restored(store: SqliteStore) -> None:
    for part in range(5):
        await write(store, private={f"k{part}-{number}": bytes(3_000) for number in range(40)})
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    await store.close()
    with backup.open("r+b") as file:
        for page in range(20, 60):
            file.seek(page * PAGE_BYTES)
            file.write(b"\xee" * 300)
    before = store.path.read_bytes()
    with pytest.raises(StoreProblem, match="damaged"):
        await asyncio.to_thread(restore, backup, store.path)
    assert store.path.read_bytes() == before
    assert await store.open()


async def test_after_a_restore_that_was_cut_short_no_empty_graph_is_begun(store: SqliteStore) -> None:
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    await store.close()
    # As a kill between the last two renames of a damaged database leaves it.
    store.path.rename(store.path.with_name(store.path.name + ".before-restore"))
    store.path.with_name(store.path.name + UNFINISHED_RESTORE).write_bytes(backup.read_bytes())
    with pytest.raises(StoreProblem, match="cut short: run it again"):
        await store.open()
    assert not store.path.exists()
    made = await asyncio.to_thread(restore, backup, store.path)
    assert made.head.revision == 1
    assert (await store.open()).revision == 1


async def test_a_backup_that_would_fill_the_disk_is_refused(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(store.path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=ROOM_KEPT_BYTES))
    with pytest.raises(StoreUnavailable, match="make room"):
        await store.backup(store.path.with_name("copy.db"))
    assert [one.name for one in store.path.parent.iterdir() if "copy" in one.name] == []


async def test_a_backup_holds_nothing_of_sessions(store: SqliteStore) -> None:
    marker = b"marker-of-a-session" * 20
    for number in range(50):
        await store.put_ephemeral(f"session:{number}", marker, expires_at=10**15)
    backup = store.path.with_name("copy.db")
    await store.backup(backup)
    assert marker not in backup.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no backup" * 1000])
async def test_what_is_no_backup_is_not_restored(store: SqliteStore, content: bytes) -> None:
    await store.close()
    other = store.path.with_name("other")
    other.write_bytes(content)
    before = store.path.read_bytes()
    with pytest.raises(StoreProblem):
        await asyncio.to_thread(restore, other, store.path)
    assert store.path.read_bytes() == before
    assert not store.path.with_name(store.path.name + ".restored").exists()


def sqlite_error(code: int) -> sqlite3.Error:
    problem = sqlite3.OperationalError("as SQLite says it")
    problem.sqlite_errorcode = code
    return problem


@pytest.mark.parametrize(
    ("code", "kind", "when_committing", "anew"),
    [
        (sqlite3.SQLITE_FULL, StoreUnavailable, StoreUnavailable, False),
        (sqlite3.SQLITE_BUSY, StoreUnavailable, StoreUnavailable, False),
        (sqlite3.SQLITE_IOERR_WRITE, StoreUnavailable, StoreUnavailable, True),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable, UnknownOutcome, True),
        (sqlite3.SQLITE_IOERR_READ, StoreUnavailable, UnknownOutcome, True),
        (sqlite3.SQLITE_READONLY, StoreUnavailable, UnknownOutcome, True),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailable, UnknownOutcome, True),
        (sqlite3.SQLITE_CORRUPT, StoreProblem, UnknownOutcome, True),
        (sqlite3.SQLITE_NOTADB, StoreProblem, UnknownOutcome, True),
        (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, StoreProblem, UnknownOutcome, False),
    ],
)
def test_sqlites_codes_become_the_stores_errors(
    code: int, kind: type[StoreProblem], when_committing: type[StoreProblem], anew: bool
) -> None:
    problem = sqlite_error(code)
    assert type(translated(problem, database=Path("g.db"))) is kind
    assert type(at_commit(problem, database=Path("g.db"))) is when_committing
    assert breaks_connection(problem) is anew


class FailsToFlush(SqliteFile):
    """Its second transaction of a sort fails as a flush does: the frames are written or not, and nobody knows."""

    def __init__(self, path: Path, *, done: bool, sort: str) -> None:
        super().__init__(path)
        self.done = done
        self.sort = sort
        self.transactions = 0

    def in_transaction(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        return self._fails("in_transaction", super().in_transaction, connection, work)

    def by_itself(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        return self._fails("by_itself", super().by_itself, connection, work)

    def _fails(self, sort: str, parent: Callable[..., T], connection: sqlite3.Connection, work: Work[T]) -> T:
        self.transactions += sort == self.sort
        if sort != self.sort or self.transactions != 2:
            return parent(connection, work)
        if self.done:
            parent(connection, work)
        raise BrokenConnectionError(at_commit(sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), database=self.path))


@pytest.mark.parametrize("sort", ["in_transaction", "by_itself"])
@pytest.mark.parametrize("done", [True, False])
async def test_after_a_failed_flush_the_database_is_asked_what_happened(
    tmp_path: Path, done: bool, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_arrivals, "MANY", 3)
    store = SqliteStore(tmp_path / "graph.db")
    store._file = FailsToFlush(store.path, done=done, sort=sort)
    store._commits = Commits(store._file)
    async with Ledger(store).running() as ledger:
        for number in range(10):
            await ledger.commit(races.several_entities(f"k-{number}", 0.5), races.REQUEST)
        assert ledger.view.revision == 10
        assert (await check_whole(store)).revision == 10
        assert store._file.transactions > 2

"""What was committed last, as it arrived: one row a group, put in its places later and many together.

A commit belongs in half a dozen trees: the log and its drafts, the live entities, the filed records and their indexes. That
is ten pages of four KiB, and beside its flush the pages that it writes are what a commit costs. So a small group is written
as one row of the table `arrivals`, whole and flushed. The rows are filled up to a page and used again and again, so that a
small commit writes one page, in its place. Every 128 of them are put in their places by one transaction, and what several
of them changed is then written once.

Until then they are in memory as well, and whoever reads lays them over what the tables say: nobody waits until they are in
their places, and a disk that is full keeps nobody from reading. An `Arrivals` is a value, replaced by the writer's thread
after each commit; who took one before it read the tables has missed nothing, for it lays it over what it finds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain

import msgspec

from graph.change import Commit, IdempotencyRecord, Record, decode_commit, encode_commit
from graph.filing import filing
from graph.store import Head, RecordPage, StoreProblem, WriteBatch
from graph.stores.sqlite_rows import MOST_RECORDS, write_batch

MANY = 128
MANY_BYTES = 1024 * 1024
"""So many arrivals, or so many bytes of them, are put in their places before the next is taken."""
LARGE_COMMITS = 16
LARGE_BYTES = 64 * 1024
"""A group of so many commits or bytes goes to its places at once: its pages are shared by its commits already."""
ROOM_BYTES = 8 * MANY_BYTES
"""Below so much room in the database nothing arrives any more, for it might not find its places."""
ROW_BYTES = 4_000
"""A body is filled up to this, and beyond it to whole pages (`MORE_BYTES`): a row of the size of the one before is written
over it, without a change to the tree (https://www.sqlite.org/fileformat.html sections 1.5 and 1.6: a cell of up to 4,061
bytes of payload lies in its page of 4,096 bytes, the rest in pages of 4,092 bytes each)."""
MORE_BYTES = 4_092
_MAX_INTEGER = 2**63 - 1


class _Arrival(msgspec.Struct, array_like=True, gc=False):
    """A batch as it is kept in a row."""

    commits: Sequence[bytes]
    records: Sequence[tuple[str, str, str | None, str | None, int, bytes]]
    idempotency: Sequence[tuple[str, str, bytes, int, int]]
    private: Mapping[str, bytes | None]


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Arrival)


def may_arrive(batch: WriteBatch) -> bool:
    """Whether a batch is small enough, as far as can be seen before it is encoded."""
    if len(batch.commits) >= LARGE_COMMITS:
        return False
    size = sum(map(len, batch.bodies)) + sum([memoryview(one.body).nbytes for one in batch.records])
    return size + sum([len(value) for value in batch.private.values() if value is not None]) <= LARGE_BYTES


def encode_arrival(batch: WriteBatch) -> bytes:
    """A batch as one row's body.

    Raises OverflowError for a number that the tables could not take: what arrives must find its places.
    """
    integers = [one.at for one in batch.records]
    for known in batch.idempotency:
        integers += (known.revision, known.at)
    for commit in batch.commits:
        integers += commit.counters.values()
    if integers and not -_MAX_INTEGER <= min(integers) <= max(integers) <= _MAX_INTEGER:
        raise OverflowError("a number has more than 64 bits")
    return _encode(
        _Arrival(
            batch.bodies or [encode_commit(one) for one in batch.commits],
            [(one.collection, one.id, one.tenant_id, one.subject_id, one.at, bytes(one.body)) for one in batch.records],
            [(one.key, one.body_digest, bytes(one.result), one.revision, one.at) for one in batch.idempotency],
            batch.private,
        )
    )


def _decoded(body: bytes) -> WriteBatch:
    arrival = _decoder.decode(body)
    return WriteBatch(
        commits=[decode_commit(one) for one in arrival.commits],
        bodies=arrival.commits,
        records=[
            Record(collection=collection, id=key, tenant_id=tenant, subject_id=subject, at=at, body=msgspec.Raw(one))
            for collection, key, tenant, subject, at, one in arrival.records
        ],
        idempotency=[
            IdempotencyRecord(key=key, body_digest=digest, result=msgspec.Raw(result), revision=revision, at=at)
            for key, digest, result, revision, at in arrival.idempotency
        ],
        private=dict(arrival.private),
    )


class Arrivals:
    """What has arrived and is not in its places yet, over tables that stand at `placed`."""

    __slots__ = ("_filed", "_taken", "after_number", "batches", "placed", "size_bytes")

    def __init__(self, placed: Head, *, after_number: int = 0) -> None:
        self.placed = placed
        self.batches: tuple[WriteBatch, ...] = ()
        self.after_number = after_number
        """The number of the last arrival that is in its places: the first of these has the next one."""
        self.size_bytes = 0
        self._taken: set[str] = set()
        """Their drafts and keys. Handed on to those that follow, and used by the writer's thread alone."""
        self._filed: dict[str, dict[str, Record | None]] | None = None

    @property
    def last_number(self) -> int:
        """The number of the last of them, or of the last that is in its places."""
        return self.after_number + len(self.batches)

    def and_one(self, batch: WriteBatch, *, size_bytes: int) -> Arrivals:
        """These and one more."""
        more = Arrivals(self.placed, after_number=self.after_number)
        more.batches = (*self.batches, batch)
        more.size_bytes = self.size_bytes + size_bytes
        more._taken = self._taken
        more._taken.update(_taken_by(batch))
        return more

    def has_one_of(self, batch: WriteBatch) -> bool:
        """Whether one of a batch's drafts or keys is among theirs. Asked by the writer's thread."""
        return not self._taken.isdisjoint(_taken_by(batch))

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether one of this size may be taken before these are put in their places."""
        return len(self.batches) < MANY and self.size_bytes + size_bytes <= MANY_BYTES

    # What they lay over the tables

    def commits_after(self, revision: int) -> list[Commit]:
        """The commits after a revision, in order. Raises StoreProblem when there is a gap."""
        found = [one for batch in self.batches for one in batch.commits if one.revision > revision]
        for expected, one in enumerate(found, max(revision, self.placed.revision) + 1):
            if one.revision != expected:
                raise StoreProblem(f"the log has no commit {expected}: it is damaged; restore a backup")
        return found

    def done_before(self, draft_ids: Iterable[str]) -> dict[str, int]:
        """Revisions of those drafts that are among them."""
        asked = frozenset(draft_ids)
        return {one.draft_id: one.revision for batch in self.batches for one in batch.commits if one.draft_id in asked}

    def idempotency(self, keys: Iterable[str]) -> dict[str, IdempotencyRecord]:
        """What those of the keys made that are among them."""
        asked = frozenset(keys)
        return {one.key: one for batch in self.batches for one in batch.idempotency if one.key in asked}

    def private(self, key: str) -> tuple[bool, bytes | None]:
        """Whether they say something of a private value, and what."""
        for batch in reversed(self.batches):
            if key in batch.private:
                return True, batch.private[key]
        return False, None

    def filed(self, collection: str) -> Mapping[str, Record | None]:
        """The records of a collection that they have put or (None) removed, by id."""
        if not self.batches:
            return {}
        if self._filed is None:
            found: dict[str, dict[str, Record | None]] = {}
            net = filing(commit for batch in self.batches for commit in batch.commits)
            for key, kind in net.records_gone.items():
                found.setdefault(kind, {})[key] = None
            for one in chain(net.records.values(), *(batch.records for batch in self.batches)):
                found.setdefault(one.collection, {})[one.id] = one
            self._filed = found
        return self._filed.get(collection, {})

    def asked_of_tables(self, page: RecordPage) -> RecordPage:
        """What is left to ask of the tables for a page."""
        over = self.filed(page.collection)
        return msgspec.structs.replace(page, but_ids=[*page.but_ids, *over]) if over else page

    def on_page(self, page: RecordPage) -> list[Record]:
        """Those records that a page asks for, in no order and without regard to its limit."""
        return [one for one in self.filed(page.collection).values() if one is not None and _asked_for(one, page)]

    def with_page(self, page: RecordPage, found: Sequence[Record]) -> Sequence[Record]:
        """A page of what the tables have and of these."""
        own = self.on_page(page)
        if not own:
            return found
        ordered = sorted(chain(found, own), key=lambda one: one.id, reverse=not page.ascending)
        return ordered[: max(0, min(page.limit, MOST_RECORDS))]


def _taken_by(batch: WriteBatch) -> list[str]:
    taken = [f"draft {one.draft_id}" for one in batch.commits]
    if batch.idempotency:
        taken += [f"key {one.key}" for one in batch.idempotency]
    return taken


def _asked_for(record: Record, page: RecordPage) -> bool:
    low, high = (page.after_id, page.before_id) if page.ascending else (page.before_id, page.after_id)
    return (
        (page.tenant_ids is None or record.tenant_id in page.tenant_ids)
        and (page.subject_id is None or record.subject_id == page.subject_id)
        and (low is None or record.id > low)
        and (high is None or record.id < high)
        and (page.at_from is None or record.at >= page.at_from)
        and (page.at_until is None or record.at < page.at_until)
        and (page.ids is None or record.id in page.ids)
        and record.id not in page.but_ids
    )


# In the table


def append_arrival(
    connection: sqlite3.Connection, arrivals: Arrivals, batch: WriteBatch, body: bytes, to: Head
) -> None:
    """Writes a batch as a row, by a statement that is a transaction of its own; the graph then stands at `to`.

    Raises StoreProblem when one of its drafts or keys is there already, sqlite3.Error.
    """
    drafts = [one.draft_id for one in batch.commits]
    keys = [one.key for one in batch.idempotency]
    number = arrivals.last_number + 1
    statement = _append_statement(len(drafts), len(keys))
    row = (number % MANY, number, to.revision, to.at, len(body), _filled(body))
    if arrivals.has_one_of(batch) or connection.execute(statement, (*row, *drafts, *keys)).rowcount != 1:
        raise StoreProblem(f"the change of revision {to.revision} was made before: it is not written again")


@lru_cache(maxsize=256)
def _append_statement(drafts: int, keys: int) -> str:
    unless = [
        f"NOT EXISTS (SELECT 1 FROM {table} WHERE {column} IN ({','.join('?' * count)}))"  # noqa: S608 - constants
        for table, column, count in (("log", "draft_id", drafts), ("idempotency", "key", keys))
        if count
    ]
    only = f" WHERE {' AND '.join(unless)}" if unless else ""
    return f"REPLACE INTO arrivals (slot, number, revision, at, size, body) SELECT ?, ?, ?, ?, ?, ?{only}"


def _filled(body: bytes) -> bytes:
    size = len(body)
    return body.ljust(ROW_BYTES if size <= ROW_BYTES else size + (ROW_BYTES - size) % MORE_BYTES, b"\0")


def read_arrivals(connection: sqlite3.Connection, placed: Head) -> Arrivals:
    """What has arrived in the table. Raises StoreProblem when it is damaged, sqlite3.Error."""
    (after_number,) = connection.execute("SELECT placed FROM meta").fetchone()
    arrivals = Arrivals(placed, after_number=after_number)
    rows = connection.execute(
        "SELECT slot, number, size, body FROM arrivals WHERE number > ? ORDER BY number", (after_number,)
    ).fetchall()
    for slot, number, size, body in rows:
        try:
            batch = _decoded(body[:size])
        except (msgspec.DecodeError, KeyError) as problem:
            raise StoreProblem(f"arrival {number} cannot be read: {problem}") from problem
        if number != arrivals.last_number + 1:
            raise StoreProblem(f"there is no arrival {arrivals.last_number + 1}: the log is damaged; restore a backup")
        # Where rows were used in another order than this version's, none is used before all are free.
        arrivals = arrivals.and_one(batch, size_bytes=size if slot == number % MANY else MANY_BYTES)
    arrivals.commits_after(placed.revision)  # raises when there is a gap
    return arrivals


def put_in_place(connection: sqlite3.Connection, arrivals: Arrivals) -> None:
    """Writes what has arrived to its places, within the connection's transaction. Raises sqlite3.Error."""
    batches = arrivals.batches
    if not batches:
        return
    private: dict[str, bytes | None] = {}
    for batch in batches:
        private.update(batch.private)
    write_batch(
        connection,
        WriteBatch(
            commits=[one for batch in batches for one in batch.commits],
            bodies=[one for batch in batches for one in batch.bodies or map(encode_commit, batch.commits)],
            records=[one for batch in batches for one in batch.records],
            idempotency=[one for batch in batches for one in batch.idempotency],
            private=private,
        ),
    )
    connection.execute("UPDATE meta SET placed = ?", (arrivals.last_number,))
    secret = [number for number, batch in enumerate(batches, arrivals.after_number + 1) if batch.private]
    if secret:  # what is deleted from its place is not to be found here
        connection.execute(
            "UPDATE arrivals SET body = zeroblob(length(body)) WHERE number IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(secret).decode(),),
        )


def has_room(connection: sqlite3.Connection) -> bool:
    """Whether the database may grow by so much that what arrives is sure to find its places. Raises sqlite3.Error."""
    most, pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("max_page_count", "page_count", "freelist_count", "page_size")
    )
    return bool((most - pages + free) * size >= ROOM_BYTES)

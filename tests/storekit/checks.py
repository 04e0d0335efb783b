"""What must be true of a store whatever was done to it: its log is gapless, and what it keeps is what its log says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from graph.change import Commit, Record
from graph.entity import KINDS, Entity
from graph.filing import filing
from graph.store import RecordPage, Store


@dataclass
class State:
    """What a store keeps, as values that can be compared."""

    revision: int = 0
    live: dict[str, Entity] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    filed: dict[str, Record] = field(default_factory=dict)

    def advance(self, commits: Iterable[Commit]) -> None:
        """Takes the next commits in; the order is checked."""
        for commit in commits:
            assert commit.revision == self.revision + 1, f"commit {commit.revision} follows {self.revision}"
            net = filing([commit])
            self.live.update(net.live)
            for key in net.gone:
                self.live.pop(key, None)
            self.filed.update(net.records)
            for key in net.records_gone:
                self.filed.pop(key, None)
            for name, value in commit.counters.items():
                self.counters[name] = max(value, self.counters.get(name, 0))
            self.revision = commit.revision


async def loaded(store: Store) -> State:
    """What a start would have in memory: the load, then the commits made since."""
    reading = await store.load()
    state = State(revision=reading.head.revision, counters=dict(reading.counters))
    async for batch in reading.batches():
        for entity in batch:
            assert entity.id not in state.live, f"{entity.id} is loaded twice"
            state.live[entity.id] = entity
    state.advance(await all_commits(store, state.revision))
    return state


async def all_commits(store: Store, after: int = 0) -> list[Commit]:
    """Every commit after a revision."""
    commits: list[Commit] = []
    while page := await store.commits_after(commits[-1].revision if commits else after):
        commits.extend(page)
    return commits


async def all_filed(store: Store) -> dict[str, Record]:
    """Every filed record of every kind that can be filed."""
    found: dict[str, Record] = {}
    for kind in KINDS.values():
        if kind.filed or kind.name == "Operation":
            for record in await all_records(store, kind.name):
                found[record.id] = record
    return found


async def all_records(store: Store, collection: str) -> Sequence[Record]:
    """Every record of a collection, by rising id."""
    records: list[Record] = []
    after: str | None = None
    while page := await store.records(RecordPage(collection=collection, after_id=after, ascending=True, limit=1_000)):
        records.extend(page)
        after = page[-1].id
    return records


async def check_whole(store: Store, *, known: State | None = None) -> State:
    """The log is gapless and what the store keeps is what the log says; gives that state.

    `known` is what an earlier check gave: only what follows it is replayed onto it.
    """
    state = known or State()
    state.advance(await all_commits(store, state.revision))
    kept = await loaded(store)
    assert kept.revision == state.revision, f"the store stands at {kept.revision}, its log ends at {state.revision}"
    different = [key for key in kept.live.keys() | state.live.keys() if kept.live.get(key) != state.live.get(key)]
    assert not different, f"the live entities differ from the log: {sorted(different)[:5]}"
    assert kept.counters == state.counters, "the counters differ from the log"
    filed = await all_filed(store)
    different = [key for key in filed.keys() | state.filed.keys() if not _same(filed.get(key), state.filed.get(key))]
    assert not different, f"the filed records differ from the log: {sorted(different)[:5]}"
    check_references(state.live)
    return state


def _same(one: Record | None, other: Record | None) -> bool:
    return one is not None and other is not None and body(one) == body(other)


def body(record: Record) -> tuple[object, ...]:
    """A record as a value that compares by its content."""
    return (
        record.collection,
        record.id,
        record.tenant_id,
        record.subject_id,
        record.at,
        bytes(record.body),
    )


def check_references(live: dict[str, Entity]) -> None:
    """Every reference of a live entity leads to a live entity of the right kind."""
    for entity in live.values():
        for one in entity.SPEC.refs:
            assert one.ref is not None
            for target in one.targets(entity):
                found = live.get(target)
                assert found is not None, f"{entity.id}.{one.name} refers to {target}, which is not there"
                assert found.SPEC.name in one.ref.kinds, f"{entity.id}.{one.name} refers to a {found.SPEC.name}"

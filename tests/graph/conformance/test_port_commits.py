"""The port alone: what is committed is there whole, in order and for good; what is not leaves nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from graph.change import MAX_CHANGES
from graph.entity import Entity
from graph.identifiers import new_id
from graph.kinds import Event, Operation, OperationKind, OperationStatus
from graph.store import SCHEMA_NUMBER, RecordPage, Store, StoreProblem, WriteBatch
from storekit.checks import all_commits, all_filed, check_whole, loaded
from storekit.graphs import (
    Chain,
    audit,
    created,
    filed_entities,
    head_of,
    idempotency_record,
    region,
    sample_graph,
    write,
)
from storekit.places import Place

Reopen = Callable[[Store], Awaitable[Store]]


async def test_a_new_store_is_empty_and_has_an_epoch_that_stays(place: Place) -> None:
    store = place.handle()
    head = await store.open()
    assert (head.revision, head.schema) == (0, SCHEMA_NUMBER)
    assert head.epoch
    assert (await loaded(store)).live == {}
    assert list(await store.commits_after(0)) == []
    await store.close()
    again = place.handle()
    assert await again.open() == head
    await again.close()


async def test_every_kind_with_every_field_comes_back_as_it_was(store: Store, reopened: Reopen) -> None:
    chain = Chain(await head_of(store))
    entities = sample_graph(1)
    await write(store, [chain.commit(*created(*entities), counters={"Site.ordinal:region_1": 2, "naïve 'key'": 9})])
    store = await reopened(store)
    state = await check_whole(store)
    assert list(state.live.values()) == entities
    assert state.counters == {"Site.ordinal:region_1": 2, "naïve 'key'": 9}
    await store.close()


async def test_changes_and_deletions_are_kept_with_the_values_before_and_after(store: Store) -> None:
    chain = Chain(await head_of(store))
    first, second = region("one", labels={"a": "b"}), region("two")
    renamed = region("uno", id=first.id)
    await write(store, [chain.commit(*created(first, second))])
    await write(store, [chain.commit((first, renamed)), chain.commit((second, None))])
    commits = await all_commits(store)
    assert [(one.before, one.after) for commit in commits for one in commit.changes] == [
        (None, first),
        (None, second),
        (first, renamed),
        (second, None),
    ]
    assert (await check_whole(store)).live == {renamed.id: renamed}


async def test_an_entity_made_changed_and_deleted_within_one_group_leaves_only_its_log(store: Store) -> None:
    chain = Chain(await head_of(store))
    one = region("brief")
    other = region("brief", id=one.id, demand=2.0)
    await write(store, [chain.commit((None, one)), chain.commit((one, other)), chain.commit((other, None))])
    assert (await check_whole(store)).live == {}
    assert [commit.revision for commit in await all_commits(store)] == [1, 2, 3]


async def test_a_transaction_whose_body_raises_leaves_nothing(store: Store) -> None:
    chain = Chain(await head_of(store))
    batch = WriteBatch(
        commits=[chain.commit(*created(region("one")))],
        records=[audit(1)],
        idempotency=[idempotency_record("k")],
        private={"p": b"v"},
    )

    async def fail() -> None:
        async with store.begin() as transaction:
            await transaction.head()
            await transaction.write(batch)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await assert_nothing(store)


async def assert_nothing(store: Store) -> None:
    assert (await head_of(store)).revision == 0
    assert (await check_whole(store)).live == {}
    assert list(await store.records(RecordPage(collection="audit"))) == []
    assert await store.private("p") is None
    async with store.begin() as transaction:
        await transaction.head()
        assert await transaction.idempotency(["k"]) == {}


async def test_a_batch_that_cannot_be_written_whole_leaves_nothing(store: Store) -> None:
    chain = Chain(await head_of(store))
    unwritable = msgspec.structs.replace(audit(2), at=2**70)  # no store has integers of so many bits
    with pytest.raises(Exception):  # noqa: B017 - which one is the store's own matter; that nothing stays is not
        await write(
            store,
            [chain.commit(*created(region("one"))), chain.commit(*created(region("two")))],
            records=[audit(1), unwritable],
            idempotency=[idempotency_record("k")],
            private={"p": b"v"},
        )
    await assert_nothing(store)


async def test_a_draft_that_was_committed_is_found_and_cannot_be_committed_again(
    store: Store, reopened: Reopen
) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one")), draft_id="d-one")])
    await write(store, [chain.commit(*created(region("two")), draft_id="d-two")])
    store = await reopened(store)
    async with store.begin() as transaction:
        await transaction.head()
        assert await transaction.done_before(["d-one", "d-none", "d-two"]) == {"d-one": 1, "d-two": 2}
        assert await transaction.done_before([]) == {}
    again = Chain(await head_of(store)).commit(*created(region("three")), draft_id="d-one")
    with pytest.raises(StoreProblem):
        await write(store, [again])
    assert (await check_whole(store)).revision == 2
    await store.close()


async def test_commits_that_do_not_follow_the_head_are_not_written(store: Store) -> None:
    chain = Chain(await head_of(store))
    chain.revision += 1
    with pytest.raises(StoreProblem):
        await write(store, [chain.commit(*created(region("one")))])
    assert (await check_whole(store)).revision == 0


async def test_the_log_is_read_in_pages_without_a_gap(store: Store) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region(f"r{number}"))) for number in range(60)])
    await write(store, [chain.commit(*created(region(f"s{number}"))) for number in range(7)])
    assert [one.revision for one in await store.commits_after(0, limit=5)] == [1, 2, 3, 4, 5]
    assert [one.revision for one in await store.commits_after(64, limit=5)] == [65, 66, 67]
    assert list(await store.commits_after(67)) == []
    assert list(await store.commits_after(1_000)) == []
    seen, after = [], 0
    while page := await store.commits_after(after, limit=13):
        seen += [one.revision for one in page]
        after = seen[-1]
    assert seen == list(range(1, 68))


async def test_a_commit_of_the_largest_size_is_kept(store: Store, reopened: Reopen) -> None:
    chain = Chain(await head_of(store))
    entities: list[Entity] = [region(f"r{number}") for number in range(MAX_CHANGES)]
    await write(store, [chain.commit(*created(*entities))])
    store = await reopened(store)
    assert len((await check_whole(store)).live) == MAX_CHANGES
    await store.close()


async def test_transactions_wait_for_each_other_so_that_the_head_is_the_head(store: Store) -> None:
    order: list[int] = []

    async def one() -> None:
        async with store.begin() as transaction:
            head = await transaction.head()
            await asyncio.sleep(0)
            chain = Chain(head)
            await transaction.write(WriteBatch(commits=[chain.commit(*created(region(f"r{head.revision}")))]))
            order.append(chain.revision)

    await asyncio.gather(*(one() for _ in range(32)))
    assert order == list(range(1, 33))
    assert (await check_whole(store)).revision == 32


async def test_a_transaction_sees_the_commits_made_since(store: Store) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one"))), chain.commit(*created(region("two")))])
    async with store.begin() as transaction:
        head = await transaction.head()
        assert (head.revision, head.at) == (2, chain.at)
        assert [one.revision for one in await transaction.commits_after(0)] == [1, 2]
        assert list(await transaction.commits_after(2)) == []


async def test_a_transaction_that_only_looks_changes_nothing_and_lets_the_next_in(store: Store) -> None:
    for _ in range(3):
        assert (await head_of(store)).revision == 0
    async with store.begin():
        pass
    await write(store, [Chain(await head_of(store)).commit(*created(region("one")))])
    assert (await head_of(store)).revision == 1


async def test_a_cancelled_writer_leaves_the_lock_free_and_the_log_gapless(store: Store) -> None:
    for number in range(10):

        async def attempt(number: int = number) -> None:
            async with store.begin() as transaction:
                chain = Chain(await transaction.head())
                await transaction.write(WriteBatch(commits=[chain.commit(*created(region(f"r{number}")))]))

        task = asyncio.create_task(attempt())
        await asyncio.sleep(0.0002 * number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("last")))])
    assert (await check_whole(store)).revision == chain.revision


async def test_an_operation_is_live_until_it_ends_and_a_filed_record_afterwards(store: Store) -> None:
    chain = Chain(await head_of(store))
    running = Operation(id=new_id("operation"), kind=OperationKind.DEPLOY, subject_id="deployment_1", created_at=8)
    ended = Operation(
        id=running.id,
        kind=OperationKind.DEPLOY,
        subject_id="deployment_1",
        created_at=8,
        status=OperationStatus.FAILED,
    )
    await write(store, [chain.commit((None, running))])
    assert (await loaded(store)).live == {running.id: running}
    await write(store, [chain.commit((running, ended))])
    state = await check_whole(store)
    assert state.live == {}
    record = await store.record("Operation", running.id)
    assert record is not None
    assert (record.subject_id, record.at) == ("deployment_1", 8)
    await write(store, [chain.commit((ended, running))])
    assert (await check_whole(store)).live == {running.id: running}
    assert await store.record("Operation", running.id) is None


async def test_filed_kinds_are_never_live(store: Store) -> None:
    entities = filed_entities(3)
    await write(store, [Chain(await head_of(store)).commit(*created(*entities))])
    state = await check_whole(store)
    assert state.live == {}
    assert (await all_filed(store)).keys() == {one.id for one in entities}


async def test_a_load_with_what_is_committed_while_it_runs_is_the_graph(store: Store) -> None:
    chain = Chain(await head_of(store))
    entities = sample_graph(5, of_each=20)
    await write(store, [chain.commit(*created(*entities))])
    reading = await store.load()
    found: dict[str, Entity] = {}
    removed = region("late")
    first = True
    async for batch in reading.batches():
        if first:
            changed = next(one for one in entities if one.id.startswith("region_"))
            await write(
                store,
                [
                    chain.commit((None, removed)),
                    chain.commit((changed, region("changed", id=changed.id))),
                    chain.commit((removed, None), (None, region("new"))),
                ],
            )
            first = False
        found.update((one.id, one) for one in batch)
    for commit in await store.commits_after(reading.head.revision):
        for change in commit.changes:
            if change.after is None:
                found.pop(change.id, None)
            else:
                found[change.id] = change.after
    assert found == (await check_whole(store)).live


@pytest.mark.parametrize("seed", range(4))
async def test_any_sequence_of_changes_in_any_groups_is_kept(store: Store, reopened: Reopen, seed: int) -> None:
    random_ = random.Random(seed)
    chain = Chain(await head_of(store))
    values: dict[str, Entity] = {}
    for step in range(12):
        commits = []
        for _ in range(random_.randrange(1, 6)):
            changes = {}
            for _ in range(random_.randrange(1, 5)):
                before = random_.choice([None, *values.values()])
                if before is not None and before.id in changes:
                    continue
                after = next_value(before, random_)
                changes[after.id if after is not None else before.id if before is not None else ""] = (before, after)
            for key, (_, after) in changes.items():
                if after is None:
                    values.pop(key, None)
                else:
                    values[key] = after
            commits.append(chain.commit(*changes.values(), counters={f"c{random_.randrange(3)}": step}))
        await write(store, commits)
        if step % 5 == 4:
            store = await reopened(store)
    state = await check_whole(store)
    assert state.live.keys() | state.filed.keys() == values.keys()
    await store.close()


def next_value(before: Entity | None, random_: random.Random) -> Entity | None:
    """Something new, something changed, or nothing."""
    if before is None:
        made: list[Entity] = [
            region(f"r{random_.random()}"),
            Operation(id=new_id("operation"), kind=OperationKind.DRAIN),
            Event(id=new_id("event"), reason="Made", message="x"),
        ]
        return random_.choice(made)
    if isinstance(before, Event) or random_.random() < 0.3:
        return None
    if isinstance(before, Operation):
        return msgspec.structs.replace(before, status=random_.choice(list(OperationStatus)))
    return msgspec.structs.replace(before, name=f"r{random_.random()}", labels={"n": str(random_.randrange(9))})

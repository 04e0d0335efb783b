"""The port alone: filed records, idempotency keys, values kept apart, and what is never a commit."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest

from graph.change import IdempotencyRecord, Record
from graph.store import RecordPage, Store
from storekit.checks import all_commits, body
from storekit.graphs import Chain, audit, created, head_of, idempotency_record, region, write

Reopen = Callable[[Store], Awaitable[Store]]
TENANTS = ("tenant_1", "tenant_2", "tenänt 3", None)
SUBJECTS = ("site_1", "site_2", None)


def expected(records: list[Record], page: RecordPage) -> list[str]:
    """What a page holds, by the port's words."""
    chosen = [
        one.id
        for one in records
        if (page.tenant_ids is None or one.tenant_id in page.tenant_ids)
        and (page.subject_id is None or one.subject_id == page.subject_id)
        and (page.at_from is None or one.at >= page.at_from)
        and (page.at_until is None or one.at < page.at_until)
        and (page.ids is None or one.id in page.ids)
        and one.id not in page.but_ids
    ]
    chosen.sort(reverse=not page.ascending)
    if page.after_id is not None:
        after = page.after_id
        chosen = [one for one in chosen if (one > after if page.ascending else one < after)]
    if page.before_id is not None:
        before = page.before_id
        chosen = [one for one in chosen if (one < before if page.ascending else one > before)]
    return chosen[: page.limit]


def sample_records() -> list[Record]:
    """Records of every tenant about every subject, each made a millisecond after the one before."""
    pairs = itertools.product(TENANTS, SUBJECTS)
    return [audit(n, tenant_id=tenant, subject_id=subject) for n, (tenant, subject) in enumerate([*pairs] * 4)]


TENANT_CHOICES: list[list[str | None] | None] = [
    None,
    [],
    [None],
    ["tenant_1"],
    ["tenant_2", None],
    list(TENANTS),
    ["tenant_1", "tenant_9"],
    [f"tenant_{number}" for number in range(200)],
]


async def test_pages_of_records_and_their_counts_are_as_their_filters_say(store: Store) -> None:
    records = sample_records()
    other = Record(collection="decision", id="decision_1", tenant_id=None, subject_id=None, at=1, body=records[0].body)
    await write(store, records=[*records, other])
    random_ = random.Random(11)
    ends = [None, records[0].id, records[17].id, records[30].id, records[-1].id, "audit_", "audit_0", "audit_Z"]
    times = [None, None, 0, records[0].at, records[13].at, records[29].at, records[-1].at + 1]
    some = [one.id for one in random_.sample(records, 20)]
    for tenant_ids in TENANT_CHOICES:
        for subject_id in (None, "site_1", "site_9"):
            for ascending in (False, True):
                page = RecordPage(
                    collection="audit",
                    tenant_ids=tenant_ids,
                    subject_id=subject_id,
                    ascending=ascending,
                    after_id=random_.choice(ends),
                    before_id=random_.choice(ends),
                    at_from=random_.choice(times),
                    at_until=random_.choice(times),
                    ids=random_.choice([None, None, None, [], some, [*some, "audit_none"]]),
                    but_ids=random_.choice([(), (), some[:5]]),
                    limit=random_.choice([1, 5, 1000]),
                )
                found = [one.id for one in await store.records(page)]
                assert found == expected(records, page), page
                assert await store.count_records(page) == len(found), page


async def test_a_count_goes_beyond_what_one_page_may_hold(store: Store) -> None:
    records = [audit(n, tenant_id="tenant_1") for n in range(10_050)]
    for start in range(0, len(records), 1_000):
        await write(store, records=records[start : start + 1_000])
    for tenant_ids in (None, ["tenant_1"], ["tenant_1", None]):
        page = RecordPage(collection="audit", tenant_ids=tenant_ids, limit=100_000)
        assert await store.count_records(page) == 10_050
        assert await store.count_records(RecordPage(collection="audit", tenant_ids=tenant_ids, limit=7)) == 7
        assert await store.count_records(RecordPage(collection="audit", tenant_ids=tenant_ids, limit=0)) == 0
    assert await store.count_records(RecordPage(collection="nothing")) == 0


async def test_records_come_back_as_they_were_newest_first(store: Store, reopened: Reopen) -> None:
    records = [audit(n, tenant_id="tenänt 3", subject_id='it\'s "x"') for n in range(5)]
    await write(store, records=records)
    store = await reopened(store)
    found = await store.records(RecordPage(collection="audit"))
    assert [body(one) for one in found] == [body(one) for one in reversed(records)]
    one = await store.record("audit", records[2].id)
    assert one is not None
    assert body(one) == body(records[2])
    assert await store.record("audit", "audit_none") is None
    assert await store.record("decision", records[2].id) is None
    assert list(await store.records(RecordPage(collection="nothing"))) == []
    await store.close()


async def test_records_without_a_commit_do_not_move_the_graph(store: Store) -> None:
    before = await head_of(store)
    await write(store, records=[audit(1)])
    assert await head_of(store) == before


@pytest.mark.parametrize("collection", ["audit", "Event"])
async def test_pruning_drops_what_is_older_and_nothing_else(store: Store, collection: str) -> None:
    records = [
        Record(collection=collection, id=f"x_{n:05}", tenant_id=None, subject_id=None, at=n, body=audit(n).body)
        for n in range(5_200)
    ]
    keep = audit(1, at=1)
    other = "decision" if collection == "audit" else "audit"
    await write(store, records=records)
    await write(
        store, records=[Record(collection=other, id="k", tenant_id=None, subject_id=None, at=1, body=keep.body)]
    )
    assert await store.prune(collection, before=5_100) == 5_100
    assert await store.prune(collection, before=5_100) == 0
    left = await store.records(RecordPage(collection=collection, ascending=True, limit=1_000))
    assert [one.at for one in left] == list(range(5_100, 5_200))
    assert len(await store.records(RecordPage(collection=other))) == 1


def past(collection: str, subject_id: str | None, number: int) -> Record:
    return Record(
        collection=collection,
        id=f"x_{subject_id}_{number:05}",
        tenant_id="tenant_1",
        subject_id=subject_id,
        at=number,
        body=audit(number).body,
    )


async def test_subjects_are_told_in_order_each_once_and_page_by_page(store: Store) -> None:
    names = [f"deployment_{number:03}" for number in range(40)]
    records = [past("DeploymentRevision", name, number) for name in names for number in range(1 + len(name) % 3)]
    await write(store, records=[*records, past("DeploymentRevision", None, 1), past("decision", "other", 1)])
    assert list(await store.subjects("DeploymentRevision")) == names
    assert list(await store.subjects("nothing")) == []
    seen: list[str] = []
    while page := await store.subjects("DeploymentRevision", after=seen[-1] if seen else "", limit=7):
        assert len(page) == min(7, len(names) - len(seen))
        seen += page
    assert seen == names
    assert list(await store.subjects("DeploymentRevision", limit=0)) == []


@pytest.mark.parametrize("newest", [0, 1, 20, 400, 500])
async def test_a_subject_is_pruned_to_its_newest_records_and_those_that_are_named(store: Store, newest: int) -> None:
    mine = [past("DeploymentRevision", "deployment_1", number) for number in range(400)]
    others = [past("DeploymentRevision", "deployment_2", number) for number in range(30)]
    apart = [past("decision", "deployment_1", number) for number in range(30)]
    await write(store, records=[*mine, *others, *apart])
    named = [mine[3].id, mine[395].id, others[0].id, "x_nothing"]
    before = mine[390].id
    kept = [one.id for at, one in enumerate(mine) if at >= len(mine) - newest or one.id >= before or one.id in named]
    dropped = await store.prune_subject(
        "DeploymentRevision", "deployment_1", newest=newest, before_id=before, keep_ids=named
    )
    assert dropped == len(mine) - len(kept)
    page = RecordPage(collection="DeploymentRevision", subject_id="deployment_1", ascending=True, limit=1_000)
    assert [one.id for one in await store.records(page)] == kept
    again = await store.prune_subject(
        "DeploymentRevision", "deployment_1", newest=newest, before_id=before, keep_ids=named
    )
    assert again == 0
    for collection, subject in (("DeploymentRevision", "deployment_2"), ("decision", "deployment_1")):
        assert len(await store.records(RecordPage(collection=collection, subject_id=subject))) == 30
    assert await store.prune_subject("DeploymentRevision", "deployment_1") == len(kept)
    assert list(await store.subjects("DeploymentRevision")) == ["deployment_2"]


async def test_an_idempotency_key_says_what_it_made(store: Store, reopened: Reopen) -> None:
    first, second = idempotency_record("a:k'ey", digest="one"), idempotency_record("b:東京", digest="two", at=9)
    await write(store, idempotency=[first, second])
    store = await reopened(store)
    found = await keys(store, "a:k'ey", "b:東京", "c")
    assert {key: plain(one) for key, one in found.items()} == {one.key: plain(one) for one in (first, second)}
    assert await keys(store) == {}
    assert await store.prune("idempotency", before=9) == 1
    assert set(await keys(store, "a:k'ey", "b:東京")) == {"b:東京"}
    await store.close()


async def keys(store: Store, *names: str) -> dict[str, IdempotencyRecord]:
    async with store.begin() as transaction:
        await transaction.head()
        return await transaction.idempotency(names)


def plain(one: IdempotencyRecord) -> tuple[object, ...]:
    return one.key, one.body_digest, bytes(one.result), one.revision, one.at


async def test_an_idempotency_key_is_never_taken_twice(store: Store) -> None:
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one")))], idempotency=[idempotency_record("k", digest="first")])
    with pytest.raises(Exception):  # noqa: B017 - the ledger looks before it writes; the store is the second line
        await write(
            store, [chain.commit(*created(region("two")))], idempotency=[idempotency_record("k", digest="second")]
        )
    assert (await keys(store, "k"))["k"].body_digest == "first"
    assert (await head_of(store)).revision == 1


async def test_private_values_are_kept_beside_the_log_and_can_be_removed(store: Store, reopened: Reopen) -> None:
    marker = b"\x00\xff-not-in-the-log"
    chain = Chain(await head_of(store))
    await write(store, [chain.commit(*created(region("one")))], private={"secret:1": marker, "secret:2": b""})
    store = await reopened(store)
    assert await store.private("secret:1") == marker
    assert await store.private("secret:2") == b""
    assert await store.private("secret:3") is None
    assert all(b"not-in-the-log" not in repr(one).encode() for one in await all_commits(store))
    await write(store, private={"secret:1": None, "secret:2": b"new", "secret:9": None})
    assert await store.private("secret:1") is None
    assert await store.private("secret:2") == b"new"
    await store.close()


async def test_an_ephemeral_value_is_there_until_it_expires(store: Store, reopened: Reopen) -> None:
    await store.put_ephemeral("session:a", b"one", expires_at=100)
    assert await store.ephemeral("session:a", now=99) == b"one"
    assert await store.ephemeral("session:a", now=100) is None
    await store.put_ephemeral("session:a", b"two", expires_at=200)
    store = await reopened(store)
    assert await store.ephemeral("session:a", now=150) == b"two"
    assert await store.ephemeral("session:b", now=0) is None
    assert (await head_of(store)).revision == 0
    await store.close()


async def test_of_several_takers_one_gets_the_value(store: Store) -> None:
    await store.put_ephemeral("link", b"once", expires_at=100)
    taken = await asyncio.gather(*(store.take_ephemeral("link", now=5) for _ in range(20)))
    assert [one for one in taken if one is not None] == [b"once"]
    assert await store.ephemeral("link", now=5) is None


async def test_an_expired_value_cannot_be_taken(store: Store) -> None:
    await store.put_ephemeral("link", b"late", expires_at=100)
    assert await store.take_ephemeral("link", now=100) is None


async def test_values_are_dropped_by_the_beginning_of_their_key_taken_literally(store: Store) -> None:
    names = ("s:u_1:a", "s:u_1:b", "s:uX1:c", "s:u%:d", "t:u_1:e", "S:u_1:f", "s:u_1")
    for name in names:
        await store.put_ephemeral(name, b"x", expires_at=100)
    await store.drop_ephemeral(prefix="s:u_1:")
    await store.drop_ephemeral(prefix="s:u%")
    left = [name for name in names if await store.ephemeral(name, now=1) is not None]
    assert left == ["s:uX1:c", "t:u_1:e", "S:u_1:f", "s:u_1"]


async def test_expired_values_are_pruned(store: Store) -> None:
    await store.put_ephemeral("a", b"x", expires_at=100)
    await store.put_ephemeral("b", b"x", expires_at=200)
    assert await store.prune("ephemeral", before=150) == 1
    assert await store.ephemeral("a", now=0) is None
    assert await store.ephemeral("b", now=0) == b"x"

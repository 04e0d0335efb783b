"""Sets of documents over the embedded store: one commit or none, or an operation that goes on where it stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from access.permissions import Permission
from access.viewer import SYSTEM, Viewer, viewer_of
from graph.applying import Action
from graph.documents import Document, document_from
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import ApiToken, App, Operation, OperationStatus, Region, Role, RoleBinding, Site, Tenant, User
from graph.ledger import Ledger
from graph.refusal import Forbidden, IdempotencyMismatch, LimitExceeded, NotFound
from graph.request import Idempotency, Request
from graph.store import RecordPage, StoreUnavailable
from graph.stores.sqlite import SqliteStore
from graph.view import get_as
from lifecycle import document_batches, document_sets, document_trials, document_work
from lifecycle.document_answers import Applied
from lifecycle.document_sets import COLLECTION, DocumentSets
from storekit.wrappers import Wrapped
from worldkit.running import application_in, data

SOURCE = Source(SourceKind.DOCUMENTS, "main")
BATCH = 10


def doc(kind: str, name: str, tenant: str | None = None, **spec: Any) -> Document:
    metadata = {"name": name, **({"tenant": tenant} if tenant else {})}
    return document_from({"kind": kind, "metadata": metadata, "spec": spec}, where=f"{kind}-{name}")


def network(sites: int, **more: Any) -> list[Document]:
    return [doc("Region", "r"), *(doc("Site", f"s{n:04}", region="r", **more) for n in range(sites))]


class World:
    def __init__(self, ledger: Ledger, sets: DocumentSets) -> None:
        self.ledger = ledger
        self.sets = sets

    async def apply(
        self, documents: Sequence[Document], *, viewer: Viewer = SYSTEM, source: Source = SOURCE, **how: Any
    ) -> Applied:
        key = how.pop("key", None)
        digest = how.pop("digest", "d")
        request = Request(
            author=viewer.id,
            action="applyDocuments",
            source=source,
            idempotency=Idempotency(key=key, body_digest=digest) if key else None,
        )
        return await self.sets.apply(documents, viewer=viewer, source=source, request=request, **how)

    async def change(self, function: Any) -> Any:
        return (await self.ledger.commit(function, Request(author="test", action="test"))).value

    def count(self, kind: str) -> int:
        return self.ledger.view.count(kind)

    async def ended(self, operation: Operation | None) -> Operation:
        assert operation is not None
        async with asyncio.timeout(30):
            while self.ledger.view.get(operation.id) is not None:
                await asyncio.sleep(0.01)
        record = await self.ledger.store.record("Operation", operation.id)
        assert record is not None
        return msgspec.json.decode(record.body, type=Operation)

    async def user(self, role: Role, tenant_id: str | None, *, name: str = "ann") -> Viewer:
        def make(edit: Edit) -> str:
            user = edit.create(User, name=name)
            edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant_id)
            return user.id

        found = viewer_of(self.ledger.view, await self.change(make))
        assert found is not None
        return found


@contextlib.asynccontextmanager
async def world_on(store: Any, *, working: bool = True) -> AsyncIterator[World]:
    async with asyncio.timeout(60), Ledger(store).running() as ledger:
        sets = DocumentSets(ledger)
        if not working:
            yield World(ledger, sets)
            return
        async with sets.running():
            yield World(ledger, sets)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graph.db"


@pytest.fixture
async def world(path: Path) -> AsyncIterator[World]:
    async with world_on(SqliteStore(path)) as made:
        yield made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits and batches that a few documents fill."""
    monkeypatch.setattr(document_sets, "ONE_COMMIT_CHANGES", 20)
    monkeypatch.setattr(document_batches, "BATCH_CHANGES", BATCH)


def told(applied: Applied) -> list[tuple[str, str, Action, list[str]]]:
    return [(one.kind, one.name, one.action, one.changed) for one in applied.outcomes]


# One commit


async def test_a_set_is_one_commit_and_the_same_set_again_is_none(world: World) -> None:
    first = await world.apply(network(30))
    assert (first.applied, first.revision, first.operation) == (True, 1, None)
    assert first.count(Action.CREATED) == 31
    again = await world.apply(network(30), prune=True)
    assert again.applied
    assert again.count(Action.UNCHANGED) == 31
    assert world.ledger.view.revision == 1


async def test_a_refused_document_refuses_the_set(world: World) -> None:
    applied = await world.apply([*network(3), doc("Site", "bad", region="nowhere")])
    assert not applied.applied
    assert applied.count(Action.REFUSED) == 1
    assert world.ledger.view.revision == 0


async def test_a_dry_run_says_what_applying_does_and_does_nothing(world: World) -> None:
    await world.apply(network(5))
    wanted = [doc("Region", "r", demand=2.0), doc("Site", "s0001", region="r"), doc("Site", "new", region="r")]
    dry = await world.apply(wanted, prune=True, dry_run=True)
    assert not dry.applied
    assert world.ledger.view.revision == 1
    done = await world.apply(wanted, prune=True)
    assert done.applied
    assert told(done) == told(dry)
    assert {name: action for _, name, action, _ in told(done)} == {
        "r": Action.UPDATED,
        "s0001": Action.UNCHANGED,
        "new": Action.CREATED,
        **{f"s{n:04}": Action.DELETED for n in (0, 2, 3, 4)},
    }


async def test_two_who_apply_the_same_at_once_make_it_once(world: World) -> None:
    both = await asyncio.gather(*(world.apply(network(20)) for _ in range(4)))
    assert all(one.applied for one in both)
    assert sorted(one.count(Action.CREATED) for one in both) == [0, 0, 0, 21]
    assert world.count("Site") == 20
    assert world.ledger.view.revision == 1


async def test_what_comes_between_the_trial_and_the_lock_is_told(world: World) -> None:
    await world.apply([doc("Region", "r")])
    region = world.ledger.view.find("Region", "r")
    assert region is not None
    applying = asyncio.create_task(world.apply([doc("Site", "s", region="r"), doc("Site", "t", region=region.id)]))
    deleting = asyncio.create_task(world.change(lambda edit: edit.delete(region)))
    applied, gone = await asyncio.gather(applying, deleting, return_exceptions=True)
    assert isinstance(applied, Applied)
    if isinstance(gone, list):
        assert not applied.applied
        assert world.count("Site") == 0
        assert applied.count(Action.REFUSED) == 2
    else:
        assert applied.applied


async def test_a_single_change_that_no_commit_holds_is_refused_at_once(world: World) -> None:
    ring = [[{"longitude": n / 1_000_000, "latitude": 50.123456789} for n in range(150_000)]]
    ring[0].append(ring[0][0])
    with pytest.raises(LimitExceeded) as problem:
        await world.apply([doc("Region", "large", boundary=ring)])
    assert "large" in problem.value.message
    assert world.ledger.view.revision == 0


# The same key again


@pytest.mark.parametrize("sites", [3, 40])
async def test_the_same_key_gives_the_first_answer_whatever_has_changed_since(
    world: World, small: None, sites: int
) -> None:
    first = await world.apply(network(sites), key="k")
    if first.operation is not None:
        await world.ended(first.operation)
    await world.apply([], prune=True, allow_empty=True)
    again = await world.apply(network(sites), key="k")
    assert [again.count(one) for one in Action] == [first.count(one) for one in Action]
    assert (again.applied, again.revision) == (True, first.revision)
    assert again.operation == first.operation
    assert [(one.kind, one.name, one.id) for one in again.shown] == [
        (one.kind, one.name, one.id) for one in first.shown
    ]
    with pytest.raises(IdempotencyMismatch):
        await world.apply(network(sites), key="k", digest="other")


async def test_a_key_of_a_set_that_changed_nothing_is_kept(world: World) -> None:
    await world.apply(network(2))
    first = await world.apply(network(2), key="k")
    assert first.count(Action.UNCHANGED) == 3
    await world.apply([], prune=True, allow_empty=True)
    assert (await world.apply(network(2), key="k")).count(Action.UNCHANGED) == 3
    assert world.count("Site") == 0


async def test_a_key_that_is_raced_is_answered_once(world: World) -> None:
    answers = await asyncio.gather(*(world.apply(network(5), key="k") for _ in range(4)))
    assert {one.count(Action.CREATED) for one in answers} == {6}
    assert {one.revision for one in answers} == {1}


async def test_a_refused_or_dry_run_leaves_its_key_free(world: World) -> None:
    await world.apply([doc("Site", "s", region="nowhere")], key="k")
    await world.apply(network(1), key="k", digest="dry", dry_run=True)
    assert (await world.apply(network(1), key="k", digest="done")).count(Action.CREATED) == 2


# An operation


async def test_a_large_set_becomes_an_operation_of_ordered_commits(world: World, small: None) -> None:
    documents = list(reversed(network(45)))
    applied = await world.apply(documents)
    assert applied.applied
    assert applied.count(Action.CREATED) == 46
    assert applied.operation is not None
    assert applied.operation.progress.total == 5
    assert applied.operation.source == SOURCE
    operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.SUCCEEDED
    assert operation.progress.done == 5
    assert operation.finished_at is not None
    assert world.count("Site") == 45
    assert all(get_as(world.ledger.view, Site, one).source == SOURCE for one in world.ledger.view.ids("Site"))  # type: ignore[union-attr]  # each id is of one that is there
    commits = await world.ledger.store.commits_after(0)
    assert [len(one.changes) for one in commits] == [1, 11, 11, 11, 11, 7]
    # Once more: nothing to do, and no operation for it.
    again = await world.apply(documents, prune=True)
    assert again.count(Action.UNCHANGED) == 46
    assert again.operation is None


async def test_a_large_set_is_pruned_in_the_same_operation(world: World, small: None) -> None:
    await world.ended((await world.apply(network(45))).operation)
    applied = await world.apply([doc("Region", "other")], prune=True)
    assert applied.count(Action.DELETED) == 46
    assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED
    assert (world.count("Site"), world.count("Region")) == (0, 1)


async def test_batches_are_cut_by_their_size_as_well(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_batches, "BATCH_BYTES", 4_000)
    monkeypatch.setattr(document_sets, "ONE_COMMIT_BYTES", 5_000)
    applied = await world.apply([doc("Region", f"r{n}") for n in range(8)])
    assert applied.operation is None
    large = [
        document_from(
            {"kind": "Region", "metadata": {"name": f"x{n}", "displayName": "ä" * 1_000}, "spec": {}}, where=str(n)
        )
        for n in range(8)
    ]
    applied = await world.apply(large)
    assert applied.operation is not None
    assert applied.operation.progress.total == 8
    assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED


class Stopped(Exception):
    """The process died here."""


class DiesAfter(Wrapped):
    """A store that takes some transactions and then is as if the process were gone."""

    def __init__(self, inner: Any, *, writes: int) -> None:
        super().__init__(inner)
        self.left = writes

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        if self.left <= 0:
            failed = ConnectionAbortedError("gone")
            await context.__aexit__(type(failed), failed, None)
            raise StoreUnavailable("the process is as good as gone")
        self.left -= 1
        await context.__aexit__(kind, problem, trace)


@pytest.mark.parametrize("writes", [1, 2, 4, 5])
async def test_an_operation_goes_on_where_a_process_that_died_left_it(path: Path, small: None, writes: int) -> None:
    documents = network(45)
    async with world_on(DiesAfter(SqliteStore(path), writes=writes)) as world:
        applied = await world.apply(documents)
        assert applied.operation is not None
        async with asyncio.timeout(20):
            while world.ledger.view.revision < writes:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert world.ledger.view.revision == writes
        running = get_as(world.ledger.view, Operation, applied.operation.id)
        assert running is not None
        assert running.progress.done == writes - 1
    async with world_on(SqliteStore(path)) as world:
        operation = await world.ended(applied.operation)
        assert operation.status is OperationStatus.SUCCEEDED
        assert world.count("Site") == 45
        sites = [get_as(world.ledger.view, Site, one) for one in world.ledger.view.ids("Site")]
        assert sorted(one.ordinal for one in sites if one is not None) == list(range(45)), "no batch was applied twice"
        assert len(await world.ledger.store.commits_after(0)) == 6


async def test_an_operation_waits_while_the_store_is_away_and_others_are_not_lost(
    path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_work, "RETRY_S", 0.02)

    class NoRecords(Wrapped):
        away = 3

        async def record(self, collection: str, record_id: str) -> Any:
            if collection == COLLECTION and self.away:
                self.away -= 1
                raise StoreUnavailable("away on purpose")
            return await self.inner.record(collection, record_id)

    async with world_on(NoRecords(SqliteStore(path))) as world:
        applied = await world.apply(network(45))
        assert (await world.ended(applied.operation)).status is OperationStatus.SUCCEEDED


async def test_an_operation_that_meets_a_refusal_ends_with_its_reason(world: World, small: None) -> None:
    documents = network(45)

    def in_the_way(edit: Edit) -> None:
        region = edit.find("Region", "r")
        assert region is not None
        edit.create(Site, name="s0030", region_id=region.id)

    applied = await world.apply(documents)
    async with asyncio.timeout(20):
        while world.ledger.view.find("Region", "r") is None:
            await asyncio.sleep(0)
    await world.change(in_the_way)
    operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.PARTIAL
    assert operation.error is not None
    assert operation.error.code == "DOCUMENT_REFUSED"
    assert "s0030" in operation.error.message
    assert operation.error.remedy
    assert world.count("Site") < 45
    # What is mended is applied again: what is there already is skipped.
    site = next(
        one for one in map(world.ledger.view.get, world.ledger.view.ids("Site")) if getattr(one, "name", "") == "s0030"
    )
    assert site is not None
    await world.change(lambda edit: edit.delete(site))
    again = await world.apply(documents)
    assert again.count(Action.CREATED) < 46
    if again.operation is not None:
        await world.ended(again.operation)
    assert world.count("Site") == 45


async def test_an_operation_whose_documents_are_gone_says_so(path: Path, small: None) -> None:
    async with world_on(SqliteStore(path), working=False) as world:
        applied = await world.apply(network(45))
        await world.ledger.store.prune(COLLECTION, before=2**52)
    async with world_on(SqliteStore(path)) as world:
        operation = await world.ended(applied.operation)
        assert operation.status is OperationStatus.FAILED
        assert operation.error is not None
        assert operation.error.code == "NOT_FOUND"


async def test_a_bug_in_a_step_ends_its_operation_and_not_the_work(
    world: World, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = world.sets._work.apply_batch

    async def step(operation: Operation, number: int, batch: Any) -> None:
        if operation.source.name == "broken":
            raise ZeroDivisionError
        await healthy(operation, number, batch)

    monkeypatch.setattr(world.sets._work, "apply_batch", step)
    broken = await world.apply(
        [doc("Region", f"b{n}") for n in range(45)], source=Source(SourceKind.DOCUMENTS, "broken")
    )
    fine = await world.apply(network(45))
    failed = await world.ended(broken.operation)
    assert failed.status is OperationStatus.FAILED
    assert failed.error is not None
    assert "division" not in failed.error.message
    assert (await world.ended(fine.operation)).status is OperationStatus.SUCCEEDED


async def test_two_processes_share_the_work_without_doing_any_of_it_twice(world: World, small: None) -> None:
    # Two workers on one ledger stand for two processes: a step that another has done is not done again.
    other = DocumentSets(world.ledger)
    async with other.running():
        applied = await world.apply(network(45))
        operation = await world.ended(applied.operation)
    assert operation.status is OperationStatus.SUCCEEDED
    assert len(await world.ledger.store.commits_after(0)) == 6


# Rights


async def test_a_developer_applies_apps_and_no_sites_and_sees_no_other_tenant(world: World) -> None:
    def make(edit: Edit) -> tuple[str, str]:
        mine, theirs = edit.create(Tenant, name="mine"), edit.create(Tenant, name="theirs")
        edit.create(App, name="secret-app", tenant_id=theirs.id)
        edit.create(Region, name="r")
        return mine.id, theirs.id

    mine, theirs = await world.change(make)
    ann = await world.user(Role.DEVELOPER, mine)
    applied = await world.apply(
        [
            doc("Site", "s", region="r"),
            doc("App", "a", "mine"),
            doc("App", "b", "theirs"),
            doc("AppVersion", "1", app="theirs/secret-app"),
            doc("AppVersion", "1", app="theirs/no-such-app"),
            doc("App", "c", theirs),
        ],
        viewer=ann,
    )
    errors = [one.error for one in applied.outcomes]
    assert not applied.applied
    assert [type(one) for one in errors] == [Forbidden, type(None), NotFound, NotFound, NotFound, NotFound]
    there, not_there = errors[3], errors[4]
    assert there is not None
    assert not_there is not None
    assert str(there).replace("secret-app", "X") == str(not_there).replace("no-such-app", "X")
    assert there.remedy == not_there.remedy
    assert (await world.apply([doc("App", "a", "mine")], viewer=ann)).applied


async def test_a_right_that_is_taken_away_counts_at_head(world: World, small: None) -> None:
    ann = await world.user(Role.OPERATOR, None)
    (binding,) = world.ledger.view.ids("RoleBinding", "subject_id", ann.id)
    found = world.ledger.view.get(binding)
    assert found is not None
    applied = await world.apply(network(45), viewer=ann)
    await world.change(lambda edit: edit.delete(found))
    operation = await world.ended(applied.operation)
    assert operation.status in (OperationStatus.PARTIAL, OperationStatus.FAILED)
    assert world.count("Site") < 45
    # The viewer as it was made before: what counts is what it may now.
    with pytest.raises(Forbidden):
        await world.apply([doc("Region", "late")], viewer=ann)
    assert world.ledger.view.find("Region", "late") is None


async def test_a_token_applies_no_more_than_it_may_also_in_an_operation(path: Path, small: None) -> None:
    async with world_on(SqliteStore(path), working=False) as world:
        ann = await world.user(Role.ADMIN, None)
        token = await world.change(lambda edit: edit.create(ApiToken, name="ci", owner_id=ann.id, role=Role.OPERATOR))
        narrow = viewer_of(world.ledger.view, ann.id, token=token)
        assert narrow is not None
        assert not narrow.may(Permission.MANAGE_INSTALLATION)
        applied = await world.apply(network(45), viewer=narrow)
        assert applied.operation is not None
        await world.change(lambda edit: edit.delete(token))
    async with world_on(SqliteStore(path)) as world:
        operation = await world.ended(applied.operation)
        assert operation.status is OperationStatus.FAILED
        assert operation.error is not None
        assert operation.error.code == "FORBIDDEN"


async def test_an_operation_is_its_tenants_when_all_that_it_changes_is(world: World, small: None) -> None:
    mine = await world.change(lambda edit: edit.create(Tenant, name="mine").id)
    ann = await world.user(Role.DEVELOPER, mine)
    applied = await world.apply([doc("App", f"a{n}", "mine") for n in range(30)], viewer=ann)
    assert applied.operation is not None
    assert applied.operation.tenant_id == mine
    assert (await world.ended(applied.operation)).tenant_id == mine
    shared = await world.apply(network(30))
    assert shared.operation is not None
    assert shared.operation.tenant_id is None
    await world.ended(shared.operation)


async def test_every_commit_of_a_set_has_its_audit(world: World, small: None) -> None:
    await world.ended((await world.apply(network(45))).operation)
    records = await world.ledger.store.records(RecordPage(collection="audit", ascending=True))
    bodies = [json.loads(bytes(one.body)) for one in records]
    assert [one["action"] for one in bodies] == ["applyDocuments"] * 6


# Deployments, which go by themselves

SHOP = """
kind: Region
metadata: {name: r}
---
kind: Site
metadata: {name: s}
spec: {region: r}
---
kind: Cluster
metadata: {name: c}
spec: {driver: simulated, sites: [s]}
---
kind: Node
metadata: {name: n}
spec: {site: s, cluster: c, capacity: {cpuMillicores: 4000, memoryBytes: 4000000000}}
---
kind: Tenant
metadata: {name: t}
---
kind: App
metadata: {name: shop, tenant: t}
---
kind: AppVersion
metadata: {name: "1"}
spec: {app: t/shop}
---
kind: Component
metadata: {name: web}
spec:
  appVersion: t/shop/1
  artifact: {type: CONTAINER_IMAGE, reference: web}
  resources: {cpuMillicores: 500, memoryBytes: 1000000}
---
kind: Deployment
metadata: {name: live, tenant: t, external: {system: cmdb, id: "7"}}
spec: {appVersion: t/shop/1}
"""
APPLY = """mutation($content: String!) {
  applyDocuments(input: {content: $content, name: "shop", prune: true, allowEmpty: true}) {
    __typename
    ... on ApplyDocumentsPayload {
      applied results { kind name action error { __typename message ... on InUse { dependents { id } } } }
    }
    ... on Error { message path }
  }
}"""


async def test_a_whole_set_with_its_deployment_can_be_taken_away(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:

        async def applied(content: str) -> dict[str, tuple[str, str | None]]:
            answer = (await data(application, APPLY, {"content": content}))["applyDocuments"]
            assert answer["applied"], answer
            return {one["kind"]: (one["action"], (one["error"] or {}).get("__typename")) for one in answer["results"]}

        view = application.ledger.view
        await applied(SHOP)
        async with asyncio.timeout(30):
            while view.count("Deployment", "phase", "READY") == 0:
                await asyncio.sleep(0.02)
        assert await applied(SHOP) == dict.fromkeys(
            ("Region", "Site", "Cluster", "Node", "Tenant", "App", "AppVersion", "Component", "Deployment"),
            ("UNCHANGED", None),
        )
        first = await applied("")
        assert first["Deployment"] == ("DELETED", None)
        # What it runs on and what it runs is used until it is gone.
        assert first["AppVersion"] == first["Site"] == first["Tenant"] == ("UNCHANGED", "InUse")
        async with asyncio.timeout(30):
            while view.count("Deployment"):
                await asyncio.sleep(0.02)
        second = await applied("")
        assert set(second.values()) == {("DELETED", None)}
        for kind in ("Tenant", "Region", "Site", "App", "Node", "Cluster"):
            assert view.count(kind) == 0, kind


async def test_sets_that_are_tried_while_the_graph_changes_under_them_end_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_trials, "SLICE", 2)  # the event loop goes on between any two documents
    random_ = random.Random(7)
    stop = False

    async def meddle() -> None:
        while not stop:
            await asyncio.sleep(0)
            ids = list(world.ledger.view.ids("Site"))
            if not ids:
                continue
            chosen = random_.choice(ids)

            def change(edit: Edit, chosen: str = chosen) -> None:
                site = edit.get(chosen)
                if isinstance(site, Site):
                    if random_.random() < 0.5:
                        edit.delete(site)
                    else:
                        edit.replace(site, display_name=str(random_.random()))

            await world.change(change)

    async def apply_some(name: str) -> None:
        source = Source(SourceKind.DOCUMENTS, name)
        for _ in range(6):
            wanted = random_.sample(range(30), 20)
            documents = [doc("Region", f"r-{name}"), *(doc("Site", f"{name}-{n}", region=f"r-{name}") for n in wanted)]
            applied = await world.apply(documents, source=source, prune=True)
            assert applied.applied, [one.error for one in applied.outcomes if one.error is not None]

    meddling = asyncio.create_task(meddle())
    await asyncio.gather(*(apply_some(name) for name in ("a", "b", "a")))
    stop = True
    await meddling
    commits = await world.ledger.store.commits_after(0, limit=10_000)
    assert [one.revision for one in commits] == list(range(1, len(commits) + 1))
    state: dict[str, Any] = {}
    for commit in commits:
        for change in commit.changes:
            state[change.id] = change.after
    assert {key for key, value in state.items() if value is not None} == {
        one for kind in ("Region", "Site") for one in world.ledger.view.ids(kind)
    }

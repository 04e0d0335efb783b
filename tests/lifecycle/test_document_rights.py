"""Whose a set of documents is, what it may make and delete, and by which rights."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from access.permissions import Permission
from access.viewer import Viewer, viewer_of
from graph.applying import Action
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import ApiToken, App, OperationStatus, Region, Role, RoleBinding, Tenant
from graph.refusal import Forbidden, InvalidInput, NotFound
from graph.store import RecordPage
from graph.stores.sqlite import SqliteStore
from lifecycle import document_batches, document_sets
from lifecycle.document_answers import Applied
from worldkit.document_world import World, doc, network, world_on

BATCH = 10


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


# Whose set it is

SHOP = Source(SourceKind.DOCUMENTS, "shop")


class Both:
    """Two tenants with a developer each, and an operator of the installation."""

    def __init__(self, world: World, one: str, other: str, ann: Viewer, bob: Viewer, olga: Viewer) -> None:
        self.world, self.one, self.other = world, one, other
        self.ann, self.bob, self.olga = ann, bob, olga

    def apps(self, tenant_id: str | None = None) -> set[str]:
        view = self.world.ledger.view
        found = [view.get(one) for one in view.ids("App")]
        return {one.name for one in found if isinstance(one, App) and tenant_id in (None, one.tenant_id)}

    async def apply(self, viewer: Viewer, *documents: str, **how: object) -> Applied:
        """Applies apps by their names or by `tenant/name`."""
        made = []
        for one in documents:
            tenant, _, name = one.rpartition("/")
            made.append(doc("App", name, tenant or None))
        return await self.world.apply(made, viewer=viewer, source=SHOP, prune=True, **how)


@pytest.fixture
async def both(world: World) -> Both:
    def make(edit: Edit) -> tuple[str, str]:
        return edit.create(Tenant, name="one").id, edit.create(Tenant, name="other").id

    one, other = await world.change(make)
    ann, bob = await world.user(Role.DEVELOPER, one, name="ann"), await world.user(Role.DEVELOPER, other, name="bob")
    return Both(world, one, other, ann, bob, await world.user(Role.OPERATOR, None, name="olga"))


def deleted(applied: Applied) -> set[str]:
    assert applied.applied, [one.error for one in applied.outcomes]
    return {one.name for one in applied.outcomes if one.action is Action.DELETED}


async def test_sets_of_one_name_in_two_tenants_have_nothing_in_common(both: Both) -> None:
    await both.apply(both.ann, "a", "b")
    await both.apply(both.bob, "a", "c")
    assert deleted(await both.apply(both.ann, "b")) == {"a"}
    assert both.apps(both.other) == {"a", "c"}
    assert deleted(await both.apply(both.bob, "d", "a")) == {"c"}
    assert (both.apps(both.one), both.apps(both.other)) == ({"b"}, {"a", "d"})


async def test_an_operator_prunes_neither_tenants_set_with_the_installations_of_the_same_name(both: Both) -> None:
    world = both.world
    await both.apply(both.ann, "a")
    await both.apply(both.bob, "a")
    await world.apply([*network(2), doc("App", "x", "one"), doc("App", "y", "other")], viewer=both.olga, source=SHOP)
    assert deleted(await both.apply(both.olga, "other/y")) == {"r", "s0000", "s0001", "x"}
    assert (both.apps(both.one), both.apps(both.other)) == ({"a"}, {"a", "y"})
    assert deleted(await both.apply(both.olga, allow_empty=True)) == {"y"}
    assert (both.apps(both.one), both.apps(both.other)) == ({"a"}, {"a"})
    # Asked for a tenant's set, the operator has that one and no other.
    assert deleted(await both.apply(both.olga, allow_empty=True, tenant_id=both.other)) == {"a"}
    assert (both.apps(both.one), both.apps(both.other)) == ({"a"}, set())


async def test_a_tenants_set_neither_prunes_nor_changes_what_the_installations_put_there(both: Both) -> None:
    await both.apply(both.olga, "one/x")
    await both.apply(both.ann, "a")
    assert deleted(await both.apply(both.ann, "b")) == {"a"}
    assert both.apps(both.one) == {"b", "x"}
    for viewer, name, words in ((both.ann, "x", "of the installation"), (both.olga, "one/b", "of its tenant")):
        refused = await both.apply(viewer, name)
        assert not refused.applied
        problem = refused.outcomes[0].error
        assert isinstance(problem, InvalidInput)
        assert f"was made by DOCUMENTS 'shop' {words}" in problem.message
        assert problem.remedy


async def test_the_source_tells_whose_set_made_a_thing(both: Both) -> None:
    await both.apply(both.ann, "a")
    await both.apply(both.olga, "one/x")
    await both.world.apply(network(1), viewer=both.olga, source=SHOP)
    view = both.world.ledger.view
    assert [
        getattr(view.find(kind, name, scope), "source", None)
        for kind, name, scope in (("App", "a", both.one), ("App", "x", both.one), ("Region", "r", ""))
    ] == [SHOP, Source(SourceKind.DOCUMENTS, "installation/shop"), SHOP]


async def test_lines_without_a_name_are_each_sets_own(both: Both) -> None:
    sites = [doc("Region", "r"), doc("Site", "a", region="r"), doc("Site", "b", region="r")]
    line = {"fromSite": "a", "toSite": "b", "latencyMs": 1.0}
    world, olga = both.world, both.olga
    await world.apply([*sites, doc("Link", "l", "one", **line)], viewer=olga, source=SHOP)
    made = await world.apply([doc("Link", "l", **line)], viewer=olga, source=SHOP, tenant_id=both.one)
    assert made.count(Action.CREATED) == 1
    assert world.count("Link") == 2


async def test_a_tenants_set_makes_what_is_that_tenants_and_nothing_else(both: Both) -> None:
    world = both.world
    applied = await world.apply(
        [
            doc("Region", "r"),
            doc("App", "a"),
            doc("AppVersion", "1", app="a"),
            doc("App", "b", "other"),
            doc("Tenant", "new"),
        ],
        viewer=both.olga,
        source=SHOP,
        tenant_id=both.one,
    )
    assert [type(one.error) for one in applied.outcomes] == [type(None)] * 3 + [InvalidInput] * 2
    assert (await world.apply([doc("Region", "r")], viewer=both.olga, source=SHOP, tenant_id=both.one)).applied
    assert world.ledger.view.find("Region", "r", both.one) is not None


async def test_whose_set_it_is_follows_from_the_caller_or_is_asked(both: Both) -> None:
    world = both.world
    for tenant_id in (both.other, "tenant_01ARZ3NDEKTSV4RRFFQ69G5FAV", "", both.ann.id):
        with pytest.raises(NotFound) as missing:
            await both.apply(both.ann, "a", tenant_id=tenant_id)
        assert missing.value.path == "input.tenantId"

    def join(edit: Edit) -> None:
        edit.create(RoleBinding, subject_id=both.ann.id, role=Role.DEVELOPER, tenant_id=both.other)

    await world.change(join)
    with pytest.raises(InvalidInput) as unsaid:
        await both.apply(both.ann, "a")
    assert unsaid.value.path == "input.tenantId"
    assert "--tenant" in (unsaid.value.remedy or "")
    await both.apply(both.ann, "a", tenant_id=both.other)
    assert both.apps(both.other) == {"a"}
    reader = await world.user(Role.VIEWER, both.one, name="vera")
    with pytest.raises(Forbidden):
        await both.apply(reader, "a")


async def test_who_reads_everywhere_and_writes_in_one_tenant_has_that_tenants_sets(both: Both) -> None:
    def guest(edit: Edit) -> None:
        edit.create(RoleBinding, subject_id=both.ann.id, role=Role.GUEST, tenant_id=None)

    await both.world.change(guest)
    await both.apply(both.olga, "one/x")
    assert deleted(await both.apply(both.ann, "a")) == set()
    assert both.apps(both.one) == {"a", "x"}


async def test_what_the_caller_may_not_delete_is_not_pruned_and_that_is_told(both: Both) -> None:
    world = both.world
    otto = await world.user(Role.OPERATOR, both.one, name="otto")
    await world.apply([doc("Region", "mine"), doc("App", "a")], viewer=otto, source=SHOP)
    refused = await both.apply(both.ann, "b")
    assert not refused.applied
    assert {one.name: type(one.error) for one in refused.outcomes if one.error is not None} == {"mine": Forbidden}
    assert both.apps(both.one) == {"a"}
    assert world.ledger.view.find("Region", "mine", both.one) is not None


async def test_a_large_set_stays_its_tenants_through_its_batches(both: Both, small: None) -> None:
    world = both.world
    await both.apply(both.bob, *(f"a{n}" for n in range(5)))
    for viewer in (both.ann, both.olga):
        tenant_id = both.one if viewer is both.olga else None
        made = await both.apply(viewer, *(f"a{n}" for n in range(30)), tenant_id=tenant_id)
        if made.operation is not None:
            assert (await world.ended(made.operation)).status is OperationStatus.SUCCEEDED
            assert made.operation.tenant_id == both.one
    gone = await both.apply(both.ann, allow_empty=True)
    assert (await world.ended(gone.operation)).status is OperationStatus.SUCCEEDED
    assert (both.apps(both.one), len(both.apps(both.other))) == (set(), 5)


async def test_who_loses_the_installation_loses_its_sets_at_head(both: Both, small: None) -> None:
    world = both.world
    (binding,) = world.ledger.view.ids("RoleBinding", "subject_id", both.olga.id)
    found = world.ledger.view.get(binding)
    assert found is not None
    applied = await both.apply(both.olga, *(f"one/a{n}" for n in range(30)))

    def demote(edit: Edit) -> None:
        edit.delete(found)
        edit.create(RoleBinding, subject_id=both.olga.id, role=Role.OPERATOR, tenant_id=both.one)

    await world.change(demote)
    operation = await world.ended(applied.operation)
    assert operation.status in (OperationStatus.FAILED, OperationStatus.PARTIAL)
    assert operation.error is not None
    assert operation.error.code == "FORBIDDEN"
    assert len(both.apps()) < 30

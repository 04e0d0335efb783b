"""The edit: what a change sees of itself, what it refuses, and what becomes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import deletion
from graph.change import MAX_CHANGES, Record
from graph.edit import Edit
from graph.entity import ExternalId, Source, SourceKind
from graph.entity_checks import MAX_LABELS, MAX_TREE_DEPTH
from graph.kinds import (
    ApiToken,
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Cluster,
    Component,
    Deployment,
    Link,
    Node,
    Region,
    Release,
    Secret,
    Service,
    ServiceAccount,
    Site,
    Tenant,
    Tier,
    User,
)
from graph.kinds.policy import PlacementPolicy
from graph.refusal import AlreadyExists, Conflict, InUse, InvalidInput, LimitExceeded, NotFound
from graph.spelling import camel
from graph.values import Accelerator, Position, Resources
from graph.view import View
from graphkit.programs import Model, check_reads, commit_of, cut, history, programs, run


def edit_of(view: View, **more: Any) -> Edit:
    more.setdefault("at", view.at + 10)
    return Edit(view, **more)


def applied(view: View, edit: Edit) -> None:
    view.apply(commit_of(edit))


@pytest.fixture
def view() -> View:
    return View()


# Reads while a change is under way


@settings(max_examples=120, deadline=None)
@given(programs(longest=30), programs(longest=20))
def test_an_edit_reads_as_the_view_reads_once_it_is_applied(before, program) -> None:
    view, model, _ = history(before)
    edit = edit_of(view)
    base = model.copy()
    run(edit, model, program)
    check_reads(edit, model)
    check_reads(view, base)
    if edit.changes:
        applied(view, edit)
    check_reads(view, model)


@settings(max_examples=120, deadline=None)
@given(programs(longest=24), programs(longest=40), st.lists(st.booleans(), min_size=6, max_size=6))
def test_drafts_laid_over_each_other_read_as_if_they_were_applied_in_order(before, program, accepted) -> None:
    view, model, _ = history(before)
    whole = edit_of(view)
    commits = []
    revision = view.revision
    for number, part in enumerate(cut(program, 6)):
        own = Edit(whole, at=whole.at, next_revision=revision + 1)
        tried = model.copy()
        run(own, tried, part)
        check_reads(own, tried)
        if accepted[number] and own.changes:
            revision += 1
            commits.append(commit_of(own))
            whole.join(own)
            model = tried
        check_reads(whole, model)
    for commit in commits:
        view.apply(commit)
    check_reads(view, model)
    assert view.revision == revision


def test_names_and_external_ids_may_be_swapped_within_one_draft(view: View) -> None:
    whole = edit_of(view)
    a = whole.create(Region, name="a", external=ExternalId("s", "a"))
    b = whole.create(Region, name="b", external=ExternalId("s", "b"))
    own = Edit(whole, at=whole.at)
    own.replace(a, name="c", external=None)
    own.replace(b, name="a", external=a.external)
    own.replace(a, name="b", external=b.external)
    whole.join(own)
    check_reads(whole, Model([one for one in (whole.get(a.id), whole.get(b.id)) if one is not None]))
    late = Edit(whole, at=whole.at)
    for name in ("a", "b"):
        with pytest.raises(AlreadyExists):
            late.create(Region, name=name)
        with pytest.raises(AlreadyExists):
            late.create(Region, name="d", external=ExternalId("s", name))


def test_what_an_edit_makes_and_deletes_again_is_no_change(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    edit.delete(region)
    assert edit.changes == []
    assert edit.get(region.id) is None
    assert edit.find("Region", "r") is None


def test_a_change_holds_the_value_before_the_edit_and_the_last_one(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="a")
    applied(view, edit)
    edit = edit_of(view)
    edit.replace(edit.replace(region, name="b"), name="c")
    (change,) = edit.changes
    assert change.before == region
    assert isinstance(change.after, Region)
    assert change.after.name == "c"
    assert not view.find("Region", "b")


# Stamps


def test_a_new_entity_has_the_edits_time_revision_and_source(view: View) -> None:
    source = Source(SourceKind.IMPORT, "topology")
    edit = Edit(view, at=1_700_000_000_123, source=source)
    region = edit.create(Region, name="r")
    assert (region.created_at, region.updated_at, region.revision) == (1_700_000_000_123, 1_700_000_000_123, 1)
    assert region.source == source
    assert region.id.startswith("region_")
    assert edit.get(region.id) is region


def test_a_change_keeps_who_made_it_and_when_and_stamps_itself(view: View) -> None:
    edit = Edit(view, at=5, source=Source(SourceKind.USER, "ann"))
    region = edit.create(Region, name="r")
    applied(view, edit)
    edit = Edit(view, at=9, source=Source(SourceKind.USER, "bob"))
    after = edit.replace(region, demand=2.0)
    assert (after.created_at, after.updated_at, after.revision) == (5, 9, 2)
    assert after.source == Source(SourceKind.USER, "ann")


def test_a_replacement_by_the_same_records_nothing(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r", labels={"a": "b"}, centre=Position(1.0, 2.0))
    applied(view, edit)
    edit = edit_of(view)
    same = edit.replace(region, name="r", labels={"a": "b"}, centre=Position(1.0, 2.0), demand=0.0)
    assert same is region
    assert edit.changes == []


def test_a_replacement_begins_from_the_newest_value_and_not_from_the_callers(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    edit.replace(region, demand=4.0)
    after = edit.replace(region, name="other")
    assert after.demand == 4.0


# Names


def test_a_name_is_taken_once_within_its_scope_and_free_again_when_it_is_given_up(view: View) -> None:
    edit = edit_of(view)
    tenants = [edit.create(Tenant, name=name) for name in ("a", "b")]
    first = edit.create(App, name="shop", tenant_id=tenants[0].id)
    edit.create(App, name="shop", tenant_id=tenants[1].id)
    with pytest.raises(AlreadyExists) as problem:
        edit.create(App, name="shop", tenant_id=tenants[0].id)
    assert problem.value.existing_id == first.id
    assert problem.value.path == "input.name"
    edit.replace(first, name="store")
    edit.create(App, name="shop", tenant_id=tenants[0].id)


def test_a_node_is_named_within_its_cluster_or_without_one_within_its_site(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    site, other = (edit.create(Site, name=name, region_id=region.id) for name in ("s", "t"))
    cluster = edit.create(Cluster, name="c", driver="simulated", site_ids=[site.id, other.id])
    edit.create(Node, name="n", site_id=site.id)
    edit.create(Node, name="n", site_id=other.id)
    edit.create(Node, name="n", site_id=site.id, cluster_id=cluster.id)
    with pytest.raises(AlreadyExists):
        edit.create(Node, name="n", site_id=other.id, cluster_id=cluster.id)


def test_a_move_into_a_scope_where_the_name_is_taken_is_refused(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    site = edit.create(Site, name="s", region_id=region.id)
    cluster = edit.create(Cluster, name="c", driver="simulated", site_ids=[site.id])
    edit.create(Node, name="n", site_id=site.id, cluster_id=cluster.id)
    loose = edit.create(Node, name="n", site_id=site.id)
    with pytest.raises(AlreadyExists):
        edit.replace(loose, cluster_id=cluster.id)


@pytest.mark.parametrize("name", ["München", "東京-1", "נתיב", "مرحبا", "emoji 🛰", "a" * 253, "x.y_z-1 (2)", "Ω"])
def test_names_may_be_in_any_script(view: View, name: str) -> None:
    edit = edit_of(view)
    made = edit.create(Region, name=name)
    applied(view, edit)
    assert view.find("Region", name) == made


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a/b", "a\\b", "a\nb", "a\n", "\x00", "a\x85b", "a\u2028b", "a" * 254, "\ud800"]
)
def test_a_bad_name_is_refused_by_field(view: View, name: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        edit_of(view).create(Region, name=name)
    assert problem.value.path == "input.name"
    assert problem.value.remedy


def test_an_external_id_is_taken_once_in_its_tenant_whatever_the_kind(view: View) -> None:
    edit = edit_of(view)
    tenant = edit.create(Tenant, name="t")
    external = ExternalId("other", "17")
    region = edit.create(Region, name="r", external=external)
    with pytest.raises(AlreadyExists) as problem:
        edit.create(Site, name="s", region_id=region.id, external=external)
    assert problem.value.existing_id == region.id
    assert problem.value.path == "input.external"
    edit.create(Region, name="r", tenant_id=tenant.id, external=external)
    edit.replace(region, external=None)
    edit.create(Site, name="s", region_id=region.id, external=external)


# References


def test_a_reference_leads_to_something_of_its_kind(view: View) -> None:
    edit = edit_of(view)
    tenant = edit.create(Tenant, name="t")
    for wrong in ("region_gone", tenant.id, "", "nonsense"):
        with pytest.raises((NotFound, InvalidInput)) as problem:
            edit.create(Site, name="s", region_id=wrong)
        assert problem.value.path == "input.regionId"


def test_a_missing_field_is_a_refusal_that_names_it(view: View) -> None:
    edit = edit_of(view)
    with pytest.raises(InvalidInput):
        edit.create(Site, name="s")
    with pytest.raises(InvalidInput, match="name"):
        edit.create(Region)
    with pytest.raises(InvalidInput) as problem:
        edit.create(Region, name="r", colour="red")
    assert problem.value.path == "input.colour"
    assert edit.changes == []


def test_a_change_of_a_field_that_is_not_there_is_refused(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    with pytest.raises(InvalidInput) as problem:
        edit.replace(region, colour="red")
    assert problem.value.path == "input.colour"


def test_the_same_reference_twice_is_refused(view: View) -> None:
    edit = edit_of(view)
    site = edit.create(Site, name="s", region_id=edit.create(Region, name="r").id)
    with pytest.raises(InvalidInput) as problem:
        edit.create(Cluster, name="c", driver="simulated", site_ids=[site.id, site.id])
    assert problem.value.path == "input.siteIds"


def test_a_tree_of_regions_has_no_circle_however_it_is_tied(view: View) -> None:
    edit = edit_of(view)
    top = edit.create(Region, name="top")
    middle = edit.create(Region, name="middle", parent_id=top.id)
    bottom = edit.create(Region, name="bottom", parent_id=middle.id)
    for child, parent in ((top, bottom), (top, middle), (top, top), (middle, bottom)):
        with pytest.raises(InvalidInput) as problem:
            edit.replace(child, parent_id=parent.id)
        assert problem.value.path == "input.parentId"
    edit.replace(bottom, parent_id=None)
    edit.replace(top, parent_id=bottom.id)


def test_a_tree_is_not_deeper_than_can_be_walked(view: View) -> None:
    edit = edit_of(view)
    parent: str | None = None
    for number in range(MAX_TREE_DEPTH + 1):
        parent = edit.create(Region, name=f"r{number}", parent_id=parent).id
    with pytest.raises(LimitExceeded) as problem:
        edit.create(Region, name="below", parent_id=parent)
    assert problem.value.path == "input.parentId"


def test_what_never_changes_is_refused_by_field(view: View) -> None:
    edit = edit_of(view)
    tenant, other = (edit.create(Tenant, name=name) for name in ("a", "b"))
    app = edit.create(App, name="shop", tenant_id=tenant.id)
    with pytest.raises(InvalidInput) as problem:
        edit.replace(app, tenant_id=other.id)
    assert problem.value.path == "input.tenantId"
    assert edit.replace(app, tenant_id=tenant.id) is app


def test_what_is_private_to_a_tenant_is_referred_to_by_that_tenant_alone(view: View) -> None:
    edit = edit_of(view)
    mine, theirs = (edit.create(Tenant, name=name) for name in ("mine", "theirs"))
    region = edit.create(Region, name="r", tenant_id=theirs.id)
    shared = edit.create(Region, name="shared")
    for tenant_id in (None, mine.id):
        with pytest.raises(NotFound) as problem:
            edit.create(Site, name="s", region_id=region.id, tenant_id=tenant_id)
        assert problem.value.path == "input.regionId"
    edit.create(Site, name="s", region_id=region.id, tenant_id=theirs.id)
    edit.create(Site, name="s", region_id=shared.id, tenant_id=mine.id)
    secret = edit.create(Secret, name="s", tenant_id=theirs.id)
    with pytest.raises(NotFound):
        edit.create(Cluster, name="c", driver="simulated", credentials_id=secret.id)


def test_a_service_accounts_token_needs_no_tenant_of_its_own(view: View) -> None:
    edit = edit_of(view)
    tenant = edit.create(Tenant, name="t")
    account = edit.create(ServiceAccount, name="robot", tenant_id=tenant.id)
    made = edit.create(ApiToken, name="ci", owner_id=account.id, tenant_id=tenant.id)
    assert made.owner_id == account.id
    user = edit.create(User, name="ann")
    assert edit.create(ApiToken, name="ci", owner_id=user.id).owner_id == user.id


# Ordinals


def test_an_ordinal_is_never_given_twice_in_its_region(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    first, second = (edit.create(Site, name=f"s{n}", region_id=region.id) for n in range(2))
    assert [first.ordinal, second.ordinal] == [0, 1]
    edit.delete(second)
    assert edit.create(Site, name="s2", region_id=region.id).ordinal == 2
    applied(view, edit)
    edit = edit_of(view)
    assert edit.create(Site, name="s3", region_id=region.id).ordinal == 3
    applied(view, edit)
    again = View()
    again.load(one for one in map(view.get, view.ids("Site")) if one is not None)
    again.load([region])
    again.loaded(revision=view.revision, at=view.at, epoch="", counters=view.counters)
    assert edit_of(again).create(Site, name="s4", region_id=region.id).ordinal == 4


def test_drafts_of_one_group_share_no_ordinal_and_a_refused_one_takes_none(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    applied(view, edit)
    whole = edit_of(view)
    ordinals = []
    for number in range(4):
        own = Edit(whole, at=whole.at, next_revision=view.revision + 1 + number)
        site = own.create(Site, name=f"s{number}", region_id=region.id)
        if number == 1:
            continue
        ordinals.append(site.ordinal)
        whole.join(own)
    assert ordinals == [0, 1, 2]


def test_a_site_that_moves_gets_the_next_ordinal_there_and_its_old_one_is_not_given_again(view: View) -> None:
    edit = edit_of(view)
    here, there = (edit.create(Region, name=name) for name in ("here", "there"))
    site = edit.create(Site, name="s", region_id=here.id)
    edit.create(Site, name="t", region_id=there.id)
    moved = edit.replace(site, region_id=there.id)
    assert moved.ordinal == 1
    assert edit.create(Site, name="u", region_id=here.id).ordinal == 1
    back = edit.replace(moved, region_id=here.id)
    assert back.ordinal == 2


# Deletion


def make_deployed(edit: Edit) -> dict[str, Any]:
    tenant = edit.create(Tenant, name="acme")
    region = edit.create(Region, name="r")
    site = edit.create(Site, name="s", region_id=region.id)
    cluster = edit.create(Cluster, name="c", driver="simulated", site_ids=[site.id])
    node = edit.create(Node, name="n", site_id=site.id, cluster_id=cluster.id)
    app = edit.create(App, name="shop", tenant_id=tenant.id)
    version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=tenant.id)
    component = edit.create(
        Component,
        name="api",
        app_version_id=version.id,
        tenant_id=tenant.id,
        artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="x"),
        resources=Resources(cpu_millicores=1, memory_bytes=1),
    )
    deployment = edit.create(
        Deployment, name="d", tenant_id=tenant.id, app_version_id=version.id, policy=PlacementPolicy()
    )
    release = edit.create(
        Release,
        tenant_id=tenant.id,
        deployment_id=deployment.id,
        component_id=component.id,
        site_id=site.id,
        assignments={node.id: 1},
    )
    return {
        "tenant": tenant,
        "region": region,
        "site": site,
        "cluster": cluster,
        "node": node,
        "app": app,
        "version": version,
        "component": component,
        "deployment": deployment,
        "release": release,
    }


def test_what_others_depend_on_is_not_deleted_and_all_of_them_are_named(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    sites = [edit.create(Site, name=f"s{n}", region_id=region.id) for n in range(25)]
    child = edit.create(Region, name="child", parent_id=region.id)
    with pytest.raises(InUse) as problem:
        edit.delete(region)
    assert sorted(problem.value.dependents) == sorted([child.id, *(one.id for one in sites)])
    assert "26" in problem.value.message
    assert problem.value.path == "input.id"
    assert edit.get(region.id) is not None


def test_a_reference_by_list_or_by_key_blocks_too(view: View) -> None:
    edit = edit_of(view)
    there = make_deployed(edit)
    with pytest.raises(InUse) as problem:
        edit.delete(there["node"])
    assert problem.value.dependents == (there["release"].id,)
    with pytest.raises(InUse) as problem:
        edit.delete(there["site"])
    assert set(problem.value.dependents) == {there["cluster"].id, there["node"].id, there["release"].id}


def test_a_cascade_takes_what_cannot_be_without_it_and_stops_at_what_can(view: View) -> None:
    edit = edit_of(view)
    there = make_deployed(edit)
    applied(view, edit)
    edit = edit_of(view)
    with pytest.raises(InUse) as problem:
        edit.delete(there["app"], cascade=True)
    assert set(problem.value.dependents) == {there["deployment"].id, there["release"].id}
    assert edit.changes == []
    gone = edit.delete(there["deployment"], cascade=True)
    assert [one.id for one in gone] == [there["deployment"].id, there["release"].id]
    gone = edit.delete(there["app"], cascade=True)
    assert gone[0].id == there["app"].id
    assert {one.id for one in gone} == {there[one].id for one in ("app", "version", "component")}
    applied(view, edit)
    for name in ("app", "version", "component", "deployment", "release"):
        assert view.get(there[name].id) is None


def test_a_cascade_deletes_what_refers_before_what_it_refers_to(view: View) -> None:
    edit = edit_of(view)
    there = make_deployed(edit)
    applied(view, edit)
    edit = edit_of(view)
    edit.delete(there["tenant"], cascade=True)
    order = [one.id for one in edit.changes]
    for change in edit.changes:
        assert change.before is not None
        for field in change.before.SPEC.refs:
            for target in field.targets(change.before):
                if target in order:
                    assert order.index(change.id) < order.index(target), (change.kind, field.name)


def test_a_private_region_keeps_its_tenant_from_being_deleted(view: View) -> None:
    edit = edit_of(view)
    tenant = edit.create(Tenant, name="t")
    region = edit.create(Region, name="r", tenant_id=tenant.id)
    with pytest.raises(InUse) as problem:
        edit.delete(tenant, cascade=True)
    assert problem.value.dependents == (region.id,)


def test_what_is_gone_is_not_found(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    edit.delete(region)
    for ask in (edit.delete, edit.replace):
        with pytest.raises(NotFound) as problem:
            ask(region)
        assert problem.value.path == "input.id"


def test_a_change_of_something_that_has_moved_on_is_a_conflict(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    applied(view, edit)
    edit = edit_of(view)
    edit.replace(region, demand=1.0)
    applied(view, edit)
    edit = edit_of(view)
    for ask in (edit.delete, edit.replace):
        with pytest.raises(Conflict) as problem:
            ask(region, expected_revision=1)
        assert (problem.value.current_revision, problem.value.entity_id) == (2, region.id)
        assert problem.value.path == "input.expectedRevision"
    assert edit.replace(region, expected_revision=2, demand=3.0).demand == 3.0


# Limits


def test_one_commit_takes_so_many_changes_and_no_more(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CHANGES == 5_000
    assert edit_of(view).max_changes == MAX_CHANGES
    edit = Edit(view, at=1, max_changes=3)
    made = [edit.create(Tenant, name=f"t{n}") for n in range(3)]
    with pytest.raises(LimitExceeded) as problem:
        edit.create(Tenant, name="one-too-many")
    assert "3" in problem.value.message
    assert problem.value.remedy
    assert len(edit.changes) == 3
    assert edit.find("Tenant", "one-too-many") is None
    edit.replace(made[0], name="renamed")


def test_a_cascade_that_takes_more_than_a_commit_is_refused_and_leaves_nothing(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit = edit_of(view)
    site = edit.create(Site, name="s", region_id=edit.create(Region, name="r").id)
    for number in range(6):
        edit.create(Node, name=f"n{number}", site_id=site.id)
    applied(view, edit)
    monkeypatch.setattr(deletion, "MAX_CASCADE", 4)
    edit = edit_of(view)
    with pytest.raises(LimitExceeded):
        edit.delete(site, cascade=True)
    assert edit.changes == []
    monkeypatch.undo()
    edit = edit_of(view, max_changes=4)
    with pytest.raises(LimitExceeded):
        edit.delete(site, cascade=True)
    assert edit.changes == []


def test_an_entity_has_at_most_so_many_labels(view: View) -> None:
    edit = edit_of(view)
    edit.create(Region, name="full", labels={f"k{n}": "" for n in range(MAX_LABELS)})
    with pytest.raises(LimitExceeded) as problem:
        edit.create(Region, name="more", labels={f"k{n}": "" for n in range(MAX_LABELS + 1)})
    assert problem.value.path == "input.labels"


@pytest.mark.parametrize(
    ("labels", "path"),
    [
        ({"ok": "ok", "": "x"}, "input.labels[1].key"),
        ({"-a": "x"}, "input.labels[0].key"),
        ({"a/b/c": "x"}, "input.labels[0].key"),
        ({"UPPER.case/a": "x"}, "input.labels[0].key"),
        ({"a\n": "x"}, "input.labels[0].key"),
        ({"a": "x\n"}, "input.labels[0].value"),
        ({"a": "with space"}, "input.labels[0].value"),
        ({"a": "x" * 64}, "input.labels[0].value"),
        ({"a": "ok", "b": "é"}, "input.labels[1].value"),
    ],
)
def test_a_label_is_by_the_rules_of_kubernetes(view: View, labels: dict[str, str], path: str) -> None:
    with pytest.raises(InvalidInput) as problem:
        edit_of(view).create(Region, name="r", labels=labels)
    assert problem.value.path == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"demand": -1.0}, "input.demand"),
        ({"demand": float("nan")}, "input.demand"),
        ({"demand": float("inf")}, "input.demand"),
        ({"demand": "many"}, "input.demand"),
        ({"centre": Position(181.0, 0.0)}, "input.centre.longitude"),
        ({"centre": Position(0.0, float("nan"))}, "input.centre.latitude"),
        ({"boundary": [[Position(0.0, 0.0), Position(0.0, 91.0)]]}, "input.boundary[0][1].latitude"),
        ({"boundary": [[Position(0.0, 0.0)] * 3]}, "input.boundary[0]"),
        ({"display_name": 7}, "input.displayName"),
        ({"display_name": "a\ud800"}, "input.displayName"),
        ({"level": None}, "input.level"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_place(view: View, fields: dict[str, Any], path: str) -> None:
    edit = edit_of(view)
    with pytest.raises(InvalidInput) as problem:
        edit.create(Region, name="r", **fields)
    assert problem.value.path == path
    region = edit.create(Region, name="r")
    with pytest.raises(InvalidInput) as problem:
        edit.replace(region, **fields)
    assert problem.value.path == path


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("configuration", "path"),
    [
        ({"a": nested(1_000)}, "input.configuration"),
        ({"a": nested(100)}, "input.configuration"),
        ({"a": float("inf")}, "input.configuration.a"),
        ({"a": [1, float("nan")]}, "input.configuration.a[1]"),
        ({"a": {"b": 2**70}}, "input.configuration.a.b"),
        ({"a": b"bytes"}, "input.configuration.a"),
        ({"a": {1, 2}}, "input.configuration.a"),
        ({1: "a"}, "input.configuration"),
        ({"a": "\ud800"}, "input.configuration.a"),
        ({"a\ud800": "x"}, "input.configuration"),
    ],
)
def test_free_values_are_what_json_can_hold(view: View, configuration: Any, path: str) -> None:
    edit = edit_of(view)
    with pytest.raises(InvalidInput) as problem:
        edit.create(Cluster, name="c", driver="simulated", configuration=configuration)
    assert problem.value.path is not None
    assert problem.value.path.startswith(path)


def test_free_values_may_be_any_json(view: View) -> None:
    edit = edit_of(view)
    given_ = {"a": [1, -1.5, "x", True, None, {"b": {"c": []}}], "ünï": 2**53 - 1}
    made = edit.create(Cluster, name="c", driver="simulated", configuration=given_)
    assert msgspec.json.decode(msgspec.json.encode(made.configuration)) == given_


def test_resources_are_checked_to_their_depth(view: View) -> None:
    edit = edit_of(view)
    site = edit.create(Site, name="s", region_id=edit.create(Region, name="r").id)
    with pytest.raises(InvalidInput) as problem:
        edit.create(
            Node,
            name="n",
            site_id=site.id,
            capacity=Resources(accelerators=[Accelerator("a", 1), Accelerator("b", -1)]),
        )
    assert problem.value.path == "input.capacity.accelerators[1].count"


# What kinds check by themselves


def test_a_link_joins_two_sites_and_reserves_no_more_than_it_has(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    a, b = (edit.create(Site, name=name, region_id=region.id) for name in "ab")
    with pytest.raises(InvalidInput) as problem:
        edit.create(Link, from_site_id=a.id, to_site_id=a.id, latency_ms=1.0)
    assert problem.value.path == "input.toSiteId"
    link = edit.create(Link, from_site_id=a.id, to_site_id=b.id, latency_ms=1.0, bandwidth_mbps=10.0)
    with pytest.raises(InvalidInput) as problem:
        edit.replace(link, reserved_mbps=11.0)
    assert problem.value.path == "input.reservedMbps"
    edit.create(Link, from_site_id=a.id, to_site_id=b.id, latency_ms=1.0)


def test_a_service_is_offered_by_one_thing(view: View) -> None:
    edit = edit_of(view)
    there = make_deployed(edit)
    made = edit.create(Service, name="db", site_id=there["site"].id)
    assert made.component_id is None


# Beside the changes


def test_records_private_values_and_counters_are_the_edits_own_until_it_is_joined(view: View) -> None:
    whole = edit_of(view)
    own = Edit(whole, at=whole.at)
    own.file(Record(collection="c", id="c_1", tenant_id=None, subject_id=None, at=1, body=msgspec.Raw(b"{}")))
    own.keep_private("k", b"v")
    assert own.next_number("n") == 0
    assert own.next_number("n") == 1
    assert Edit(whole, at=whole.at).next_number("n") == 0
    whole.join(own)
    assert whole.next_number("n") == 2
    assert len(own.records) == 1
    assert own.private == {"k": b"v"}


@pytest.mark.parametrize(("name", "spelled"), [("region_id", "regionId"), ("name", "name"), ("a_b_c", "aBC"), ("", "")])
def test_fields_are_spelled_as_the_api_has_them(name: str, spelled: str) -> None:
    assert camel(name) == spelled


def test_a_refused_rename_leaves_the_old_name_where_it_was(view: View) -> None:
    edit = edit_of(view)
    one, other = (edit.create(Region, name=name) for name in ("one", "other"))
    with pytest.raises(AlreadyExists):
        edit.replace(one, name="other")
    assert edit.find("Region", "one") == one
    assert edit.find("Region", "other") == other
    check_reads(edit, Model([one, other]))


def test_an_enum_is_given_as_itself(view: View) -> None:
    edit = edit_of(view)
    region = edit.create(Region, name="r")
    site = edit.create(Site, name="s", region_id=region.id, tier=Tier.METRO)
    assert list(edit.ids("Site", "tier", "METRO")) == [site.id]
    with pytest.raises(InvalidInput) as problem:
        edit.create(Site, name="t", region_id=region.id, tier="SPACE")
    assert problem.value.path == "input.tier"

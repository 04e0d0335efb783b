"""The visible view against a brute-force oracle that is written from the rules in docs/access.md, not from the code."""

import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.permissions import ROLE_PERMISSIONS, Permission
from access.viewer import Grant, Viewer, viewer_of
from access.visible import VisibleView, require_seen, visibility_changed
from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import HIDDEN, KINDS, Area, Named
from graph.kinds import (
    ApiToken,
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Cluster,
    Component,
    Deployment,
    DeploymentRevision,
    Event,
    Instance,
    Link,
    Node,
    Operation,
    OperationKind,
    Region,
    Release,
    Role,
    RoleBinding,
    Secret,
    Service,
    ServiceAccount,
    Site,
    Tenant,
    User,
)
from graph.kinds.policy import PlacementPolicy
from graph.refusal import NotFound
from graph.values import Resources
from graph.view import View

P = Permission
TENANTS = ("tenant_0", "tenant_1", "tenant_2")
USERS = tuple(f"user_{one}" for one in range(5))
grants = st.frozensets(st.builds(Grant, st.sampled_from(list(Role)), st.sampled_from((*TENANTS, None))), max_size=3)


def random_graph(seed):
    """Some of every kind, of three tenants and of none, with every reference in place."""
    chance = random.Random(seed)
    made = []

    def some(cls, count, **fields):
        for number in range(count):
            values = {name: value() if callable(value) else value for name, value in fields.items()}
            if issubclass(cls, Named):
                values.setdefault("name", f"{chance.choice('abcdef')}{number}")
            made.append(cls(id=f"{cls.SPEC.prefix}_{chance.randrange(10**6):06}{number:02}", **values))
        return [one.id for one in made if type(one) is cls]

    def owner():
        return chance.choice(TENANTS)

    def maybe():
        return chance.choice((None, None, *TENANTS))

    made.extend(Tenant(id=one, name=one) for one in TENANTS)
    made.extend(User(id=one, name=one) for one in USERS)
    accounts = some(ServiceAccount, 5, tenant_id=maybe)
    some(RoleBinding, 9, subject_id=lambda: chance.choice((*USERS, *accounts)), role=lambda: chance.choice(list(Role)),
         tenant_id=maybe)  # fmt: skip
    some(ApiToken, 8, owner_id=lambda: chance.choice((*USERS, *accounts)), tenant_id=maybe,
         token_hash=lambda: str(chance.random()))  # fmt: skip
    secrets = some(Secret, 6, tenant_id=maybe)
    regions = some(Region, 5, tenant_id=maybe)
    sites = some(Site, 12, region_id=lambda: chance.choice(regions), tenant_id=maybe, labels=lambda: label(chance))
    some(Link, 8, from_site_id=lambda: chance.choice(sites), to_site_id=lambda: chance.choice(sites), latency_ms=1.0,
         tenant_id=maybe)  # fmt: skip
    clusters = some(Cluster, 5, driver="simulated", site_ids=lambda: [chance.choice(sites)], tenant_id=maybe,
                    credentials_id=lambda: chance.choice((None, *secrets)), configuration={"seed": 7})  # fmt: skip
    nodes = some(Node, 14, site_id=lambda: chance.choice(sites), cluster_id=lambda: chance.choice(clusters),
                 tenant_id=maybe, labels=lambda: label(chance))  # fmt: skip
    apps = some(App, 5, tenant_id=owner)
    versions = some(AppVersion, 5, app_id=lambda: chance.choice(apps), tenant_id=owner)
    components = some(Component, 5, app_version_id=lambda: chance.choice(versions), tenant_id=owner,
                      artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="x"),
                      resources=Resources(cpu_millicores=1, memory_bytes=1))  # fmt: skip
    some(Service, 5, tenant_id=maybe, site_id=lambda: chance.choice(sites))
    deployments = some(Deployment, 6, tenant_id=owner, app_version_id=lambda: chance.choice(versions),
                       policy=PlacementPolicy())  # fmt: skip
    releases = some(Release, 9, tenant_id=owner, deployment_id=lambda: chance.choice(deployments),
                    component_id=lambda: chance.choice(components), site_id=lambda: chance.choice(sites),
                    assignments=lambda: {chance.choice(nodes): 1})  # fmt: skip
    some(Instance, 9, tenant_id=owner, release_id=lambda: chance.choice(releases),
         site_id=lambda: chance.choice(sites))  # fmt: skip
    some(Operation, 6, tenant_id=maybe, kind=OperationKind.DEPLOY, subject_id=lambda: chance.choice(deployments))
    view = View()
    view.load(made)
    view.loaded(revision=7, at=7, epoch="epoch", counters={})
    return view


def label(chance):
    return chance.choice(({}, {"zone": "x"}, {"zone": "y"}))


class Oracle:
    """What a viewer sees, asked one entity at a time of a graph and of a list of roles."""

    def __init__(self, reader, viewer):
        self.reader = reader
        self.me = viewer.id
        self.grants = viewer.grants

    def holds(self, permission, tenant):
        return any(permission in ROLE_PERMISSIONS[one.role] and one.tenant_id in (None, tenant) for one in self.grants)

    def everywhere(self, permission):
        return any(permission in ROLE_PERMISSIONS[one.role] and one.tenant_id is None for one in self.grants)

    def anywhere(self, permission):
        return any(permission in ROLE_PERMISSIONS[one.role] for one in self.grants)

    def inside(self, tenant):
        return any(one.tenant_id in (None, tenant) for one in self.grants)

    def owned(self, tenant, permission, *, unowned):
        return unowned if tenant is None else self.holds(permission, tenant)

    def sees(self, one):
        tenant = getattr(one, "tenant_id", None)
        match one:
            case Tenant():
                return self.inside(one.id)
            case User():
                bound = [b for b in self.all(RoleBinding) if b.subject_id == one.id]
                return (
                    one.id == self.me
                    or self.everywhere(P.READ_PEOPLE)
                    or any(b.tenant_id and self.holds(P.READ_PEOPLE, b.tenant_id) for b in bound)
                )
            case ServiceAccount():
                return one.id == self.me or self.owned(tenant, P.READ_PEOPLE, unowned=self.everywhere(P.READ_PEOPLE))
            case RoleBinding():
                mine = one.subject_id == self.me and (tenant is None or self.inside(tenant))
                return mine or self.owned(tenant, P.READ_PEOPLE, unowned=self.everywhere(P.READ_PEOPLE))
            case ApiToken():
                mine = one.owner_id == self.me and (tenant is None or self.inside(tenant))
                owner = self.reader.get(one.owner_id)
                if mine or self.everywhere(P.MANAGE_INSTALLATION):
                    return True
                return isinstance(owner, ServiceAccount) and (
                    owner.tenant_id is not None and self.holds(P.MANAGE_TENANT, owner.tenant_id)
                )
            case Secret():
                return self.owned(tenant, P.READ_SECRETS, unowned=self.everywhere(P.WRITE_INFRASTRUCTURE))
            case Service():
                return self.owned(tenant, P.READ_WORKLOADS, unowned=self.anywhere(P.READ_INFRASTRUCTURE))
            case Operation():
                return self.owned(tenant, P.READ_WORKLOADS, unowned=self.everywhere(P.WRITE_INFRASTRUCTURE))
        if one.SPEC.area is Area.INFRASTRUCTURE:
            return self.owned(tenant, P.READ_INFRASTRUCTURE, unowned=self.anywhere(P.READ_INFRASTRUCTURE))
        assert one.SPEC.area is Area.WORKLOAD, one
        return self.holds(P.READ_WORKLOADS, tenant)

    def opens(self, cluster):
        if cluster.tenant_id is None:
            return self.everywhere(P.WRITE_INFRASTRUCTURE)
        return self.holds(P.WRITE_INFRASTRUCTURE, cluster.tenant_id)

    def all(self, cls):
        return [self.reader.get(one) for one in self.reader.ids(cls.__name__)]

    def ids(self, kind, field, value):
        found = [self.reader.get(one) for one in self.reader.ids(kind, field, value)]
        if field in ("credentials_id", "configuration"):
            found = [one for one in found if self.opens(one)]
        if field is not None and field in KINDS[kind].fields and HIDDEN in KINDS[kind].fields[field].marks:
            return []
        return [one.id for one in found if self.sees(one)]


def questions(view):
    for kind in KINDS:
        yield kind, None, None
        for field, values in view._postings[kind].items():
            for value in values:
                yield kind, field, value
        yield kind, "tenant_id", "tenant_9"


def check_against_oracle(reader, viewer, asked):
    seen, oracle = VisibleView(reader, viewer), Oracle(reader, viewer)
    for kind, field, value in asked:
        expected = oracle.ids(kind, field, value)
        found = seen.ids(kind, field, value)
        where = (kind, field, value, viewer.grants)
        assert list(found) == expected, where
        assert [found[at] for at in range(len(found))] == expected, where
        assert seen.count(kind, field, value) == len(expected), where
    for kind, spec in KINDS.items():
        for entity_id in reader.ids(kind):
            entity = reader.get(entity_id)
            shown = seen.get(entity_id)
            assert (shown is not None) == oracle.sees(entity), (entity, viewer.grants)
            assert seen.sees(entity) == oracle.sees(entity)
            if isinstance(entity, Cluster) and shown is not None and not oracle.opens(entity):
                assert (shown.credentials_id, shown.configuration) == (None, {})
                assert shown.name == entity.name
            elif shown is not None:
                assert shown is entity
            if spec.named:
                by_name = seen.find(kind, entity.name, spec.scope_of(entity))
                assert by_name is None or by_name == seen.get(by_name.id)
            if shown is None and spec.named and reader.find(kind, entity.name, spec.scope_of(entity)) is entity:
                assert by_name is None
        if spec.named:
            names = seen.ids_by_name(kind)
            assert [names[at] for at in range(len(names))] == list(names)
            assert sorted(names) == oracle.ids(kind, None, None)
            keys = [(reader.get(one).name, one) for one in names]
            assert all(one < other for one, other in pairwise(keys))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 40), grants, st.sampled_from((*USERS, "")))
def test_every_list_and_every_entity_is_what_the_rules_say(seed, granted, me):
    view = random_graph(seed)
    viewer = Viewer(id=me, name=me, grants=granted)
    check_against_oracle(view, viewer, list(questions(view)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), grants, st.sampled_from(USERS))
def test_a_change_under_way_is_seen_by_the_same_rules(seed, granted, me):
    view = random_graph(seed)
    chance = random.Random(seed)
    edit = Edit(view, at=9)
    fourth = edit.create(Tenant, name="fourth")
    region = next(one for one in view.ids("Region") if view.get(one).tenant_id is None) if any(
        view.get(one).tenant_id is None for one in view.ids("Region")
    ) else edit.create(Region, name="new").id  # fmt: skip
    for tenant in (None, fourth.id, "tenant_1"):
        site = edit.create(Site, name=f"new {tenant}", region_id=region, tenant_id=tenant, labels={"zone": "x"})
        edit.create(Node, name="n", site_id=site.id, tenant_id=tenant)
    edit.create(App, name="new", tenant_id="tenant_0")
    for instance in list(view.ids("Instance"))[: chance.randrange(4)]:
        edit.delete(view.get(instance))
    check_against_oracle(edit, Viewer(id=me, name=me, grants=granted), list(questions(view)))


def test_a_kind_that_is_wholly_visible_costs_nothing_more():
    view = random_graph(1)
    admin = VisibleView(view, Viewer(id="user_0", name="a", grants=frozenset({Grant(Role.ADMIN, None)})))
    for kind, spec in KINDS.items():
        assert admin.ids(kind) is view.ids(kind)
        if spec.named:
            assert admin.ids_by_name(kind) is view.ids_by_name(kind)
    member = VisibleView(view, Viewer(id="user_0", name="a", grants=frozenset({Grant(Role.VIEWER, "tenant_0")})))
    assert member.ids("Deployment") is view.ids("Deployment", "tenant_id", "tenant_0")


def test_infrastructure_without_private_parts_is_the_index_itself_for_every_member():
    view = View()
    view.load([Region(id=f"region_{one}", name=str(one)) for one in range(5)])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    member = VisibleView(view, Viewer(id="u", name="u", grants=frozenset({Grant(Role.GUEST, "tenant_0")})))
    assert member.ids("Region") is view.ids("Region")
    assert member.ids_by_name("Region") is view.ids_by_name("Region")


def test_what_the_impersonal_viewer_sees_is_seen_by_all_with_the_same_rights():
    view = random_graph(3)
    granted = frozenset({Grant(Role.DEVELOPER, "tenant_0")})
    shared = VisibleView(view, Viewer(id="user_1", name="x", grants=granted).impersonal)
    for kind in KINDS:
        for me in USERS:
            own = VisibleView(view, Viewer(id=me, name=me, grants=granted))
            assert set(shared.ids(kind)) <= set(own.ids(kind)), kind
    assert list(shared.ids("User")) == []


def event(tenant=None, subject=None):
    return Event(id="event_1", tenant_id=tenant, subject_id=subject, reason="R", message="m")


EVENTS = [
    # tenant, subject, roles that see it in tenant_0
    (None, None, "operator tenant_admin developer viewer guest"),
    (None, "site_shared", "operator tenant_admin developer viewer guest"),
    (None, "site_gone", "operator tenant_admin developer viewer guest"),
    (None, "site_private", "operator tenant_admin developer viewer guest"),
    (None, "site_others", ""),
    (None, "user_gone", ""),
    (None, "tenant_1", ""),
    ("tenant_0", "site_private", "operator tenant_admin developer viewer guest"),
    ("tenant_0", "site_shared", "operator tenant_admin developer viewer"),
    ("tenant_0", "deployment_1", "operator tenant_admin developer viewer"),
    ("tenant_0", "deployment_gone", "operator tenant_admin developer viewer"),
    ("tenant_0", "secret_gone", "operator tenant_admin developer"),
    ("tenant_0", "user_gone", "tenant_admin"),
    ("tenant_0", None, "operator tenant_admin developer viewer"),
    ("tenant_0", "nonsense", ""),
    ("tenant_1", "site_shared", ""),
    ("tenant_1", "site_others", ""),
    ("tenant_1", "deployment_2", ""),
    ("tenant_1", None, ""),
]


@pytest.mark.parametrize(("tenant", "subject", "roles"), EVENTS)
@pytest.mark.parametrize("role", [one for one in Role if one is not Role.ADMIN])
def test_an_event_is_seen_with_what_it_happened_to(tenant, subject, roles, role):
    region = Region(id="region_1", name="r")
    site = {"region_id": region.id}
    run = {"app_version_id": "appversion_1", "policy": PlacementPolicy()}
    view = View()
    view.load(
        [
            *(Tenant(id=one, name=one) for one in TENANTS),
            region,
            Site(id="site_shared", name="s", **site),
            Site(id="site_private", name="p", tenant_id="tenant_0", **site),
            Site(id="site_others", name="o", tenant_id="tenant_1", **site),
            Deployment(id="deployment_1", name="d", tenant_id="tenant_0", **run),
            Deployment(id="deployment_2", name="e", tenant_id="tenant_1", **run),
        ]
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    seen = VisibleView(view, Viewer(id="user_1", name="u", grants=frozenset({Grant(role, "tenant_0")})))
    one = event(tenant, subject)
    assert (seen.shown(one) is one) == (role.name.lower() in roles.split())
    admin = VisibleView(view, Viewer(id="user_1", name="u", grants=frozenset({Grant(Role.ADMIN, None)})))
    assert admin.shown(one) is one or subject == "nonsense"


def test_filed_records_are_asked_for_in_the_viewers_tenants_only():
    view = random_graph(2)

    def seen(*granted):
        return VisibleView(view, Viewer(id="u", name="u", grants=frozenset(Grant(*one) for one in granted)))

    assert seen((Role.ADMIN, None)).record_tenants("Event") is None
    assert seen((Role.ADMIN, None)).audited_tenants() is None
    assert seen((Role.VIEWER, "tenant_1")).record_tenants("Event") == ["tenant_1", None]
    assert seen((Role.VIEWER, "tenant_1")).record_tenants("Operation") == ["tenant_1"]
    assert seen((Role.VIEWER, None)).record_tenants("Operation") == list(TENANTS)
    assert seen((Role.GUEST, "tenant_1")).record_tenants("DeploymentRevision") == []
    assert seen((Role.VIEWER, "tenant_1")).audited_tenants() == []
    assert seen((Role.TENANT_ADMIN, "tenant_1")).audited_tenants() == ["tenant_1"]
    past = DeploymentRevision(id="deploymentrevision_1", tenant_id="tenant_0", deployment_id="d", number=1,
                              app_version_id="a", policy=PlacementPolicy())  # fmt: skip
    assert seen((Role.VIEWER, "tenant_1")).shown(past) is None
    assert seen((Role.VIEWER, "tenant_0")).shown(past) is past


def commit_of(*changes):
    return Commit(revision=8, draft_id="d", at=8, author="x", action="y", changes=list(changes))


def test_the_newest_value_decides_whether_a_change_is_told():
    site = Site(id="site_1", name="s", region_id="region_1", tenant_id="tenant_0")
    view = View()
    own = VisibleView(view, Viewer(id="u", name="u", grants=frozenset({Grant(Role.GUEST, "tenant_0")})))
    other = VisibleView(view, Viewer(id="u", name="u", grants=frozenset({Grant(Role.GUEST, "tenant_1")})))
    for change in (Change("Site", site.id, None, site), Change("Site", site.id, site, None)):
        assert own.sees_change(change)
        assert not other.sees_change(change)


def test_bindings_of_others_concern_streams_that_show_people():
    bound = RoleBinding(id="rolebinding_1", subject_id="user_2", role=Role.GUEST, tenant_id="tenant_0")
    commit = commit_of(Change("RoleBinding", bound.id, None, bound))

    def changed(role, tenant, kinds=None, me="user_1"):
        viewer = Viewer(id=me, name="u", grants=frozenset({Grant(role, tenant)}))
        return visibility_changed(commit, viewer, kinds=kinds)

    assert changed(Role.TENANT_ADMIN, "tenant_0")
    assert changed(Role.TENANT_ADMIN, "tenant_0", kinds=["User", "Site"])
    assert not changed(Role.TENANT_ADMIN, "tenant_0", kinds=["Site"])
    assert not changed(Role.TENANT_ADMIN, "tenant_1")
    assert not changed(Role.DEVELOPER, "tenant_0")
    assert not changed(Role.ADMIN, None), "who sees everybody sees no more by a binding"
    assert changed(Role.DEVELOPER, "tenant_1", kinds=["Site"], me="user_2"), "its own rights changed"


def test_nobody_has_the_server_use_what_he_does_not_see():
    secret = Secret(id="secret_1", name="operators")
    own = Secret(id="secret_2", name="own", tenant_id="tenant_0")
    view = View()
    view.load([secret, own, *(Tenant(id=one, name=one) for one in TENANTS)])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    operator = VisibleView(view, Viewer(id="u", name="u", grants=frozenset({Grant(Role.OPERATOR, "tenant_0")})))
    require_seen(operator, Cluster, {"name": "c", "credentials_id": own.id, "tenant_id": "tenant_0"})
    for fields, path in [
        ({"credentials_id": secret.id}, "input.credentialsId"),
        ({"credentials_id": "secret_9"}, "input.credentialsId"),
        ({"tenant_id": "tenant_1"}, "input.tenantId"),
        ({"site_ids": ["tenant_0"]}, "input.siteIds"),
    ]:
        with pytest.raises(NotFound) as refused:
            require_seen(operator, Cluster, fields)
        assert refused.value.path == path


def test_a_viewer_that_a_token_shuts_out_of_a_tenant_sees_nothing_of_it_in_its_own_things():
    token = ApiToken(id="token_1", name="t", owner_id="user_1", tenant_id="tenant_0")
    other = ApiToken(id="token_2", name="o", owner_id="user_1", tenant_id="tenant_1")
    bindings = [
        RoleBinding(id=f"rolebinding_{one}", subject_id="user_1", role=Role.VIEWER, tenant_id=f"tenant_{one}")
        for one in range(2)
    ]
    view = View()
    view.load([User(id="user_1", name="u"), *(Tenant(id=one, name=one) for one in TENANTS), token, other, *bindings])
    view.loaded(revision=1, at=1, epoch="e", counters={})
    whole, narrow = (
        VisibleView(view, viewer_of(view, "user_1")),
        VisibleView(view, viewer_of(view, "user_1", token=token)),
    )
    assert list(whole.ids("Tenant")) == ["tenant_0", "tenant_1"]
    assert list(narrow.ids("Tenant")) == ["tenant_0"]
    assert list(whole.ids("ApiToken")) == ["token_1", "token_2"]
    assert list(narrow.ids("ApiToken")) == ["token_1"]
    assert list(narrow.ids("RoleBinding")) == ["rolebinding_0"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 20), grants, st.data())
def test_what_is_kept_between_requests_follows_what_comes_goes_and_is_renamed(seed, granted, data):
    view = random_graph(seed)
    viewer = Viewer(id="user_1", name="u", grants=granted)
    for step in range(6):
        check_lists(view, viewer)
        kind, fields = data.draw(
            st.sampled_from(
                [
                    (Site, {"region_id": view.ids("Region")[0], "name": f"new{step}"}),
                    (App, {"tenant_id": "tenant_1", "name": f"new{step}"}),
                    (App, {"tenant_id": "tenant_0", "name": f"new{step}"}),
                ]
            )
        )
        fields |= {"tenant_id": data.draw(st.sampled_from((None, *TENANTS)))} if kind is Site else {}
        present = [view.get(one) for one in view.ids(kind.__name__)]
        change = data.draw(st.sampled_from(("make", "rename", "touch", "delete")))
        if change == "make" or not present:
            before, after = None, kind(id=f"{kind.SPEC.prefix}_{view.revision:09}", **fields)
        else:
            before = data.draw(st.sampled_from(present))
            after = None
            if change != "delete":
                changed = {"name": f"z{step}"} if change == "rename" else {"display_name": f"z{step}"}
                after = msgspec.structs.replace(before, **changed)
        entity = after or before
        one = Change(kind.__name__, entity.id, before, after)
        view.apply(Commit(revision=view.revision + 1, draft_id=str(step), at=9, author="x", action="y", changes=[one]))
    check_lists(view, viewer)
    fresh = random_graph(seed + 1)
    view.become(fresh)
    check_lists(view, viewer)


def check_lists(view, viewer):
    seen, oracle = VisibleView(view, viewer), Oracle(view, viewer)
    for kind in ("Site", "App", "Node", "Service"):
        expected = oracle.ids(kind, None, None)
        assert list(seen.ids(kind)) == expected
        assert [seen.ids(kind)[at] for at in range(len(expected))] == expected
        names = seen.ids_by_name(kind)
        assert list(names) == sorted(expected, key=lambda one: (view.get(one).name, one))

import pytest

from access.permissions import ROLE_PERMISSIONS, Permission
from access.viewer import SYSTEM, Grant, Viewer, at_head, concerns, renewed, viewer_of
from graph.change import Change, Commit
from graph.edit import Edit
from graph.kinds import ApiToken, Role, RoleBinding, ServiceAccount, Tenant, User
from graph.refusal import Forbidden, NotFound
from graph.view import View

P = Permission


def viewer(*grants, id="user_1", **more):
    return Viewer(id=id, name="ann", grants=frozenset(Grant(role, tenant) for role, tenant in grants), **more)


def view_of(*entities):
    view = View()
    view.load(entities)
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


ANN = User(id="user_1", name="ann")
A, B = Tenant(id="tenant_a", name="a"), Tenant(id="tenant_b", name="b")


def binding(number, role, tenant, subject="user_1"):
    return RoleBinding(id=f"rolebinding_{number}", subject_id=subject, role=role, tenant_id=tenant)


def test_a_permission_counts_where_it_is_held():
    one = viewer((Role.DEVELOPER, "a"), (Role.VIEWER, "b"))
    assert one.may(P.WRITE_WORKLOADS, "a")
    assert not one.may(P.WRITE_WORKLOADS, "b")
    assert one.may(P.READ_WORKLOADS, "b")
    assert not one.may(P.READ_WORKLOADS, "c")
    assert not one.may(P.READ_WORKLOADS), "nowhere in particular is everywhere"
    assert one.may_anywhere(P.WRITE_WORKLOADS)
    assert one.tenants_with(P.READ_WORKLOADS) == {"a", "b"}
    assert one.tenant_ids == {"a", "b"}
    assert not one.sees_all_tenants


def test_shared_infrastructure_is_read_with_the_permission_anywhere_and_written_with_it_everywhere():
    assert viewer((Role.GUEST, "a")).may(P.READ_INFRASTRUCTURE)
    assert not viewer((Role.OPERATOR, "a")).may(P.WRITE_INFRASTRUCTURE)
    assert viewer((Role.OPERATOR, "a")).may(P.WRITE_INFRASTRUCTURE, "a")
    assert viewer((Role.OPERATOR, None)).may(P.WRITE_INFRASTRUCTURE)
    assert not viewer().may(P.READ_INFRASTRUCTURE)


def test_a_role_in_all_tenants_holds_in_each():
    one = viewer((Role.VIEWER, None), (Role.TENANT_ADMIN, "a"))
    assert one.may(P.READ_WORKLOADS, "anything")
    assert one.may(P.MANAGE_TENANT, "a")
    assert not one.may(P.MANAGE_TENANT, "b")
    assert one.tenants_with(P.READ_WORKLOADS) is None
    assert one.sees_all_tenants


def test_who_may_not_is_told_a_remedy_and_nothing_of_tenants_it_is_not_in():
    one = viewer((Role.VIEWER, "a"))
    one.require(P.READ_WORKLOADS, "a")
    with pytest.raises(Forbidden) as refused:
        one.require(P.WRITE_WORKLOADS, "a", path="input.id")
    assert "developer" in refused.value.remedy
    assert refused.value.path == "input.id"
    with pytest.raises(NotFound):
        one.require(P.READ_WORKLOADS, "b")
    with pytest.raises(Forbidden):
        one.require(P.MANAGE_INSTALLATION)


def test_everybody_signed_in_is_signed_in_and_may_nothing_else_without_a_role():
    one = viewer()
    assert one.may_anywhere(P.SIGNED_IN)
    assert [permission for permission in P if one.may_anywhere(permission)] == [P.SIGNED_IN]


def test_viewers_who_may_the_same_share_a_key_whoever_they_are():
    keys = {
        viewer((Role.DEVELOPER, "a")).permission_key,
        viewer((Role.DEVELOPER, "a"), id="user_2", via_cookie=True).permission_key,
        viewer((Role.DEVELOPER, "a"), (Role.VIEWER, "a")).permission_key,
    }
    assert len(keys) == 1
    others = [
        viewer((Role.DEVELOPER, "b")),
        viewer((Role.VIEWER, "a")),
        viewer((Role.DEVELOPER, None)),
        viewer((Role.DEVELOPER, "a"), (Role.GUEST, "b")),
        viewer(),
    ]
    assert len(keys | {one.permission_key for one in others}) == 6


def test_the_impersonal_viewer_has_the_rights_and_nothing_of_the_person():
    one = viewer((Role.ADMIN, None), token_id="token_1", expires_at=5, via_cookie=True, credential_version=3)
    same = one.impersonal
    assert same.permission_key == one.permission_key
    assert (same.id, same.name, same.token_id, same.expires_at, same.via_cookie) == ("", "", None, None, False)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("tenant", [None, "tenant_a", "tenant_b"])
@pytest.mark.parametrize("owned", [(Role.ADMIN, None), (Role.OPERATOR, "tenant_a"), (Role.TENANT_ADMIN, "tenant_b")])
def test_a_token_narrows_what_its_owner_may_and_never_widens_it(role, tenant, owned):
    token = ApiToken(id="token_1", name="t", owner_id="user_1", role=role, tenant_id=tenant)
    view = view_of(ANN, A, B, token, binding(1, *owned))
    whole, narrow = viewer_of(view, "user_1"), viewer_of(view, "user_1", token=token)
    for permission in set(P) - {P.SIGNED_IN}:
        for where in (None, "tenant_a", "tenant_b", "tenant_c"):
            if narrow.may(permission, where):
                assert whole.may(permission, where)
                assert permission in ROLE_PERMISSIONS[role]
                assert tenant is None or where == tenant or where is None
    if owned == (Role.ADMIN, None):
        held = {one for one in P if narrow.may(one, tenant or "tenant_a")}
        assert held == ROLE_PERMISSIONS[role]


def test_nobody_is_a_viewer_who_is_gone_disabled_or_past_the_end():
    token = ApiToken(id="token_1", name="t", owner_id="user_1", expires_at=1_000)
    assert viewer_of(view_of(), "user_1") is None
    assert viewer_of(view_of(A), "tenant_a") is None
    assert viewer_of(view_of(User(id="user_1", name="ann", disabled=True)), "user_1") is None
    assert viewer_of(view_of(ANN), "user_1", token=token, at_ms=999).expires_at == 1_000
    assert viewer_of(view_of(ANN), "user_1", token=token, at_ms=1_000) is None
    assert viewer_of(view_of(ANN), "user_1", expires_at=1_000, at_ms=1_000) is None
    account = ServiceAccount(id="serviceaccount_1", name="ci")
    assert viewer_of(view_of(account), account.id, token=token, at_ms=1) is None, "the token is another's"
    assert viewer_of(view_of(account), account.id).name == "ci"


def test_a_right_that_was_taken_away_meanwhile_does_not_count_at_head():
    view = view_of(ANN, A, binding(1, Role.ADMIN, None))
    before = viewer_of(view, "user_1")
    edit = Edit(view, at=10)
    assert at_head(before, edit, at_ms=10).may(P.MANAGE_INSTALLATION)
    edit.delete(view.get("rolebinding_1"))
    assert not at_head(before, edit, at_ms=10).may(P.MANAGE_INSTALLATION)
    edit.replace(ANN, disabled=True)
    with pytest.raises(Forbidden):
        at_head(before, edit, at_ms=10)


def test_a_session_ends_with_its_password_and_a_token_with_itself():
    token = ApiToken(id="token_1", name="t", owner_id="user_1")
    view = view_of(ANN, token)
    by_session = viewer_of(view, "user_1", via_cookie=True, session_id="s")
    by_token = viewer_of(view, "user_1", token=token)
    changed = view_of(User(id="user_1", name="ann", credential_version=1), token)
    assert renewed(by_session, view).session_id == "s"
    assert renewed(by_session, changed) is None
    assert renewed(by_token, changed) is not None
    assert renewed(by_token, view_of(ANN)) is None
    assert renewed(SYSTEM, view_of()) is SYSTEM


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (binding(1, Role.GUEST, "tenant_a"), True),
        (binding(1, Role.GUEST, "tenant_a", subject="user_2"), False),
        (ANN, True),
        (User(id="user_2", name="bob"), False),
        (ApiToken(id="token_1", name="t", owner_id="user_1"), True),
        (A, False),
    ],
)
@pytest.mark.parametrize("made", [True, False])
def test_a_commit_concerns_those_whose_rights_it_may_change(change, expected, made):
    before, after = (None, change) if made else (change, None)
    changes = [Change(change.SPEC.name, change.id, before, after)]
    commit = Commit(revision=2, draft_id="d", at=2, author="x", action="y", changes=changes)
    assert concerns(commit, viewer(token_id="token_1")) is expected

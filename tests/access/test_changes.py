"""Who may change whom, at head, over a real store."""

import asyncio

import pytest

from access.changes import (
    bind_role,
    create_service_account,
    create_token,
    create_user,
    delete_entity,
    drop_expired_tokens,
    end_sessions,
    set_password,
    update_service_account,
    update_tenant,
    update_user,
)
from access.passwords import password_key
from access.rights import administrators, check_write, check_write_of
from access.tokens import find_token
from access.viewer import SYSTEM, Grant, viewer_of
from graph.entity import KINDS
from graph.kinds import (
    ApiToken,
    App,
    Deployment,
    Region,
    Role,
    RoleBinding,
    Secret,
    ServiceAccount,
    Site,
    Tenant,
    User,
)
from graph.refusal import AlreadyExists, Forbidden, InUse, InvalidInput, InvalidState, NotFound
from graph.request import Request

HASH = b"$argon2id$canary"


class World:
    """Two tenants with people of every sort, and the way to do something as one of them."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.ids = {}

    async def make(self):
        def function(edit):
            tenants = {one: edit.create(Tenant, name=one).id for one in "ab"}
            self.ids.update(tenants)
            people = {
                "root": [(Role.ADMIN, None)],
                "operator": [(Role.OPERATOR, None)],
                "boss-a": [(Role.TENANT_ADMIN, tenants["a"])],
                "boss-b": [(Role.TENANT_ADMIN, tenants["b"])],
                "dev-a": [(Role.DEVELOPER, tenants["a"])],
                "dev-b": [(Role.DEVELOPER, tenants["b"])],
                "dev-ab": [(Role.DEVELOPER, tenants["a"]), (Role.DEVELOPER, tenants["b"])],
                "op-a": [(Role.OPERATOR, tenants["a"])],
                "nobody": [],
            }
            for name, roles in people.items():
                user = edit.create(User, name=name)
                self.ids[name] = user.id
                for role, tenant in roles:
                    binding = edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant)
                    self.ids[f"{name}'s role"] = binding.id
            self.ids["ci-a"] = edit.create(ServiceAccount, name="ci", tenant_id=tenants["a"]).id
            edit.create(RoleBinding, subject_id=self.ids["ci-a"], role=Role.DEVELOPER, tenant_id=tenants["a"])
            self.ids["ci-all"] = edit.create(ServiceAccount, name="ci").id
            edit.create(RoleBinding, subject_id=self.ids["ci-all"], role=Role.OPERATOR)

        await self.ledger.commit(function, Request(author="edgeatlas", action="set up"))
        return self

    def viewer(self, name, **more):
        return viewer_of(self.ledger.view, self.ids[name], **more)

    async def do(self, who, function, /, *args, viewer=None, **more):
        viewer = viewer or self.viewer(who)
        done = await self.ledger.commit(
            lambda edit: function(edit, viewer, *args, **more), Request(author=viewer.id, action=function.__name__)
        )
        return done.value

    async def refused(self, who, function, /, *args, **more):
        revision = self.ledger.view.revision
        with pytest.raises((Forbidden, NotFound, InvalidState, InvalidInput, InUse, AlreadyExists)) as refusal:
            await self.do(who, function, *args, **more)
        assert self.ledger.view.revision == revision, "nothing was changed"
        return refusal.value

    def get(self, name):
        return self.ledger.view.get(self.ids[name])


@pytest.fixture
async def world(ledger):
    return await World(ledger).make()


# Tenants


@pytest.mark.parametrize(("who", "may"), [("root", True), ("boss-a", False), ("admin-a", False)])
async def test_only_who_manages_the_installation_raises_what_a_tenant_may_have_against_others(world, who, may):
    ours = world.ids["a"]
    admin = await world.do("root", create_user, name="admin-a", roles=[Grant(Role.ADMIN, ours)])
    world.ids["admin-a"] = admin.id
    assert (await world.do(who, update_tenant, ours, display_name="A", max_priority=0)).display_name == "A"
    if may:
        assert (await world.do(who, update_tenant, ours, max_priority=7)).max_priority == 7
        return
    refusal = await world.refused(who, update_tenant, ours, max_priority=7)
    assert isinstance(refusal, Forbidden)
    assert refusal.path == "input.maxPriority"


@pytest.mark.parametrize("who", ["boss-b", "dev-a", "nobody"])
async def test_a_tenant_is_changed_by_nobody_but_who_manages_it(world, who):
    await world.refused(who, update_tenant, world.ids["a"], display_name="mine")


# Users


async def test_an_administrator_makes_a_user_with_roles_and_a_password_beside_the_log(world):
    grants = [Grant(Role.DEVELOPER, world.ids["a"]), Grant(Role.VIEWER, None)]
    user = await world.do("root", create_user, name="new", roles=grants, password_hash=HASH, email="n@example.org")
    assert viewer_of(world.ledger.view, user.id).grants == frozenset(grants)
    assert await world.ledger.store.private(password_key(user.id)) == HASH


async def test_a_tenants_administrator_makes_users_of_that_tenant_only(world):
    ours, theirs = world.ids["a"], world.ids["b"]
    user = await world.do("boss-a", create_user, name="new", roles=[Grant(Role.TENANT_ADMIN, ours)])
    assert viewer_of(world.ledger.view, user.id).tenant_ids == {ours}
    for roles, kind in [
        ([], InvalidInput),
        ([Grant(Role.VIEWER, theirs)], NotFound),
        ([Grant(Role.VIEWER, ours), Grant(Role.VIEWER, None)], Forbidden),
        ([Grant(Role.ADMIN, ours)], Forbidden),
        ([Grant(Role.OPERATOR, ours)], Forbidden),
    ]:
        assert isinstance(await world.refused("boss-a", create_user, name="other", roles=roles), kind)
    for name in ("dev-a", "operator", "op-a", "nobody"):
        await world.refused(name, create_user, name="other", roles=[Grant(Role.GUEST, ours)])


CHANGES = [
    # who, whom, may manage
    ("root", "boss-a", True),
    ("root", "nobody", True),
    ("boss-a", "dev-a", True),
    ("boss-a", "boss-a", True),
    ("boss-a", "dev-ab", False),
    ("boss-a", "op-a", False),
    ("boss-a", "dev-b", False),
    ("boss-a", "root", False),
    ("boss-a", "nobody", False),
    ("operator", "dev-a", False),
    ("op-a", "dev-a", False),
    ("dev-a", "boss-a", False),
]


@pytest.mark.parametrize(("who", "whom", "may"), CHANGES)
async def test_who_could_act_as_somebody_is_who_could_have_given_that_person_every_role(world, who, whom, may):
    ways = [
        (set_password, (world.ids[whom], HASH), {}),
        (end_sessions, (world.ids[whom],), {}),
        (update_user, (world.ids[whom],), {"name": "renamed"}),
        (update_user, (world.ids[whom],), {"disabled": True}),
    ]
    for function, args, more in ways:
        if who == whom and function is update_user and "disabled" in more:
            continue
        if may:
            await world.do(who, function, *args, **more)
        else:
            assert isinstance(await world.refused(who, function, *args, **more), (Forbidden, NotFound))


async def test_what_a_caller_does_not_see_is_not_found_rather_than_forbidden(world):
    for whom in ("dev-b", "root", "nobody"):
        assert isinstance(await world.refused("boss-a", set_password, world.ids[whom], HASH), NotFound)
        assert isinstance(await world.refused("boss-a", delete_entity, world.ids[whom]), NotFound)
    never = await world.refused("boss-a", set_password, "user_never", HASH)
    hidden = await world.refused("boss-a", set_password, world.ids["dev-b"], HASH)
    assert str(never).replace("user_never", "") == str(hidden).replace(world.ids["dev-b"], "")
    assert never.remedy == hidden.remedy


async def test_everybody_changes_a_few_things_of_himself(world):
    me = world.ids["dev-a"]
    changed = await world.do("dev-a", update_user, me, display_name="Ann", email="ann@example.org")
    assert (changed.display_name, changed.email) == ("Ann", "ann@example.org")
    for fields in ({"name": "root2"}, {"disabled": True}, {"labels": {"a": "b"}}):
        assert isinstance(await world.refused("dev-a", update_user, me, **fields), Forbidden)


async def test_a_new_password_ends_sessions_and_links_but_no_tokens(world):
    before = world.viewer("dev-a")
    token, _ = await world.do("dev-a", create_token, name="t")
    user = await world.do("dev-a", set_password, world.ids["dev-a"], HASH)
    assert user.credential_version == before.credential_version + 1
    assert await world.ledger.store.private(password_key(user.id)) == HASH
    assert isinstance(await world.refused("dev-a", end_sessions, user.id, viewer=before), Forbidden)
    assert world.viewer("dev-a", token=token) is not None


async def test_the_last_administrator_cannot_be_lost(world):
    root = world.ids["root"]
    for function, args, more in [
        (update_user, (root,), {"disabled": True}),
        (delete_entity, (world.ids["root's role"],), {}),
        (delete_entity, (root,), {"cascade": True}),
    ]:
        assert isinstance(await world.refused("root", function, *args, **more), InvalidState)
    await world.do("root", bind_role, subject_id=world.ids["ci-all"], role=Role.ADMIN, tenant_id=None)
    assert isinstance(await world.refused("root", delete_entity, world.ids["root's role"]), InvalidState), (
        "a service account cannot sign in"
    )
    await world.do("root", bind_role, subject_id=world.ids["nobody"], role=Role.ADMIN, tenant_id=None)
    await world.do("root", delete_entity, world.ids["root's role"])
    assert [one.id for one in administrators(world.ledger.view)] == [world.ids["nobody"]]


async def test_two_administrators_who_unseat_each_other_at_once_leave_one(world):
    await world.do("root", bind_role, subject_id=world.ids["nobody"], role=Role.ADMIN, tenant_id=None)
    answers = await asyncio.gather(
        world.do("root", update_user, world.ids["nobody"], disabled=True),
        world.do("nobody", update_user, world.ids["root"], disabled=True),
        return_exceptions=True,
    )
    assert sum(isinstance(one, (Forbidden, InvalidState)) for one in answers) == 1
    assert len(administrators(world.ledger.view)) == 1


# Roles

BINDINGS = [
    # who, to whom, role, where, what comes of it
    ("root", "nobody", Role.ADMIN, None, None),
    ("root", "dev-a", Role.OPERATOR, "a", None),
    ("boss-a", "dev-a", Role.TENANT_ADMIN, "a", None),
    ("boss-a", "dev-ab", Role.VIEWER, "a", None),
    ("boss-a", "dev-a", Role.DEVELOPER, "a", AlreadyExists),
    ("boss-a", "dev-a", Role.OPERATOR, "a", Forbidden),
    ("boss-a", "dev-a", Role.ADMIN, "a", Forbidden),
    ("boss-a", "boss-a", Role.OPERATOR, "a", Forbidden),
    ("boss-a", "dev-a", Role.VIEWER, None, Forbidden),
    ("boss-a", "dev-a", Role.VIEWER, "b", NotFound),
    ("boss-a", "dev-b", Role.VIEWER, "a", NotFound),
    ("boss-a", "nobody", Role.VIEWER, "a", NotFound),
    ("boss-a", "ci-a", Role.VIEWER, "a", None),
    ("boss-a", "ci-all", Role.VIEWER, "a", NotFound),
    ("operator", "operator", Role.ADMIN, None, Forbidden),
    ("operator", "operator", Role.TENANT_ADMIN, "a", Forbidden),
    ("dev-a", "dev-a", Role.TENANT_ADMIN, "a", Forbidden),
    ("root", "ci-a", Role.VIEWER, "b", InvalidInput),
    ("root", "ci-a", Role.VIEWER, None, InvalidInput),
    ("root", "ci-all", Role.VIEWER, None, None),
]


@pytest.mark.parametrize(("who", "whom", "role", "where", "refusal"), BINDINGS)
async def test_nobody_gives_more_than_he_has_where_he_has_it(world, who, whom, role, where, refusal):
    tenant = world.ids[where] if where else None
    more = {"subject_id": world.ids[whom], "role": role, "tenant_id": tenant}
    if refusal is None:
        before = viewer_of(world.ledger.view, world.ids[whom]).grants
        await world.do(who, bind_role, **more)
        assert viewer_of(world.ledger.view, world.ids[whom]).grants == before | {Grant(role, tenant)}
    else:
        assert type(await world.refused(who, bind_role, **more)) is refusal


async def test_nobody_takes_a_role_that_he_could_not_give(world):
    await world.do("boss-a", delete_entity, world.ids["dev-a's role"])
    assert isinstance(await world.refused("boss-a", delete_entity, world.ids["op-a's role"]), Forbidden)
    assert isinstance(await world.refused("boss-a", delete_entity, world.ids["dev-b's role"]), NotFound)
    assert isinstance(await world.refused("dev-b", delete_entity, world.ids["dev-b's role"]), Forbidden)


# Service accounts and tokens


async def test_service_accounts_belong_to_who_manages_their_tenant(world):
    ours = world.ids["a"]
    account = await world.do(
        "boss-a", create_service_account, name="bot", tenant_id=ours, roles=[Grant(Role.DEVELOPER, ours)]
    )
    await world.do("boss-a", update_service_account, account.id, disabled=True)
    assert viewer_of(world.ledger.view, account.id) is None
    for who, tenant in [("boss-a", world.ids["b"]), ("boss-a", None), ("dev-a", ours), ("operator", None)]:
        await world.refused(who, create_service_account, name="other", tenant_id=tenant)
    for who in ("boss-b", "dev-a", "op-a"):
        await world.refused(who, update_service_account, account.id, disabled=False)


async def test_a_tokens_text_is_told_once_and_kept_nowhere(world, tmp_path):
    token, text = await world.do("dev-a", create_token, name="laptop", expires_at=2_000_000_000_000)
    assert find_token(world.ledger.view, text) == token
    assert (token.owner_id, token.tenant_id, token.role) == (world.ids["dev-a"], None, None)
    await world.ledger.store.backup(tmp_path / "copy")
    for path in [*(tmp_path / "data").iterdir(), tmp_path / "copy"]:
        assert not path.is_file() or text.encode() not in path.read_bytes()


async def test_a_token_of_a_tenants_service_account_is_narrowed_to_that_tenant(world):
    token, _ = await world.do("boss-a", create_token, owner_id=world.ids["ci-a"], name="ci")
    assert token.tenant_id == world.ids["a"]
    assert viewer_of(world.ledger.view, token.owner_id, token=token).tenant_ids == {world.ids["a"]}


TOKENS = [
    ("root", {"owner": "dev-a"}, Forbidden),
    ("boss-a", {"owner": "dev-a"}, Forbidden),
    ("boss-a", {"owner": "dev-b"}, NotFound),
    ("boss-b", {"owner": "ci-a"}, NotFound),
    ("dev-a", {"owner": "ci-a"}, NotFound),
    ("boss-a", {"owner": "ci-all"}, NotFound),
    ("dev-a", {"tenant": "b"}, NotFound),
    ("dev-a", {"expires_at": 1}, InvalidInput),
    ("dev-a", {"tenant": "a", "role": Role.ADMIN}, None),
    ("dev-a", {"role": Role.GUEST}, None),
    ("root", {"owner": "ci-all", "role": Role.VIEWER}, None),
]


@pytest.mark.parametrize(("who", "asked", "refusal"), TOKENS)
async def test_tokens_are_made_for_oneself_and_for_accounts_that_one_manages(world, who, asked, refusal):
    more = {"name": "t", **{key: value for key, value in asked.items() if key not in ("owner", "tenant")}}
    if "owner" in asked:
        more["owner_id"] = world.ids[asked["owner"]]
    if "tenant" in asked:
        more["tenant_id"] = world.ids[asked["tenant"]]
    if refusal is not None:
        assert type(await world.refused(who, create_token, **more)) is refusal
        return
    token, _ = await world.do(who, create_token, **more)
    narrow, whole = (
        viewer_of(world.ledger.view, token.owner_id, token=token),
        viewer_of(world.ledger.view, token.owner_id),
    )
    assert whole.covers(narrow.grants)


async def test_an_account_that_may_more_than_its_manager_gives_that_manager_no_token(world):
    await world.do("root", bind_role, subject_id=world.ids["ci-a"], role=Role.OPERATOR, tenant_id=world.ids["a"])
    assert isinstance(await world.refused("boss-a", create_token, owner_id=world.ids["ci-a"], name="t"), Forbidden)
    assert isinstance(await world.refused("boss-a", update_service_account, world.ids["ci-a"], name="x"), Forbidden)


async def test_a_narrow_token_makes_no_wider_one_and_none_that_lasts_longer(world):
    ends = world.ledger.view.at + 60_000
    narrow, _ = await world.do("dev-ab", create_token, name="n", tenant_id=world.ids["a"], expires_at=ends)
    by_token = world.viewer("dev-ab", token=narrow)

    async def make(**more):
        return await world.do("dev-ab", create_token, viewer=by_token, **more)

    for more in ({}, {"tenant_id": world.ids["b"]}, {"tenant_id": world.ids["a"], "expires_at": ends + 1}):
        with pytest.raises(Forbidden):
            await make(name="wider", **more)
    token, _ = await make(name="same", tenant_id=world.ids["a"])
    assert token.expires_at == ends


async def test_one_ends_ones_own_tokens_and_those_of_accounts_one_manages(world):
    mine, _ = await world.do("dev-a", create_token, name="mine")
    bots, _ = await world.do("boss-a", create_token, name="bots", owner_id=world.ids["ci-a"])
    assert isinstance(await world.refused("boss-a", delete_entity, mine.id), NotFound)
    assert isinstance(await world.refused("dev-a", delete_entity, bots.id), NotFound)
    await world.do("dev-a", delete_entity, mine.id)
    await world.do("boss-a", delete_entity, bots.id)
    assert world.ledger.view.count("ApiToken") == 0


async def test_expired_tokens_are_cleared_away_and_no_others(world, clock):
    for number, end in enumerate((10_000, 20_000, None)):
        expires = None if end is None else world.ledger.view.at + end
        await world.do("dev-a", create_token, name=str(number), expires_at=expires)
    clock.forward(ms=15_000)
    dropped = await world.ledger.commit(lambda edit: drop_expired_tokens(edit), Request(author="x", action="y"))
    assert dropped.value == 1
    assert {world.ledger.view.get(one).name for one in world.ledger.view.ids("ApiToken")} == {"1", "2"}


# Deletion


async def test_deletion_is_for_who_may_write_there_and_takes_private_values_along(world):
    ours = world.ids["a"]

    def stuff(edit):
        region = edit.create(Region, name="r")
        shared = edit.create(Site, name="shared", region_id=region.id)
        private = edit.create(Site, name="private", region_id=region.id, tenant_id=ours)
        app = edit.create(App, name="app", tenant_id=ours)
        secret = edit.create(Secret, name="s", tenant_id=ours)
        edit.keep_private(f"secret:{secret.id}", b"sealed")
        edit.keep_private(password_key(world.ids["dev-a"]), HASH)
        return {"shared": shared.id, "private": private.id, "app": app.id, "secret": secret.id}

    made = (await world.ledger.commit(stuff, Request(author="x", action="y"))).value
    for who, what, kind in [
        ("dev-a", "shared", Forbidden),
        ("op-a", "shared", Forbidden),
        ("dev-a", "private", Forbidden),
        ("dev-b", "private", NotFound),
        ("dev-b", "app", NotFound),
        ("nobody", "app", NotFound),
        ("dev-a", "secret", Forbidden),
        ("dev-b", "secret", NotFound),
    ]:
        assert type(await world.refused(who, delete_entity, made[what])) is kind, (who, what)
    for who, what in [("operator", "shared"), ("op-a", "private"), ("dev-a", "app"), ("boss-a", "secret")]:
        await world.do(who, delete_entity, made[what])
    assert await world.ledger.store.private(f"secret:{made['secret']}") is None
    await world.do("boss-a", delete_entity, world.ids["dev-a"], cascade=True)
    assert await world.ledger.store.private(password_key(world.ids["dev-a"])) is None


async def test_a_tenant_goes_with_its_people_and_only_by_who_manages_the_installation(world):
    for who in ("boss-a", "operator", "dev-a"):
        assert isinstance(await world.refused(who, delete_entity, world.ids["a"], cascade=True), Forbidden)
    gone = await world.do("root", delete_entity, world.ids["a"], cascade=True)
    assert {one.SPEC.name for one in gone} == {"Tenant", "RoleBinding", "ServiceAccount"}
    assert viewer_of(world.ledger.view, world.ids["dev-a"]).grants == frozenset()


async def test_an_error_names_no_dependent_that_its_reader_does_not_see(world):
    def stuff(edit):
        region = edit.create(Region, name="r", tenant_id=world.ids["a"])
        for one in range(3):
            edit.create(Site, name=f"s{one}", region_id=region.id, tenant_id=world.ids["a"])
        return region.id

    region = (await world.ledger.commit(stuff, Request(author="x", action="y"))).value
    refusal = await world.refused("op-a", delete_entity, region)
    assert isinstance(refusal, InUse)
    assert len(refusal.dependents) == 3


def test_writing_takes_the_kinds_permission_in_the_entitys_tenant(world):
    boss, dev, operator, root = (world.viewer(one) for one in ("boss-a", "dev-a", "operator", "root"))
    ours, theirs = world.ids["a"], world.ids["b"]
    check_write(dev, KINDS["Deployment"], ours, make=True)
    check_write(operator, KINDS["Deployment"], ours)
    check_write(operator, KINDS["Site"], None)
    check_write(root, KINDS["Tenant"], None, make=True)
    check_write_of(boss, world.get("a"))
    check_write_of(SYSTEM, world.get("a"), make=True)
    for viewer, kind, tenant, refusal in [
        (dev, "Deployment", theirs, NotFound),
        (dev, "Site", ours, Forbidden),
        (dev, "Site", None, Forbidden),
        (boss, "Site", ours, Forbidden),
        (boss, "Tenant", None, Forbidden),
        (boss, "Secret", None, Forbidden),
        (dev, "Secret", ours, Forbidden),
        (operator, "Secret", ours, Forbidden),
    ]:
        with pytest.raises(refusal):
            check_write(viewer, KINDS[kind], tenant)
    with pytest.raises(Forbidden):
        check_write_of(boss, world.get("a"), make=True)
    assert Deployment.SPEC is KINDS["Deployment"]
    assert ApiToken.SPEC is KINDS["ApiToken"]

import pytest

from access.key_file import KeyFileProblem, add_key, drop_old_keys, load_key_file
from access.sealed_secrets import (
    check_key,
    create_secret,
    open_secret,
    reseal_all,
    sealer_of,
    start_sealing,
    update_secret,
)
from access.sealing import SealBroken, Sealer
from access.viewer import SYSTEM, viewer_of
from graph.change import encode_commit
from graph.kinds import Role, RoleBinding, Secret, Tenant, User
from graph.refusal import Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound
from graph.request import Request

CANARY = "canary-5f1d2c"


@pytest.fixture
def keys(tmp_path):
    return {"path": tmp_path / "config" / "key", "data_dir": tmp_path / "data"}


@pytest.fixture
def sealer(keys):
    return Sealer(load_key_file(**keys))


@pytest.fixture
async def tenant(ledger):
    return (await ledger.commit(lambda edit: edit.create(Tenant, name="a"), Request(author="x", action="y"))).value


async def do(ledger, function, /, *args, viewer=SYSTEM, **more):
    request = Request(author=viewer.id, action=function.__name__)
    return (await ledger.commit(lambda edit: function(edit, viewer, *args, **more), request)).value


async def member(ledger, role, tenant):
    def function(edit):
        user = edit.create(User, name=f"{role.name} {tenant}")
        edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant)
        return user.id

    return viewer_of(ledger.view, (await ledger.commit(function, Request(author="x", action="y"))).value)


async def test_values_go_in_and_come_out_for_the_server_alone(ledger, sealer, tenant, tmp_path):
    values = {"user": "ann", "password": CANARY, "unicode": "päß\u0000wört"}
    secret = await do(ledger, create_secret, sealer, name="db", tenant_id=tenant.id, values=values)
    assert (secret.keys, secret.version) == (["password", "unicode", "user"], 1)
    assert await open_secret(ledger.store, sealer, secret) == values
    changed = await do(ledger, update_secret, sealer, secret.id, values={"password": CANARY + "2"}, display_name="DB")
    assert (changed.keys, changed.version, changed.display_name) == (["password"], 2, "DB")
    assert await open_secret(ledger.store, sealer, changed) == {"password": CANARY + "2"}
    again = await do(ledger, update_secret, sealer, secret.id, labels={"a": "b"})
    assert again.version == 2, "without values they stay"
    assert await open_secret(ledger.store, sealer, again) == {"password": CANARY + "2"}
    # The canary is nowhere: not in commits, in the view, in the files or in a backup.
    for commit in await ledger.commits_after(0):
        assert CANARY.encode() not in encode_commit(commit)
    assert CANARY not in repr(list(ledger.view._entities.values()))
    await ledger.store.backup(tmp_path / "copy")
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, InvalidInput),
        ({"": CANARY}, InvalidInput),
        ({"a/b": CANARY}, InvalidInput),
        ({"k" * 254: CANARY}, InvalidInput),
        ({"k": CANARY + "\ud800"}, InvalidInput),
        ({str(one): CANARY for one in range(65)}, LimitExceeded),
        ({"k": CANARY * 30_000}, LimitExceeded),
    ],
)
async def test_what_cannot_be_a_secret_is_refused_without_being_quoted(ledger, sealer, tenant, values, kind):
    with pytest.raises(kind) as refused:
        await do(ledger, create_secret, sealer, name="db", tenant_id=tenant.id, values=values)
    assert CANARY not in f"{refused.value} {refused.value.path} {refused.value.remedy}"
    assert ledger.view.count("Secret") == 0


@pytest.mark.parametrize(
    ("role", "inside", "unowned"),
    [
        (Role.ADMIN, True, False),
        (Role.TENANT_ADMIN, True, False),
        (Role.OPERATOR, False, False),
        (Role.DEVELOPER, False, False),
        (Role.VIEWER, False, False),
    ],
)
async def test_a_secret_is_set_by_who_may(ledger, sealer, tenant, role, inside, unowned):
    viewer = await member(ledger, role, tenant.id)
    secret = await do(ledger, create_secret, sealer, name="ours", tenant_id=tenant.id, values={"k": "v"})
    operators = await do(ledger, create_secret, sealer, name="operators", tenant_id=None, values={"k": "v"})
    for target, may in ((secret, inside), (operators, unowned)):
        more = {"tenant_id": target.tenant_id, "values": {"k": "w"}, "viewer": viewer}
        if may:
            await do(ledger, update_secret, sealer, target.id, values={"k": "w"}, viewer=viewer)
            await do(ledger, create_secret, sealer, name="new", **more)
            continue
        with pytest.raises((Forbidden, NotFound)):
            await do(ledger, update_secret, sealer, target.id, values={"k": "w"}, viewer=viewer)
        with pytest.raises((Forbidden, NotFound)):
            await do(ledger, create_secret, sealer, name="new", **more)


async def test_the_operators_secrets_are_the_operators(ledger, sealer):
    operator = await member(ledger, Role.OPERATOR, None)
    secret = await do(ledger, create_secret, sealer, name="kube", tenant_id=None, values={"k": "v"}, viewer=operator)
    await do(ledger, update_secret, sealer, secret.id, values={"k": "w"}, viewer=operator)


async def test_two_who_set_a_secret_at_once_are_told(ledger, sealer, tenant):
    secret = await do(ledger, create_secret, sealer, name="s", tenant_id=tenant.id, values={"k": "1"})
    at = secret.revision
    await do(ledger, update_secret, sealer, secret.id, values={"k": "2"}, expected_revision=at)
    with pytest.raises(Conflict):
        await do(ledger, update_secret, sealer, secret.id, values={"k": "3"}, expected_revision=at)
    assert await open_secret(ledger.store, sealer, ledger.view.get(secret.id)) == {"k": "2"}


async def test_kept_values_that_were_swapped_or_set_back_do_not_open(ledger, sealer, tenant):
    one = await do(ledger, create_secret, sealer, name="one", tenant_id=tenant.id, values={"k": "1"})
    other = await do(ledger, create_secret, sealer, name="other", tenant_id=tenant.id, values={"k": "2"})
    first = await ledger.store.private(f"secret:{one.id}")

    async def keep(key, value):
        await ledger.commit(lambda edit: edit.keep_private(key, value), Request(author="x", action="y"))

    await keep(f"secret:{other.id}", first)
    with pytest.raises(SealBroken):
        await open_secret(ledger.store, sealer, other)
    newer = await do(ledger, update_secret, sealer, one.id, values={"k": "new"})
    assert await open_secret(ledger.store, sealer, one) == {"k": "new"}, "newer than asked is no harm"
    await keep(f"secret:{one.id}", first)
    with pytest.raises(SealBroken, match="older"):
        await open_secret(ledger.store, sealer, newer)
    await keep(f"secret:{one.id}", None)
    with pytest.raises(SealBroken):
        await open_secret(ledger.store, sealer, newer)


async def test_a_key_is_replaced_without_losing_a_secret(ledger, sealer, tenant, keys):
    await check_key(ledger, sealer)
    made = [
        await do(ledger, create_secret, sealer, name=f"s{one}", tenant_id=tenant.id, values={"k": str(one)})
        for one in range(130)
    ]
    both = Sealer(add_key(**keys))
    assert await start_sealing(ledger, both) == 130
    late = await do(ledger, create_secret, sealer, name="late", tenant_id=tenant.id, values={"k": "late"})
    assert await start_sealing(ledger, both) == 1, "what another process sealed under the old key meanwhile"
    assert await open_secret(ledger.store, both, late) == {"k": "late"}
    assert await start_sealing(ledger, both) == 0
    assert await reseal_all(ledger, both) == 0
    new = Sealer(drop_old_keys(**keys))
    await check_key(ledger, new)
    for one, secret in enumerate(made):
        assert await open_secret(ledger.store, new, secret) == {"k": str(one)}
        with pytest.raises(SealBroken):
            await open_secret(ledger.store, sealer, secret)
    assert all(isinstance(ledger.view.get(one.id), Secret) for one in made)


async def test_a_key_file_of_another_store_is_known_at_the_start(ledger, sealer, tmp_path):
    assert await start_sealing(ledger, sealer) == 0
    await check_key(ledger, sealer)
    other = Sealer(load_key_file(tmp_path / "other" / "key", data_dir=tmp_path / "data"))
    with pytest.raises(KeyFileProblem, match="restore the key file"):
        await check_key(ledger, other)


async def test_keys_that_were_dropped_too_soon_are_noticed_and_can_be_put_back(ledger, sealer, tenant, keys):
    await check_key(ledger, sealer)
    secret = await do(ledger, create_secret, sealer, name="s", tenant_id=tenant.id, values={"k": "v"})
    both = add_key(**keys)
    with pytest.raises(KeyFileProblem):
        await start_sealing(ledger, Sealer(drop_old_keys(**keys)))
    [before] = keys["path"].parent.glob("key.before-*")
    assert before.stat().st_mode & 0o777 == 0o600
    before.replace(keys["path"])
    assert load_key_file(**keys) == both
    assert await start_sealing(ledger, Sealer(both)) == 1
    assert await open_secret(ledger.store, Sealer(drop_old_keys(**keys)), secret) == {"k": "v"}


async def test_the_key_file_of_a_store_that_was_sealed_is_never_made_anew(ledger, keys):
    path, data_dir = keys["path"], keys["data_dir"]
    await start_sealing(ledger, await sealer_of(ledger, path, data_dir=data_dir))
    ring = load_key_file(**keys)
    kept = path.rename(path.with_name("kept"))
    with pytest.raises(KeyFileProblem, match=f"{path} is missing.*{ring.current.id}.*restore"):
        await sealer_of(ledger, path, data_dir=data_dir)
    assert [one.name for one in path.parent.iterdir()] == ["kept"]
    kept.rename(path)
    await start_sealing(ledger, await sealer_of(ledger, path, data_dir=data_dir))

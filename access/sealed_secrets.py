"""Secrets: named values that go in, are sealed, and come out for the server's own work only.

The entity tells the names of the values and how often they were set; the values are sealed under the tenant, the secret's
id and that version, and are kept beside the log. No function here gives values to a caller of the API.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from access.changes import secret_key
from access.key_file import KeyFileProblem, load_key_file
from access.rights import check_write, check_write_of
from access.sealing import Belongs, SealBroken, Sealer, sealed_under
from access.viewer import SYSTEM, Viewer, at_head
from access.visible import VisibleView
from graph.edit import Edit
from graph.kinds import Secret
from graph.ledger import Ledger
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.request import Request
from graph.store import Store
from graph.view import get_as

MAX_KEYS = 64
MAX_BYTES = 256 * 1024
"""Of all values of one secret together."""
_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}", re.ASCII)
"""Keys as Kubernetes takes them in a Secret."""
_CHECK_KEY = "key-check"
_CHECK = Belongs(tenant_id=None, entity_id=_CHECK_KEY, version=1)
_RESEALED_AT_ONCE = 100


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    version: int
    envelope: bytes


def create_secret(
    edit: Edit,
    viewer: Viewer,
    sealer: Sealer,
    *,
    name: str,
    tenant_id: str | None,
    values: Mapping[str, str],
    path: str = "input",
    **fields: Any,
) -> Secret:
    """A new secret of a tenant, or (None) of the operators, with its values.

    Raises InvalidInput, LimitExceeded, AlreadyExists, NotFound or Forbidden; none of them quotes a value.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    check_write(viewer, Secret.SPEC, tenant_id, make=True, path=f"{path}.tenantId")
    _check_values(values, path=f"{path}.values")
    secret = edit.create(Secret, path=path, name=name, tenant_id=tenant_id, keys=sorted(values), version=1, **fields)
    _keep(edit, sealer, secret, values)
    return secret


def update_secret(
    edit: Edit,
    viewer: Viewer,
    sealer: Sealer,
    secret_id: str,
    *,
    values: Mapping[str, str] | None = None,
    expected_revision: int | None = None,
    path: str = "input",
    **fields: Any,
) -> Secret:
    """A secret with some fields changed and, when `values` are given, with those in place of all that it had.

    Raises as `create_secret`, and Conflict.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    secret = VisibleView(edit, viewer).get(secret_id)
    if not isinstance(secret, Secret):
        raise NotFound("Secret", secret_id, path=f"{path}.id")
    check_write_of(viewer, secret, path=f"{path}.id")
    if values is not None:
        _check_values(values, path=f"{path}.values")
        fields |= {"keys": sorted(values), "version": secret.version + 1}
    changed = edit.replace(secret, path=path, expected_revision=expected_revision, **fields)
    if values is not None:
        _keep(edit, sealer, changed, values)
    return changed


async def open_secret(store: Store, sealer: Sealer, secret: Secret) -> dict[str, str]:
    """A secret's values: for the server's own work, never for an answer.

    They may be newer than the `secret` given, never older. Raises SealBroken, or StoreUnavailable.
    """
    body = await store.private(secret_key(secret.id))
    if body is None:
        raise SealBroken("the values of this secret are not kept any more")
    kept = _kept(body)
    if kept.version < secret.version:
        raise SealBroken("what is kept of this secret is older than the secret")
    opened = sealer.open(kept.envelope, _belongs(secret, kept.version))
    return msgspec.json.decode(opened, type=dict[str, str])


async def sealer_of(ledger: Ledger, key_file: Path, *, data_dir: Path) -> Sealer:
    """The sealer of a key file, which is made only for a store that nothing was sealed in: what is lost is told as lost.

    Raises KeyFileProblem, or what the store raises.
    """
    body = await ledger.store.private(_CHECK_KEY)
    if body is not None and not await asyncio.to_thread(os.path.lexists, key_file):
        raise KeyFileProblem(
            f"the key file {key_file} is missing, and this store was sealed under its key {sealed_under(body)}",
            remedy="restore it from where you keep it: secrets do not open without it, and no new key is made",
        )
    return Sealer(await asyncio.to_thread(load_key_file, key_file, data_dir=data_dir, create=body is None))


async def start_sealing(ledger: Ledger, sealer: Sealer) -> int:
    """For each start: checks that the key file is this store's, then brings what an older key seals under the newest.

    Says how many secrets were sealed anew. Raises KeyFileProblem, SealBroken, or what the store raises.
    """
    await check_key(ledger, sealer)
    # Each start with older keys looks again: a process that was not restarted yet may have sealed under them meanwhile.
    return await reseal_all(ledger, sealer) if sealer.replacing else 0


async def reseal_all(ledger: Ledger, sealer: Sealer) -> int:
    """Seals every secret under the key file's current key that is not yet; says how many were. May be repeated.

    After it `key_file.drop_old_keys` loses nothing. Raises SealBroken when one does not open: nothing of it is changed.
    """
    done = 0
    waiting = list(ledger.view.ids("Secret"))
    for start in range(0, len(waiting), _RESEALED_AT_ONCE):
        fresh: dict[str, _Kept] = {}
        for secret_id in waiting[start : start + _RESEALED_AT_ONCE]:
            secret = get_as(ledger.view, Secret, secret_id)
            body = await ledger.store.private(secret_key(secret_id))
            if secret is None or body is None:
                continue
            kept = _kept(body)
            if not sealer.is_current(kept.envelope):
                belongs = _belongs(secret, kept.version)
                fresh[secret_id] = _Kept(kept.version, sealer.reseal(kept.envelope, belongs))
        if fresh:
            done += (await ledger.commit(_resealing(fresh), _request("resealSecrets"))).value
    await _write_check(ledger, sealer)
    return done


async def check_key(ledger: Ledger, sealer: Sealer) -> None:
    """Raises KeyFileProblem when the key file is not the one that this store's secrets are sealed under.

    Without this a wrong key file would seal new secrets beside those that it does not open.
    """
    body = await ledger.store.private(_CHECK_KEY)
    if body is None:
        await _write_check(ledger, sealer)
        return
    try:
        sealer.open(body, _CHECK)
    except SealBroken as problem:
        raise KeyFileProblem(
            f"the key file is not the one that this store's secrets are sealed under ({problem})",
            remedy="restore the key file that belongs to this store, and start again",
        ) from None


def _resealing(fresh: Mapping[str, _Kept]) -> Any:
    def function(edit: Edit) -> int:
        done = 0
        for secret_id, kept in fresh.items():
            secret = edit.get(secret_id)
            if isinstance(secret, Secret) and secret.version == kept.version:
                edit.keep_private(secret_key(secret_id), msgspec.msgpack.encode(kept))
                done += 1
        return done

    return function


async def _write_check(ledger: Ledger, sealer: Sealer) -> None:
    sealed = sealer.seal(b"this key file belongs to this store", _CHECK)
    await ledger.commit(lambda edit: edit.keep_private(_CHECK_KEY, sealed), _request("checkKey"))


def _request(action: str) -> Request:
    return Request(author=SYSTEM.id, action=action)


def _belongs(secret: Secret, version: int) -> Belongs:
    return Belongs(tenant_id=secret.tenant_id, entity_id=secret.id, version=version)


def _keep(edit: Edit, sealer: Sealer, secret: Secret, values: Mapping[str, str]) -> None:
    envelope = sealer.seal(msgspec.json.encode(dict(values)), _belongs(secret, secret.version))
    edit.keep_private(secret_key(secret.id), msgspec.msgpack.encode(_Kept(secret.version, envelope)))


def _kept(body: bytes) -> _Kept:
    try:
        return msgspec.msgpack.decode(body, type=_Kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SealBroken("what was kept is no envelope") from None


def _check_values(values: Mapping[str, str], *, path: str) -> None:
    if not values:
        raise InvalidInput("a secret has at least one value", path=path)
    if len(values) > MAX_KEYS:
        raise LimitExceeded(f"a secret has at most {MAX_KEYS} values, this one {len(values)}", path=path)
    for index, key in enumerate(values):
        if not _KEY.fullmatch(key):
            raise InvalidInput(
                "a key has 1-253 characters of A-Z a-z 0-9 . _ -", remedy="choose another", path=f"{path}[{index}].key"
            )
    try:
        size = sum(len(value.encode()) for value in values.values())
    except UnicodeEncodeError:
        raise InvalidInput("a value is no valid text", remedy="encode binary values in base64", path=path) from None
    if size > MAX_BYTES:
        raise LimitExceeded(f"the values of a secret have at most {MAX_BYTES} bytes together", path=path)

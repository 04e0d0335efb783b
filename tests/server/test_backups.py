"""The endpoint that sends a copy of the graph: who gets it, what is in it, what is kept of who asked."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from access.changes import create_token
from access.viewer import Viewer, viewer_of
from graph.edit import Edit
from graph.kinds import Role, RoleBinding, Tenant, User
from graph.ledger import Request
from graph.store import RecordPage, StoreProblem, StoreUnavailable
from graph.stores.sqlite_backup import look_into
from graph.stores.sqlite_schema import MAGIC
from server.app import Application
from server.backups import UNFINISHED
from server.first_start import first_link
from worldkit.running import application_in

REQUEST = Request(author="test", action="test")


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


@pytest.fixture
async def client(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as made:
        yield made


async def token_of(application: Application, role: Role, *, tenant: bool = False, narrowed: Role | None = None) -> str:
    """The token of a new user with a role everywhere, or in a new tenant."""

    def make(edit: Edit) -> str:
        name = f"{role.name}-{tenant}-{narrowed}".lower()
        tenant_id = edit.create(Tenant, name=name).id if tenant else None
        user = edit.create(User, name=name)
        edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant_id)
        viewer: Viewer | None = viewer_of(edit, user.id)
        assert viewer is not None
        return create_token(edit, viewer, name="t", role=narrowed)[1]

    return (await application.ledger.commit(make, REQUEST)).value


async def audited(application: Application) -> list[dict[str, Any]]:
    refusals = application.services.refusals
    assert refusals is not None
    await refusals.write(everything=True)
    records = await application.ledger.store.records(RecordPage(collection="audit", limit=1_000))
    bodies = [msgspec.json.decode(one.body) for one in records]
    return [one for one in bodies if one["action"] == "backup"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_an_administrator_gets_a_whole_copy_and_that_is_audited(
    application: Application, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    token = await token_of(application, Role.ADMIN)
    revision = application.ledger.view.revision
    answer = await client.post("/backup", headers=bearer(token))
    assert answer.status_code == 200
    assert answer.content.startswith(MAGIC)
    assert int(answer.headers["content-length"]) == len(answer.content)
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["cache-control"] == "no-store"
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(answer.content)
    assert look_into(copy).revision == revision
    (record,) = await audited(application)
    assert (record["outcome"], bool(record["correlation_id"])) == ("SUCCEEDED", True)
    keys = re.findall(rb"[A-Za-z0-9+/=_-]{40,}", (tmp_path / "keys" / "key").read_bytes())
    assert keys
    assert not [one for one in keys if one in answer.content or base64.b64decode(one) in answer.content]
    assert not [one.name for one in (tmp_path / "data").iterdir() if UNFINISHED in one.name]
    assert (await client.post("/backup", headers=bearer(token))).status_code == 200, "the next one is answered too"


@pytest.mark.parametrize(
    ("role", "tenant", "narrowed"),
    [
        (Role.OPERATOR, False, None),
        (Role.TENANT_ADMIN, False, None),
        (Role.ADMIN, True, None),
        (Role.ADMIN, False, Role.OPERATOR),
        (Role.VIEWER, False, None),
    ],
)
async def test_nobody_else_gets_it_and_the_refusal_is_audited(
    application: Application, client: httpx.AsyncClient, role: Role, tenant: bool, narrowed: Role | None
) -> None:
    token = await token_of(application, role, tenant=tenant, narrowed=narrowed)
    answer = await client.post("/backup", headers=bearer(token))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"
    (record,) = await audited(application)
    assert (record["outcome"], record["code"]) == ("REFUSED", "FORBIDDEN")


async def test_it_takes_a_sign_in_and_post(application: Application, client: httpx.AsyncClient) -> None:
    assert (await client.post("/backup")).status_code == 401
    assert (await client.post("/backup", headers=bearer("ea_wrong"))).status_code == 401
    assert (await client.get("/backup", headers=bearer(await token_of(application, Role.ADMIN)))).status_code == 405
    assert await audited(application) == []


async def test_a_browser_must_send_what_a_page_of_another_site_cannot(
    application: Application, client: httpx.AsyncClient
) -> None:
    link = await first_link(application.ledger, base_url="http://server")
    assert link is not None
    assert (await client.get(link)).status_code == 303
    refused = await client.post("/backup")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "CSRF_HEADER_MISSING")
    assert (await client.post("/backup", headers={"X-EdgeAtlas-CSRF": "1"})).status_code == 200


async def test_a_right_that_ends_while_the_copy_is_made_does_not_count(
    application: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(application, Role.ADMIN)
    store = application.ledger.store
    make = store.backup

    async def slowly(target: Path) -> None:
        await make(target)
        view = application.ledger.view
        bindings = [view.get(one) for one in view.ids("RoleBinding")]
        await application.ledger.commit(lambda edit: [edit.delete(one) for one in bindings if one is not None], REQUEST)

    monkeypatch.setattr(store, "backup", slowly)
    answer = await client.post("/backup", headers=bearer(token))
    assert answer.status_code == 403
    assert [one["outcome"] for one in await audited(application)] == ["REFUSED"]


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (StoreUnavailable("the disk is full: make room"), 503, "STORE_UNAVAILABLE"),
        (StoreProblem("Neo4j backs itself up: neo4j-admin database dump"), 409, "BACKUP_NOT_MADE"),
        (OSError("no such device"), 503, "STORE_UNAVAILABLE"),
    ],
)
async def test_why_no_copy_was_made_is_told(
    application: Application,
    client: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    status: int,
    code: str,
) -> None:
    token = await token_of(application, Role.ADMIN)

    async def fails(target: Path) -> None:
        raise problem

    with monkeypatch.context() as broken:
        broken.setattr(application.ledger.store, "backup", fails)
        answer = await client.post("/backup", headers=bearer(token))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert str(problem) in answer.json()["error"]["message"]
    assert [one["outcome"] for one in await audited(application)] == ["FAILED"]
    assert (await client.post("/backup", headers=bearer(token))).status_code == 200


async def test_a_copy_that_would_fill_the_disk_is_not_begun(
    application: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = await token_of(application, Role.ADMIN)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1))
    answer = await client.post("/backup", headers=bearer(token))
    assert answer.status_code == 503
    assert "make room" in answer.json()["error"]["message"]
    assert not [one.name for one in (tmp_path / "data").iterdir() if UNFINISHED in one.name]


async def test_one_copy_is_made_at_a_time(
    application: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(application, Role.ADMIN)
    store, go_on, begun = application.ledger.store, asyncio.Event(), asyncio.Event()
    make = store.backup

    async def waits(target: Path) -> None:
        begun.set()
        await go_on.wait()
        await make(target)

    monkeypatch.setattr(store, "backup", waits)
    first = asyncio.create_task(client.post("/backup", headers=bearer(token)))
    await begun.wait()
    second = await client.post("/backup", headers=bearer(token))
    assert (second.status_code, second.json()["error"]["code"]) == (409, "BACKUP_UNDER_WAY")
    go_on.set()
    assert (await first).status_code == 200


async def test_what_a_killed_server_left_of_its_copies_is_removed_at_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in (f"{UNFINISHED}01J", f"{UNFINISHED}01J.partial", "graph.sqlite.backup-mine"):
        (data / name).write_bytes(b"some of it")
    async with application_in(tmp_path):
        assert (data / "graph.sqlite.backup-mine").exists(), "what others made stays"
        assert not [one.name for one in data.iterdir() if UNFINISHED in one.name]

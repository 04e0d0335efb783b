"""Packages over HTTP: what a client sends and gets, who may, and what a kill leaves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from access.changes import create_token
from access.viewer import Viewer, viewer_of
from drivers.packages.blobs import Blob
from drivers.packages.folder_blobs import FolderBlobs
from graph.edit import Edit
from graph.kinds import Package, Role, RoleBinding, Tenant, User
from graph.request import Request
from graph.store import RecordPage
from graph.view import each
from packagekit.archives import CHART, chart, tgz, zipped
from packagekit.uploads import client_of, digest_of, put, requested, uploaded
from server.app import Application
from server.packages import PackageRoutes
from serverkit.process import RunningServer
from worldkit.running import application_in, data

REQUEST = Request(author="test", action="test")


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path, max_package_bytes=200_000, package_quota_bytes=300_000) as made:
        yield made


async def tenant(application: Application, name: str = "acme") -> str:
    return (await application.ledger.commit(lambda edit: edit.create(Tenant, name=name).id, REQUEST)).value


async def member(application: Application, tenant_id: str, role: Role = Role.DEVELOPER) -> tuple[Viewer, str]:
    """A user with a role in a tenant, and a token."""

    def make(edit: Edit) -> tuple[str, str]:
        user = edit.create(User, name=f"{role.name}-{len(edit.ids('User'))}".lower())
        edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant_id)
        viewer = viewer_of(edit, user.id)
        assert viewer is not None
        return user.id, create_token(edit, viewer, name="t")[1]

    user_id, token = (await application.ledger.commit(make, REQUEST)).value
    viewer = viewer_of(application.ledger.view, user_id)
    assert viewer is not None
    return viewer, token


def kept(application: Application) -> list[Package]:
    return list(each(application.ledger.view, Package))


async def blobs(folder: Path) -> list[Blob]:
    return sorted([one async for one in FolderBlobs(folder / "data" / "packages").all()])


def code_of(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


async def test_a_package_goes_up_and_comes_down_as_it_was(application: Application) -> None:
    here = await tenant(application)
    viewer, token = await member(application, here)
    body = chart()
    answer = await requested(application, here, body, viewer=viewer, fileName="söp 1.tgz", mediaType="application/gzip")
    offer = answer["upload"]
    assert (offer["method"], answer["package"]) == ("PUT", None)
    assert {"name": "Content-Type", "value": "application/gzip"} in offer["headers"]
    reply = await put(application, offer, body)
    assert reply.status_code == 201
    told = reply.json()["package"]
    assert told["reference"] == f"package:{digest_of(body)}"
    assert (told["type"], told["new"]) == ("HELM_CHART", True)
    async with client_of(application) as client:
        found = await client.get(f"/packages/{digest_of(body)}", headers={"Authorization": f"Bearer {token}"})
    assert (found.status_code, found.content) == (200, body)
    plain = base64.b64encode(hashlib.sha256(body).digest()).decode()
    wanted = {
        "content-type": "application/octet-stream",
        "content-disposition": "attachment; filename*=UTF-8''s%C3%B6p%201.tgz",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "repr-digest": f"sha-256=:{plain}:",
    }
    assert {name: found.headers[name] for name in wanted} == wanted


async def test_the_url_takes_one_upload(application: Application) -> None:
    here, body = await tenant(application), chart()
    offer = (await requested(application, here, body))["upload"]
    assert (await put(application, offer, body)).status_code == 201
    assert code_of(await put(application, offer, body)) == (410, "UPLOAD_GONE")
    assert code_of(await put(application, offer | {"url": "/uploads/nonsense"}, body)) == (410, "UPLOAD_GONE")
    other = (await requested(application, here, chart(more=b"x")))["upload"]
    spoilt = other["url"][:-1] + ("0" if other["url"][-1] != "0" else "1")
    assert code_of(await put(application, other | {"url": spoilt}, chart(more=b"x"))) == (410, "UPLOAD_GONE")
    assert len(kept(application)) == 1


async def test_nothing_but_put_is_answered_there(application: Application) -> None:
    offer = (await requested(application, await tenant(application), chart()))["upload"]
    async with client_of(application) as client:
        for method in ("GET", "POST", "DELETE", "HEAD"):
            assert (await client.request(method, offer["url"])).status_code == 405
    assert (await put(application, offer, chart())).status_code == 201, "none of these used it"


@pytest.mark.parametrize(
    ("headers", "body", "told"),
    [
        ({"Content-Encoding": "gzip"}, chart(), (415, "BAD_REQUEST")),
        ({"Content-Length": "17"}, chart()[:17], (422, "DIGEST_MISMATCH")),
        ({}, chart()[:-1] + b"x", (422, "DIGEST_MISMATCH")),
    ],
)
async def test_what_was_not_announced_is_refused(
    application: Application, tmp_path: Path, headers: dict[str, str], body: bytes, told: tuple[int, str]
) -> None:
    offer = (await requested(application, await tenant(application), chart()))["upload"]
    async with client_of(application) as client:
        assert code_of(await client.put(offer["url"], content=body, headers=headers)) == told
    assert (kept(application), await blobs(tmp_path)) == ([], [])


async def test_more_than_was_announced_is_not_read(application: Application, tmp_path: Path) -> None:
    offer = (await requested(application, await tenant(application), chart()))["upload"]
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10_000_000:
            sent += 1_000
            yield bytes(1_000)

    async with client_of(application) as client:
        assert code_of(await client.put(offer["url"], content=endless())) == (422, "DIGEST_MISMATCH")
    assert (kept(application), await blobs(tmp_path)) == ([], [])


async def test_a_hostile_package_is_refused_with_the_member_that_is_why(
    application: Application, tmp_path: Path
) -> None:
    body = tgz([*CHART.items(), ("../../etc/cron.d/x", b"* * * * * root sh")])
    offer = (await requested(application, await tenant(application), body))["upload"]
    reply = await put(application, offer, body)
    assert code_of(reply) == (422, "PACKAGE_REFUSED")
    assert "../../etc/cron.d/x" in reply.json()["error"]["message"]
    assert (kept(application), await blobs(tmp_path)) == ([], [])
    assert not (tmp_path / "etc").exists()


async def test_quotas_and_sizes_are_told_before_anything_is_sent(application: Application) -> None:
    here = await tenant(application)
    too_large = await requested(application, here, chart(), sizeBytes=200_001)
    assert (too_large["code"], too_large["path"]) == ("LIMIT_EXCEEDED", "input.sizeBytes")
    for number in range(2):
        noise = hashlib.shake_128(b"%d" % number).digest(140_000)
        await uploaded(application, here, chart(noise=noise))
    full = await requested(application, here, chart(noise=hashlib.shake_128(b"2").digest(140_000)))
    assert full["code"] == "LIMIT_EXCEEDED"
    assert "package_quota_bytes" not in full["message"]
    await uploaded(application, await tenant(application, "other"), chart())


async def test_a_package_is_downloaded_by_who_sees_it_and_not_found_by_others(application: Application) -> None:
    here, there = await tenant(application), await tenant(application, "other")
    body = chart()
    await uploaded(application, here, body)
    url = f"/packages/{digest_of(body)}"
    statuses = {}
    async with client_of(application) as client:
        for name, place, role in (
            ("viewer", here, Role.VIEWER),
            ("guest", here, Role.GUEST),
            ("stranger", there, Role.TENANT_ADMIN),
        ):
            _, token = await member(application, place, role)
            reply = await client.get(url, headers={"Authorization": f"Bearer {token}"})
            statuses[name] = reply.status_code
            never = await client.get(f"/packages/sha256:{'0' * 64}", headers={"Authorization": f"Bearer {token}"})
            if reply.status_code != 200:
                same = reply.text.replace(digest_of(body), "")
                assert same == never.text.replace(f"sha256:{'0' * 64}", ""), "as one that does not exist"
        statuses["nobody"] = (await client.get(url)).status_code
        _, token = await member(application, here)
        for odd in ("sha256:12", "..%2F..%2Fdata", "x" * 500, "sha256:" + "A" * 64):
            assert (
                await client.get(f"/packages/{odd}", headers={"Authorization": f"Bearer {token}"})
            ).status_code == 404
    assert statuses == {"viewer": 200, "guest": 404, "stranger": 404, "nobody": 401}


async def test_a_digest_is_no_way_to_what_another_tenant_uploaded(application: Application) -> None:
    here, there = await tenant(application), await tenant(application, "other")
    body = chart()
    await uploaded(application, here, body)
    viewer, _ = await member(application, there)
    answer = await requested(application, there, body, viewer=viewer)
    assert answer["package"] is None, "whether others have it is not told: it is to be sent"
    forbidden = await requested(application, here, body, viewer=viewer)
    assert forbidden["code"] == "NOT_FOUND"
    text = """mutation($i: CreateComponentInput!) { createComponent(input: $i) {
        __typename ... on Error { code path } } }"""
    version = await data(
        application,
        """mutation($t: ID!) { createApp(input: {name: "a", tenantId: $t}) { ... on CreateAppPayload { app { id } } } }""",
        {"t": there},
        viewer=viewer,
    )
    made = await data(
        application,
        """mutation($a: ID!) { createAppVersion(input: {name: "1", appId: $a}) {
            ... on CreateAppVersionPayload { appVersion { id } } } }""",
        {"a": version["createApp"]["app"]["id"]},
        viewer=viewer,
    )
    wish = {
        "name": "web",
        "appVersionId": made["createAppVersion"]["appVersion"]["id"],
        "artifact": {"type": "HELM_CHART", "reference": f"package:{digest_of(body)}"},
        "resources": {"cpuMillicores": 1, "memoryBytes": 1},
    }
    refused = (await data(application, text, {"i": wish}, viewer=viewer))["createComponent"]
    assert refused == {"__typename": "NotFound", "code": "NOT_FOUND", "path": "input.artifact.reference"}
    await uploaded(application, there, body, viewer=viewer)
    taken = (await data(application, text, {"i": wish}, viewer=viewer))["createComponent"]
    assert taken == {"__typename": "CreateComponentPayload"}
    package = next(one for one in kept(application) if one.tenant_id == there)
    delete = """mutation($id: ID!) { deletePackage(input: {id: $id}) { __typename
        ... on InUse { dependentCount } } }"""
    answer = (await data(application, delete, {"id": package.id}, viewer=viewer))["deletePackage"]
    assert answer == {"__typename": "InUse", "dependentCount": 1}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.GUEST])
async def test_who_only_reads_does_not_upload(application: Application, role: Role) -> None:
    here = await tenant(application)
    viewer, _ = await member(application, here, role)
    assert (await requested(application, here, chart(), viewer=viewer))["code"] == "FORBIDDEN"


async def test_too_many_uploads_at_once_wait_and_keep_their_urls(application: Application) -> None:
    packages = application.services.lifecycle.packages
    assert packages is not None
    here = await tenant(application)
    routes = PackageRoutes(application.ledger, packages, authenticate=_nobody, at_once=1)
    from starlette.applications import Starlette

    transport = httpx.ASGITransport(Starlette(routes=routes.routes()))
    go_on, begun = asyncio.Event(), asyncio.Event()
    bodies = [chart(), chart(more=b"x")]
    offers = [(await requested(application, here, body))["upload"] for body in bodies]

    async def slow() -> AsyncIterator[bytes]:
        yield bodies[0][:10]
        begun.set()
        await go_on.wait()
        yield bodies[0][10:]

    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        first = asyncio.create_task(client.put(offers[0]["url"], content=slow()))
        await begun.wait()
        busy = await client.put(offers[1]["url"], content=bodies[1])
        assert (code_of(busy), busy.headers["retry-after"]) == ((503, "UNAVAILABLE"), "5")
        go_on.set()
        assert (await first).status_code == 201
        assert (await client.put(offers[1]["url"], content=bodies[1])).status_code == 201


async def _nobody(connection: Any) -> None:
    return None


async def test_a_sender_that_stops_is_let_go(application: Application, tmp_path: Path) -> None:
    packages = application.services.lifecycle.packages
    assert packages is not None
    routes = PackageRoutes(application.ledger, packages, authenticate=_nobody, at_once=1, stalled_s=0.01)
    from starlette.applications import Starlette

    offer = (await requested(application, await tenant(application), chart()))["upload"]

    async def stops() -> AsyncIterator[bytes]:
        yield chart()[:10]
        await asyncio.Event().wait()

    transport = httpx.ASGITransport(Starlette(routes=routes.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert code_of(await client.put(offer["url"], content=stops())) == (408, "BAD_REQUEST")
    assert (kept(application), await blobs(tmp_path)) == ([], [])


async def test_bytes_that_are_gone_are_told(application: Application, tmp_path: Path) -> None:
    here, body = await tenant(application), zipped({"a.yaml": b"apiVersion: v1\nkind: Pod\n"})
    await uploaded(application, here, body, fileName="a.zip")
    _, token = await member(application, here)
    for blob in await blobs(tmp_path):
        (tmp_path / "data" / "packages" / blob.path).unlink()
    async with client_of(application) as client:
        reply = await client.get(f"/packages/{digest_of(body)}", headers={"Authorization": f"Bearer {token}"})
    assert code_of(reply) == (503, "PACKAGE_BYTES_MISSING")


async def test_uploads_are_in_their_tenants_audit_without_their_urls(application: Application) -> None:
    here = await tenant(application)
    viewer, _ = await member(application, here)
    answer = await requested(application, here, chart(), viewer=viewer)
    await put(application, answer["upload"], chart())
    records = await application.ledger.store.records(RecordPage(collection="audit", limit=1_000))
    (mine,) = [one for one in records if b"uploadPackage" in bytes(one.body)]
    assert mine.tenant_id == here
    assert viewer.id.encode() in bytes(mine.body)
    secret = answer["upload"]["url"].rpartition("/")[2].partition(".")[0].encode()
    commits = await application.ledger.store.commits_after(0)
    assert not any(secret in bytes(one.body) for one in records)
    assert secret.decode() not in str(commits)


def test_a_kill_in_the_middle_of_an_upload_leaves_nothing(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    with httpx.Client(base_url=server.url, follow_redirects=False, timeout=60) as client:
        client.get(server.link)
        headers = {"X-EdgeAtlas-CSRF": "1"}

        def ask(text: str, **variables: Any) -> Any:
            reply = client.post("/graphql", json={"query": text, "variables": variables}, headers=headers)
            return reply.json()["data"]

        made = ask('mutation { createTenant(input: {name: "t"}) { ... on CreateTenantPayload { tenant { id } } } }')
        body = chart(noise=hashlib.shake_128(b"x").digest(3_000_000))
        wish = {
            "tenantId": made["createTenant"]["tenant"]["id"],
            "fileName": "a.tgz",
            "digest": digest_of(body),
            "sizeBytes": len(body),
        }
        text = """mutation($i: RequestUploadInput!) { requestUpload(input: $i) {
            ... on RequestUploadPayload { upload { url } } ... on Error { message } } }"""
        url = ask(text, i=wish)["requestUpload"]["upload"]["url"]
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PUT {url} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:2_500_000])
        connection.settimeout(0.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)  # it waits for the rest
        server.kill()
    left = [one for one in server.folder.rglob("*") if one.is_file() and one.stat().st_size > 1_000_000]
    assert [one for one in left if "graph.sqlite" not in one.name] == []
    server.start()
    with httpx.Client(base_url=server.url, timeout=60) as client:
        assert client.put(url, content=body).status_code == 410, "it was used, over the restart too"
    assert not any(one.is_file() for one in (server.folder / "data" / "edgeatlas" / "packages").rglob("*"))

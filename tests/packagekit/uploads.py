"""Uploads through a running application, as a client makes them: leave by GraphQL, bytes by PUT."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx

from access.viewer import SYSTEM, Viewer
from server.app import Application
from worldkit.running import data

REQUEST = """mutation($input: RequestUploadInput!) { requestUpload(input: $input) { __typename
  ... on RequestUploadPayload { revision upload { url method headers { name value } } package { id digest } }
  ... on Error { code message path } } }"""


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


async def requested(
    application: Application, tenant_id: str, body: bytes, *, viewer: Viewer = SYSTEM, **given: Any
) -> dict[str, Any]:
    """What `requestUpload` answers for these bytes."""
    wish = {"tenantId": tenant_id, "fileName": "a.tgz", "digest": digest_of(body), "sizeBytes": len(body)} | given
    answer: dict[str, Any] = (await data(application, REQUEST, {"input": wish}, viewer=viewer))["requestUpload"]
    return answer


def client_of(application: Application) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application.asgi), base_url="http://server")


async def put(application: Application, offer: dict[str, Any], body: bytes) -> httpx.Response:
    """Sends the bytes as the offer says."""
    headers = {one["name"]: one["value"] for one in offer["headers"]}
    async with client_of(application) as client:
        return await client.request(offer["method"], offer["url"], content=body, headers=headers)


async def uploaded(
    application: Application, tenant_id: str, body: bytes, *, viewer: Viewer = SYSTEM, **given: Any
) -> str:
    """The id of the package that these bytes are then."""
    answer = await requested(application, tenant_id, body, viewer=viewer, **given)
    assert answer["__typename"] == "RequestUploadPayload", answer
    if answer["package"] is not None:
        return str(answer["package"]["id"])
    reply = await put(application, answer["upload"], body)
    assert reply.status_code in (200, 201), reply.text
    return str(reply.json()["package"]["id"])

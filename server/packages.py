"""Packages over plain HTTP: `PUT /uploads/TOKEN` takes the bytes of one, `GET /packages/DIGEST` gives them back.

The URL of an upload is the leave to upload (`lifecycle.packages_uploads`): it is asked for by the mutation `requestUpload`
and used once, so no cookie and no token counts here. Bytes are taken as they come, in pieces; a sender that stops is let go.

A download is for who may see the package by its own sign-in. A digest that nobody has, or that only others have, is not
found. What is sent was somebody's upload, so a browser is told to keep it as a file and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from access.permissions import Permission, requires
from access.viewer import Viewer
from access.visible import VisibleView
from drivers.packages.blobs import BlobMissing, BlobsUnavailable
from drivers.packages.flaws import PackageRefused
from graph.kinds import Package
from graph.kinds.packages import SCHEME, is_digest
from graph.ledger import Ledger
from graph.refusal import Forbidden, InvalidState, LimitExceeded, NotFound, Refusal, Unavailable
from graph.view import each
from lifecycle.packages import DigestMismatch, Packages
from lifecycle.packages_uploads import UploadGone
from resolvers.problems import StoreAway
from server.signin_requests import JSON_HEADERS, problem

STALLED_S = 30.0
"""The longest wait for a sender's next piece."""
WHOLE_S = 900.0
"""The longest upload."""
_STATUS = {
    UploadGone.code: 410,
    DigestMismatch.code: 422,
    PackageRefused.code: 422,
    NotFound.code: 404,
    Forbidden.code: 403,
    LimitExceeded.code: 413,
    InvalidState.code: 409,
    Unavailable.code: 503,
}

log = structlog.get_logger(__name__)


class BadUpload(Refusal):
    """The request of an upload is none that can be taken, or it broke off."""

    code = "BAD_REQUEST"

    def __init__(self, message: str, *, status: int, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


class PackageRoutes:
    """Takes and gives the bytes of packages."""

    def __init__(
        self,
        ledger: Ledger,
        packages: Packages,
        *,
        authenticate: Callable[[HTTPConnection], Awaitable[Viewer | None]],
        at_once: int,
        stalled_s: float = STALLED_S,
    ) -> None:
        self._ledger = ledger
        self._packages = packages
        self._authenticate = authenticate
        self._at_once = at_once
        self._stalled_s = stalled_s
        self._under_way = 0

    def routes(self) -> list[BaseRoute]:
        """PUT /uploads/TOKEN and GET /packages/DIGEST."""
        return [
            Route("/uploads/{token}", self._upload, methods=["PUT"]),
            Route("/packages/{digest}", self._download, methods=["GET"]),
        ]

    # Upload

    async def _upload(self, request: Request) -> Response:
        if self._under_way >= self._at_once:
            busy = Unavailable("too many uploads are under way", remedy="try again in a moment")
            return _refused(busy)
        self._under_way += 1
        try:
            return await self._received(request)
        except ClientDisconnect:
            return _refused(BadUpload("the upload broke off", status=400))
        except Refusal as refusal:
            return _refused(refusal)
        finally:
            self._under_way -= 1

    async def _received(self, request: Request) -> Response:
        if request.headers.get("content-encoding", "identity") != "identity":
            raise BadUpload("the body is encoded", status=415, remedy="send the file as it is")
        leave = await self._packages.take(request.path_params["token"])
        length = request.headers.get("content-length")
        if length is not None and length != str(leave.size_bytes):
            raise DigestMismatch(
                f"{leave.size_bytes} bytes were announced and {length[:20]} are sent",
                remedy="upload the same file that was announced",
            )
        package, new = await self._packages.receive(leave, self._pieces(request))
        log.info("packages.kept", package=package.id, tenant=package.tenant_id, bytes=package.size_bytes, new=new)
        answer = {
            "id": package.id,
            "digest": package.digest,
            "reference": f"{SCHEME}{package.digest}",
            "type": package.type.name,
            "new": new,
        }
        return JSONResponse({"package": answer}, status_code=201 if new else 200, headers=JSON_HEADERS)

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        stream = request.stream()
        try:
            async with asyncio.timeout(WHOLE_S):
                while True:
                    async with asyncio.timeout(self._stalled_s):
                        piece = await anext(stream, None)
                    if piece is None:
                        return
                    yield piece
        except TimeoutError:
            raise BadUpload("the body was not sent in time", status=408) from None

    # Download

    @requires(Permission.READ_WORKLOADS)
    async def _download(self, request: Request) -> Response:
        try:
            viewer = await self._authenticate(request)
        except StoreAway as away:
            return problem(away.code, str(away), 503, remedy=away.remedy, retry_after=5)
        if viewer is None:
            return problem("UNAUTHENTICATED", "not signed in", 401, remedy="send Authorization: Bearer <token>")
        package = self._seen(viewer, request.path_params["digest"])
        if package is None:
            return _refused(NotFound("Package", request.path_params["digest"][:80]))
        pieces = self._packages.read(package)
        try:
            first = await anext(pieces, b"")
        except BlobMissing:
            log.error("packages.bytes_missing", package=package.id, digest=package.digest)
            message = "the bytes of this package are not where packages are kept"
            return problem("PACKAGE_BYTES_MISSING", message, 503, remedy="restore the store of packages")
        except BlobsUnavailable as away:
            return _refused(Unavailable(str(away), remedy="try again in a moment"))
        return StreamingResponse(_all(first, pieces), headers=_headers(package))

    def _seen(self, viewer: Viewer, digest: str) -> Package | None:
        """The package of a digest that the viewer sees, whichever tenant's: all have the same bytes."""
        if not is_digest(digest):
            return None
        return next(each(VisibleView(self._ledger.view, viewer), Package, "digest", digest), None)


async def _all(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


def _headers(package: Package) -> dict[str, str]:
    plain = base64.b64encode(bytes.fromhex(package.digest.removeprefix("sha256:"))).decode()
    return {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(package.size_bytes),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(package.file_name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
        "Repr-Digest": f"sha-256=:{plain}:",
    }


def _refused(refusal: Refusal) -> Response:
    status = refusal.status if isinstance(refusal, BadUpload) else _STATUS.get(refusal.code, 400)
    return problem(
        refusal.code,
        refusal.message,
        status,
        remedy=refusal.remedy,
        retry_after=5 if refusal.retryable else None,
    )

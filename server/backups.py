"""`POST /backup`: a consistent copy of the embedded graph, streamed to an administrator while the server goes on.

SQLite can copy a database that is written to, but into a file only. So the copy is made beside the database, under a name
that is removed before the first byte is sent: whatever ends then, the client, the network or this process, leaves nothing
behind, and what a kill leaves before is removed by the next start. The answer has the copy's length and SHA-256 (RFC 9530,
`Repr-Digest`), so that a client knows when it has all of it.

A copy holds everything but sessions and the key of the secrets, so it takes the permission to manage the installation,
asked for again when its audit record is written; without that record no byte is sent. One copy is made or sent at a time,
for each takes as much of the disk as the graph.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from access.audit import COLLECTION, Audit, AuditBody
from access.permissions import Permission, requires
from access.viewer import Viewer, at_head
from graph.change import Record
from graph.edit import Edit
from graph.identifiers import new_id, new_ulid
from graph.ledger import Ledger
from graph.refusal import Forbidden, Refusal
from graph.request import Request as Change
from graph.store import StoreProblem, StoreUnavailable
from resolvers.problems import StoreAway
from server.execution import correlation_id
from server.signin_requests import JSON_HEADERS, address_of, problem

ACTION = "backup"
PATH = "/backup"
MEDIA_TYPE = "application/vnd.sqlite3"
CSRF_HEADER = "x-edgeatlas-csrf"
UNFINISHED = ".edgeatlas-backup-"
"""How the names of copies begin that are being made."""
CHUNK_BYTES = 1 << 20
STALLED_S = 60.0
"""A client that takes nothing for so long is let go of, and the room of its copy with it."""
LOOK_S = 0.5

log = structlog.get_logger(__name__)


class Backups:
    """Answers who asks for a copy of the graph."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        folder: Path | None,
        authenticate: Callable[[HTTPConnection], Awaitable[Viewer | None]],
        revoked: Callable[[Viewer], bool],
        audit: Audit,
        stalled_s: float = STALLED_S,
    ) -> None:
        """`folder` is the embedded database's; None for a store whose own server makes the backups."""
        self._ledger = ledger
        self._folder = folder
        self._authenticate = authenticate
        self._revoked = revoked
        self._audit = audit
        self._stalled_s = stalled_s
        self._busy = False

    def routes(self) -> list[BaseRoute]:
        """The one route."""
        return [Route(PATH, self._answer, methods=["POST"])]

    def clean(self) -> None:
        """Removes what a process that was killed left of its copies; called while this process owns the database."""
        if self._folder is not None:
            for left in self._folder.glob(UNFINISHED + "*"):
                with contextlib.suppress(OSError):  # it takes room, and is tried again at the next start
                    left.unlink()

    @requires(Permission.MANAGE_INSTALLATION)
    async def _answer(self, request: Request) -> Response:
        try:
            viewer = await self._authenticate(request)
        except StoreAway as away:
            return problem(away.code, str(away), 503, remedy=away.remedy, retry_after=5)
        if viewer is None:
            return problem("UNAUTHENTICATED", "not signed in", 401, remedy="send Authorization: Bearer <token>")
        if viewer.via_cookie and not request.headers.get(CSRF_HEADER):
            return problem(
                "CSRF_HEADER_MISSING", "a signed-in browser must send X-EdgeAtlas-CSRF", 403, remedy="send it with 1"
            )
        correlation = correlation_id(request.headers.get("x-correlation-id"))
        try:
            viewer.require(Permission.MANAGE_INSTALLATION)
        except Refusal as refusal:
            return self._refused(viewer, refusal, correlation)
        if self._busy:
            return problem("BACKUP_UNDER_WAY", "another backup is under way", 409, remedy="try again when it has ended")
        self._busy = True
        with contextlib.ExitStack() as ending:
            ending.callback(self._ended)
            try:
                copy = await self._made(request)
                ending.callback(copy.close)
                await self._ledger.commit(
                    self._filing(viewer, request, correlation),
                    Change(author=viewer.id, action=ACTION, correlation_id=correlation, audited=False),
                )
            except Forbidden as refusal:
                return self._refused(viewer, refusal, correlation)
            except (StoreProblem, Refusal, OSError) as failure:
                return self._failed(viewer, request, failure, correlation)
            except _Gone:
                return Response(status_code=499)
            log.info("backup.begun", author=viewer.id, bytes=copy.size, correlation_id=correlation)
            return _Download(
                copy,
                stalled_s=self._stalled_s,
                goes_on=lambda: not self._revoked(viewer),
                ended=ending.pop_all().close,
            )

    def _ended(self) -> None:
        self._busy = False

    async def _made(self, request: Request) -> _Copy:
        """A whole copy that has no name any more. Raises StoreProblem, OSError, or _Gone with the client."""
        if self._folder is None:
            await self._ledger.store.backup(Path("DIR/graph"))
            raise StoreProblem("this store makes no backups by itself")
        path = self._folder / f"{UNFINISHED}{new_ulid()}"
        making = asyncio.create_task(self._ledger.store.backup(path), name="backup")
        try:
            while not making.done():
                await asyncio.wait({making}, timeout=LOOK_S)
                if await request.is_disconnected():
                    raise _Gone
            await making
            return await asyncio.to_thread(_Copy.of, path)
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _filing(self, viewer: Viewer, request: Request, correlation: str) -> Callable[[Edit], None]:
        body = AuditBody(
            author=viewer.id,
            action=ACTION,
            outcome="SUCCEEDED",
            address=address_of(request),
            correlation_id=correlation,
        )

        def file(edit: Edit) -> None:
            at_head(viewer, edit, at_ms=edit.at).require(Permission.MANAGE_INSTALLATION)
            edit.file(
                Record(
                    collection=COLLECTION,
                    id=new_id("audit", at_ms=edit.at),
                    tenant_id=None,
                    subject_id=None,
                    at=edit.at,
                    body=msgspec.Raw(msgspec.json.encode(body)),
                )
            )

        return file

    def _refused(self, viewer: Viewer, refusal: Refusal, correlation: str) -> Response:
        self._audit.refused(refusal, author=viewer.id, action=ACTION, correlation_id=correlation)
        return problem(refusal.code, refusal.message, 403, remedy=refusal.remedy)

    def _failed(self, viewer: Viewer, request: Request, failure: Exception, correlation: str) -> Response:
        retryable = isinstance(failure, StoreUnavailable | Refusal | OSError)
        code = "STORE_UNAVAILABLE" if retryable else "BACKUP_NOT_MADE"
        log.warning("backup.not_made", author=viewer.id, reason=str(failure), correlation_id=correlation)
        body = AuditBody(
            author=viewer.id,
            action=ACTION,
            outcome="FAILED",
            code=code,
            address=address_of(request),
            correlation_id=correlation,
        )
        self._audit.note(body, caller=viewer.id)
        return problem(
            code,
            f"no backup was made: {failure}",
            503 if retryable else 409,
            retry_after=60 if retryable else None,
        )


class _Gone(Exception):
    """The client went away."""


class _Copy:
    """A file that is open and has no name: what it takes of the disk ends with it."""

    def __init__(self, file: BinaryIO, *, size: int, digest: bytes) -> None:
        self.file = file
        self.size = size
        self.digest = digest
        """SHA-256."""

    @classmethod
    def of(cls, path: Path) -> _Copy:
        """Takes a file over and removes its name. Reads all of it: blocking. Raises OSError."""
        file = path.open("rb")
        try:
            path.unlink()
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            return cls(file, size=os.fstat(file.fileno()).st_size, digest=digest)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Lets go of it."""
        self.file.close()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All of it in pieces."""
        while chunk := await asyncio.to_thread(self.file.read, CHUNK_BYTES):
            yield chunk


class _Download(Response):
    """Sends a copy; a client that has gone, takes nothing or may not have it any more gets no more of it."""

    def __init__(
        self, copy: _Copy, *, stalled_s: float, goes_on: Callable[[], bool], ended: Callable[[], None]
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=JSON_HEADERS)
        self._copy = copy
        self._stalled_s = stalled_s
        self._goes_on = goes_on
        self._ended = ended
        digest = base64.b64encode(copy.digest).decode()
        self.headers["Content-Length"] = str(copy.size)
        self.headers["Repr-Digest"] = f"sha-256=:{digest}:"
        self.headers["Content-Disposition"] = 'attachment; filename="edgeatlas-graph.sqlite"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it. What is cut short is shorter than was said, which every client sees."""
        request = Request(scope, receive)
        sent = 0
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for chunk in self._copy.chunks():
                if not self._goes_on() or await request.is_disconnected():
                    break
                async with asyncio.timeout(self._stalled_s):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                sent += len(chunk)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError) as problem:
            log.info("backup.cut_short", reason=str(problem) or "the client takes nothing")
        finally:
            self._ended()
            log.info("backup.ended", sent=sent, of=self._copy.size)

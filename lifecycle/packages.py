"""Packages as the server and the drivers use them: asked for, received, kept, read.

What comes in goes to a file that has no name, so that whatever ends this process leaves nothing of it. It is measured while
it comes, compared with the digest that was announced, opened under limits, put into the store of blobs under an id of its
own, and only then committed. A crash in between leaves at most a blob that no package names, which the sweep finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog

from access.sealing import Sealer
from access.viewer import Viewer
from drivers.packages.blobs import Blob, BlobMissing, Blobs, BlobsUnavailable
from drivers.packages.flaws import LIMITS, Limits
from drivers.packages.opening import open_package
from drivers.port import Permanent, Retryable
from graph.identifiers import new_id
from graph.kinds import Package
from graph.kinds.packages import digest_of, package_of
from graph.ledger import Ledger
from graph.refusal import InvalidInput, Refusal, Unavailable
from graph.request import Request
from graph.store import StoreProblem
from lifecycle.packages_kept import Room, Upload, allow_upload, keep_package
from lifecycle.packages_uploads import Leave, give_leave, take_leave

log = structlog.get_logger(__name__)
PIECE_BYTES = 2**20
OPENED_AT_ONCE = 2
UNNAMED = ".edgeatlas-package-"
"""How the names of files begin for the moment that they have one, where a file cannot be made without."""


class DigestMismatch(InvalidInput):
    """What came is not what was announced."""

    code = "DIGEST_MISMATCH"


class Offer(NamedTuple):
    """An answer to who asks to upload: the package when it is there already, else the token of a leave."""

    package: Package | None
    token: str | None
    expires_at: int
    """When the leave ends, UTC milliseconds; 0 without one."""
    revision: int


class Packages:
    """The packages of all tenants. `drivers.port.PackageFiles` for drivers."""

    def __init__(
        self,
        ledger: Ledger,
        blobs: Blobs,
        sealer: Sealer,
        *,
        room: Room,
        scratch: Path,
        limits: Limits = LIMITS,
    ) -> None:
        """`scratch` is a folder for files without a name; it is made when it is missing."""
        self._ledger = ledger
        self.blobs = blobs
        self._sealer = sealer
        self.room = room
        self._scratch = scratch
        self._limits = limits
        self._opening = asyncio.Semaphore(OPENED_AT_ONCE)

    async def request(self, viewer: Viewer, upload: Upload, request: Request) -> Offer:
        """Gives leave to upload, to who may. Raises what `allow_upload` raises, or Unavailable."""

        committed = await self._ledger.commit(
            lambda edit: (allow_upload(edit, viewer, upload, room=self.room), edit.at), request
        )
        package, at = committed.value
        if package is not None:
            return Offer(package, None, 0, committed.revision)
        leave = Leave(
            viewer_id=viewer.id,
            viewer_name=viewer.name,
            token_id=viewer.token_id,
            credential_version=viewer.credential_version,
            ends_at=viewer.expires_at,
            tenant_id=upload.tenant_id,
            file_name=upload.file_name,
            digest=upload.digest,
            size_bytes=upload.size_bytes,
            correlation_id=request.correlation_id,
        )
        try:
            token, expires_at = await give_leave(self._ledger.store, self._sealer, leave, now=at)
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="nothing was uploaded; try again") from None
        return Offer(None, token, expires_at, committed.revision)

    async def take(self, token: str) -> Leave:
        """The leave of a token, which cannot be taken again. Raises UploadGone or Unavailable."""
        try:
            return await take_leave(self._ledger.store, self._sealer, token, now=self._ledger.now_ms())
        except StoreProblem as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="try again") from None

    async def receive(self, leave: Leave, pieces: AsyncIterator[bytes]) -> tuple[Package, bool]:
        """Keeps what comes as a package; says whether it is new.

        Raises DigestMismatch, PackageRefused, what `keep_package` raises, Unavailable, or what `pieces` raises.
        """
        async with self._unnamed() as file:
            await _written(file, pieces, leave)
            async with self._opening:
                opened = await asyncio.to_thread(open_package, file, limits=self._limits)
            blob = Blob(leave.digest, new_id(Package.SPEC.prefix, at_ms=self._ledger.now_ms()))
            try:
                await self.blobs.put(blob, file)
            except BlobsUnavailable as problem:
                raise Unavailable(str(problem), remedy="nothing was kept; upload it again") from None
        change = partial(keep_package, leave=leave, opened=opened, package_id=blob.package_id, room=self.room)
        request = Request(
            author=leave.viewer_id,
            action="uploadPackage",
            tenant_id=leave.tenant_id,
            correlation_id=leave.correlation_id,
            source=leave.viewer.source,
        )
        try:
            package, new = (await self._ledger.commit(change, request)).value
        except Unavailable:
            raise  # it may have been committed: the sweep finds out
        except Refusal:
            await self.forget(blob)
            raise
        if not new:
            await self.forget(blob)
        return package, new

    def read(self, package: Package) -> AsyncIterator[bytes]:
        """A package's bytes, checked: the last piece comes only when all are what the digest says.

        Raises BlobMissing, also for bytes that have changed, or BlobsUnavailable.
        """
        return _checked(self.blobs.read(Blob(package.digest, package.id)), package)

    @contextlib.asynccontextmanager
    async def file(self, reference: str, *, tenant_id: str) -> AsyncIterator[BinaryIO]:
        """A package's bytes for a driver (`drivers.port.PackageFiles.file`)."""
        package = package_of(self._ledger.view, tenant_id, digest_of(reference) or "")
        if package is None:
            raise Permanent(f"there is no package {reference}")
        async with self._unnamed() as file:
            try:
                async for piece in self.read(package):
                    await asyncio.to_thread(file.write, piece)
            except BlobMissing:
                raise Permanent(f"the bytes of {package.file_name} are not where packages are kept") from None
            except BlobsUnavailable as problem:
                raise Retryable(str(problem)) from None
            file.seek(0)
            yield file

    async def forget(self, blob: Blob) -> None:
        """Removes a blob that no package names; one that cannot be removed now is found by the sweep."""
        try:
            await self.blobs.delete(blob)
        except BlobsUnavailable as problem:
            log.info("packages.blob_stays", digest=blob.digest, reason=str(problem))

    def clean(self) -> None:
        """Removes what a process that was killed left in the scratch folder; a file there has its name for a moment only."""
        for left in self._scratch.glob(f"{UNNAMED}*"):
            with contextlib.suppress(OSError):  # it takes room, and is tried again at the next start
                left.unlink()

    @contextlib.asynccontextmanager
    async def _unnamed(self) -> AsyncIterator[BinaryIO]:
        try:
            self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = tempfile.TemporaryFile(dir=self._scratch, prefix=UNNAMED)  # noqa: SIM115 - closed below, when what is done with it is
        except OSError as problem:
            raise Unavailable(f"no file can be made: {problem.strerror}", remedy="make room, then try again") from None
        with file:
            yield file


async def _written(file: BinaryIO, pieces: AsyncIterator[bytes], leave: Leave) -> None:
    """Writes what comes, as long as it can be what was announced. Raises DigestMismatch or Unavailable."""
    digest, size, held = hashlib.sha256(), 0, bytearray()

    async def out() -> None:
        def write() -> None:
            digest.update(held)
            file.write(held)
            file.flush()

        try:
            await asyncio.to_thread(write)
        except OSError as problem:
            raise Unavailable(
                f"the file cannot be written: {problem.strerror}", remedy="make room, then try again"
            ) from None
        held.clear()

    async for piece in pieces:
        size += len(piece)
        if size > leave.size_bytes:
            break
        held += piece
        if len(held) >= PIECE_BYTES:
            await out()
    await out()
    if size != leave.size_bytes:
        more = "more" if size > leave.size_bytes else f"{size}"
        raise DigestMismatch(
            f"{leave.size_bytes} bytes were announced and {more} came", remedy="upload the same file that was announced"
        )
    found = f"sha256:{digest.hexdigest()}"
    if found != leave.digest:
        raise DigestMismatch(
            f"{leave.digest} was announced and {found} came", remedy="upload the same file that was announced"
        )


async def _checked(pieces: AsyncIterator[bytes], package: Package) -> AsyncIterator[bytes]:
    digest, held = hashlib.sha256(), b""
    async for piece in pieces:
        if held:
            yield held
        held = piece
        digest.update(piece)
    if f"sha256:{digest.hexdigest()}" != package.digest:
        log.error("packages.bytes_changed", package=package.id, digest=package.digest)
        raise BlobMissing(package.digest)
    if held:
        yield held

"""Blobs in a folder: written beside their place, brought to the disk, then named.

A crash at any moment leaves a file under its name whole, or none; what it may leave is a file of another name, which goes
when it is old. Every process that serves the same graph must have the same folder, as by NFS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from drivers.packages.blobs import PIECE_BYTES, Blob, BlobMissing, BlobsUnavailable, blob_at
from graph.identifiers import new_ulid

T = TypeVar("T")
UNFINISHED = ".unfinished-"
"""How the names of files begin that are being written."""


class FolderBlobs:
    """A folder of blobs, which is made when the first is put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, blob: Blob, file: BinaryIO) -> None:
        """Keeps what the file holds (`Blobs.put`)."""
        await _done(lambda: self._put(self.folder / blob.path, file))

    async def read(self, blob: Blob) -> AsyncIterator[bytes]:
        """Its bytes in pieces (`Blobs.read`)."""
        file = await _done(lambda: self._opened(blob))
        try:
            while piece := await _done(lambda: file.read(PIECE_BYTES)):
                yield piece
        finally:
            file.close()

    async def delete(self, blob: Blob) -> None:
        """Removes it, and its folder when that is empty then."""
        await _done(lambda: self._delete(self.folder / blob.path))

    async def all(self) -> AsyncIterator[Blob]:
        """Every blob."""
        for folder in await _done(lambda: sorted(self.folder.glob("sha256/??"))):
            for blob in await _done(lambda below=folder: list(self._below(below))):  # type: ignore[misc]  # a default binds the loop's value
                yield blob

    async def clean(self, *, before_ms: int) -> int:
        """Removes unfinished files that were last written before a time."""
        return await _done(lambda: self._clean(before_ms))

    def _put(self, path: Path, file: BinaryIO) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self.folder / f"{UNFINISHED}{new_ulid()}"
        try:
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as copy:
                file.seek(0)
                shutil.copyfileobj(file, copy, PIECE_BYTES)
                copy.flush()
                os.fsync(copy.fileno())
            try:
                scratch.replace(path)
            except FileNotFoundError:  # the last blob of this content went, and its folder with it
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
        for folder in (path.parent, *path.parent.parents[:2], self.folder):
            _sync(folder)

    def _opened(self, blob: Blob) -> BinaryIO:
        try:
            descriptor = os.open(self.folder / blob.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(blob.digest) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise BlobMissing(blob.digest)
        return os.fdopen(descriptor, "rb")

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another package of the same content lies there, or comes just now
            path.parent.rmdir()

    def _below(self, folder: Path) -> Iterator[Blob]:
        for path in folder.glob("*/*"):
            blob = blob_at(path.relative_to(self.folder).as_posix())
            if blob is not None:
                yield blob

    def _clean(self, before_ms: int) -> int:
        removed = 0
        for left in self.folder.glob(f"{UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime_ns // 1_000_000 < before_ms:
                    left.unlink()
                    removed += 1
        return removed


async def _done(work: Callable[[], T]) -> T:
    """Runs blocking work in a thread; an error of the file system means that the store does not answer."""
    try:
        return await asyncio.to_thread(work)
    except OSError as problem:
        raise BlobsUnavailable(f"the folder of packages: {problem.strerror or problem}") from problem


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

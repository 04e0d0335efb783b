"""Blobs in an object store, S3-compatible or another that `fsspec` knows.

A blob is written by one request with all of its bytes, which such a store does wholly or not at all; a package is small
enough for that. What the store needs beside its URL (keys, region, endpoint) comes from where its own client looks for it,
as the environment's AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL, so that no secret of it passes through the settings.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO, TypeVar

from drivers.packages.blobs import PIECE_BYTES, Blob, BlobMissing, BlobsUnavailable, blob_at

T = TypeVar("T")
READ_BYTES = 8 * PIECE_BYTES
"""Of one request to the store."""
AT_ONCE = 2
"""Blobs that are held in memory to be written at the same time."""


class ObjectStoreProblem(Exception):
    """A URL that no object store can be made of; the text says why and what to do."""


class ObjectBlobs:
    """Blobs below a path of an fsspec file system."""

    def __init__(self, system: Any, root: str) -> None:
        """`system` is an `fsspec.AbstractFileSystem`, which keeps no listing of its own; `root` is its path."""
        self._system = system
        self._root = root.rstrip("/")
        self._writing = asyncio.Semaphore(AT_ONCE)

    @classmethod
    def at(cls, url: str) -> ObjectBlobs:
        """The store at a URL such as `s3://bucket/prefix`. Raises ObjectStoreProblem."""
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as problem:
            raise ObjectStoreProblem(f"{problem}: for S3 install edgeatlas[s3]") from None
        return cls(system, root)

    async def put(self, blob: Blob, file: BinaryIO) -> None:
        """Keeps what the file holds (`Blobs.put`)."""

        path = self._path(blob)

        def write() -> None:
            file.seek(0)
            self._system.pipe_file(path, file.read())

        async with self._writing:
            await self._done(write)

    async def read(self, blob: Blob) -> AsyncIterator[bytes]:
        """Its bytes in pieces (`Blobs.read`)."""
        path = self._path(blob)
        size = await self._done(lambda: int(self._system.info(path)["size"]), blob)
        for at in range(0, size, READ_BYTES):
            piece = await self._done(
                lambda begin=at: self._system.cat_file(path, start=begin, end=min(begin + READ_BYTES, size)),  # type: ignore[misc]  # a default binds the loop's value
                blob,
            )
            yield bytes(piece)

    async def delete(self, blob: Blob) -> None:
        """Removes it (`Blobs.delete`)."""
        path = self._path(blob)
        try:
            await self._done(lambda: self._system.rm_file(path), blob)
        except BlobMissing:
            return

    async def all(self) -> AsyncIterator[Blob]:
        """Every blob."""
        for path in await self._done(lambda: list(self._system.find(f"{self._root}/sha256"))):
            blob = blob_at(str(path)[len(self._root) :].strip("/"))
            if blob is not None:
                yield blob

    async def clean(self, *, before_ms: int) -> int:
        """Nothing is left unfinished: a blob is written by one request."""
        return 0

    def _path(self, blob: Blob) -> str:
        return f"{self._root}/{blob.path}"

    async def _done(self, work: Callable[[], T], blob: Blob | None = None) -> T:
        try:
            return await asyncio.to_thread(work)
        except FileNotFoundError as problem:
            if blob is None:
                raise BlobsUnavailable(f"the store of packages: {problem}") from problem
            raise BlobMissing(blob.digest) from None
        except Exception as problem:  # each file system has errors of its own
            raise BlobsUnavailable(f"the store of packages does not answer: {type(problem).__name__}") from problem

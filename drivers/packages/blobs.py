"""Where the bytes of packages are kept: the port, and the name of a blob in it.

A blob is named by its digest and by the one package that it is of. Content alone would be less to keep, and more to lose:
whoever removes a content that nobody refers to may be stopped for any time between finding that out and removing it, and
the same content may be uploaded meanwhile. A package's id is never used again, so removing its blob is right whenever.

`tests/drivers/packages/test_blobs.py` is this port's meaning in tests and runs over every store.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import BinaryIO, NamedTuple, Protocol

PIECE_BYTES = 2**20
_PATH = re.compile(
    r"sha256/(?P<begin>[0-9a-f]{2})/(?P<digits>[0-9a-f]{64})/(?P<package>package_[0-9A-HJKMNP-TV-Z]{26})"
)


class BlobMissing(Exception):
    """There is no such blob."""


class BlobsUnavailable(Exception):
    """The store of blobs does not answer or is full; the same may be tried again."""


class Blob(NamedTuple):
    """The name of a blob."""

    digest: str
    """`sha256:` and 64 hexadecimal digits."""
    package_id: str

    @property
    def path(self) -> str:
        """Where it lies in a store: `sha256/ab/abc…/package_01J…`."""
        digits = self.digest.removeprefix("sha256:")
        path = f"sha256/{digits[:2]}/{digits}/{self.package_id}"
        if blob_at(path) is None:
            raise ValueError("a blob is named by a digest and a package's id")
        return path


def blob_at(path: str) -> Blob | None:
    """The blob that lies at a path, or None when the path is none of a blob."""
    found = _PATH.fullmatch(path)
    if found is None or not found["digits"].startswith(found["begin"]):
        return None
    return Blob(f"sha256:{found['digits']}", found["package"])


class Blobs(Protocol):
    """Keeps blobs. All methods raise BlobsUnavailable when the store does not answer."""

    async def put(self, blob: Blob, file: BinaryIO) -> None:
        """Keeps what the file holds from its beginning; whole and durable when it returns, or not there at all."""
        ...

    def read(self, blob: Blob) -> AsyncIterator[bytes]:
        """Its bytes in pieces. Raises BlobMissing."""
        ...

    async def delete(self, blob: Blob) -> None:
        """Removes it; what is not there is as good as removed."""
        ...

    def all(self) -> AsyncIterator[Blob]:
        """Every blob, in any order; one that comes or goes meanwhile may be among them or not."""
        ...

    async def clean(self, *, before_ms: int) -> int:
        """Removes what writers that were killed before a time (UTC milliseconds) left unfinished; says how many."""
        ...

"""One process owns an embedded database: an advisory lock of the operating system on a file beside it.

The lock is the kernel's, so it ends with its process however that ends; nothing is left to clean up after a kill. The text
in the file only names the holder for people. The file itself is never removed: a lock on a removed file excludes nobody.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from graph.store import StoreOwned, StoreProblem

TEXT_BYTES = 512


class Ownership:
    """The lock of a database's owner, held from `take` to `release`."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._database = database
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def take(self) -> None:
        """Takes the lock at once. Raises StoreOwned, naming the holder, when another process has it."""
        if self._descriptor is not None:
            return
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise StoreProblem(
                f"the lock file {self.path} cannot be opened: {problem.strerror}; "
                "give this user the right to write in that folder, or choose another place for the database"
            ) from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, TEXT_BYTES, 0).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise StoreOwned(
                f"the database {self._database} is in use by {holder}; stop it first, give this server a database of its "
                "own, or use a Neo4j store, which several servers can share"
            ) from None
        except OSError as problem:
            os.close(descriptor)
            raise StoreProblem(
                f"{self.path} cannot be locked: {problem.strerror}; put the database on a local disk"
            ) from problem
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets the lock go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

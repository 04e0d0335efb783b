"""Which earlier processes of a data folder are dead, so that what they had claimed need not be waited out.

Where several processes share a store, the claim of one that may be alive gets time to end. Leases at NATS tell within
seconds who is alive; without NATS nobody does, and a server that is killed and started again would wait for its own past. So
each process has a file in its data folder that is named after its worker and locked as long as it lives: the lock is the
kernel's and ends with its process, however that ends. Whoever starts there and can lock the file of another knows that it is
dead. Of a process that had another folder this tells nothing.

A wrong word does no harm: a release's epoch and the backend's fence decide who is heard, and time to end only saves calls.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)
KEPT_S = 3_600.0
"""How long a dead process is remembered: whoever takes over from it may be killed as well before all is done."""
_FOUND = b"dead\n"


@contextlib.contextmanager
def working_here(folder: Path, worker: str) -> Iterator[frozenset[str]]:
    """Keeps this worker's file in a folder until the context ends; gives the workers of the folder that are dead.

    Where files cannot be made or locked nobody is known to be dead.
    """
    dead: frozenset[str] = frozenset()
    own: int | None = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        dead = frozenset(_dead(folder))
        own = _kept(folder, worker)
    except OSError as problem:
        log.info("workers_here.unknown", folder=str(folder), problem=problem.strerror)
    try:
        yield dead
    finally:
        if own is not None:
            with contextlib.suppress(OSError):
                (folder / worker).unlink()
            os.close(own)


def _kept(folder: Path, worker: str) -> int:
    """A file that is locked before it has its name: nobody meets one of a living worker without its lock."""
    unnamed = folder / f".{worker}"
    descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(folder / worker)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _dead(folder: Path) -> Iterator[str]:
    """The workers whose files can be locked. Files of those that were found so long ago are removed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # it has just ended
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            known = os.fstat(descriptor)
            if not known.st_size:
                os.write(descriptor, _FOUND)
            elif time.time() - known.st_mtime > KEPT_S:
                path.unlink(missing_ok=True)
            yield path.name
        finally:
            os.close(descriptor)

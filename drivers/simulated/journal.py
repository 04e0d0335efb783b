"""Where a simulated cluster's state survives the server: one file of JSON lines a cluster, only ever added to.

It stands for the outside world, which does not die with the process that looks after it. A line is in the file before
the call that made it is answered, so a `kill -9` loses nothing that was answered; it is not synced to the disk, for a
power cut takes a real edge's control plane with it as well. A line that was cut short by a kill was never answered and
is dropped. A file that took less than a whole line (a full disk) takes no more until it is opened anew: what came after
the broken line would be answered and then not be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from drivers.naming import short_hash
from drivers.port import InUseElsewhere, Unreachable

T = TypeVar("T")


def journal_path(folder: Path | None, cluster: str) -> Path | None:
    """The file of a cluster's world below a data folder; made from the id alone, never from what a user wrote."""
    return None if folder is None else folder / "simulated" / f"{short_hash(cluster)}.jsonl"


class Journal:
    """Lines in a file that one process holds, or nowhere when it has no path."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._fd: int | None = None
        self._pending: list[bytes] = []
        self._flushing: asyncio.Task[None] | None = None
        self.closed = False
        self.broken: str | None = None
        """Why a write has failed: what is in memory may not be in the file."""

    async def open(self) -> list[bytes]:
        """Takes the file and gives its whole lines. Raises InUseElsewhere when another process holds it.

        When it is cancelled the file may have been taken: `close` lets go of it.
        """
        return [] if self.path is None else await _whole(self._take(self.path))

    async def append(self, line: bytes) -> None:
        """Returns when the line, and all before it, are in the file. Lines of calls at the same time share a write."""
        if self._fd is None:
            return
        self._pending.append(line + b"\n")
        await self.flushed()

    async def flushed(self) -> None:
        """Returns when all lines so far are in the file. Raises Unreachable when they cannot be."""
        while self._pending or self._flushing is not None or self.broken:
            if self.broken:
                raise Unreachable(f"the simulated cluster cannot write its journal ({self.broken})")
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush(), name="simulated-journal")
            # Shielded: a caller that is cancelled must not take the others' lines with it.
            await asyncio.shield(self._flushing)

    async def replace(self, lines: Sequence[bytes]) -> None:
        """Puts these lines in the place of all others, at once or not at all."""
        if self.path is not None:
            await _whole(self._put(self.path, lines))

    async def close(self) -> None:
        """Writes what is left and lets go of the file, also when it is cancelled meanwhile."""
        self.closed = True
        await _whole(self._let_go())

    async def _take(self, path: Path) -> list[bytes]:
        self._fd, lines = await asyncio.to_thread(_open, path)
        return lines

    async def _put(self, path: Path, lines: Sequence[bytes]) -> None:
        await self.flushed()
        old, self._fd = self._fd, await asyncio.to_thread(_rewrite, path, lines)
        if old is not None:
            os.close(old)

    async def _let_go(self) -> None:
        with contextlib.suppress(Unreachable):
            await self.flushed()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    async def _flush(self) -> None:
        try:
            while self._pending:
                block = b"".join(self._pending)
                self._pending.clear()
                assert self._fd is not None, "lines are only added while the file is open"
                await asyncio.to_thread(_write_all, self._fd, block)
        except OSError as problem:
            self.broken = problem.strerror or str(problem)
            self._pending.clear()
        finally:
            self._flushing = None


async def _whole(step: Coroutine[Any, Any, T]) -> T:
    """Sees a step through though the caller may be cancelled meanwhile: half of it would leave the file held by nobody."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _open(path: Path) -> tuple[int, list[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _hold(fd, path)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(fd, whole)
    except BaseException:
        os.close(fd)
        raise
    return fd, content[:whole].splitlines()


def _rewrite(path: Path, lines: Sequence[bytes]) -> int:
    scratch = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        scratch.unlink()
    fd = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _hold(fd, scratch)
        _write_all(fd, b"".join(line + b"\n" for line in lines))
        os.replace(scratch, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _hold(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InUseElsewhere(f"another process holds the simulated cluster in {path.name}") from None


def _write_all(fd: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view) :]

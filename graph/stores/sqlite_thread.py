"""A connection and the one thread that uses it, driven from the event loop.

SQLite blocks: on the disk, and for as long as a flush takes. So each connection belongs to a thread of its own, and a job on
it costs one hop there and one back. The module `sqlite3` lets go of the interpreter's lock at *every row*: while the event
loop computes, each row would wait up to a switch interval (5 ms) to get it back. Whoever writes a job therefore asks SQLite
for many rows in few steps (`sqlite_rows`).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from graph.store import StoreUnavailable
from graph.stores.sqlite_errors import breaks_connection, translated

T = TypeVar("T")
WAITING_JOBS = 1_000


class _Job(Generic[T]):
    __slots__ = ("error", "future", "loop", "result", "settled", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.settled = False
        self.result: T | None = None
        self.error: BaseException | None = None


class SqliteThread:
    """Runs jobs on one connection, in order, in one thread."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        name: str,
        database: Path,
        waiting: int = WAITING_JOBS,
    ) -> None:
        self._connect = connect
        self._name = name
        self._database = database
        self._waiting = waiting
        self._pending = 0
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T], *, to_the_end: bool = False) -> T:
        """The work's result. It is given the connection, which is opened when it is first needed or has failed.

        With `to_the_end` a cancelled caller still waits until the work is over, for what it does cannot be left half known.
        Raises what the work raises; errors of SQLite become the store's. Raises StoreUnavailable when too many wait.
        """
        if self._closed:
            raise StoreUnavailable(f"the database {self._database} is closed")
        if self._pending >= self._waiting:
            raise StoreUnavailable(f"{self._pending} requests wait for the database {self._database}; try again later")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(work, loop)
        self._pending += 1
        self._jobs.put(job)
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                await job.future
                break
            except asyncio.CancelledError as problem:
                if not to_the_end:
                    raise
                cancelled = problem
                if job.settled:
                    break
                job.future = loop.create_future()
        if cancelled is not None:
            raise cancelled
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]  # set by the thread before it settles the job

    async def close(self) -> None:
        """Lets the jobs that wait end, closes the connection and ends the thread."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            while self._thread.is_alive():
                await asyncio.to_thread(self._thread.join, 1.0)

    def _serve(self) -> None:
        connection: sqlite3.Connection | None = None
        while (job := self._jobs.get()) is not None:
            try:
                if connection is None:
                    connection = self._connect()
                job.result = job.work(connection)
            except sqlite3.Error as problem:
                job.error = translated(problem, database=self._database)
                if connection is not None and breaks_connection(problem):
                    _close(connection)
                    connection = None
            except BrokenConnectionError as problem:
                job.error = problem.reason
                if connection is not None:
                    _close(connection)
                    connection = None
            except BaseException as problem:  # noqa: BLE001 - it is raised where the job was asked for
                job.error = problem
            self._done(job)
            job = None
        if connection is not None:
            _close(connection)

    def _done(self, job: _Job[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop that asked is closed: nobody waits any more
            job.loop.call_soon_threadsafe(self._settle, job)

    def _settle(self, job: _Job[Any]) -> None:
        self._pending -= 1
        job.settled = True
        if not job.future.done():
            job.future.set_result(None)


class BrokenConnectionError(Exception):
    """Raised by a job whose connection must be opened anew; `reason` is what the caller gets."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _close(connection: sqlite3.Connection) -> None:
    # A connection that fails even to close is gone all the same; what it failed with was reported by its job.
    with contextlib.suppress(sqlite3.Error):
        connection.close()

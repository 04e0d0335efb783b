"""A TCP proxy on loopback that breaks connections on purpose, between the product and a real part.

It runs on a thread with an event loop of its own, so that a test may steer it from synchronous code, from its own
loop, or while that loop is blocked. Faults act on the connections that are open and on those to come, until `mend`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")
_STEER_S = 60.0
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close sends a reset rather than an orderly end


class Direction(Enum):
    """Which way bytes go, seen from the proxy."""

    TO_SERVER = "to_server"
    TO_CLIENT = "to_client"


@dataclass
class _Faults:
    refuse: bool = False
    delay_s: float = 0.0
    budget: dict[Direction, int] = field(default_factory=dict)
    trigger: tuple[Direction, Callable[[bytes], bool], bool] | None = None


class FaultProxy:
    """Forwards `port` (a free one, chosen at start) to 127.0.0.1:`target`."""

    def __init__(self, target: int) -> None:
        """Listens at once; `close` ends it."""
        self.target = target
        self.port = 0
        self.connections = 0
        """Connections accepted so far."""
        self.cuts = 0
        """Times that a fault has cut connections."""
        self._faults = _Faults()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"fault-proxy-{target}", daemon=True)
        self._thread.start()
        self._server = self._steer(self._listen())

    # What a test calls; each returns when it has taken effect.

    def cut(self) -> None:
        """Reset all open connections; new ones are served."""
        self._steer(self._cut())

    def refuse(self) -> None:
        """Reset all open connections and every new one, until `mend`: the server is away."""
        self._set(refuse=True)
        self.cut()

    def hold(self) -> None:
        """Keep connections open but forward nothing, until `mend`: a network that swallows."""
        self._steer(_done(self._flowing.clear))

    def delay(self, seconds: float) -> None:
        """Hold each chunk back for `seconds`, until `mend`."""
        self._set(delay_s=seconds)

    def drop_after(self, count: int, *, direction: Direction) -> None:
        """Forward `count` more bytes in this direction, over all connections, then cut them all; once."""
        self._set(budget={**self._faults.budget, direction: count})

    def cut_when(self, matches: Callable[[bytes], bool], *, direction: Direction, forward: bool) -> None:
        """Cut all connections at the first chunk that `matches`, after or (not `forward`) before passing it on; once."""
        self._set(trigger=(direction, matches, forward))

    def mend(self) -> None:
        """No faults any more; what was held flows on."""
        self._steer(_done(self._mend))

    def close(self) -> None:
        """Stop listening, cut what is open and end the thread."""
        self._steer(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STEER_S)
        self._loop.close()

    # On the proxy's own loop.

    async def _listen(self) -> asyncio.Server:
        self._flowing = asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = {writer}
        self._writers.add(writer)
        try:
            if self._faults.refuse:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            writers.add(far_writer)
            self._writers.add(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer, Direction.TO_SERVER))
                both.create_task(self._pump(far_reader, writer, Direction.TO_CLIENT))
        except* (OSError, asyncio.CancelledError):
            pass  # either end has gone, or a fault has cut it
        finally:
            self._writers -= writers
            self._tasks.discard(task)
            for each in writers:
                _reset(each) if self._faults.refuse or len(writers) == 1 else each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        while data := await reader.read(65536):
            if self._faults.delay_s:
                await asyncio.sleep(self._faults.delay_s)
            await self._flowing.wait()
            cut_now, data = self._judge(data, direction)
            if data:
                writer.write(data)
                await writer.drain()
            if cut_now:
                await asyncio.sleep(0.02)  # what was passed on reaches the other side before the reset does
                await self._cut()
                return
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _judge(self, data: bytes, direction: Direction) -> tuple[bool, bytes]:
        """Whether to cut after this chunk, and what of it is still passed on."""
        faults = self._faults
        if faults.trigger and faults.trigger[0] is direction and faults.trigger[1](data):
            forward = faults.trigger[2]
            faults.trigger = None
            return True, data if forward else b""
        left = faults.budget.get(direction)
        if left is None:
            return False, data
        if len(data) >= left:
            del faults.budget[direction]
            return True, data[:left]
        faults.budget[direction] = left - len(data)
        return False, data

    async def _cut(self) -> None:
        self.cuts += 1
        for writer in list(self._writers):
            _reset(writer)
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()

    def _mend(self) -> None:
        self._faults = _Faults()
        self._flowing.set()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_STEER_S)
        await asyncio.sleep(0.01)  # transports tell their protocols that they are closed in the loop's next rounds

    def _set(self, **values: Any) -> None:
        def change() -> None:
            for name, value in values.items():
                setattr(self._faults, name, value)

        self._steer(_done(change))

    def _steer(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_STEER_S)


async def _done(change: Callable[[], object]) -> None:
    change()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()

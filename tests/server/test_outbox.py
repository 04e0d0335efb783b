"""An outbox keeps order and bounds whether its transport takes frames at once, later, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.outbox import Outbox


class Transport:
    """Takes frames while it is open, as an ASGI server's `send` does."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failure: Exception | None = None
        self.waits = 0

    async def send(self, message: Any) -> None:
        if not self.open.is_set():
            self.waits += 1
        while not self.open.is_set():
            await self.open.wait()
        if self.failure is not None:
            raise self.failure
        self.taken.append(message["text"])


async def test_a_frame_for_an_idle_connection_is_written_at_once() -> None:
    transport = Transport()
    outbox = Outbox(transport.send, limit_bytes=100)
    assert outbox.offer('{"a":', "1}")
    assert transport.taken == ['{"a":1}'], "no task has run"
    assert outbox.queued_bytes == 0


async def test_a_frame_of_any_size_is_taken_when_nothing_waits_and_none_when_the_queue_is_full() -> None:
    transport = Transport()
    transport.open.clear()
    outbox = Outbox(transport.send, limit_bytes=100)
    assert outbox.offer("x" * 1_000, "")
    assert not outbox.offer("y", "")
    assert outbox.queued_bytes == 1_000
    writer = asyncio.create_task(outbox.write())
    assert not await outbox.room(within_s=0.05)
    transport.open.set()
    assert await outbox.room(within_s=1)
    assert outbox.offer("y", "")
    assert [len(text) for text in transport.taken] == [1_000, 1]
    writer.cancel()


async def test_a_failure_of_the_transport_ends_the_writing_and_not_whoever_had_an_event() -> None:
    transport = Transport()
    transport.failure = OSError("gone")
    outbox = Outbox(transport.send, limit_bytes=100)
    outbox.put("a")
    outbox.put("b")
    with pytest.raises(OSError, match="gone"):
        await outbox.write()


async def test_a_failure_after_waiting_ends_the_writing_too() -> None:
    transport = Transport()
    transport.open.clear()
    outbox = Outbox(transport.send, limit_bytes=100)
    outbox.put("a")
    writer = asyncio.create_task(outbox.write())
    await asyncio.sleep(0)
    transport.failure = OSError("gone")
    transport.open.set()
    with pytest.raises(OSError, match="gone"):
        await writer


async def test_closing_drops_what_waits_and_lets_go_of_who_waits_for_room() -> None:
    transport = Transport()
    transport.open.clear()
    outbox = Outbox(transport.send, limit_bytes=10)
    outbox.put("a" * 20)
    writer = asyncio.create_task(outbox.write())
    waiting = asyncio.create_task(outbox.room(within_s=5))
    await asyncio.sleep(0)
    outbox.close(1013, "slow")
    outbox.close(1000, "later")
    assert await waiting is False
    assert outbox.closing == (1013, "slow")
    assert not outbox.offer("b", "")
    outbox.put("c")
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    transport.open.set()
    await asyncio.sleep(0)
    assert transport.taken == []


async def test_an_outbox_whose_writer_never_ran_is_given_up_cleanly() -> None:
    transport = Transport()
    transport.open.clear()
    outbox = Outbox(transport.send, limit_bytes=10)
    outbox.put("a")
    writer = asyncio.create_task(outbox.write())
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["put", "offer", "shut", "open", "yield", "rest"]), max_size=60))
def test_frames_are_written_in_the_order_of_their_coming_and_none_twice(steps: list[str]) -> None:
    async def play() -> None:
        transport = Transport()
        outbox = Outbox(transport.send, limit_bytes=30)
        writer = asyncio.create_task(outbox.write())
        expected: list[str] = []
        for number, step in enumerate(steps):
            text = f"frame {number:04d}"
            match step:
                case "put":
                    outbox.put("frame ", f"{number:04d}")
                    expected.append(text)
                case "offer":
                    if outbox.offer("frame ", f"{number:04d}"):
                        expected.append(text)
                    else:
                        assert outbox.queued_bytes >= 30
                case "shut":
                    transport.open.clear()
                case "open":
                    transport.open.set()
                case "yield":
                    await asyncio.sleep(0)
                case "rest":
                    for _ in range(10):
                        await asyncio.sleep(0)
        transport.open.set()
        assert await outbox.room(within_s=1)
        for _ in range(len(steps) + 10):
            await asyncio.sleep(0)
        assert transport.taken == expected
        assert outbox.queued_bytes == 0
        writer.cancel()

    asyncio.run(play())

"""What works in a thread ends with whoever waits for it, and not before its thread has."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lifecycle.in_thread import in_thread
from placement.stopping import Stop, Stopped

BOUND_S = 30.0


class _Work:
    """Begins, and goes on until it is asked to stop; then until it is let end."""

    def __init__(self) -> None:
        self.begun, self.asked, self.may_end = threading.Event(), threading.Event(), threading.Event()
        self.ended = False

    def __call__(self, stop: Stop) -> None:
        self.begun.set()
        while not stop.asked:
            threading.Event().wait(0.001)
        self.asked.set()
        assert self.may_end.wait(BOUND_S)
        self.ended = True
        raise Stopped


async def _set(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, BOUND_S)


async def test_what_it_gives_and_raises_reaches_the_caller() -> None:
    assert await in_thread(lambda stop: (threading.get_ident(), stop.asked)) != (threading.get_ident(), False)

    def fails(_: Stop) -> None:
        raise LookupError("nowhere")

    with pytest.raises(LookupError, match="nowhere"):
        await in_thread(fails)


async def test_a_caller_that_is_cancelled_ends_when_its_thread_has() -> None:
    work = _Work()
    turn = asyncio.Semaphore(1)

    async def in_turn() -> None:
        async with turn:
            await in_thread(work)

    waiting = asyncio.create_task(in_turn())
    await _set(work.begun)
    waiting.cancel()
    await _set(work.asked)
    waiting.cancel()  # again: it still has a thread to wait for
    await asyncio.sleep(0)
    assert not waiting.done()
    assert turn.locked(), "whoever is next would work beside it"
    work.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.ended
    assert not turn.locked()


async def test_a_time_that_is_over_asks_it_to_stop() -> None:
    work = _Work()
    work.may_end.set()

    async def bounded() -> None:
        async with asyncio.timeout(None) as limit:
            begun = asyncio.create_task(_set(work.begun))
            begun.add_done_callback(lambda _: limit.reschedule(0.0))
            await in_thread(work)

    with pytest.raises(TimeoutError):
        await bounded()
    assert work.ended


async def test_what_is_cancelled_before_a_thread_is_free_never_begins() -> None:
    loop = asyncio.get_running_loop()
    one = ThreadPoolExecutor(1)
    loop.set_default_executor(one)
    free, held = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        free.wait(BOUND_S)

    holding = loop.run_in_executor(one, hold)
    begun: list[bool] = []
    waiting = asyncio.create_task(in_thread(lambda stop: begun.append(True)))
    await asyncio.sleep(0)
    assert held.wait(BOUND_S)
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await holding
    assert begun == []

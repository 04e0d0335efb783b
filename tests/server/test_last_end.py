"""A process whose work is done ends, whatever a driver has left going on in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GRACE_S = 1.0
NEVER_S = 240.0
CLINGS = """
async def left():
    while True:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            pass
begun = asyncio.create_task(left())
"""
THREAD = """
begun = asyncio.create_task(asyncio.to_thread(time.sleep, 600))
"""
NOTHING = """
begun = None
"""
PROCESS = """
import asyncio, time, uvloop
from server.last_end import run_to_the_end
async def work():
    {left}
    await asyncio.sleep(0.1)
    print("done", flush=True)
run_to_the_end(work(), loop_factory=uvloop.new_event_loop, grace_s={grace_s})
"""


def ended(left: str, *, grace_s: float = GRACE_S) -> tuple[int, str]:
    """The exit code of such a process and what it said."""
    code = PROCESS.format(left=left.strip().replace("\n", "\n    "), grace_s=grace_s)
    over = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=NEVER_S / 2, check=False
    )
    return over.returncode, over.stdout


@pytest.mark.parametrize("left", [CLINGS, THREAD], ids=["a task that keeps its cancellation", "a thread"])
def test_what_is_left_going_on_does_not_keep_the_process(left: str) -> None:
    code, said = ended(left)
    assert (code, said.splitlines()[0]) == (0, "done")
    assert "process.left_behind" in said


def test_a_process_in_which_nothing_is_left_does_not_wait() -> None:
    assert ended(NOTHING, grace_s=NEVER_S) == (0, "done\n")


@pytest.mark.parametrize("left", [CLINGS, THREAD], ids=["a task that keeps its cancellation", "a thread"])
def test_a_process_that_fails_is_not_kept_either_and_says_why(left: str) -> None:
    code, said = ended(f"{left}await asyncio.sleep(0.1)\nraise ValueError('the reason')")
    assert code == 1
    assert "process.left_behind" in said
    assert "ValueError: the reason" in said


def test_a_process_that_fails_says_so() -> None:
    code, _ = ended("raise ValueError")
    assert code == 1

"""Processes that write beside the test's own: raced against each other, or killed."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    """Starts `storekit.writer_process` with pipes to it."""
    return subprocess.Popen(
        [sys.executable, "-m", "storekit.writer_process", *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def environment() -> dict[str, str]:
    """The environment in which a child finds the product and these modules."""
    given = os.environ.get("PYTHONPATH")
    paths = [str(ROOT), str(ROOT / "tests"), *([given] if given else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def log_to_stderr() -> None:
    """Keeps a child's log out of what it says to its parent."""
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class Lines:
    """Reads a process's lines with a limit on every wait."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._descriptor = process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._descriptor, selectors.EVENT_READ)
        self._text = b""

    def read(self, *, until: float) -> str | None:
        """The next line before a moment of the monotonic clock, or None. Raises EOFError when the process has ended."""
        while b"\n" not in self._text:
            left = until - time.monotonic()
            if left <= 0 or not self._selector.select(left):
                return None
            chunk = os.read(self._descriptor, 65_536)
            if not chunk:
                raise EOFError("the process ended")
            self._text += chunk
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    def expect(self, word: str) -> str:
        """The next line, which begins with a word."""
        line = self.read(until=time.monotonic() + WAIT_S)
        assert line is not None, f"no {word!r} within {WAIT_S:.0f} s"
        assert line.startswith(word), line
        return line


class KilledWriters:
    """Starts writers on one database, one after another or several at once, and kills each at a chosen moment."""

    def __init__(self, url: str, *, control: str = "none") -> None:
        self._process = spawn(url, "kill", control)
        self._lines = Lines(self._process)
        self._seed = 0

    def run(self, *, after_s: Sequence[float]) -> dict[str, int]:
        """Runs a writer for each number, all at once, and kills each with SIGKILL so many seconds after the last of them
        had its first commit; gives what they were told is durable: the revisions by the commits' keys."""
        told: dict[str, int] = {}
        lives: dict[int, float] = {}
        silent = set()
        try:
            for seconds in after_s:
                self._seed += 1
                self._say(f"live {self._seed}")
                lives[int(self._answer("forked ", told).split()[1])] = seconds
                silent.add(str(self._seed))
            while silent - {key.partition("-")[0] for key in told}:
                _take(self._lines.expect("R "), told)
            began = time.monotonic()
            for pid, seconds in sorted(lives.items(), key=lambda life: life[1]):
                while line := self._lines.read(until=began + seconds):
                    _take(line, told)
                os.kill(pid, signal.SIGKILL)
        finally:
            for pid in lives:  # not reaped yet, so that none of these ids can be another program's
                os.kill(pid, signal.SIGKILL)
        for pid in lives:
            self._say(f"reap {pid}")
            gone = self._answer("gone ", told)
            assert gone == f"gone {pid} {-signal.SIGKILL}", f"a writer had ended by itself: {gone}"
        return told

    def close(self) -> None:
        """Ends the process that forks."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _say(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()

    def _answer(self, word: str, told: dict[str, int]) -> str:
        """The process's answer, with what writers say before it taken in."""
        while not (line := self._lines.expect("")).startswith(word):
            _take(line, told)
        return line


@contextlib.contextmanager
def killed_writers(url: str, *, control: str = "none") -> Iterator[KilledWriters]:
    """Writers to be killed, for one test."""
    writers = KilledWriters(url, control=control)
    try:
        yield writers
    finally:
        writers.close()


def _take(line: str, told: dict[str, int]) -> None:
    word, revision, key = line.split()
    assert word == "R", line
    told[key] = int(revision)

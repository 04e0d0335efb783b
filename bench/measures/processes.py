"""Processes of the product beside a benchmark: started, listened to, ended, and what they use.

What a process uses is read from /proc, so that the callers' own work is not in the figure.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.measures.places import ROOT
from bench.measures.start import resident_mb

GRACE_S = 20.0
LOOK_S = 0.02


class Process:
    """A command of the product. `pid`; `cpu_s()` and `resident_mb()` of it; `said` has the lines that it wrote."""

    def __init__(self, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        """Starts `edgeatlas ARGUMENTS` with these settings (`STORE`, `DATA_DIR`)."""
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, **{f"EDGEATLAS_{name}": value for name, value in (settings or {}).items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        # It ends with this process, however that ends: its standard input does then.
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -9 "$0" 2>/dev/null', str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def until(self, found: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Returns when that is so. Raises RuntimeError, with what it said, when it ends or takes longer."""
        deadline = time.monotonic() + within_s
        while not found():
            if self.ended or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"{what} did not come:\n" + "\n".join(self.said[-20:]))
            time.sleep(LOOK_S)

    def cpu_s(self) -> float:
        """CPU seconds that all of its threads have used, from the scheduler's own count."""
        used = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
                used += int((task / "schedstat").read_text().split()[0])
        if used:
            return used / 1e9
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Its resident memory in MB."""
        return resident_mb(self.pid)

    def end(self) -> None:
        """Ends it, gracefully if it does so within 20 s."""
        self._signal(signal.SIGTERM, within_s=GRACE_S)

    def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL, within_s=GRACE_S)

    def _signal(self, number: int, *, within_s: float) -> None:
        if not self.ended:
            self._process.send_signal(number)
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._watchdog.kill()
        self._watchdog.communicate()
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.rstrip())

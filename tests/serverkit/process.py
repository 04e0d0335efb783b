"""A real server for tests: `edgeatlas serve` as a process, on a free port, with a store and a home of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_S = 240.0
STOP_S = 30.0


@dataclass
class RunningServer:
    """`edgeatlas serve` in a folder, which can be killed and started again."""

    folder: Path
    flags: tuple[str, ...] = ()
    url: str = ""
    link: str = ""
    """The sign-in link of the last start, while nobody has a password."""
    lines: list[str] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server and of its users on this machine."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("EDGEATLAS_")}
        return own | {
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "NO_COLOR": "1",
            "TERM": "dumb",
        }

    def start(self) -> RunningServer:
        """Starts it on the port that it had before, or on a free one. Fails with what it printed."""
        port = self.url.rpartition(":")[2] or "0"
        self.lines = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--port", port, "--ui", "off", *self.flags],
            cwd=ROOT,
            env=self.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self._process, ready), daemon=True).start()
        if not ready.wait(START_S) or self._process.poll() is not None:
            self.kill()
            pytest.fail("the server did not start:\n" + "".join(self.lines[-40:]))
        return self

    def stop(self) -> int:
        """Ends it as an operator would; gives the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it as a power cut would."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(STOP_S)

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.append(line)
            if found := re.match(r"EdgeAtlas \S+ at (\S+)", line):
                self.url = found[1]
            if found := re.match(r"\s+(http\S+/auth/link\S+)", line):
                self.link = found[1]
                ready.set()
            if line.startswith("  store") and self.link:
                ready.set()  # not the first start: there need not be a link any more
        ready.set()

"""A server process like an operator's, on a store that is there already, and what it uses.

It is the command `edgeatlas serve`, with uvicorn, sockets and a token; what a server costs is read from /proc, so that the
callers' own work is not in the figure.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from access.tokens import new_token, token_hash
from bench.measures.places import ROOT
from bench.measures.start import resident_mb
from graph.edit import Edit
from graph.kinds import ApiToken, Role, RoleBinding, User
from graph.ledger import Ledger
from graph.request import Request
from graph.stores import store_for

_ADDRESS = re.compile(r"EdgeAtlas \S+ at https?://127\.0\.0\.1:(\d+)")


async def make_caller(store: str, *, role: Role = Role.ADMIN) -> str:
    """A user with a token in a store that no server owns; the token's text."""
    text = new_token()

    def make(edit: Edit) -> None:
        user = edit.create(User, name=f"bench-{role.name.lower()}")
        edit.create(RoleBinding, subject_id=user.id, role=role)
        edit.create(ApiToken, name="bench", owner_id=user.id, token_hash=token_hash(text))

    async with Ledger(store_for(store)).running() as ledger:
        await ledger.commit(make, Request(author="bench", action="prepare"))
    return text


class Served:
    """A running server process. `port`, `pid`; `cpu_s()` and `resident_mb()` of it."""

    def __init__(self, folder: Path, *, store: str, token: str, start_s: float = 120.0) -> None:
        """Starts it and returns once it listens. Raises RuntimeError when it ends or takes longer than `start_s`."""
        self.token = token
        settings = {
            "DATA_DIR": str(folder / "data"),
            "KEY_FILE": str(folder / "keys" / "key"),
            "STORE": store,
            "PORT": "0",
            "UI": "off",
            "LOG_LEVEL": "warning",
            "LOG_FORMAT": "json",
            "CONNECTIONS_PER_USER": "5000",
            # One mutation after another from one caller is what is measured; a day's worth of them is not kept.
        }
        environment = {**os.environ, **{f"EDGEATLAS_{name}": value for name, value in settings.items()}}
        self._said: list[str] = []
        self._listens = threading.Event()
        self.port = 0
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listens.wait(start_s) or not self.port:
            self.end()
            raise RuntimeError("the server did not start:\n" + "\n".join(self._said[-20:]))
        self.listened_after_s = time.perf_counter() - began
        """From the start of the process, imports and all."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds that all of its threads have used, from the scheduler's own count."""
        used = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
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
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._reader.join(5)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line.rstrip())
            found = _ADDRESS.search(line)
            if found:
                self.port = int(found[1])
                self._listens.set()
        self._listens.set()

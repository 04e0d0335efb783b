"""A simulated backend as a process of its own, so that what it uses is in no figure of EdgeAtlas.

It is the command `edgeatlas simulate` on a Unix socket: the server talks to it as to any backend, over a wire.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.measures.processes import Process

START_S = 60.0


class Simulation(Process):
    """A running simulated backend. `endpoint` is what a Cluster has."""

    def __init__(self, folder: Path, *, behaviour: Mapping[str, Any] | None = None) -> None:
        """Starts it; `behaviour` is of all its clusters. Raises RuntimeError when it does not listen."""
        # The path of a Unix socket has a limit of about 100 characters, and a checkout's may be longer.
        self._place = tempfile.TemporaryDirectory(prefix="edgeatlas-bench-")
        socket = Path(self._place.name) / "edge.sock"
        settings = folder / "behaviour.json"
        settings.write_bytes(msgspec.json.encode(behaviour or {}))
        super().__init__("simulate", "--socket", str(socket), "--behaviour", str(settings))
        self.endpoint = f"unix:{socket}"
        """Where it listens, as a Cluster's endpoint."""
        self.until(socket.exists, within_s=START_S, what="the simulated backend")

    def end(self) -> None:
        """Ends it."""
        super().end()
        self._place.cleanup()

"""NATS servers of a test run: a single one for each test that asks, and a cluster of three where one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.nats.server import NatsServers, ready
from beds.parts import PartMissing, skip


def _running(home: Path, *, nodes: int) -> Iterator[NatsServers]:
    try:
        ready()
    except PartMissing as missing:
        skip("NATS", missing)
    servers = NatsServers(home, nodes=nodes, ends_with_us=True)
    servers.start()
    try:
        yield servers
    finally:
        servers.kill()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServers]:
    """A running server with a fresh folder: `.url`, `.nodes[0].kill()`, `.wipe()`, `.start()`."""
    yield from _running(tmp_path / "nats", nodes=1)


@pytest.fixture
def nats_cluster(tmp_path: Path) -> Iterator[NatsServers]:
    """Three servers, each with all that JetStream keeps."""
    yield from _running(tmp_path / "nats", nodes=3)

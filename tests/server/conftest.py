"""A real server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serverkit.process import RunningServer


@contextmanager
def starting(factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningServer]]:
    """What starts servers with the given flags of `serve`; all are ended at its end."""
    started: list[RunningServer] = []

    def start(*flags: str) -> RunningServer:
        server = RunningServer(factory.mktemp("server"), flags)
        started.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in started:
            server.kill()


@pytest.fixture
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningServer]]:
    """Starts a test's own servers, which end with it: one that goes on would work beside all tests that follow."""
    with starting(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that only add to it."""
    with starting(tmp_path_factory) as start:
        yield start()

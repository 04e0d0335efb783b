"""A real server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from serverkit.process import RunningServer


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers with the given flags of `serve`; all are ended with the tests."""
    started: list[RunningServer] = []

    def start(*flags: str) -> RunningServer:
        server = RunningServer(tmp_path_factory.mktemp("server"), flags)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def running_server(start_server: Callable[..., RunningServer]) -> RunningServer:
    """One server for all tests that only add to it."""
    return start_server()

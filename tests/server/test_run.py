"""`serve` as a process: it stops as it is told to, and what it had acknowledged is there afterwards."""

from __future__ import annotations

from collections.abc import Callable

from serverkit.process import RunningServer


def test_a_server_that_is_told_to_stop_ends_well_and_lets_go_of_its_store(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server()
    assert server.stop() == 0
    assert not any("Traceback" in line for line in server.lines)
    server.start()
    assert server.stop() == 0

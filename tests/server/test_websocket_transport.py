"""A client that reads nothing cannot keep its socket by not reading the end either."""

from __future__ import annotations

import asyncio
import math

import pytest

import server.websocket_transport
from endpointkit.served import served
from endpointkit.world import World
from server.endpoint_limits import EndpointLimits
from server.websocket_transport import LettingGo


@pytest.mark.parametrize("lingers", [0.2, 60.0])
async def test_the_socket_of_a_stalled_client_is_let_go(monkeypatch: pytest.MonkeyPatch, lingers: float) -> None:
    monkeypatch.setattr(server.websocket_transport, "LINGER_S", lingers)
    world = World()
    world.add(1)
    limits = EndpointLimits(max_queued_bytes=16 * 1024, max_behind_s=0.2, close_s=0.2, max_rate_hz=math.inf)
    async with served(world, limits=limits) as endpoint, endpoint.client() as slow:
        await slow.subscribe("subscription { sites { ... on Delta { sites { note } } ... on Snapshot { revision } } }")
        await slow.event()
        slow.connection.transport.pause_reading()
        for number in range(300):
            world.rename("site_0", f"a{number}", note="x" * 50_000)
            await asyncio.sleep(0.001)
        for _ in range(100):
            if ("closed", 1013) in endpoint.events and endpoint.endpoint.websocket.connections == 0:
                break
            await asyncio.sleep(0.05)
        assert ("closed", 1013) in endpoint.events
        await asyncio.sleep(0.8)
        open_sockets = sum(isinstance(one, LettingGo) for one in endpoint.server.server_state.connections)
        assert open_sockets == (0 if lingers < 1 else 1), "the second case shows that the first is not vacuous"
        slow.connection.transport.abort()

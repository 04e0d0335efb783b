"""uvicorn's WebSocket protocol, which also lets go of a client that does not take the end of its connection.

When the application has ended a connection, uvicorn closes the transport, and a transport closes once its buffer is
written. A client that reads nothing never lets that happen: its socket, and what waits for it, would stay for as long as
it likes, beyond the limits that count open connections.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S = 10.0
"""The time that a client has to read what was written before the end."""


class LettingGo(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=LettingGo)`."""

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done with the connection."""
        super().on_task_complete(task)
        self.loop.call_later(LINGER_S, self.transport.abort)

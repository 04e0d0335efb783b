"""uvicorn's WebSocket protocol, bounded in what a client can make it hold and say before anybody is asked who they are.

Memory: a message is held until it is whole, so its size is bounded here, at the size beyond which none is accepted, and
not only by whoever reads it; likewise its fragments, each of which costs more than its bytes, and the answers to pings
that a client does not take.

Sockets: when the application has ended a connection, uvicorn closes the transport, and a transport closes once its buffer
is written. A client that reads nothing never lets that happen: its socket, and what waits for it, would stay for as long
as it likes, beyond the limits that count open connections.

Logs: what any client can cause is no error of the server. uvicorn logs one for a refused upgrade, though the application
has answered it, and one for a text that is no UTF-8.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from server.endpoint_limits import EndpointLimits

LINGER_S = 10.0
"""The time that a client has to read what was written before the end."""
MAX_FRAGMENTS = 1_000
"""Frames of one message."""
MAX_UNREAD_PONGS = 1_000
"""Pings that are answered while the client reads nothing."""
_TOO_BIG, _NO_TEXT = 1009, 1007


def websocket_options(limits: EndpointLimits) -> dict[str, Any]:
    """What `uvicorn.Config` needs for WebSockets of this endpoint."""
    return {"ws": LettingGo, "ws_per_message_deflate": False, "ws_max_size": limits.max_message_bytes}


class LettingGo(WebSocketsSansIOProtocol):
    """One connection."""

    _unread_pongs = 0

    def handle_cont(self, event: Frame) -> None:
        """One more fragment of a message."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(_TOO_BIG, f"a message may have {MAX_FRAGMENTS} fragments")
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """The answer to a ping is there already, to be written."""
        super().handle_ping()
        self._unread_pongs = 0 if self.writable.is_set() else self._unread_pongs + 1
        if self._unread_pongs > MAX_UNREAD_PONGS:
            self.transport.abort()

    def send_receive_event_to_app(self) -> None:
        """A message is whole."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            data = b"".join(self.frames)
            try:
                data.decode()
            except UnicodeDecodeError:
                self._fail(_NO_TEXT, "a text is UTF-8")
                return
            self.frames = [data]
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """What the application says."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # by a refusal, written to its end

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done with the connection."""
        super().on_task_complete(task)
        self.loop.call_later(LINGER_S, self.transport.abort)

    def _fail(self, code: int, reason: str) -> None:
        self.frames = []
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()

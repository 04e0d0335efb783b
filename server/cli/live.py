"""The client's subscriptions: graphql-transport-ws, resumed from the last cursor when the connection breaks.

A subscription of this client ends by itself, by the caller, or by an error that trying again cannot mend. Everything else
(a server that restarts, a network that goes away) is waited out with growing pauses, and what was missed is sent after
the cursor.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from server.cli.api import Json, failure_of, verification
from server.cli.config import LOGIN, Context
from server.cli.failures import Exit, Failure

SUBPROTOCOL = Subprotocol("graphql-transport-ws")
MAX_MESSAGE_BYTES = 256 * 2**20
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 10.0
SILENCE_S = 120.0
"""A connection on which nothing comes for so long is taken for dead; the server sends heartbeats far more often."""
_FINAL = {4400, 4401, 4403, 4406, 4408, 4409, 4429}
"""Close codes of the protocol that say that the client is wrong."""


async def subscribe(
    context: Context,
    document: str,
    variables: Mapping[str, Any],
    *,
    cursor_of: Callable[[Json], str | None] = lambda data: None,
    reconnecting: Callable[[str], None] = lambda reason: None,
    give_up_after: int = 60,
) -> AsyncGenerator[Json, None]:
    """The data of each event of a subscription, until it completes.

    `cursor_of` gives an event's cursor, which is sent as the variable `after` when the subscription is resumed; without
    one it begins anew. Raises Failure for an error of the request, or after `give_up_after` attempts in a row in vain.
    """
    after: str | None = None
    pause, failed = FIRST_PAUSE_S, 0
    while True:
        given = dict(variables) | ({"after": after} if after is not None else {})
        try:
            async with aclosing(_one_connection(context, document, given)) as events:
                async for data in events:
                    pause, failed = FIRST_PAUSE_S, 0
                    after = cursor_of(data) or after
                    yield data
            return
        except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError) as problem:
            failed += 1
            _raise_final(problem, context)
            if failed > give_up_after:
                raise Failure(f"{context.url} does not answer: {problem}", code=Exit.UNAVAILABLE) from None
            reconnecting(_plainly(problem))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LAST_PAUSE_S)


async def _one_connection(context: Context, document: str, variables: Mapping[str, Any]) -> AsyncGenerator[Json, None]:
    url = context.url.replace("http", "ws", 1) + "/graphql"
    secure = verification(context) if url.startswith("wss") else None
    async with connect(
        url,
        subprotocols=[SUBPROTOCOL],
        additional_headers={"Authorization": f"Bearer {context.token}"} if context.token else None,
        max_size=MAX_MESSAGE_BYTES,
        open_timeout=10,
        ssl=secure if isinstance(secure, ssl.SSLContext) else None,
        user_agent_header="edgeatlas-cli",
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        while True:
            async with asyncio.timeout(SILENCE_S):
                message = json.loads(await socket.recv())
            match message.get("type"):
                case "connection_ack":
                    payload = {"query": document, "variables": dict(variables)}
                    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
                case "ping":
                    await socket.send(json.dumps({"type": "pong"}))
                case "next":
                    answer = message["payload"]
                    if answer.get("errors"):
                        raise failure_of(answer["errors"])
                    yield answer["data"]
                case "error":
                    raise failure_of(message["payload"])
                case "complete":
                    return
                case _:
                    pass


def _raise_final(problem: Exception, context: Context) -> None:
    """Raises Failure for what trying again cannot mend."""
    if isinstance(problem, InvalidStatus) and problem.response.status_code in (401, 403):
        raise Failure(f"{context.url} refuses the token", remedy=LOGIN, code=Exit.REFUSED) from None
    if isinstance(problem, ConnectionClosed) and problem.rcvd is not None and problem.rcvd.code in _FINAL:
        signed_out = problem.rcvd.code in (4401, 4403)
        raise Failure(
            f"{context.url} ended the connection: {problem.rcvd.reason or problem.rcvd.code}",
            remedy=LOGIN if signed_out else None,
            code=Exit.REFUSED,
        ) from None


def _plainly(problem: Exception) -> str:
    if isinstance(problem, ConnectionClosed):
        return (problem.rcvd.reason if problem.rcvd is not None else "") or "the connection broke"
    return "it does not answer"

"""Many who watch what changes at servers that are killed: each keeps a picture, and knows when it has missed something."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from serverkit.process import RunningServer

CHANGES = """
subscription ($after: String) {
  changes(kinds: [Region], after: $after, maxRateHz: 20) {
    __typename
    ... on ChangeSet { revision follows cursor changes { type id entity { ... on Region { displayName } } } }
    ... on ChangeHeartbeat { revision cursor }
    ... on ChangeResync { revision cursor reason }
  }
}
"""
CREATE = """
mutation ($name: String!, $shown: String!, $key: String!) {
  result: createRegion(input: {name: $name, displayName: $shown, idempotencyKey: $key}) {
    __typename
    ... on CreateRegionPayload { revision region { id } }
  }
}
"""
UPDATE = """
mutation ($id: ID!, $shown: String!, $key: String!) {
  result: updateRegion(input: {id: $id, displayName: $shown, idempotencyKey: $key}) {
    __typename
    ... on UpdateRegionPayload { revision }
  }
}
"""
AGAIN_S = 0.2


class Missed(AssertionError):
    """A watcher was not told of something, or was told twice, or in another order."""


@dataclass
class Watcher:
    """One subscription through all of its connections."""

    resumes: bool = True
    """Whether it gives its cursor when it comes back; not for a control."""
    cursor: str | None = None
    revision: int = -1
    since: int = -1
    """It has to know all that came after this revision."""
    picture: dict[str, int] = field(default_factory=dict)
    """The number that it last saw, by region."""
    told: int = 0
    resyncs: int = 0

    def take(self, event: dict[str, Any]) -> None:
        """Takes an event in. Raises Missed."""
        kind, revision = event["__typename"], int(event["revision"])
        if kind == "ChangeSet":
            if int(event["follows"]) > self.revision or revision <= self.revision:
                raise Missed(f"at {self.revision} it was told of {event['follows']} to {revision}")
            for change in event["changes"]:
                number = int(change["entity"]["displayName"])
                if number <= self.picture.get(change["id"], -1):
                    raise Missed(f"{change['id']} was {self.picture[change['id']]} and then {number}")
                self.picture[change["id"]] = number
            self.told += 1
        elif kind == "ChangeResync":
            self.resyncs += 1
        elif self.since < 0:
            self.since = revision
        elif revision > self.revision and not self.resumes:
            raise Missed(f"at {self.revision} it was told of nothing up to {revision}")
        elif revision < self.revision:
            raise Missed(f"at {self.revision} it was told of {revision}")
        self.revision, self.cursor = revision, event["cursor"]


class Line:
    """One WebSocket that carries several watchers, and comes back to whichever server answers."""

    def __init__(self, servers: Sequence[RunningServer], token: str, watchers: Sequence[Watcher], seed: int) -> None:
        self._servers = servers
        self._token = token
        self.watchers = watchers
        self._dice = random.Random(seed)
        self._socket: ClientConnection | None = None
        self.connections = 0

    async def run(self) -> None:
        """Until it is cancelled. Raises Missed, and AssertionError for an error that no watcher may be answered."""
        while True:
            server = self._dice.choice(self._servers)
            try:
                await self._watch(server.url.replace("http", "ws", 1) + "/graphql")
            except (OSError, WebSocketException, InvalidHandshake, TimeoutError):
                await asyncio.sleep(AGAIN_S)

    async def cut(self) -> None:
        """Cuts it off without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _watch(self, url: str) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with connect(
            url, subprotocols=["graphql-transport-ws"], additional_headers=headers, compression=None, open_timeout=30
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            self._socket = socket
            self.connections += 1
            for number, watcher in enumerate(self.watchers):
                after = watcher.cursor if watcher.resumes else None
                payload = {"query": CHANGES, "variables": {"after": after}}
                await socket.send(json.dumps({"id": str(number), "type": "subscribe", "payload": payload}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "ping":
                    await socket.send('{"type": "pong"}')
                elif message["type"] == "next":
                    self.watchers[int(message["id"])].take(message["payload"]["data"]["changes"])
                else:
                    raise AssertionError(message)


class Writer:
    """Changes regions, each under a key of its own, asked again of whichever server answers until there is an answer."""

    def __init__(self, servers: Sequence[RunningServer], token: str) -> None:
        self._servers = itertools.cycle(servers)
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._client = httpx.AsyncClient(timeout=30)
        self.regions: dict[str, int] = {}
        """The number that each was last given."""
        self.revision = 0
        self.numbers = itertools.count()
        self._turns: dict[str, asyncio.Lock] = {}

    async def create(self, name: str) -> None:
        """Makes a region."""
        number = next(self.numbers)
        made = await self._ask(CREATE, name=name, shown=str(number))
        self.regions[made["region"]["id"]] = number

    async def update(self, region: str) -> None:
        """Gives a region the next number, one at a time: two servers would be free to do the later of two first."""
        async with self._turns.setdefault(region, asyncio.Lock()):
            number = next(self.numbers)
            await self._ask(UPDATE, id=region, shown=str(number))
            self.regions[region] = number

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.aclose()

    async def _ask(self, query: str, **variables: str) -> dict[str, Any]:
        body = {"query": query, "variables": {**variables, "key": f"watched-{variables['shown']}"}}
        while True:
            url = f"{next(self._servers).url}/graphql"
            try:
                answered = (await self._client.post(url, json=body, headers=self._headers)).json()
            except (httpx.HTTPError, ValueError):
                answered = None
            if answered is None or (told := _data(answered)["result"])["__typename"] == "Unavailable":
                await asyncio.sleep(AGAIN_S)
                continue
            assert told["__typename"].endswith("Payload"), told
            self.revision = max(self.revision, int(told["revision"]))
            found: dict[str, Any] = told
            return found


def _data(answered: dict[str, Any]) -> dict[str, Any]:
    assert "errors" not in answered, answered
    found: dict[str, Any] = answered["data"]
    return found

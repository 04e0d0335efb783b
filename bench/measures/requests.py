"""GraphQL requests over a kept connection, and what each costs the server.

The caller is as thin as one can be (a socket, a prepared request), for it runs beside the server on the same machine.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from bench.harness import median
from bench.measures.served import Served

EIGHT_FIELDS = (
    "{ sites(first: 100) { nodes { id name displayName tier revision updatedAt ordinal pricePerCoreHour } } }"
)
"""Eight scalars of several sorts: an id, texts, an enum, a large integer, a time, an integer and a float."""
ONE_FIELD = "query ($id: ID!) { site(id: $id) { name } }"


class Caller:
    """One connection. Not to be used by two threads at once."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._socket = socket.create_connection(("127.0.0.1", served.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = (
            f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nAuthorization: Bearer {served.token}\r\n"
            "Content-Type: application/json\r\nAccept: application/graphql-response+json\r\n"
        )

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *problem: object) -> None:
        self._socket.close()

    def request(self, query: str, variables: Mapping[str, Any] | None = None) -> bytes:
        """A request's bytes, to be sent any number of times."""
        body = orjson.dumps({"query": query, "variables": variables or {}})
        return f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def send(self, request: bytes) -> bytes:
        """The answer's body. Raises ConnectionError when the server ends the connection."""
        self._socket.sendall(request)
        received = self._socket.recv(262_144)
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        parts, have = [body], len(body)
        while have < length:
            part = self._more()
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer. Raises RuntimeError when it has errors."""
        answer = orjson.loads(self.send(self.request(query, variables)))
        if answer.get("errors"):
            raise RuntimeError(f"the server answered with errors: {answer['errors'][:2]}")
        data: dict[str, Any] = answer["data"]
        return data

    def _more(self) -> bytes:
        part = self._socket.recv(262_144)
        if not part:
            raise ConnectionError("the server ended the connection")
        return part


def cpu_each_s(served: Served, caller: Caller, next_request: Callable[[int], bytes], *, requests: int) -> float:
    """CPU seconds of the server for one request: the median of five rounds of so many."""
    for number in range(max(20, requests // 10)):
        caller.send(next_request(number))
    rounds = []
    for _ in range(5):
        before = served.cpu_s()
        for number in range(requests):
            caller.send(next_request(number))
        rounds.append((served.cpu_s() - before) / requests)
    return median(rounds)


def wall_s(caller: Caller, request: bytes) -> float:
    """Seconds from sending a request to having its whole answer."""
    began = time.perf_counter()
    caller.send(request)
    return time.perf_counter() - began

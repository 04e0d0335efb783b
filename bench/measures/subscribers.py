"""Many subscribers of `changes` on real sockets, in a process of their own.

    python -m bench.measures.subscribers PORT COUNT        the token on the first line of standard input

One loop over epoll reads all sockets: what a client library does with each message is the client's cost, and on a machine
of two cores it would be measured instead of the server's. It prints `ready`, then for each event
a line of JSON {"revision", "first", "last", "count"} when all subscribers have it: seconds by CLOCK_MONOTONIC, which all
processes of a machine share.
"""

from __future__ import annotations

import base64
import os
import re
import select
import socket
import struct
import sys
import time

import orjson

DOCUMENT = (
    "subscription ($kinds: [EntityKind!]) { changes(kinds: $kinds, maxRateHz: 20) {"
    " __typename ... on ChangeSet { revision cursor changes { type kind id entity {"
    " id ... on Site { name schedulable } } } }"
    " ... on ChangeHeartbeat { revision } } }"
)
_REVISION = re.compile(rb'"revision":"?(\d+)')
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame from a client (RFC 6455, 5.2); the mask is zero, which leaves the payload as it is."""
    length = len(payload)
    head = (
        struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        if length < 126
        else struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
    )
    return head + b"\0\0\0\0" + payload


class Subscriber:
    """One connection with one subscription."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (
                f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
            ).encode()
        )
        self._received = b""
        while b"\r\n\r\n" not in self._received:
            self._received += self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"the upgrade was refused: {head!r}")
        self._send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        self._await(b"connection_ack")
        self._send({"id": "1", "type": "subscribe", "payload": {"query": DOCUMENT, "variables": {"kinds": ["Site"]}}})
        self._await(b"ChangeHeartbeat")
        self.socket.setblocking(False)

    def events(self) -> list[int]:
        """The revisions of the change sets that have come since."""
        while True:
            try:
                part = self.socket.recv(65_536)
            except BlockingIOError:
                break
            if not part:
                raise ConnectionError("the server ended a subscriber's connection")
            self._received = self._received + part if self._received else part
            if len(part) < 65_536:
                break
        found = []
        for payload in self._frames():
            if b"ChangeSet" in payload:
                revision = _REVISION.search(payload)
                assert revision is not None, "a change set has a revision"
                found.append(int(revision[1]))
        return found

    def _frames(self) -> list[bytes]:
        frames = []
        data, at = self._received, 0
        while len(data) - at >= 2:
            opcode, length, begin = data[at] & 15, data[at + 1], at + 2
            if length == 126:
                length, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if len(data) < begin + length:
                break
            payload, at = data[begin : begin + length], begin + length
            if opcode == _TEXT:
                frames.append(payload)
            elif opcode == _PING:
                self.socket.sendall(masked(_PONG, payload))
            elif opcode == _CLOSE:
                raise ConnectionError(f"the server closed a subscriber's connection: {payload!r}")
        self._received = data[at:]
        return frames

    def _await(self, word: bytes) -> None:
        deadline = time.monotonic() + 30
        while True:
            for frame in self._frames():
                if word in frame:
                    return
                if b'"error"' in frame:
                    raise RuntimeError(f"the subscription was refused: {frame!r}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"no {word.decode()} within 30 s")
            self._received += self._more()

    def _more(self) -> bytes:
        part = self.socket.recv(65_536)
        if not part:
            raise ConnectionError("the server ended the connection")
        return part

    def _send(self, message: object) -> None:
        self.socket.sendall(masked(_TEXT, orjson.dumps(message)))


class Counted:
    """One event: when the first and the last subscriber had it."""

    def __init__(self, now: float) -> None:
        self.first = self.last = now
        self.count = 0


def follow(subscribers: list[Subscriber]) -> None:
    """Reads and reports until standard output is closed."""
    by_number = {one.socket.fileno(): one for one in subscribers}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    events: dict[int, Counted] = {}
    while True:
        for number, _ in poll.poll():
            revisions = by_number[number].events()
            now = time.monotonic()
            for revision in revisions:
                event = events.setdefault(revision, Counted(now))
                event.last, event.count = now, event.count + 1
                if event.count == len(subscribers):
                    del events[revision]
                    figures = {"revision": revision, "first": event.first, "last": event.last, "count": event.count}
                    print(orjson.dumps(figures).decode(), flush=True)


def main() -> None:
    """The command."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    token = sys.stdin.readline().strip()
    subscribers = [Subscriber(port, token) for _ in range(count)]
    print("ready", flush=True)
    try:
        follow(subscribers)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)


if __name__ == "__main__":
    main()

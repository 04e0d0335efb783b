"""A server whose nodes keep changing, in a process of its own, for pages to follow.

    EDGEATLAS_BENCH_STORE=sqlite:… python -m bench.measures.changing FOLDER [PAGES]

It is what `edgeatlas serve` runs (the same application, uvicorn with the same options), and one task beside it that
commits to the same ledger: so many commits a second, each of so many nodes whose status changes, as drivers report them.
A program beside it would have to go through the API and its limits of one caller, and the figure would be of these.

What it says is one JSON object a line: first {"origin", "link"} (a sign-in link that works once), then {"revision", "at"}
for each commit, where `at` is the time at which the commit was asked for, in ms of the wall clock, before it was written.
What it is told on standard input: `go` and `stop`; the end of the input ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
import uvloop

from graph.edit import Edit
from graph.kinds import Node, NodeStatus
from graph.ledger import Ledger
from graph.request import Request
from graph.view import each, get_as
from server import logs
from server.app import Application, running
from server.first_start import first_link
from server.settings import Settings
from server.start_checks import listening_socket
from server.ui_build import UiBuild
from server.websocket_transport import websocket_options

COMMITS_PER_S = 10
NODES_EACH = 100


class Changes:
    """Nodes that fall ill and recover: as many of the one as of the other, so that the picture stays an ordinary one."""

    def __init__(self, ledger: Ledger, *, seed: int = 1) -> None:
        self._ledger = ledger
        self._random = random.Random(seed)
        self._well: list[str] = []
        self._ill: list[str] = []
        for node in each(ledger.view, Node):
            (self._well if node.status is NodeStatus.READY else self._ill).append(node.id)
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Commits while it is wanted, until cancelled."""
        due = time.monotonic()
        while True:
            if not self.wanted.is_set():
                await self.wanted.wait()
                due = time.monotonic()
            due += 1 / COMMITS_PER_S
            await asyncio.sleep(due - time.monotonic())
            at = time.time() * 1e3
            change = self._change()
            done = await self._ledger.commit(change, Request(author="bench", action="observe", audited=False))
            say({"revision": done.revision, "at": at})

    def _change(self) -> Change:
        falling = min(len(self._well), NODES_EACH - min(len(self._ill), NODES_EACH // 2))
        statuses = {
            **dict.fromkeys(self._taken(self._well, falling), NodeStatus.NOT_READY),
            **dict.fromkeys(self._taken(self._ill, NODES_EACH - falling), NodeStatus.READY),
        }
        for node_id, status in statuses.items():
            (self._well if status is NodeStatus.READY else self._ill).append(node_id)
        return Change(statuses)

    def _taken(self, from_: list[str], many: int) -> list[str]:
        """So many of a list at random, which leave it."""
        out = []
        for _ in range(min(many, len(from_))):
            at = self._random.randrange(len(from_))
            from_[at], from_[-1] = from_[-1], from_[at]
            out.append(from_.pop())
        return out


class Change:
    """One commit: statuses by node id. It may be run more than once."""

    def __init__(self, statuses: dict[str, NodeStatus]) -> None:
        self._statuses = statuses

    def __call__(self, edit: Edit) -> None:
        """Makes the change."""
        for node_id, status in self._statuses.items():
            node = get_as(edit, Node, node_id)
            assert node is not None, "nobody removes nodes here"
            edit.replace(node, status=status)


def say(line: object) -> None:
    """One line for whoever started this."""
    print(json.dumps(line), flush=True)


@contextlib.asynccontextmanager
async def _listening(application: Application, settings: Settings) -> AsyncIterator[str]:
    with listening_socket(settings.host, settings.port) as listening:
        listening.listen()
        config = uvicorn.Config(
            application.asgi,
            http="httptools",
            **websocket_options(application.endpoint.engine.limits),
            lifespan="off",
            log_config=None,
            access_log=False,
        )
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listening]))
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            await application.drain()
            server.should_exit = True
            await serving


async def _serve(settings: Settings, ui: UiBuild) -> None:
    async with running(settings, ui=ui) as application, _listening(application, settings) as origin:
        say({"origin": origin, "link": await first_link(application.ledger, base_url=origin)})
        changes = Changes(application.ledger)
        changing = asyncio.create_task(changes.run())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            if line.strip() == b"go":
                changes.wanted.set()
            else:
                changes.wanted.clear()
        changing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await changing


def main() -> None:
    """Runs it."""
    logs.configure(level="warning", format="console")
    folder = Path(sys.argv[1])
    pages = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    settings = Settings(
        data_dir=folder / "data",
        key_file=folder / "keys" / "key",
        store=os.environ["EDGEATLAS_BENCH_STORE"],
        port=0,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, UiBuild(directory=pages, reason=None if pages else "none were given")))


if __name__ == "__main__":
    main()

"""The process of a simulated backend: a socket on this machine, a token, and a folder that its clusters live in.

It listens on loopback or on a Unix socket only: it obeys whoever may talk to it, and stands for no backend of a
network. Who may is said by a token or, for a Unix socket, by the file's mode. `kill -9` loses nothing that was
answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from drivers.clock import Clock, SystemClock
from drivers.simulated.client import Address
from drivers.simulated.clusters import Clusters
from drivers.simulated.service import ABORT, application
from drivers.simulated.settings import Behaviour

TOKEN_FILE = "token"  # noqa: S105 - where it is, not what it is
KEEP_ALIVE_S = 75
"""Longer than a driver keeps an idle connection: who closes first must not be the one that serves."""
GRACE_S = 2


class CannotServe(Exception):
    """The process cannot start like that; the text says why."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's, with a connection that the application can cut."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope[ABORT] = self.transport.abort  # type: ignore[typeddict-unknown-key]  # our own key


class _Server(uvicorn.Server):
    """uvicorn, which returns when it is told to stop, so that files are let go of, and says when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops on SIGINT and SIGTERM; uvicorn's own would raise them again and end the process at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def token_in(folder: Path) -> str:
    """The token in a folder, made there once, for this user alone. Raises CannotServe. Blocking."""
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
        return read_token(path)
    except OSError as problem:
        raise CannotServe(f"the folder {folder} cannot be used ({problem.strerror})") from None


def read_token(path: Path) -> str:
    """The token that a file has. Raises CannotServe. Blocking."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise CannotServe(f"the token in {path} cannot be read ({problem})") from None
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise CannotServe(f"{path} has no token: one word of printable characters")
    return token


def simulate(
    *,
    address: Address,
    folder: Path | None = None,
    token: str | None = None,
    behaviour: Behaviour | None = None,
    clock: Clock | None = None,
    ready: Callable[[str], None] = lambda endpoint: None,
) -> None:
    """Serves until it is told to stop; calls `ready` with the endpoint that a Cluster has. Blocking. Raises CannotServe.

    Without a token everybody who can open the socket is obeyed, so with a host there must be one.
    """
    if address.path is None and token is None:
        raise CannotServe("a port of this machine is open to all its users: there must be a token")
    clusters = Clusters(folder=folder, clock=clock or SystemClock(), behaviour=behaviour)
    with _listening(address) as listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        endpoint = str(address) if address.path is not None else _url(listening)
        runner.run(_serve(clusters, listening, token=token, ready=lambda: ready(endpoint)))


async def _serve(clusters: Clusters, listening: socket.socket, *, token: str | None, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        application(clusters, token=token),
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    try:
        await _Server(config, ready).serve(sockets=[listening])
    finally:
        await clusters.close()


@contextlib.contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if address.path is not None else socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        if address.path is not None:
            _take_path(address.path)
            before = os.umask(0o177)
            try:
                found.bind(str(address.path))
            finally:
                os.umask(before)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((address.host, address.port))
        yield found
    except OSError as problem:
        raise CannotServe(f"cannot listen on {address} ({problem.strerror or problem})") from None
    finally:
        found.close()
        if address.path is not None:
            with contextlib.suppress(OSError):
                address.path.unlink()


def _take_path(path: Path) -> None:
    """Makes room for the socket where an earlier process was killed. Raises CannotServe when one is alive."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise CannotServe(f"another process listens on {path}")


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

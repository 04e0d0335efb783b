"""`serve`: the application on a socket, from the first line that it says to a graceful end.

A stop (SIGTERM, Ctrl-C) first ends subscriptions with a code after which clients resume, then waits for requests and
for what is queued to be written. A kill is as good: what was acknowledged is in the store, and the next start goes on
from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from placement.ready import make_ready
from placement.stopping import Stop
from server import logs, pauses, tracing
from server.app import Application, running
from server.first_start import check_listener, first_link
from server.installation import version
from server.last_end import run_to_the_end
from server.settings import Settings
from server.start_checks import LITTLE_ROOM_BYTES, listening_socket, make_data_folder
from server.ui_build import UiBuild, UiMode, ensure_built, prebuilt
from server.websocket_transport import websocket_options

log = structlog.get_logger(__name__)
Say = Callable[[str], None]


class _Server(uvicorn.Server):
    """uvicorn, which ends subscriptions in their own protocol before it closes connections."""

    def __init__(self, config: uvicorn.Config, application: Application, ready: Callable[[str], Any]) -> None:
        super().__init__(config)
        self._application = application
        self._ready = ready

    async def startup(self, sockets: Any = None) -> None:
        """Listens, then says where."""
        await super().startup(sockets=sockets)
        if self.started:
            address = _address(sockets[0], tls=self.config.is_ssl)
            await self._ready(address)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops on SIGINT and SIGTERM, a second one at once.

        uvicorn's own raises the signal again when it has served, which would end the process before the ledger has written
        what is queued and the store is closed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: Any = None) -> None:
        """Ends subscriptions, then connections."""
        await self._application.drain()
        await super().shutdown(sockets=sockets)


def serve(settings: Settings, *, say: Say = lambda text: print(text, file=sys.stderr, flush=True)) -> None:  # noqa: T201
    """Runs the server until it is told to stop. Blocking.

    Raises StartRefused, StoreProblem, KeyFileProblem, Refusal (for a store that takes nothing), SettingWrong or
    UiBuildFailed when it cannot start.
    """
    logs.configure(level=settings.log_level, format=settings.log_format)
    check_listener(
        settings.host,
        tls_certificate=settings.tls_certificate,
        tls_key=settings.tls_key,
        allow_plain_http=settings.allow_plain_http,
    )
    room = make_data_folder(settings.data_dir)
    if room < LITTLE_ROOM_BYTES:
        say(
            f"warning: the data folder {settings.data_dir} has {room >> 20} MiB free; a store that is full takes no "
            "changes, and nobody can sign in: make room"
        )
    end_tracing = tracing.configure(settings.otlp_endpoint, version=version())
    try:
        ui = prebuilt(settings.ui_dist) if settings.ui_dist else ensure_built(UiMode(settings.ui), say=say)
        with listening_socket(settings.host, settings.port) as listening:
            try:
                run_to_the_end(
                    _serve(settings, ui, say, listening),
                    loop_factory=uvloop.new_event_loop,
                    grace_s=settings.shutdown_grace_s,
                )
            except BaseExceptionGroup as group:
                raise _alone(group) from None
    finally:
        end_tracing()


def _alone(problem: BaseException) -> BaseException:
    """What a task group has raised, when that is one thing."""
    while isinstance(problem, BaseExceptionGroup) and len(problem.exceptions) == 1:
        problem = problem.exceptions[0]
    return problem


async def _serve(settings: Settings, ui: UiBuild, say: Say, listening: socket.socket) -> None:
    pauses.keep_short()
    async with running(settings, ui=ui) as application, _background() as start:
        pauses.set_aside(thoroughly=True)

        async def ready(address: str) -> None:
            await _greet(settings, application, ui, address, say)
            start(_ready_to_place(settings.data_dir / "compiled"), "compiling")
            if settings.demo:
                from server.demo import demo  # its topology and its code are needed for a demonstration only

                services = application.services
                start(demo(ledger=services.ledger, lifecycle=services.lifecycle, rate_hz=settings.demo_rate), "demo")

        config = uvicorn.Config(
            application.asgi,
            host=settings.host,
            port=settings.port,
            ssl_certfile=_text(settings.tls_certificate),
            ssl_keyfile=_text(settings.tls_key),
            http="httptools",
            **websocket_options(application.endpoint.engine.limits),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # longer than proxies keep theirs: who closes first must not be the one that serves
            proxy_headers=settings.allow_plain_http,
            timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_s)),
        )
        await _Server(config, application, ready).serve(sockets=[listening])


@contextlib.asynccontextmanager
async def _background() -> Any:
    tasks: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None], name: str) -> None:
        tasks.append(asyncio.create_task(_logged(work, name), name=name))

    try:
        yield start
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:
        log.exception(f"{name}.failed")


async def _ready_to_place(folder: Path) -> None:
    """Loads what placement has compiled, once the server answers, so that no plan waits for it."""
    stop = Stop()
    try:
        await asyncio.to_thread(make_ready, folder, stop=stop)
        pauses.set_aside()
    finally:
        stop.ask()


async def _greet(settings: Settings, application: Application, ui: UiBuild, address: str, say: Say) -> None:
    base = settings.public_url or address
    view = application.ledger.view
    say(f"EdgeAtlas {version()} at {base}")
    plain = "" if ui.directory is not None else "  (plain: see the page for why)"
    say(f"  dashboard   {base}/{plain}")
    say(f"  playground  {base}/playground{plain}")
    say(f"  GraphQL     {base}/graphql")
    say(f"  store       {settings.store_target()}, revision {view.revision}")
    link = await first_link(application.ledger, base_url=base)
    if link is not None:
        say("  sign in with this link, which works once (a new one is printed at each start until you set a password):")
        say(f"  {link}")


def _address(listening: socket.socket, *, tls: bool) -> str:
    host, port = listening.getsockname()[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in str(host) else host}:{port}"


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None

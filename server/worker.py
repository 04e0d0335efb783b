"""`worker`: a process that works on the sites and answers nobody; any number of them over one Neo4j.

Each has the graph in memory and does its share (`lifecycle.share`). SIGTERM gives the share back at once and lets the calls
under way end; a kill is as good, for the others have its work a few seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
import uvloop
from starlette.applications import Starlette

from access.sealed_secrets import sealer_of
from access.sessions import Sessions
from drivers.registry import DriverRegistry
from graph.ledger import Ledger
from lifecycle.nats_servers import without_passwords
from placement.projection import Projection
from server import logs, tracing
from server.authentication import Authenticator
from server.first_start import check_listener
from server.installation import HOUR_MS, open_store_of, version
from server.last_end import run_to_the_end
from server.metrics import Metrics
from server.metrics_wiring import of_drivers, of_graph
from server.probes import Probes
from server.scraping import metrics_route
from server.settings import Settings
from server.start_checks import StartRefused, listening_socket, make_data_folder
from server.working import working

Say = Callable[[str], None]


class WorkerRefused(StartRefused):
    """A worker of its own cannot be run with these settings."""


def check_worker(settings: Settings) -> None:
    """Raises WorkerRefused unless the store is shared and there is NATS to share the work by."""
    if settings.store_target().kind == "sqlite":
        raise WorkerRefused(
            "the embedded store belongs to one process, so its workers run inside `edgeatlas serve`",
            remedy="keep the graph in Neo4j (setting store) to run workers of their own",
        )
    if not settings.nats:
        raise WorkerRefused(
            "workers share their work by NATS, and none is given",
            remedy="give the setting nats, the same for the server and all workers",
        )


def work(settings: Settings, *, say: Say = lambda text: print(text, file=sys.stderr, flush=True)) -> None:  # noqa: T201
    """Runs a worker until it is told to stop. Blocking.

    Raises StartRefused, StoreProblem, KeyFileProblem or SettingWrong when it cannot start.
    """
    check_worker(settings)
    logs.configure(level=settings.log_level, format=settings.log_format)
    make_data_folder(settings.data_dir)
    end_tracing = tracing.configure(settings.otlp_endpoint, version=version())
    try:
        with contextlib.ExitStack() as stack:
            listening = None
            if settings.worker_port:
                check_listener(
                    settings.host,
                    tls_certificate=settings.tls_certificate,
                    tls_key=settings.tls_key,
                    allow_plain_http=settings.allow_plain_http,
                )
                listening = stack.enter_context(listening_socket(settings.host, settings.worker_port))
            run_to_the_end(
                _work(settings, say, listening),
                loop_factory=uvloop.new_event_loop,
                grace_s=settings.shutdown_grace_s,
            )
    finally:
        end_tracing()


async def _work(settings: Settings, say: Say, listening: socket.socket | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    ledger = Ledger(open_store_of(settings), on_group=metrics.group)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(ledger.running())
        sealer = await sealer_of(ledger, settings.key_file, data_dir=settings.data_dir)
        projection = Projection(ledger.view, kept_bytes=settings.placement_kept_bytes)
        stack.callback(ledger.view.follow(projection))
        drivers = DriverRegistry.installed(around=of_drivers(metrics))
        lifecycle = await stack.enter_async_context(
            working(settings, ledger, drivers=drivers, sealer=sealer, projection=projection, metrics=metrics)
        )
        of_graph(metrics, ledger)
        probes = Probes(ledger)
        if listening is not None:
            await stack.enter_async_context(_answering(settings, ledger, metrics, probes, listening))
        say(f"EdgeAtlas {version()} worker {lifecycle.share.worker}")
        say(f"  store  {settings.store_target()}, revision {ledger.view.revision}")
        say(f"  NATS   {without_passwords(settings.nats)}")
        await stop.wait()
        probes.stopping = True


@contextlib.asynccontextmanager
async def _answering(
    settings: Settings, ledger: Ledger, metrics: Metrics, probes: Probes, listening: socket.socket
) -> AsyncIterator[None]:
    """Probes and metrics on a port of their own."""
    sessions = Sessions(ledger.store, lasts_ms=int(settings.session_hours * HOUR_MS))
    who = Authenticator(ledger, sessions, public_url="", allowed_origins=frozenset())
    app = Starlette(routes=[*probes.routes(), metrics_route(metrics, authenticate=who.authenticate)])
    config = uvicorn.Config(
        app,
        ssl_certfile=str(settings.tls_certificate) if settings.tls_certificate else None,
        ssl_keyfile=str(settings.tls_key) if settings.tls_key else None,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="worker-http")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=settings.shutdown_grace_s)


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes none."""
        yield

"""The application: everything built once, in the order in which each needs the other, and torn down in reverse.

`running(settings)` is the whole server without a socket: the store opened and loaded, the workers at work, and an ASGI
application that answers. The command `serve`, the tests and the benchmarks all begin here, so they run the same thing.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from access.audit import Audit
from access.passwords import Passwords
from access.permissions import Permission
from access.sealed_secrets import sealer_of, start_sealing
from access.sessions import Sessions
from access.throttle import Throttle
from access.viewer import Viewer
from drivers.registry import DriverRegistry
from graph.ledger import Ledger, system_clock_ms
from graph.spatial import SiteIndex
from graph.view import View
from lifecycle.declared import DeclaredDeployments
from lifecycle.document_sets import DocumentSets
from placement.projection import Projection
from resolvers.context import Context, ServerFacts, Services
from resolvers.schema import graphql_schema
from schema.types.policies import list_sizes
from server.backups import Backups
from server.endpoint_limits import EndpointLimits
from server.graphql_endpoint import GraphQLEndpoint, graphql_routes
from server.installation import HOUR_MS, open_store_of, version
from server.metrics import CountedRequests, Metrics
from server.metrics_wiring import of_drivers, of_endpoint, of_graph
from server.missing import missing
from server.packages import PackageRoutes
from server.pages import page_routes
from server.plain_table import PlainTable
from server.probes import Probes
from server.scraping import metrics_route
from server.settings import Settings
from server.signin import SignIn
from server.ui_build import UiBuild
from server.upkeep import Upkeep
from server.working import working

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Application:
    """A running server without a socket."""

    asgi: Starlette
    ledger: Ledger
    services: Services
    endpoint: GraphQLEndpoint[Viewer]
    metrics: Metrics
    probes: Probes

    async def drain(self) -> None:
        """Tells balancers to look elsewhere, then ends subscriptions so that their clients resume there."""
        self.probes.stopping = True
        await self.endpoint.drain()


@contextlib.asynccontextmanager
async def running(settings: Settings, *, ui: UiBuild | None = None) -> AsyncIterator[Application]:
    """Builds and runs everything until the context ends.

    Raises StoreProblem, KeyFileProblem or SettingWrong when it cannot start.
    """
    metrics = Metrics()
    ledger = Ledger(open_store_of(settings), on_group=metrics.group)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(ledger.running())
        sealer = await sealer_of(ledger, settings.key_file, data_dir=settings.data_dir)
        await start_sealing(ledger, sealer)
        projection = Projection(ledger.view, kept_bytes=settings.placement_kept_bytes)
        places = SiteIndex(ledger.view)
        stack.callback(ledger.view.follow(projection))
        stack.callback(ledger.view.follow(places))
        projection.inventory()  # some tenths of a second for 100,000 nodes: before anybody waits for an answer
        audit = await stack.enter_async_context(Audit(ledger).running())
        drivers = DriverRegistry.installed(around=of_drivers(metrics))

        lifecycle = await stack.enter_async_context(
            working(
                settings,
                ledger,
                drivers=drivers,
                sealer=sealer,
                projection=projection,
                metrics=metrics,
                works=settings.workers_inside,
            )
        )
        documents = await stack.enter_async_context(
            DocumentSets(
                ledger, deployments=lambda viewer: DeclaredDeployments(viewer, drivers), projection=projection
            ).running()
        )
        passwords = Passwords()
        signin = _sign_in(settings, ledger, passwords, audit)
        services = Services(
            ledger=ledger,
            lifecycle=lifecycle,
            links=projection.links,
            places=places,
            sealer=sealer,
            passwords=passwords,
            password_check=signin.passwords,
            documents=documents,
            drivers=drivers,
            refusals=audit,
            public_url=settings.public_url,
            page_size_max=settings.page_size_max,
            execution_timeout_s=settings.execution_timeout_s,
            facts=ServerFacts(
                version=version(), store=ledger.store.name, demo=settings.demo, started_at=system_clock_ms()
            ),
        )
        endpoint = _endpoint(settings, services, signin, metrics)
        await stack.enter_async_context(endpoint.running())
        of_graph(metrics, ledger)
        probes = Probes(ledger)
        await stack.enter_async_context(Upkeep(ledger, settings).running())
        backups = _backups(settings, ledger, signin, audit)
        backups.clean()
        assert lifecycle.packages is not None, "a server keeps packages"
        packages = PackageRoutes(
            ledger,
            lifecycle.packages,
            authenticate=signin.authenticate,
            at_once=settings.uploads_at_once,
        )
        yield Application(
            asgi=Starlette(
                routes=[
                    *packages.routes(),
                    *_routes(endpoint, signin, metrics, probes, backups, ui, ledger.view),
                ],
                middleware=[Middleware(CountedRequests, metrics=metrics)],
                exception_handlers={404: missing},
            ),
            probes=probes,
            ledger=ledger,
            services=services,
            endpoint=endpoint,
            metrics=metrics,
        )


def _sign_in(settings: Settings, ledger: Ledger, passwords: Passwords, audit: Audit) -> SignIn:
    lasts = int(settings.session_hours * HOUR_MS)
    return SignIn(
        ledger,
        sessions=Sessions(ledger.store, lasts_ms=lasts),
        passwords=passwords,
        audit=audit,
        throttle=Throttle(),
        public_url=settings.public_url,
        allowed_origins=frozenset(settings.allowed_origins),
    )


def _backups(settings: Settings, ledger: Ledger, signin: SignIn, audit: Audit) -> Backups:
    path = settings.store_target().path
    return Backups(
        ledger,
        folder=path.parent if path is not None else None,
        authenticate=signin.authenticate,
        revoked=signin.revoked,
        audit=audit,
    )


def _endpoint(settings: Settings, services: Services, signin: SignIn, metrics: Metrics) -> GraphQLEndpoint[Viewer]:
    def context(viewer: Viewer, correlation_id: str) -> Context:
        return Context(viewer=viewer, services=services, correlation_id=correlation_id)

    def body_limit(viewer: Viewer) -> int:
        applies = viewer.may_anywhere(Permission.WRITE_WORKLOADS) or viewer.may_anywhere(
            Permission.WRITE_INFRASTRUCTURE
        )
        return settings.max_documents_bytes if applies else settings.max_body_bytes

    return GraphQLEndpoint(
        graphql_schema(),
        services.ledger.feed,
        authenticate=signin.authenticate,
        context_factory=context,
        body_limit=body_limit,
        revoked=signin.revoked,
        limits=EndpointLimits(
            max_tokens=settings.max_tokens,
            max_depth=settings.max_depth,
            max_aliases=settings.max_aliases,
            max_cost=settings.max_cost,
            max_list_size=settings.page_size_max,
            list_sizes=list_sizes(),
            execution_s=settings.execution_timeout_s,
            max_connections_per_viewer=settings.connections_per_user,
            max_subscriptions_per_connection=settings.subscriptions_per_connection,
            heartbeat_s=settings.heartbeat_s,
            allowed_origins=frozenset(settings.allowed_origins),
        ),
        metrics=of_endpoint(metrics),
    )


def _routes(
    endpoint: GraphQLEndpoint[Viewer],
    signin: SignIn,
    metrics: Metrics,
    probes: Probes,
    backups: Backups,
    ui: UiBuild | None,
    view: View,
) -> list[BaseRoute]:
    pages: list[BaseRoute] = []
    if ui is not None:
        pages = page_routes(ui, table=PlainTable(view, authenticate=signin.authenticate))
    return [
        *graphql_routes(endpoint),
        *signin.routes(),
        *probes.routes(),
        metrics_route(metrics, authenticate=signin.authenticate),
        *backups.routes(),
        *pages,
    ]

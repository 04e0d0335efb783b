"""What a resolver is handed for one request: who asks, the graph as that one sees it, and the services behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

import strawberry

from access.audit import Audit
from access.password_check import PasswordCheck
from access.passwords import Passwords
from access.sealing import Sealer
from access.viewer import Viewer
from access.visible import VisibleView
from drivers.registry import DriverRegistry
from graph.entity import Source
from graph.ledger import Ledger
from graph.paths import LinkGraph
from graph.request import Idempotency, Request
from graph.spatial import SiteIndex
from lifecycle.document_sets import DocumentSets
from lifecycle.service import Lifecycle
from schema.work import Work


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What `serverInfo` tells."""

    version: str
    store: str
    demo: bool
    started_at: int
    """UTC milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the server built once and hands to every request."""

    ledger: Ledger
    lifecycle: Lifecycle
    links: LinkGraph
    places: SiteIndex
    sealer: Sealer
    passwords: Passwords
    password_check: PasswordCheck
    documents: DocumentSets
    drivers: DriverRegistry
    facts: ServerFacts
    refusals: Audit | None = None
    public_url: str = ""
    """Where browsers reach the server, when it was told."""
    page_size_max: int = 500
    heartbeat_s: float = 15.0
    execution_timeout_s: float = 10.0
    """The longest that a query or mutation may take."""


@dataclass(kw_only=True)
class Context:
    """One request."""

    viewer: Viewer
    services: Services
    correlation_id: str
    began: float = field(default_factory=time.monotonic)
    """When it began, by the monotonic clock, seconds."""

    @cached_property
    def view(self) -> VisibleView:
        """The graph as the viewer sees it; always the process's present."""
        return VisibleView(self.services.ledger.view, self.viewer)

    @cached_property
    def work(self) -> Work:
        """What the request may still have looked at."""
        return Work()

    @property
    def page_size_max(self) -> int:
        """The most entities of one page."""
        return self.services.page_size_max

    def request(
        self,
        action: str,
        *,
        tenant_id: str | None = None,
        idempotency: Idempotency | None = None,
        source: Source | None = None,
    ) -> Request:
        """Who asks for a change and as what; `source` is who is said to make what is made, the viewer by default."""
        return Request(
            author=self.viewer.id,
            action=action,
            tenant_id=tenant_id,
            correlation_id=self.correlation_id,
            source=source or self.viewer.source,
            idempotency=idempotency,
        )


Info = strawberry.Info[Context, None]

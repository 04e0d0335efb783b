"""What a resolver is handed for one request: who asks, the graph as that one sees it, and the services behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import strawberry

from access.audit import Audit
from access.passwords import Passwords
from access.sealing import Sealer
from access.viewer import Viewer
from access.visible import VisibleView
from graph.ledger import Idempotency, Ledger, Request
from graph.paths import LinkGraph
from graph.spatial import SiteIndex
from lifecycle.service import Lifecycle


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What `serverInfo` tells."""

    version: str
    store: str
    demo: bool
    started_at: int
    """UTC milliseconds."""
    drivers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the server built once and hands to every request."""

    ledger: Ledger
    lifecycle: Lifecycle
    links: LinkGraph
    places: SiteIndex
    sealer: Sealer
    passwords: Passwords
    facts: ServerFacts
    refusals: Audit | None = None
    page_size_max: int = 500
    heartbeat_s: float = 15.0
    documents: Any = None
    """The service that applies document sets (`resolvers.mutations.documents`)."""


@dataclass(kw_only=True)
class Context:
    """One request."""

    viewer: Viewer
    services: Services
    correlation_id: str

    @cached_property
    def view(self) -> VisibleView:
        """The graph as the viewer sees it; always the process's present."""
        return VisibleView(self.services.ledger.view, self.viewer)

    @property
    def page_size_max(self) -> int:
        """The most entities of one page."""
        return self.services.page_size_max

    def request(self, action: str, *, tenant_id: str | None = None, idempotency: Idempotency | None = None) -> Request:
        """Who asks for a change and as what."""
        return Request(
            author=self.viewer.id,
            action=action,
            tenant_id=tenant_id,
            correlation_id=self.correlation_id,
            source=self.viewer.source,
            idempotency=idempotency,
        )


Info = strawberry.Info[Context, None]

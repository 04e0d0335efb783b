"""How much one caller may ask of the GraphQL endpoint: every bound in one value.

The endpoint runs on the event loop that serves everybody, so what a request may cost is decided before it is executed,
from these numbers alone. They are handed in by whoever reads the settings; the defaults are those of the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """Bounds of documents, of execution and of subscriptions. Sizes are bytes, times are seconds."""

    max_tokens: int = 2_000
    """Tokens of a document, comments apart."""
    max_comments: int = 500
    max_depth: int = 16
    """Fields within fields, introspection apart, which has bounds of its own in the validation."""
    max_aliases: int = 50
    """Aliased fields once fragments are spread."""
    max_repeats: int = 50
    """Selections of a name that the same selection set has selected already: comparing them is quadratic."""
    max_directives: int = 50
    max_operations: int = 30
    """Operations that a document defines; each is validated with all fragments."""
    max_fragments: int = 100
    """Fragments that a document defines."""
    max_spreads: int = 200
    """Fragment spreads that a document writes."""
    max_errors: int = 10
    """Validation stops after so many errors, and an answer holds no more."""
    max_cost: int = 50_000
    """Fields that an answer may have, by the sizes of the lists that are asked for."""
    max_list_size: int = 500
    """The largest page; `first` and `last` beyond it count as this."""
    assumed_list_size: int = 10
    """The size of a list that has no `first`, `last` or `ids`."""
    list_sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Other assumed sizes, by `Type.field`."""
    cached_documents: int = 1_000
    cached_document_bytes: int = 64 * 1024 * 1024
    """Memory of the parsed documents, estimated from their length."""
    execution_s: float = 10.0
    """The time within which a query or mutation must be answered."""

    max_connections_per_viewer: int = 20
    max_subscriptions_per_connection: int = 50
    """Operations that one connection may have under way."""
    max_connections: int = 5_000
    max_waiting_connections: int = 200
    """Connections that have not said who they are."""
    max_message_bytes: int = 256 * 1024
    messages_per_s: float = 50.0
    """Messages that a connection may send a second, in the long run."""
    message_burst: int = 200
    init_timeout_s: float = 5.0
    """From the opening of a connection until its `connection_init`."""
    max_queued_bytes: int = 1024 * 1024
    """What may wait for one connection's reader. Beyond it events are coalesced, never queued."""
    max_behind_s: float = 30.0
    """A reader that takes nothing for so long is disconnected; it may resume."""
    max_rate_hz: float = 20.0
    """The most events a second that a subscription may ask for."""
    heartbeat_s: float = 15.0
    max_groups: int = 2_000
    """Groups of subscribers with different documents, variables or permissions."""
    max_tail_events: int = 64
    max_tail_bytes: int = 256 * 1024
    """Deltas that are kept to bring a group's encoded snapshot forward, before it is encoded anew. Their bytes may also
    be half of the snapshot's, when that is more."""
    close_s: float = 2.0
    """The time that a connection's closing may take."""
    allowed_origins: frozenset[str] = frozenset()
    """Origins besides the endpoint's own from which a browser may open a WebSocket: `https://console.example.org`."""

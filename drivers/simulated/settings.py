"""What a simulated cluster can be set to: its delays, its failures and its sites that go away.

The keys of `Cluster.configuration` are these fields in camel case. docs/simulated.md describes them for users; a test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from drivers.port import InvalidConfiguration

DRIVER = "simulated"
Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=600_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Names = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]], msgspec.Meta(max_length=10_000)]


class SimulatedSettings(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a simulated cluster behaves. Everything left out is quick and never fails."""

    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    """Faults are a function of the seed, the site and the number of the call to that site."""
    latency_ms: Milliseconds = 0
    """How long each call takes."""
    latency_jitter_ms: Milliseconds = 0
    """At most so much is added to each call."""
    ready_after_ms: Milliseconds = 0
    """How long a replica takes to be ready."""
    ready_jitter_ms: Milliseconds = 0
    """At most so much is added for each replica."""
    failure_rate: Share = 0
    """The share of calls that are refused for now, with nothing done."""
    lost_reply_rate: Share = 0
    """The share of calls whose reply is lost after they were done."""
    outage_rate: Share = 0
    """The share of outage windows in which a site is away."""
    outage_calls: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20
    """The length of an outage window in calls to the site; looking at a site is a call too."""
    away_sites: Names = []
    """Ids or names of sites that are away now."""
    away_nodes: Names = []
    """Ids or names of nodes that are away now."""
    failing_sites: Names = []
    """Ids or names of sites that refuse every call for now, with nothing done."""
    rejected_references: Names = []
    """Artifact references that no site can fetch."""
    observe_every_ms: Annotated[float, msgspec.Meta(ge=10, le=60_000)] = 1_000
    """How often sites and nodes are looked at when nothing else changes."""


def settings_of(configuration: Mapping[str, Any]) -> SimulatedSettings:
    """The settings in a cluster's configuration. Raises InvalidConfiguration with the key that is wrong."""
    try:
        return msgspec.convert(dict(configuration), SimulatedSettings)
    except msgspec.ValidationError as problem:
        text, _, where = str(problem).partition(" - at `$")
        key = where.rstrip("`").lstrip(".")
        if not key and "unknown field" in text:
            key = text.partition("`")[2].rstrip("`")
            text = "a simulated cluster has no such setting"
        if key:
            text = f"{key}: {text}"
        raise InvalidConfiguration(text, driver=DRIVER, key=key) from None

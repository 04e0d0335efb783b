"""Where a deployment is to run: the words of the placement policy.

These are values of the graph because they are kept in deployments and their revisions; what they mean is decided in
`placement`, one rule a file.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from graph.entity import doc
from graph.values import NonNegativeFloat, Position


class Place(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where users are: exactly one of a position, a site and a region's centre."""

    name: Annotated[str | None, doc("What to call it in reasons.")] = None
    position: Annotated[Position | None, doc("A point.")] = None
    site_id: Annotated[str | None, doc("A site, TRANSIT ones included.")] = None
    region_id: Annotated[str | None, doc("A region that has a centre.")] = None


class LatencyTarget(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A place that must have an open site within reach."""

    place: Annotated[Place, doc("Where the users are.")]
    within_ms: Annotated[float, msgspec.Meta(gt=0, le=10_000, description="Most latency, one way, in milliseconds.")]


class SiteSelector(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Which sites may be chosen; what is left out does not restrict."""

    site_ids: Annotated[list[str], msgspec.Meta(max_length=10_000, description="Only these sites.")] = []
    excluded_site_ids: Annotated[list[str], msgspec.Meta(max_length=10_000, description="Never these sites.")] = []
    region_ids: Annotated[
        list[str],
        msgspec.Meta(max_length=1_000, description="Only sites in these regions or in regions below them."),
    ] = []
    tiers: Annotated[
        list[str],
        msgspec.Meta(max_length=16, description="Only these tiers: NATIONAL, REGIONAL, METRO, DISTRICT."),
    ] = []
    labels: Annotated[str | None, doc("Label selector in Kubernetes syntax.")] = None


class ScoreWeights(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How much each score counts; each is scaled to 0-1 over the candidates first."""

    latency: Annotated[NonNegativeFloat, doc("Closeness to the places.")] = 1.0
    headroom: Annotated[NonNegativeFloat, doc("Free capacity left after placing.")] = 0.5
    price: Annotated[NonNegativeFloat, doc("Cheapness.")] = 0.5


class PlacementPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where an app is to run."""

    sites: Annotated[SiteSelector, doc("Which sites may be chosen.")] = SiteSelector()
    latency: Annotated[
        list[LatencyTarget],
        msgspec.Meta(max_length=500, description="Places that must each have an open site within reach."),
    ] = []
    min_sites: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="At least so many sites.")] = 1
    max_sites: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None,
        doc("At most so many sites; none: as many as the latency targets need."),
    ] = None
    everywhere: Annotated[bool, doc("Every site that passes, as a daemon would; `maxSites` still bounds it.")] = False
    weights: Annotated[ScoreWeights, doc("How much each score counts.")] = ScoreWeights()

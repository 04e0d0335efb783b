"""A decision: where an app runs, why there, and why not elsewhere.

It holds the data that it was made from: the rules that refused a site with need and have, the terms of a site's score, the
latency at which each place is served. An explanation that was worked out again afterwards could differ from what was
decided. A decision is kept as it is, as JSON, by `msgspec.json`.
"""

from __future__ import annotations

import enum

import msgspec


class ComponentPlacement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Replicas of one component at one site: what becomes a release."""

    component_id: str
    replicas: int
    assignments: dict[str, int] = {}
    """Replicas by node id; empty where the site's nodes are not observed, or when there are no replicas."""
    cluster_id: str | None = None
    """The control plane that it goes to. All components of a deployment at a site go to the same one."""


class ScoreTerm(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One term of a site's score. A score is a cost: less is better."""

    name: str
    value: float
    """What was measured, in `unit`."""
    unit: str
    scaled: float
    """`value` / the term's scale, which is a constant: the same value is the same share beside any other sites."""
    weight: float
    weighted: float
    """`scaled` x `weight`; a site's score is the sum of these."""
    explanation: str
    tier: int = 0
    """Its place in the objective: terms of tier 0 decide first."""


class ServedPlace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place whose users are served from a site."""

    place: str
    latency_ms: float
    within_ms: float | None = None
    """What was asked for; None: the place's limit is a distance."""
    within_km: float | None = None
    """What was asked for, kilometres by great circle; None: the place's limit is a latency."""


class SitePlacement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A chosen site."""

    site_id: str
    components: list[ComponentPlacement]
    score: float
    """The sum of the weighted terms; less is better."""
    terms: list[ScoreTerm] = []
    serves: list[ServedPlace] = []
    """The places for which this is the nearest chosen site, in the policy's order."""


class Reason(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What one rule found wanting."""

    rule: str
    need: str
    """With a unit a number in it, otherwise words."""
    have: str | None
    """None: it is what others use, which is not told (`placement.disclosure`)."""
    unit: str
    """Empty when need and have are words."""
    message: str
    untold: str = ""
    """The message for those who may not see what others use; empty when have and message tell nothing of that."""


class SiteRefusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A site that was looked at and not chosen.

    Without all the rules named here it would have passed. `not_needed` is no rule: the site passed, and others were better.
    """

    site_id: str
    reasons: list[Reason]
    components: list[str] = []
    """Names of the components that it was not chosen for, when they have sites of their own; empty: for the whole app."""


class NearMiss(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A site near a place that cannot be met, and the rules that keep it from serving it; empty when only distance does."""

    site_id: str
    latency_ms: float
    rules: list[str]


class UnmetTarget(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place that no choice of sites serves within its limit."""

    place: str
    rule: str = "latency"
    """The limit that is not kept: `latency`, `distance` or `bandwidth`."""
    within_ms: float | None
    """What was asked for; None: the place's limit is a distance."""
    site_id: str | None
    """The nearest site that passes every rule but those of places; None when there is none."""
    latency_ms: float | None
    """Its latency; None: there is no such site, or no way to it."""
    within_km: float | None = None
    """What was asked for, kilometres by great circle; None: the place's limit is a latency."""
    distance_km: float | None = None
    """How far the nearest site is, where the limit is a distance."""
    message: str
    nearer: list[NearMiss] = []
    """Nearer sites, refused by other rules: nearest first, at most five."""


class Tier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One tier of the objective: what the choice costs in it, and how much less any choice could."""

    terms: list[str]
    """The names of the terms that count in it."""
    cost: float
    bound: float | None
    """No choice costs less, given the tiers before it; None when nothing is known."""


class Objective(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the choice amounts to."""

    sites: int
    score: float
    """Sum of the sites' scores; less is better."""
    price_per_hour: float
    """Price units an hour for the cores asked for."""
    mean_latency_ms: float | None
    """Over the places, weighted by their demand; None without any."""
    worst_latency_ms: float | None
    moves: int = 0
    """Components at sites where they did not run before."""
    tiers: list[Tier] = []
    """The most important first."""


class PlacementStatus(enum.Enum):
    """How a decision ended."""

    FEASIBLE = "FEASIBLE"
    """There is a choice of sites that keeps the policy."""
    INFEASIBLE = "INFEASIBLE"
    """It is proved that nothing keeps the policy."""
    NOT_FOUND_WITHIN_LIMITS = "NOT_FOUND_WITHIN_LIMITS"
    """Nothing was found that keeps the policy; that there is nothing is not proved."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the components run, why there and why not elsewhere, at one revision of the graph."""

    revision: int
    """The revision of the graph that it was made at."""
    feasible: bool
    placements: list[SitePlacement]
    """By ascending site id; empty when not feasible, so that no half of a wish is applied."""
    refusals: list[SiteRefusal]
    """Every COMPUTE site that was looked at and not chosen, by ascending id."""
    objective: Objective
    unmet: list[UnmetTarget] = []
    """The places that cannot be served, when that is what makes it not feasible."""
    conflicts: list[Reason] = []
    """What makes it not feasible as a whole."""
    status: PlacementStatus = PlacementStatus.FEASIBLE
    irreducible: list[str] = []
    """When it is proved not feasible: a set of demands of which none can be left out of the proof."""
    looked_at: int = 0
    """COMPUTE sites that were looked at."""
    passed: int = 0
    """Of these, how many passed every rule."""
    transit_sites: int = 0
    """Sites that are only routed through; they are counted, not listed."""
    iterations: int = 0
    """Steps of search that were made: its limits are counts, never seconds."""
    proven: bool = True
    """Whether no choice is better; of one that is not feasible, whether it is proved that there is none."""
    bound_kind: str = "NONE"
    """Where the bound comes from: `EXACT` the whole problem was solved, `LP` a relaxation of it, `NONE` nothing is known."""
    gap: float | None = None
    """By what share the cost is above the bound in the first tier in which they differ; None when nothing is known, and
    where that tier's bound is 0."""

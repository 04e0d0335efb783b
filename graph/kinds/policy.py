"""Where a deployment is to run: the words of the placement policy.

These are values of the graph because they are kept in deployments and their revisions; what they mean is decided in
`placement`, one rule a file. A word that is left out does not restrict. Words of geography are in `graph.kinds.geography`.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import doc
from graph.kinds.geography import Circle, Coverage, LatencyTarget, Megabits, Place, SiteReach
from graph.values import Count, Position, TaintEffect

Few = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
MOST_PRIORITY = 1_000_000_000
"""The highest priority, as in Kubernetes the highest that users may give a PriorityClass; the lowest is as far below 0."""


class SiteSelector(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Which sites may be chosen; what is left out does not restrict, and what is given must all hold."""

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
    polygon: Annotated[
        list[list[Position]],
        doc("Only sites inside: closed rings, the outline first, then holes, straight in longitude and latitude."),
    ] = []
    circle: Annotated[Circle | None, doc("Only sites inside a circle.")] = None


class SiteGroup(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Sites that are wanted together or one for another: exactly one of `sites`, `allOf` and `anyOf`.

    `sites` in `allOf` means every site that it selects, in `anyOf` any one of them. Groups may be nested. An empty `allOf`
    or `anyOf` is as one that is left out: what is read of a group can be given again as it is.
    """

    sites: Annotated[SiteSelector | None, doc("Sites.")] = None
    all_of: Annotated[list[SiteGroup], msgspec.Meta(max_length=64, description="Every one of these.")] = []
    any_of: Annotated[list[SiteGroup], msgspec.Meta(max_length=64, description="At least one of these.")] = []


class DivisionMode(enum.Enum):
    """By what a total of replicas is divided over the chosen sites."""

    STATIC = "STATIC"
    """By the weights given; a site that none of them selects has weight 1 when there are none at all, else 0."""
    FREE_CAPACITY = "FREE_CAPACITY"
    """By how many replicas each site has room for."""
    DEMAND = "DEMAND"
    """By the demand of the places that each site is the nearest chosen one of."""


class SiteWeight(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A weight for sites; of several that select a site the first counts."""

    sites: Annotated[SiteSelector, doc("The sites.")]
    weight: Annotated[Count, doc("Each site's weight.")]


class RegionWeight(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A weight for regions; of several that name a region the first counts."""

    region_ids: Annotated[
        list[str], msgspec.Meta(max_length=1_000, description="These regions, and those of the level below them.")
    ]
    weight: Annotated[Count, doc("Each region's weight.")]


class DivisionLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Regions of a level that a total is divided over before it is divided over what is in them."""

    level: Annotated[str, doc("The level of the regions, such as COUNTRY; the coarser first.")]
    weights: Annotated[
        list[RegionWeight],
        msgspec.Meta(
            max_length=1_000,
            description="The regions' weights, 0 for those that none names; empty: with STATIC all alike, else by what "
            "their sites weigh together.",
        ),
    ] = []


class Division(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The numbers of replicas are totals, divided over the chosen sites (Balinski and Young's quota method)."""

    mode: Annotated[DivisionMode, doc("By what they are divided.")] = DivisionMode.STATIC
    weights: Annotated[list[SiteWeight], msgspec.Meta(max_length=1_000, description="With STATIC: the weights.")] = []
    levels: Annotated[
        list[DivisionLevel],
        msgspec.Meta(
            max_length=6, description="Totals are divided over regions first, level by level, then over sites in each."
        ),
    ] = []
    min_each: Annotated[Few, doc("At least so many of each component at each chosen site.")] = 0
    max_each: Annotated[Few | None, doc("At most so many of each component at a site.")] = None


class SpreadBy(enum.Enum):
    """What is counted as one domain when an app is spread."""

    SITE = "SITE"
    """Each site."""
    REGION = "REGION"
    """Each region of a level."""
    LABEL = "LABEL"
    """All sites with the same value of a label, such as a failure domain."""


class Spread(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Chosen sites are spread over domains: regions of a level, or what a label says (a failure domain, a provider)."""

    by: Annotated[SpreadBy, doc("What a domain is.")]
    level: Annotated[
        str | None, doc("With REGION: the level of the regions, such as COUNTRY; none: the site's own.")
    ] = None
    label: Annotated[str | None, doc("With LABEL: the key. A site without it is refused.")] = None
    min_domains: Annotated[Few, doc("At least so many domains have a chosen site.")] = 1
    max_domains: Annotated[Few | None, doc("At most so many domains have one.")] = None
    max_sites_each: Annotated[Few | None, doc("At most so many chosen sites in one domain.")] = None


class AffinityScope(enum.Enum):
    """How near is together."""

    SITE = "SITE"
    """At the same site."""
    REGION = "REGION"
    """In the same region."""


class AppAffinity(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Other deployments of the same tenant: all that any of the ids, apps and labels names, one of which is given."""

    deployment_ids: Annotated[list[str], msgspec.Meta(max_length=100, description="These deployments.")] = []
    app_ids: Annotated[list[str], msgspec.Meta(max_length=100, description="Deployments of any version of these.")] = []
    labels: Annotated[str | None, doc("Label selector of deployments, in Kubernetes syntax.")] = None
    scope: Annotated[AffinityScope, doc("How near is together.")] = AffinityScope.SITE


class TolerationOperator(enum.Enum):
    """How a toleration's value is compared (Kubernetes, Taints and Tolerations)."""

    EXISTS = "EXISTS"
    """A taint with the key is tolerated whatever its value."""
    EQUAL = "EQUAL"
    """A taint is tolerated whose value is the same."""


class Toleration(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A taint that does not keep the app away (Kubernetes, Taints and Tolerations)."""

    key: Annotated[str | None, doc("The taint's key; none, with EXISTS: every key.")] = None
    operator: Annotated[TolerationOperator, doc("How the value is compared.")] = TolerationOperator.EQUAL
    value: Annotated[str, doc("With EQUAL: the taint's value.")] = ""
    effect: Annotated[TaintEffect | None, doc("The taint's effect; none: every effect.")] = None


class ComponentPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What holds for one component. With `apart` it is placed at sites of its own choice; else where the app is."""

    component: Annotated[str, doc("The component's name.")]
    apart: Annotated[bool, doc("Whether it has sites of its own, besides those of the rest of the app.")] = False
    sites: Annotated[SiteSelector, doc("With `apart`: which sites it may run at, of those that the app may.")] = (
        SiteSelector()
    )
    min_sites: Annotated[Few, doc("With `apart`: at least so many sites.")] = 1
    max_sites: Annotated[Few | None, doc("With `apart`: at most so many sites.")] = None
    serves: Annotated[
        list[str],
        msgspec.Meta(
            max_length=16,
            description="With `apart`: components each of whose sites must be within `withinMs` of a site of this one.",
        ),
    ] = []
    within_ms: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=10_000)] | None,
        doc("With `serves`: most latency between the sites, one way, in milliseconds. 0: at the same site."),
    ] = None
    min_bandwidth_mbps: Annotated[
        Megabits | None, doc("With `serves`: least free bandwidth on the way, Mbit/s; at most 10^9.")
    ] = None
    never_with: Annotated[
        list[str], msgspec.Meta(max_length=16, description="With `apart`: components at none of whose sites it runs.")
    ] = []
    one_per_node: Annotated[bool, doc("Its replicas are on different nodes.")] = False
    dedicated_nodes: Annotated[bool, doc("Its nodes run nothing else, of this or any other app.")] = False
    pod_anti_affinity: Annotated[
        list[str],
        msgspec.Meta(
            max_length=16,
            description="Other components of the app with whose replicas its own share no node; it goes both ways. As "
            "podAntiAffinity by kubernetes.io/hostname.",
        ),
    ] = []
    pod_affinity: Annotated[
        list[str],
        msgspec.Meta(
            max_length=16,
            description="Other components of the app beside which it runs: each of its replicas is on a node that has a "
            "replica of each of these. They are at all of its sites: where the rest of the app is, or in reach of 0 ms "
            "by `serves`. As podAffinity by kubernetes.io/hostname, required when a replica is scheduled.",
        ),
    ] = []
    node_labels: Annotated[str | None, doc("Features: label selector that its nodes match, in Kubernetes syntax.")] = (
        None
    )


class Term(enum.Enum):
    """A term of the objective. Each is a number in its unit, less is better."""

    SITES = "SITES"
    """Chosen sites."""
    LATENCY = "LATENCY"
    """Mean latency to the places, weighted by their demand, ms."""
    HEADROOM = "HEADROOM"
    """The share of the scarcest resource asked for that is in use after placing, summed over the sites."""
    PRICE = "PRICE"
    """Price units an hour."""
    MOVES = "MOVES"
    """Sites of a component that it did not run at before."""


MAX_WEIGHT = 1e6
"""The largest weight of a term: sums of costs stay exact enough to be compared."""
MAX_PRICE_PER_HOUR = 1e12
"""The largest price of all that is placed."""
Weight = Annotated[float, msgspec.Meta(ge=0, le=MAX_WEIGHT)]


class ScoreWeights(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How much each term of the objective counts; each is 0 to 1,000,000."""

    latency: Annotated[Weight, doc("A mean of 10 ms costs so much.")] = 1.0
    headroom: Annotated[Weight, doc("A site whose scarcest resource is used up costs so much.")] = 0.5
    price: Annotated[Weight, doc("A price unit an hour costs so much.")] = 0.5
    sites: Annotated[Weight, doc("A chosen site costs so much.")] = 1.0
    moves: Annotated[Weight, doc("A component at a site where it was not costs so much.")] = 1.0


class PlacementPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where an app is to run."""

    sites: Annotated[SiteSelector, doc("Which sites may be chosen.")] = SiteSelector()
    groups: Annotated[
        list[SiteGroup],
        msgspec.Meta(max_length=64, description="Only sites of these groups, and every group's demand."),
    ] = []
    preferences: Annotated[
        list[SiteSelector],
        msgspec.Meta(
            max_length=16,
            description="Sites in order of preference: a later group only takes what the earlier have no room for.",
        ),
    ] = []
    pinned_site_ids: Annotated[list[str], msgspec.Meta(max_length=1_000, description="Chosen in any case.")] = []
    latency: Annotated[
        list[LatencyTarget],
        msgspec.Meta(max_length=500, description="Places that must each have an open site within reach."),
    ] = []
    coverage: Annotated[
        list[Coverage],
        msgspec.Meta(max_length=16, description="Regions of users, each of which must have an open site within reach."),
    ] = []
    near: Annotated[
        list[SiteReach],
        msgspec.Meta(max_length=64, description="Sites that every chosen site must be within reach of."),
    ] = []
    residency_region_ids: Annotated[
        list[str],
        msgspec.Meta(max_length=1_000, description="Data residency: nothing of the app runs outside these regions."),
    ] = []
    spread: Annotated[list[Spread], msgspec.Meta(max_length=8, description="Domains that it is spread over.")] = []
    affinity: Annotated[
        list[AppAffinity],
        msgspec.Meta(max_length=32, description="Apps, each of which runs at or near every chosen site."),
    ] = []
    anti_affinity: Annotated[
        list[AppAffinity], msgspec.Meta(max_length=32, description="Apps that run at or near no chosen site.")
    ] = []
    tolerations: Annotated[
        list[Toleration], msgspec.Meta(max_length=64, description="Taints that do not keep it away.")
    ] = []
    components: Annotated[
        list[ComponentPolicy], msgspec.Meta(max_length=64, description="What holds for single components.")
    ] = []
    division: Annotated[
        Division | None, doc("Numbers of replicas are totals and divided; none: they are numbers at each site.")
    ] = None
    min_sites: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="At least so many sites.")] = 1
    max_sites: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None,
        doc("At most so many sites; none: as many as the places need."),
    ] = None
    everywhere: Annotated[bool, doc("Every site that passes, as a daemon would; `maxSites` still bounds it.")] = False
    max_price_per_hour: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=MAX_PRICE_PER_HOUR)] | None,
        doc("The most that all of it may cost, price units an hour; at most 10^12."),
    ] = None
    max_moves: Annotated[
        Few | None, doc("The most sites of a component that it did not run at before, when it is placed again.")
    ] = None
    priority: Annotated[
        int,
        msgspec.Meta(
            ge=-MOST_PRIORITY,
            le=MOST_PRIORITY,
            description="Who comes first when several deployments are decided together and there is not room for all: the "
            "higher. At most what the tenant may have (`maxPriority`). Nothing that stays is moved for it.",
        ),
    ] = 0
    weights: Annotated[ScoreWeights, doc("How much each term of the objective counts.")] = ScoreWeights()
    objective: Annotated[
        list[list[Term]],
        msgspec.Meta(
            max_length=5,
            description="Terms, the most important first: those of a list count together by their weights, and those of a "
            "later one only between choices that are equal in the earlier. Empty: SITES, then all others together.",
        ),
    ] = []


NAMES = {
    "site_ids": "Site",
    "excluded_site_ids": "Site",
    "pinned_site_ids": "Site",
    "site_id": "Site",
    "region_ids": "Region",
    "residency_region_ids": "Region",
    "region_id": "Region",
    "deployment_ids": "Deployment",
    "app_ids": "App",
}
"""What is named by the fields of a policy's words that name something by id, wherever in a policy they stand."""

__all__ = [
    "MOST_PRIORITY",
    "NAMES",
    "AffinityScope",
    "AppAffinity",
    "Circle",
    "ComponentPolicy",
    "Coverage",
    "Division",
    "DivisionLevel",
    "DivisionMode",
    "LatencyTarget",
    "Place",
    "PlacementPolicy",
    "RegionWeight",
    "ScoreWeights",
    "SiteGroup",
    "SiteReach",
    "SiteSelector",
    "SiteWeight",
    "Spread",
    "SpreadBy",
    "Term",
    "Toleration",
    "TolerationOperator",
]

"""Places, machines and the lines between them.

Infrastructure has an optional tenant: without one every member reads it, with one it is private to that tenant. The
tenant never changes, for a value that moved between tenants would have to be hidden from readers of the past as well.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.kinds.failover import Fence
from graph.refusal import InvalidInput
from graph.values import (
    NO_RESOURCES,
    UNKNOWN_HEALTH,
    AcceleratorPrice,
    Count,
    Demand,
    Finding,
    Health,
    NonNegativeFloat,
    Position,
    Price,
    Resources,
    Taint,
)

if TYPE_CHECKING:
    from graph.view import Reader

LostAt = Annotated[list[TimestampMs], doc("When it was lost within the last hour, at most 16 times."), MANAGED]
"""The type of `lost_at` of what can be lost."""
Fenced = Annotated[
    Fence | None,
    doc("Somebody's word that nothing runs there while it does not answer; none: nobody's. It ends when it answers."),
    MANAGED,
]
"""The type of `fence` of places that can be fenced."""
PrivateTo = Annotated[
    str | None,
    doc("The tenant that it is private to; none: everybody reads it."),
    IMMUTABLE,
    Ref("Tenant", relation="BELONGS_TO"),
]
"""The type of infrastructure's `tenant_id`."""


class RegionLevel(enum.Enum):
    """The level of a region in the tree of regions."""

    WORLD = "WORLD"
    """All of it."""
    CONTINENT = "CONTINENT"
    """A continent."""
    COUNTRY = "COUNTRY"
    """A country."""
    PROVINCE = "PROVINCE"
    """A province or state of a country."""
    CITY = "CITY"
    """A city."""
    DISTRICT = "DISTRICT"
    """A part of a city, or a county."""


class Tier(enum.Enum):
    """How central a site is."""

    NATIONAL = "NATIONAL"
    """A national centre."""
    REGIONAL = "REGIONAL"
    """The centre of a region of a country."""
    METRO = "METRO"
    """That of a city."""
    DISTRICT = "DISTRICT"
    """That of a district: the nearest to users."""


class SiteRole(enum.Enum):
    """Whether a site can run anything."""

    COMPUTE = "COMPUTE"
    """Has nodes; a candidate for placement."""
    TRANSIT = "TRANSIT"
    """A waypoint or landing: routed through, never a candidate."""


class LinkState(enum.Enum):
    """Whether a link carries traffic."""

    UP = "UP"
    """It carries traffic."""
    DOWN = "DOWN"
    """It carries none."""


class NodeStatus(enum.Enum):
    """A node's condition as its cluster reports it."""

    UNKNOWN = "UNKNOWN"
    """Its cluster has not said, or cannot be asked."""
    READY = "READY"
    """It takes work."""
    NOT_READY = "NOT_READY"
    """It runs nothing reliably."""


@kind(prefix="region", area=Area.INFRASTRUCTURE, scope=("tenant_id",))
class Region(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A part of the world, in a tree: country, province, city, district."""

    parent_id: Annotated[
        str | None, doc("The region that it is part of."), Ref("Region", relation="PART_OF", reverse="children")
    ] = None
    level: Annotated[RegionLevel, doc("Its level in the tree."), INDEXED] = RegionLevel.PROVINCE
    centre: Annotated[Position | None, doc("Its centre.")] = None
    boundary: Annotated[
        list[list[Position]], doc("Closed rings: the outline first, then holes. Empty when unknown.")
    ] = []
    demand: Annotated[Demand, doc("Weight of its users in placement, for instance their number.")] = 0.0
    tenant_id: PrivateTo = None

    def check(self, reader: Reader, *, path: str) -> None:
        """Rings are closed and have an inside."""
        for at, ring in enumerate(self.boundary):
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise InvalidInput(
                    "a ring has at least four points and ends where it began",
                    remedy="repeat the first point at the end",
                    path=f"{path}.boundary[{at}]",
                )


@kind(prefix="site", area=Area.INFRASTRUCTURE, scope=("tenant_id",), ordinal_scope="region_id")
class Site(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A place with nodes that reach each other."""

    region_id: Annotated[str, doc("The region that it lies in."), Ref("Region", relation="IN_REGION")]
    tier: Annotated[Tier, doc("How central it is."), INDEXED] = Tier.DISTRICT
    role: Annotated[SiteRole, doc("COMPUTE, or TRANSIT: routed through, never a candidate."), INDEXED] = (
        SiteRole.COMPUTE
    )
    position: Annotated[Position | None, doc("Where it is.")] = None
    ordinal: Annotated[Count, doc("Its place among the sites that its region ever had; never reused."), MANAGED] = 0
    capacity: Annotated[
        Resources | None, doc("What it offers when its nodes are not observed; else its nodes count.")
    ] = None
    price_per_core_hour: Annotated[Price, doc("Price units for one core for one hour.")] = 0.0
    price_per_gib_hour: Annotated[Price, doc("Price units for one GiB of memory for one hour.")] = 0.0
    accelerator_prices: Annotated[
        list[AcceleratorPrice],
        msgspec.Meta(
            max_length=64, description="What accelerators cost, by model; one that is not named costs nothing."
        ),
    ] = []
    schedulable: Annotated[bool, doc("False when cordoned: nothing new is placed on it."), INDEXED] = True
    health: Annotated[Health, doc("What its clusters' observers last found."), MANAGED] = UNKNOWN_HEALTH
    lost_at: LostAt = []
    fence: Fenced = None
    findings: Annotated[
        list[Finding], doc("What each cluster of its own tenancy last found wrong; its health."), MANAGED, HIDDEN
    ] = []
    tenant_id: PrivateTo = None


@kind(prefix="link", area=Area.INFRASTRUCTURE)
class Link(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A line between two sites, undirected; there may be several between the same two."""

    from_site_id: Annotated[str, doc("One end."), IMMUTABLE, Ref("Site", relation="LINK", owner=True, reverse="")]
    to_site_id: Annotated[str, doc("The other end."), IMMUTABLE, Ref("Site", relation="LINK", owner=True, reverse="")]
    latency_ms: Annotated[NonNegativeFloat, doc("One way, in milliseconds.")]
    length_km: Annotated[NonNegativeFloat | None, doc("Length of the line in kilometres, when known.")] = None
    bandwidth_mbps: Annotated[NonNegativeFloat | None, doc("Capacity in Mbit/s, when known.")] = None
    reserved_mbps: Annotated[NonNegativeFloat, doc("Already reserved, in Mbit/s.")] = 0.0
    cost: Annotated[NonNegativeFloat, doc("Price units an hour for using it; a metric of paths.")] = 0.0
    state: Annotated[LinkState, doc("Whether it carries traffic."), INDEXED] = LinkState.UP
    tenant_id: PrivateTo = None

    def check(self, reader: Reader, *, path: str) -> None:
        """It joins two sites, and reserves no more than it has."""
        if self.from_site_id == self.to_site_id:
            raise InvalidInput("a link joins two different sites", path=f"{path}.toSiteId")
        if self.bandwidth_mbps is not None and self.reserved_mbps > self.bandwidth_mbps:
            raise InvalidInput(
                f"{self.reserved_mbps} Mbit/s are reserved of {self.bandwidth_mbps}",
                remedy="reserve at most the bandwidth",
                path=f"{path}.reservedMbps",
            )


@kind(prefix="cluster", area=Area.INFRASTRUCTURE, scope=("tenant_id",))
class Cluster(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A control plane that a driver talks to; it serves any number of sites, and a site any number of clusters."""

    driver: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=63, description="The driver's name: `simulated`."),
        IMMUTABLE,
        INDEXED,
    ]
    site_ids: Annotated[list[str], doc("The sites whose nodes it controls."), Ref("Site", relation="SERVES")] = []
    endpoint: Annotated[str | None, doc("Where its API is, as the driver takes it.")] = None
    credentials_id: Annotated[str | None, doc("The secret that opens it."), Ref("Secret", relation="OPENED_BY")] = None
    configuration: Annotated[dict[str, Any], doc("What its driver is set to; the driver's page names the keys.")] = {}
    calls_per_second: Annotated[
        NonNegativeFloat | None,
        doc(
            "The most calls a second that its endpoint takes, over all workers; none: as the server is set, 0: any number."
        ),
    ] = None
    schedulable: Annotated[bool, doc("False when cordoned: nothing new is placed on it."), INDEXED] = True
    health: Annotated[Health, doc("What its observer last found."), MANAGED] = UNKNOWN_HEALTH
    lost_at: LostAt = []
    findings: Annotated[
        list[Finding], doc("What a private cluster last found wrong of sites that all share."), MANAGED, HIDDEN
    ] = []
    observer_epoch: Annotated[int, doc("The observer's fence: what an older one reports is refused."), MANAGED] = 0
    tenant_id: PrivateTo = None


@kind(prefix="node", area=Area.INFRASTRUCTURE, scope=("cluster_id", "site_id"), ordinal_scope="site_id")
class Node(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A machine at a site, under a cluster when one controls it."""

    site_id: Annotated[str, doc("Where it stands."), Ref("Site", relation="AT_SITE", owner=True)]
    cluster_id: Annotated[
        str | None, doc("The control plane that it is part of."), Ref("Cluster", relation="IN_CLUSTER")
    ] = None
    ordinal: Annotated[Count, doc("Its place among the nodes that its site ever had; never reused."), MANAGED] = 0
    arch: Annotated[str, msgspec.Meta(min_length=1, max_length=63, description="`amd64`, `arm64`, …"), INDEXED] = (
        "amd64"
    )
    capacity: Annotated[Resources, doc("What the machine has.")] = NO_RESOURCES
    allocatable: Annotated[Resources | None, doc("What workloads may use of it; the capacity when not given.")] = None
    foreign_use: Annotated[Resources, doc("Used by workloads that are not ours, as observed."), MANAGED] = NO_RESOURCES
    taints: Annotated[list[Taint], doc("What keeps work away from it.")] = []
    schedulable: Annotated[bool, doc("False when cordoned: nothing new is placed on it."), INDEXED] = True
    status: Annotated[NodeStatus, doc("Its condition as its cluster reports it."), MANAGED, INDEXED] = (
        NodeStatus.UNKNOWN
    )
    status_reason: Annotated[str | None, doc("Why it is not READY."), MANAGED] = None
    lost_at: LostAt = []
    fence: Fenced = None
    tenant_id: PrivateTo = None

    @property
    def usable(self) -> Resources:
        """Allocatable, or the capacity when nothing else is known."""
        return self.allocatable if self.allocatable is not None else self.capacity


__all__ = ["Cluster", "Link", "LinkState", "Node", "NodeStatus", "Region", "RegionLevel", "Site", "SiteRole", "Tier"]

"""What a plan supposes of the graph: changes that are made on a copy, never on the graph itself.

They are values of the model because a kept plan carries them: whoever applies it later must be able to read what it was
made for. Each change names one thing; `Change` holds exactly one of them, as the policy's places do.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from graph.entity import doc
from graph.kinds.infrastructure import LinkState
from graph.values import AcceleratorPrice, Price, Resources

Factor = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
Ids = Annotated[list[str], msgspec.Meta(max_length=1_000)]


class SiteLost(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A site is DOWN."""

    site_id: Annotated[str, doc("The site.")]
    with_links: Annotated[
        bool, doc("Whether the links that end there are DOWN too, so that nothing is routed through.")
    ] = False


class LinkChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A link is lost, restored, or has another latency: at least one of state and latency."""

    link_id: Annotated[str, doc("The link.")]
    state: Annotated[LinkState | None, doc("DOWN: it is lost; UP: it is there again.")] = None
    latency_ms: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=10_000)] | None, doc("Its latency, one way, milliseconds.")
    ] = None


class PriceChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Cores, memory or accelerators at a site have another price; what is not given keeps its own."""

    site_id: Annotated[str, doc("The site.")]
    price_per_core_hour: Annotated[Price | None, doc("Price units for one core for one hour.")] = None
    price_per_gib_hour: Annotated[Price | None, doc("Price units for one GiB of memory for one hour.")] = None
    accelerator_prices: Annotated[
        Annotated[list[AcceleratorPrice], msgspec.Meta(max_length=64)] | None,
        doc("What accelerators cost there, by model, instead of all that the site states."),
    ] = None


class DemandChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Regions have more users or fewer."""

    factor: Annotated[Factor, doc("Their demand is so many times what it is.")]
    region_ids: Annotated[Ids, doc("These regions and those below them; none: all that you see.")] = []


class CapacityChange(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Sites or nodes have more to offer or less: at least one of both is named."""

    factor: Annotated[Factor, doc("What they offer is so many times what it is, rounded down.")]
    site_ids: Annotated[Ids, doc("All nodes at these sites, and their stated capacity.")] = []
    node_ids: Annotated[Ids, doc("These nodes.")] = []


class NodesAdded(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A site has more nodes."""

    site_id: Annotated[str, doc("The site.")]
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000, description="How many.")] = 1
    like_node_id: Annotated[
        str | None, doc("A node that they are like; none, and no capacity given: the first at the site by id.")
    ] = None
    capacity: Annotated[Resources | None, doc("What each has; none: what the node has that they are like.")] = None
    cluster_id: Annotated[
        str | None, doc("The control plane that they are part of; none: that of the node, or the site's first.")
    ] = None


class Cordoning(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A site, node or cluster is cordoned, or its cordon is taken off."""

    entity_id: Annotated[str, doc("The site, node or cluster.")]
    schedulable: Annotated[bool, doc("False: nothing new is placed on it.")] = False


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One thing that is supposed of the graph: exactly one of these."""

    site_lost: Annotated[SiteLost | None, doc("A site is lost.")] = None
    link: Annotated[LinkChange | None, doc("A link is lost, restored, or has another latency.")] = None
    price: Annotated[PriceChange | None, doc("A site has another price.")] = None
    demand: Annotated[DemandChange | None, doc("Regions have more users or fewer.")] = None
    capacity: Annotated[CapacityChange | None, doc("Sites or nodes offer more or less.")] = None
    nodes_added: Annotated[NodesAdded | None, doc("A site has more nodes.")] = None
    cordon: Annotated[Cordoning | None, doc("Something is cordoned, or its cordon is taken off.")] = None


__all__ = [
    "CapacityChange",
    "Change",
    "Cordoning",
    "DemandChange",
    "LinkChange",
    "NodesAdded",
    "PriceChange",
    "SiteLost",
]

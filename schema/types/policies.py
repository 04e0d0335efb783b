"""The sites, regions, deployments and apps that a placement policy names, beside their ids.

A policy keeps ids, and what they name may go while it stays: the ids are what was asked for, the relations are what there
still is of it that the viewer sees.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from graph.entity import Entity
from graph.kinds import App, Deployment, Region, Site
from graph.kinds.geography import Coverage, SiteReach
from graph.kinds.policy import AppAffinity, Place, PlacementPolicy, RegionWeight, SiteSelector
from graph.spelling import camel
from graph.view import get_as
from schema.vocabulary import value_field

FEW = 2
"""How many of each word a policy is taken to have, when it is estimated how large an answer may be."""
_GONE = "null when it is gone, or you may not see it"
_LEFT = "without those that are gone or that you may not see"


def _one(name: str, kind: type[Entity]) -> Callable[[Any, Any], Entity | None]:
    def resolve(value: Any, info: Any) -> Entity | None:
        return get_as(info.context.view, kind, getattr(value, name))

    return resolve


def _each(name: str, kind: type[Entity]) -> Callable[[Any, Any], list[Entity]]:
    def resolve(value: Any, info: Any) -> list[Entity]:
        view = info.context.view
        return [found for one in getattr(value, name) if (found := get_as(view, kind, one)) is not None]

    return resolve


value_field(Place, "site", _one("site_id", Site), returns="Optional[Site]", description=f"The site; {_GONE}.")
value_field(Place, "region", _one("region_id", Region), returns="Optional[Region]", description=f"The region; {_GONE}.")
value_field(
    SiteSelector, "sites", _each("site_ids", Site), returns="list[Site]", description=f"Only these sites, {_LEFT}."
)
value_field(
    SiteSelector,
    "excluded_sites",
    _each("excluded_site_ids", Site),
    returns="list[Site]",
    description=f"Never these sites, {_LEFT}.",
)
value_field(
    SiteSelector,
    "regions",
    _each("region_ids", Region),
    returns="list[Region]",
    description=f"Only sites in these regions or in regions below them, {_LEFT}.",
)
value_field(
    Coverage,
    "regions",
    _each("region_ids", Region),
    returns="list[Region]",
    description=f"These regions and those below, {_LEFT}.",
)
value_field(
    RegionWeight,
    "regions",
    _each("region_ids", Region),
    returns="list[Region]",
    description=f"These regions, and those of the level below them, {_LEFT}.",
)
value_field(SiteReach, "site", _one("site_id", Site), returns="Optional[Site]", description=f"The site; {_GONE}.")
value_field(
    AppAffinity,
    "deployments",
    _each("deployment_ids", Deployment),
    returns="list[Deployment]",
    description=f"These deployments, {_LEFT}.",
)
value_field(
    AppAffinity,
    "apps",
    _each("app_ids", App),
    returns="list[App]",
    description=f"Deployments of any version of these, {_LEFT}.",
)
value_field(
    PlacementPolicy,
    "pinned_sites",
    _each("pinned_site_ids", Site),
    returns="list[Site]",
    description=f"Chosen in any case, {_LEFT}.",
)
value_field(
    PlacementPolicy,
    "residency_regions",
    _each("residency_region_ids", Region),
    returns="list[Region]",
    description=f"Data residency: nothing of the app runs outside these regions, {_LEFT}.",
)


def list_sizes() -> Mapping[str, int]:
    """The sizes that the lists of a policy's words are taken to have, by `Type.field`.

    A policy is a value that was sent in one input, and groups lie in each other: at the size that is assumed of lists that
    are looked up, a page of deployments with their whole policies would be taken for millions of fields.
    """
    sizes: dict[str, int] = {}
    waiting: list[type[msgspec.Struct]] = [PlacementPolicy]
    seen = set(waiting)
    while waiting:
        struct = waiting.pop()
        for name, hint in typing.get_type_hints(struct).items():
            inner, listed = hint, False
            while typing.get_origin(inner) is not None:
                listed = listed or typing.get_origin(inner) is list
                inner = next(one for one in typing.get_args(inner) if one is not type(None))
            if listed:
                sizes[f"{struct.__name__}.{camel(name)}"] = FEW
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    for owner, name in _RELATIONS:
        sizes[f"{owner.__name__}.{camel(name)}"] = FEW
    return sizes


_RELATIONS = (
    (SiteSelector, "sites"),
    (SiteSelector, "excluded_sites"),
    (SiteSelector, "regions"),
    (Coverage, "regions"),
    (RegionWeight, "regions"),
    (AppAffinity, "deployments"),
    (AppAffinity, "apps"),
    (PlacementPolicy, "pinned_sites"),
    (PlacementPolicy, "residency_regions"),
)

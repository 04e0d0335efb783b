"""The sites and regions that a placement policy names, beside their ids.

A policy keeps ids, and what they name may go while it stays: the ids are what was asked for, the relations are what there
still is of it that the viewer sees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph.entity import Entity
from graph.kinds import Region, Site
from graph.kinds.policy import Place, SiteSelector
from graph.view import get_as
from schema.vocabulary import value_field

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

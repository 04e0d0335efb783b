"""The topology in columns: one array a field, all arrays of a table equally long, for pictures of the whole.

A snapshot of 50,000 nodes as objects takes seconds to execute and to read; as columns it is a few dozen arrays. A
delta has the same tables with the rows that were added or changed, and the ids that are gone, so a client keeps one
kind of table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import strawberry

from graph.entity import Entity
from graph.kinds import (
    Instance,
    InstanceStatus,
    Link,
    LinkState,
    Node,
    NodeStatus,
    Region,
    RegionLevel,
    Site,
    SiteRole,
    Tier,
)
from graph.values import HealthStatus
from schema.vocabulary import Member, enum_type, object_type

Column = tuple[str, str, Any]
"""A column's GraphQL item type, description and reader."""


def _position(axis: str) -> Any:
    return lambda entity: None if (at := getattr(entity, "position", None)) is None else getattr(at, axis)


def _centre(axis: str) -> Any:
    return lambda region: None if region.centre is None else getattr(region.centre, axis)


def _labels(entity: Entity) -> str:
    labels = entity.labels
    return ",".join([f"{key}={labels[key]}" for key in sorted(labels)]) if labels else ""


_LABELS: Column = (
    "str",
    "Labels, each as `key=value,key=value` in the order of the keys; empty where there are none.",
    _labels,
)

COLUMNS: Mapping[type[Entity], Mapping[str, Column]] = {
    Region: {
        "ids": ("ID", "Ids.", attrgetter("id")),
        "names": ("str", "Names.", attrgetter("name")),
        "display_names": ("Optional[str]", "Names for people.", attrgetter("display_name")),
        "parent_ids": ("Optional[ID]", "The region that each is part of.", attrgetter("parent_id")),
        "levels": (enum_type(RegionLevel), "Levels in the tree.", attrgetter("level")),
        "longitudes": ("Optional[float]", "Degrees east of the centres.", _centre("longitude")),
        "latitudes": ("Optional[float]", "Degrees north of the centres.", _centre("latitude")),
        "labels": _LABELS,
    },
    Site: {
        "ids": ("ID", "Ids.", attrgetter("id")),
        "names": ("str", "Names.", attrgetter("name")),
        "display_names": ("Optional[str]", "Names for people.", attrgetter("display_name")),
        "region_ids": ("ID", "The region of each.", attrgetter("region_id")),
        "ordinals": (
            "int",
            "Places within the region, never reused: the slots of a stable picture.",
            attrgetter("ordinal"),
        ),
        "tiers": (enum_type(Tier), "How central each is.", attrgetter("tier")),
        "roles": (enum_type(SiteRole), "COMPUTE, or TRANSIT: routed through only.", attrgetter("role")),
        "longitudes": ("Optional[float]", "Degrees east.", _position("longitude")),
        "latitudes": ("Optional[float]", "Degrees north.", _position("latitude")),
        "healths": (enum_type(HealthStatus), "What was last observed.", attrgetter("health.status")),
        "schedulable": ("bool", "False where cordoned.", attrgetter("schedulable")),
        "labels": _LABELS,
    },
    Node: {
        "ids": ("ID", "Ids.", attrgetter("id")),
        "names": ("str", "Names.", attrgetter("name")),
        "site_ids": ("ID", "The site of each.", attrgetter("site_id")),
        "ordinals": (
            "int",
            "Places within the site, never reused: the slots of a stable picture.",
            attrgetter("ordinal"),
        ),
        "arches": ("str", "Processor architectures.", attrgetter("arch")),
        "statuses": (enum_type(NodeStatus), "Conditions as reported.", attrgetter("status")),
        "schedulable": ("bool", "False where cordoned.", attrgetter("schedulable")),
        "labels": _LABELS,
    },
    Link: {
        "ids": ("ID", "Ids.", attrgetter("id")),
        "from_site_ids": ("ID", "One end of each.", attrgetter("from_site_id")),
        "to_site_ids": ("ID", "The other end.", attrgetter("to_site_id")),
        "latencies_ms": ("float", "One way, in milliseconds.", attrgetter("latency_ms")),
        "bandwidths_mbps": ("Optional[float]", "Capacities in Mbit/s.", attrgetter("bandwidth_mbps")),
        "states": (enum_type(LinkState), "Whether each carries traffic.", attrgetter("state")),
    },
    Instance: {
        "ids": ("ID", "Ids.", attrgetter("id")),
        "names": ("str", "Names on their backends.", attrgetter("backend_name")),
        "release_ids": ("ID", "The release that each is part of.", attrgetter("release_id")),
        "site_ids": ("ID", "Where each runs.", attrgetter("site_id")),
        "node_ids": ("Optional[ID]", "The machines that they run on, where known.", attrgetter("node_id")),
        "statuses": (enum_type(InstanceStatus), "What their backends report.", attrgetter("status")),
    },
}
TABLES: Mapping[type[Entity], str] = {
    Region: "regions",
    Site: "sites",
    Node: "nodes",
    Link: "links",
    Instance: "instances",
}
"""The tables of a topology, parents before children."""


class Table:
    """Rows of one kind as columns; a column is made when it is selected."""

    def __init__(self, kind: type[Entity], rows: Sequence[Entity]) -> None:
        self._columns = COLUMNS[kind]
        self._rows = rows

    def __getattr__(self, name: str) -> list[Any]:
        try:
            read = self._columns[name][2]
        except KeyError:
            raise AttributeError(name) from None
        return list(map(read, self._rows))


def tables(rows: Mapping[type[Entity], Iterable[Entity]]) -> dict[str, Table]:
    """The tables of a topology by their names."""
    return {name: Table(kind, list(rows.get(kind, ()))) for kind, name in TABLES.items()}


def table_members() -> dict[str, Member]:
    """The tables as members of an object type; defines their types."""
    members: dict[str, Member] = {}
    for kind, name in TABLES.items():
        type_name = f"{kind.__name__}Columns"
        object_type(
            type_name,
            {
                key: (f"list[{item}]", strawberry.field(description=text))
                for key, (item, text, _) in COLUMNS[kind].items()
            },
            description=f"{kind.__name__}s in columns, all equally long and in the same order.",
        )
        members[name] = (type_name, strawberry.field(description=f"The {name}."))
    return members

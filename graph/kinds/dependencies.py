"""What a component waits for: another one of its version, how far that is to be, and where.

A circle would wait for itself for ever, so it is refused when it is defined, and the refusal spells it out: whoever wrote
one dependency of five needs to see the other four.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from graph.entity import doc

MAX_DEPENDENCIES = 64
MAX_WAIT_S = 4096


class DependencyCondition(enum.Enum):
    """How far what is depended on is to be."""

    READY = "READY"
    """Its replicas were observed as wanted."""
    DEPLOYED = "DEPLOYED"
    """Its backend has taken what is wanted; its replicas may still be starting."""


class DependencyScope(enum.Enum):
    """Where what is depended on is to be that far."""

    SAME_SITE = "SAME_SITE"
    """At the site of the one that waits; where that has none, at every site where the deployment runs it."""
    EVERYWHERE = "EVERYWHERE"
    """At every site where the deployment runs it."""


class Dependency(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Another component of the same version that comes first."""

    component: Annotated[
        str, msgspec.Meta(min_length=1, max_length=253, description="The name of the component that comes first.")
    ]
    condition: Annotated[DependencyCondition, doc("How far it is to be.")] = DependencyCondition.READY
    scope: Annotated[
        DependencyScope,
        doc(
            "Where it is to be that far. SAME_SITE: at the site of the one that waits, or, where that has none, at every "
            "site where the deployment runs it. EVERYWHERE: at every site where the deployment runs it."
        ),
    ] = DependencyScope.SAME_SITE
    wait_seconds: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=MAX_WAIT_S,
            description="For how long it is to have been that far: time to settle. 0 to 4,096 seconds.",
        ),
    ] = 0


def circle_through(start: str, waits: Mapping[str, Sequence[str]]) -> list[str] | None:
    """A circle of names by which one waits for itself, that name first and last; None when there is none.

    It is the shortest; of those as short, the first by name.
    """
    came_from: dict[str, str] = {}
    reached = [start]
    for name in reached:
        for other in sorted(waits.get(name, ())):
            if other == start:
                line = [start, name]
                while line[-1] != start:
                    line.append(came_from[line[-1]])
                return line[::-1]
            if other not in came_from:
                came_from[other] = name
                reached.append(other)
    return None

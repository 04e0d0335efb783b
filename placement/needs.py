"""What components need of the nodes that they run on: amounts a replica, and with whom they share a node.

The amounts are in one order for all components of a decision, with a column for each accelerator model that any of them asks
for: so needs and what is free are compared as arrays, and models that nobody asks for cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import Component
from graph.selectors import LabelSelector
from placement.arrays import Floats, Ints
from placement.inventory import amounts_of


@dataclass(frozen=True, slots=True)
class ComponentNeed:
    """A component, and what each of its replicas needs."""

    id: str
    name: str
    replicas: int
    """At each site."""
    need: Ints
    """Of each resource for one replica, in the order of `Bins.resources`."""
    architectures: tuple[str, ...]
    node_selector: LabelSelector
    most_per_node: int | None = None
    """At most so many of its replicas on one node."""
    alone: bool = False
    """Whether its nodes run no other component."""
    away_from: frozenset[str] = frozenset()
    """Names of components with whose replicas its own share no node."""
    beside: frozenset[str] = frozenset()
    """Names of components of each of which a replica is on every node that it uses, as far as they are packed with it."""

    def may_share_with(self, other: ComponentNeed) -> bool:
        """Whether replicas of both may be on one node; it goes both ways."""
        away = other.name in self.away_from or self.name in other.away_from
        return not (away or self.alone or other.alone)


def needs_of(
    components: Sequence[Component], *, replicas: Mapping[str, int], selectors: Sequence[LabelSelector]
) -> tuple[tuple[ComponentNeed, ...], tuple[str, ...]]:
    """What the components need, and the accelerator models that any of them asks for, sorted."""
    models = tuple(
        sorted({model for one in components for model, n in one.resources.accelerator_counts().items() if n > 0})
    )
    needs = []
    for one, selector in zip(components, selectors, strict=True):
        counts = one.resources.accelerator_counts()
        amounts = (*amounts_of(one.resources), *(counts.get(model, 0) for model in models))
        needs.append(
            ComponentNeed(
                id=one.id,
                name=one.name,
                replicas=replicas.get(one.name, one.replicas),
                need=np.array(amounts, dtype=np.int64),
                architectures=tuple(one.architectures),
                node_selector=selector,
            )
        )
    return tuple(needs), models


def needed_in_all(components: Sequence[ComponentNeed]) -> Floats:
    """What all replicas of all components need together, of each resource. As floats: sums may pass 64 bits."""
    total: Floats = components[0].need.astype(np.float64) * components[0].replicas
    for one in components[1:]:
        total += one.need.astype(np.float64) * one.replicas
    return total

"""Which node of a site a simulated replica runs on: the scheduler that a real backend has and a simulated one would lack.

It keeps to the terms that it is told as a Kubernetes scheduler does: a replica that was assigned to a node waits when the
node does not take it, and is put nowhere else. What runs stays where it is when a node changes. How full nodes are with what
else runs there is for placement to know; here a node takes what it could hold of one release.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from drivers.pod_terms import PodTerms, node_problem
from graph.kinds import Node
from graph.selectors import matches
from graph.values import Resources

Beside = Callable[[str], Iterable[PodTerms]]
"""Gives the terms of the other objects that run on a node, by its id."""


class Spot(NamedTuple):
    """Where a replica goes: a node, nowhere yet, or, where no nodes are known, just its site."""

    node_id: str | None
    waits: str | None = None
    """Why no node takes it."""


class Scheduler:
    """Gives the replicas of one object their nodes, one after the other."""

    def __init__(self, nodes: Sequence[Node], terms: PodTerms, need: Resources, *, beside: Beside) -> None:
        """Nodes are those of the site, by ascending id; `need` is what one replica needs."""
        self._nodes = {one.id: one for one in nodes}
        self._terms = terms
        self._need = need
        self._beside = beside
        self._taken: Counter[str] = Counter()

    def take(self, node_id: str | None) -> None:
        """Counts a replica that is on a node already."""
        if node_id is not None:
            self._taken[node_id] += 1

    def put(self, assigned: str | None) -> Spot:
        """Puts one more replica: on the node that it was assigned to, else on the one with the fewest of them."""
        if assigned is not None:
            problem = self._problem(assigned)
            if problem is not None:
                return Spot(None, f"{self._name(assigned)} {problem}")
            self.take(assigned)
            return Spot(assigned)
        if not self._nodes:
            return Spot(None)
        problems: Counter[str] = Counter()
        fitting = []
        for node in self._nodes.values():
            problem = "is cordoned" if not node.schedulable else self._problem(node.id)
            if problem is None:
                fitting.append(node.id)
            else:
                problems[problem] += 1
        if not fitting:
            told = ", ".join(f"{count} {problem}" for problem, count in sorted(problems.items()))
            return Spot(None, f"0 of {len(self._nodes)} nodes take it: {told}")
        chosen = min(fitting, key=lambda one: (self._taken[one], one))
        self.take(chosen)
        return Spot(chosen)

    def _problem(self, node_id: str) -> str | None:
        """Why a node does not take one more replica. Of a node that the graph no longer has only its company is known."""
        node = self._nodes.get(node_id)
        if node is not None:
            problem = node_problem(self._terms, node)
            if problem is not None:
                return problem
            if not node.usable.covers(self._need.times(self._taken[node_id] + 1)):
                return "does not have what it needs"
        keeps_from = self._terms.anti_affinity
        if self._taken[node_id] and any(matches(one, self._terms.labels) for one in keeps_from):
            return "has another of its replicas"
        lacking = list(self._terms.affinity)
        for other in self._beside(node_id):
            lacking = [one for one in lacking if not matches(one, other.labels)]
            if any(matches(one, other.labels) for one in keeps_from):
                return "runs what it keeps away from"
            if any(matches(one, self._terms.labels) for one in other.anti_affinity):
                return "is for others alone"
        return "runs nothing of what it goes with" if lacking else None

    def _name(self, node_id: str) -> str:
        node = self._nodes.get(node_id)
        return f"node {node_id if node is None else node.name}"

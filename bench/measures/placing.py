"""Decisions on a `FibreWorld`, timed in CPU of the process, which does nothing else meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from bench.harness import median, repeated
from bench.worlds import BEGAN_MS, SOURCE
from bench.worlds.apps import TENANT, AppToPlace, simple
from bench.worlds.fibre import FibreWorld
from graph.change import Change, Commit
from graph.kinds import Node, NodeStatus
from graph.kinds.policy import PlacementPolicy
from graph.view import View
from placement.engine import decide
from placement.modelling import modelled
from placement.outlook import Outlooks
from placement.problem import Problem, problem_from
from placement.projection import Projection
from placement.rules import RULES
from placement.screening import screen
from placement.solve.model import Limits, Model
from placement.unit_problems import unit_problems
from placement.verdict import Verdict

HEURISTIC = Limits(core_candidates=0, exact_candidates=0)
"""The searches alone, without HiGHS."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One decision and what it took."""

    verdict: Verdict
    cpu_s: float


class Ground:
    """A world as a server has it: a view, and the projection that follows it."""

    def __init__(self, world: FibreWorld) -> None:
        self.world = world
        self.view = View()
        self.view.load(world.entities)
        self.view.loaded(revision=1, at=BEGAN_MS, epoch="world", counters={})
        self.projection = Projection(self.view)
        self.projection.inventory()

    def problem(self, app: AppToPlace) -> Problem:
        """What is to be decided of an app."""
        return problem_from(
            self.view,
            components=app.components,
            policy=app.policy,
            replicas={},
            tenant_id=TENANT,
            projection=self.projection,
        )

    def whole_model(self, app: AppToPlace, *, limits: Limits) -> Model:
        """The model of an app on all candidates, with distances between all of them: for few of them, or much time."""
        problem = self.problem(app)
        units = unit_problems(problem)
        screenings = screen([one.problem for one in units], RULES)
        candidates = [one.passed for one in screenings]
        made = modelled(problem, units, screenings, candidates, timed=True, narrow=False, limits=limits)
        return made.model

    def decide(self, app: AppToPlace, *, limits: Limits | None = None) -> Placed:
        """A decision from nothing but the projection, with every site's reasons in arrays."""
        begun = time.process_time()
        verdict = decide(self.problem(app), limits=limits)
        return Placed(verdict, time.process_time() - begun)

    def forget_distances(self) -> None:
        """Forgets what was searched of the network; what a decision needs of sites and nodes stays known."""
        self.projection.outlooks = Outlooks()
        app = simple(self.world, 1)[0]
        self.decide(AppToPlace(app.name, app.components, PlacementPolicy()), limits=HEURISTIC)

    def cpu(self, listed: Sequence[AppToPlace], *, limits: Limits | None, times: int) -> list[float]:
        """CPU seconds of each decision: the median of so many, after one that does not count."""
        return [median(repeated(partial(self._cpu_s, app, limits), times=times)) for app in listed]

    def _cpu_s(self, app: AppToPlace, limits: Limits | None) -> float:
        return self.decide(app, limits=limits).cpu_s

    def changed_cpu(self, listed: Sequence[AppToPlace], *, limits: Limits | None) -> list[float]:
        """CPU seconds of each decision when a node was lost or came back since the one before: the median of four."""
        end = self.view.follow(self.projection)
        found = []
        for at, app in enumerate(listed):
            took = []
            for _ in range(4):  # an even number, after which the node is as it was
                self.turn_a_node(at)
                self.projection.inventory()
                took.append(self._cpu_s(app, limits))
            found.append(median(took))
        end()
        return found

    def turn_a_node(self, at: int) -> None:
        """Loses a node, or has it come back, as an observer's commit does; `at` says which, any two far from each other."""
        node = self.view.get(self.world.nodes[at * 7_919 % len(self.world.nodes)].id)
        assert isinstance(node, Node)
        status = NodeStatus.NOT_READY if node.status is NodeStatus.READY else NodeStatus.READY
        revision = self.view.revision + 1
        self.view.apply(
            Commit(
                revision=revision,
                draft_id=f"node-{revision}",
                at=self.view.at + 1,
                author="bench",
                action="observe",
                changes=[Change("Node", node.id, node, msgspec.structs.replace(node, status=status, source=SOURCE))],
            )
        )

    def cold_cpu(self, listed: Sequence[AppToPlace], *, limits: Limits | None) -> list[float]:
        """CPU seconds of each decision when nothing is known of any distance."""
        found = []
        for app in listed:
            self.forget_distances()
            found.append(self.decide(app, limits=limits).cpu_s)
        return found

"""Decisions on a `FibreWorld`, timed in CPU of the thread that makes them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.worlds import BEGAN_MS
from bench.worlds.apps import TENANT, AppToPlace
from bench.worlds.fibre import FibreWorld
from graph.view import View
from placement.engine import decide
from placement.problem import Problem, problem_from
from placement.projection import Projection
from placement.solve.model import Limits
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

    def decide(self, app: AppToPlace, *, limits: Limits | None = None) -> Placed:
        """A decision from nothing but the projection, with every site's reasons in arrays."""
        begun = time.thread_time()
        verdict = decide(self.problem(app), limits=limits)
        return Placed(verdict, time.thread_time() - begun)

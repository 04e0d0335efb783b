"""A site is lost: every deployment that runs there is put right on the graph without it, with the fewest moves.

This is the pure part of a failover, as a server does it: so many are decided together (`placement.repair`), with its limits,
and laid over the supposed graph before the next are, so that none count on the same room. What a server does besides is to
keep the decisions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.measures.placing import HEURISTIC, Ground
from bench.worlds import SOURCE
from bench.worlds.apps import TENANT, VERSION, AppToPlace, owners
from bench.worlds.fibre import FibreWorld
from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import Deployment, DeploymentPhase, Release
from graph.kinds.what_if import Change as Supposition
from graph.kinds.what_if import SiteLost
from graph.view import each
from lifecycle.placing_together import TOGETHER
from lifecycle.what_if import supposed
from placement.decision import SitePlacement
from placement.problem import Problem, problem_from
from placement.projection import Projection
from placement.repair import Hit, repair


@dataclass(frozen=True, slots=True)
class Failover:
    """What the loss of one site came to."""

    deployments: int
    """That ran there."""
    placed: int
    """Of these, those that a place was found for."""
    moves: int
    """Components at sites where they did not run."""
    least: int
    """It is proved that those that were placed have no fewer moves."""
    cpu_s: float


class Inhabited(Ground):
    """A world with deployments that run in it, each placed when it came and taking up what it asks for."""

    def __init__(self, world: FibreWorld, listed: Sequence[AppToPlace]) -> None:
        super().__init__(world)
        self.apps: dict[str, AppToPlace] = {}
        self.view.follow(self.projection)
        self._lay([*owners(), *(one for app in listed for one in app.components)])
        for number, app in enumerate(listed):
            verdict = self.decide(app, limits=HEURISTIC).verdict
            if not verdict.feasible:
                continue
            deployment = Deployment(
                id=f"deployment_{number:026d}",
                name=app.name,
                tenant_id=TENANT,
                app_version_id=VERSION,
                policy=app.policy,
                phase=DeploymentPhase.READY,
                source=SOURCE,
                revision=1,
            )
            self.apps[deployment.id] = app
            releases = [
                Release(id=f"release_{number:020d}{at:06d}", source=SOURCE, revision=1, **fields)
                for at, fields in enumerate(_releases(deployment.id, app, verdict.placements))
            ]
            self._lay([deployment, *releases])

    @property
    def composite(self) -> int:
        """Deployments of several components."""
        return sum(len(one.components) > 1 for one in self.apps.values())

    def used_sites(self) -> list[tuple[str, int]]:
        """Each site that runs something and how many deployments, most first, ties by id."""
        count = Counter(
            site
            for one in self.apps
            for site in {release.site_id for release in each(self.view, Release, "deployment_id", one)}
        )
        return sorted(count.items(), key=lambda one: (-one[1], one[0]))

    def lost(self, site_id: str) -> Failover:
        """Puts all that ran at a site right without it; the world stays as it was."""
        begun = time.process_time()
        edit = supposed(self.view, [Supposition(site_lost=SiteLost(site_id=site_id))], visible=lambda reader: reader)
        beside = self.projection.beside(edit, _commit(edit, edit.changes))
        here = sorted({one.deployment_id for one in each(self.view, Release, "site_id", site_id)})
        placed = moves = least = 0
        for at in range(0, len(here), TOGETHER):
            told = len(edit.changes)
            found = repair([Hit(one, self._problem(edit, one, beside)) for one in here[at : at + TOGETHER]])
            for one in found.repairs:
                if one.verdict.feasible:
                    placed += 1
                    _relaid(edit, one.id, self.apps[one.id], one.verdict.placements)
            moves, least = moves + found.moves, least + found.least
            beside.applied(_commit(edit, edit.changes[told:]))
        return Failover(len(here), placed, moves, least, time.process_time() - begun)

    def _problem(self, edit: Edit, deployment_id: str, beside: Projection) -> Problem:
        app = self.apps[deployment_id]
        return problem_from(
            edit,
            components=app.components,
            policy=app.policy,
            replicas={},
            tenant_id=TENANT,
            excluding_deployment_id=deployment_id,
            projection=beside,
        )

    def _lay(self, entities: Sequence[Entity]) -> None:
        revision = self.view.revision + 1
        self.view.apply(
            Commit(
                revision=revision,
                draft_id=f"inhabited-{revision}",
                at=self.view.at + 1,
                author="world",
                action="import",
                changes=[Change(one.SPEC.name, one.id, None, one) for one in entities],
            )
        )


def _releases(deployment_id: str, app: AppToPlace, placements: Sequence[SitePlacement]) -> list[dict[str, Any]]:
    by_id = {one.id: one for one in app.components}
    return [
        {
            "tenant_id": TENANT,
            "deployment_id": deployment_id,
            "component_id": one.component_id,
            "site_id": placement.site_id,
            "cluster_id": one.cluster_id,
            "replicas": one.replicas,
            "resources": by_id[one.component_id].resources,
            "assignments": one.assignments,
        }
        for placement in placements
        for one in placement.components
    ]


def _relaid(edit: Edit, deployment_id: str, app: AppToPlace, placements: Sequence[SitePlacement]) -> None:
    """Lays the new choice over the edit: what stays stays, what is lost goes, what is new comes."""
    there = {(one.component_id, one.site_id): one for one in each(edit, Release, "deployment_id", deployment_id)}
    wanted = {(one["component_id"], one["site_id"]): one for one in _releases(deployment_id, app, placements)}
    for key, release in there.items():
        if key not in wanted:
            edit.delete(release)
    for key, fields in wanted.items():
        if key not in there:
            edit.create(Release, **fields)


def _commit(edit: Edit, changes: Sequence[Change]) -> Commit:
    return Commit(revision=edit.revision, draft_id="", at=edit.at, author="", action="whatIf", changes=list(changes))

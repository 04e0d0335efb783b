"""What must hold of the model: nothing twice at every step, and all that the oracle says once everything was put right."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis.stateful import invariant, rule

from faultkit.checks import check_effects, filed
from faultkit.convergence import CONVERGED_WITHIN_S
from faultkit.failpoints import arrive
from faultkit.machine_lives import FOLLOWED, LARGE, QUIET, Lived
from faultkit.oracle import Shop
from graph.kinds import GIVEN_UP, DeploymentPhase, DeploymentRevision, Operation, OperationStatus
from graph.store import RecordPage

FOLLOWED_WITHIN_S = 60.0
CONFIGURATION = 1
"""Where an object's values are among its content."""
ENDS = frozenset(OperationStatus) - {OperationStatus.RUNNING, OperationStatus.CANCELLING}


class Checked(Lived):
    """A model that comes to rest now and then, and is looked at."""

    @invariant()
    def nothing_is_done_twice_or_over_something_newer(self) -> None:
        Lived.steps += 1
        if getattr(self, "edge", None) is not None and self.edge.driver.world(self.edge.cluster_ids[0]) is not None:
            check_effects(self.edge)
            self._check_copies()
            self._check_order()

    def _check_copies(self) -> None:
        """What must never run twice has at most one copy at any time, by what the backend itself has written down."""
        before = self.copies.moved
        found = self.copies.read(self.edge.world().effects.after(self.copies.read_to))
        Lived.copies_moved += self.copies.moved - before
        assert not found, "; ".join(found)

    def _check_order(self) -> None:
        """What another component depends on leaves a place after that one, whatever has it leave."""
        before = self.order.removed
        found = self.order.read(self.edge.world().effects.after(self.order.read_to))
        Lived.left_in_order += self.order.removed - before
        assert not found, "; ".join(found)

    @rule()
    def comes_to_rest(self) -> None:
        """Everything is put right; what there is within the time is what the oracle says.

        What processes had sent before they died, or to a control plane that hung, arrives only now.
        """
        self.points.die_at = None
        hanging = self.installation.hanging
        hanging.end()
        self.do(lambda: self.edge.configure(**QUIET))
        self._runner.run(self.edge.connected())
        self._runner.run(asyncio.sleep(0.5))
        self._runner.run(hanging.settled())
        Lived.late += hanging.late
        hanging.late = 0
        self._runner.run(arrive(self.late, self.installation.driver.open[-1]))
        self.late.clear()
        for _ in range(3):
            self._try_again()
            self._runner.run(self._rest())
            if any(one.scaled and not one.ending for one in self.shops):
                self._runner.run(asyncio.sleep(FOLLOWED_WITHIN_S))
                self._runner.run(self._rest())
            if not any(one.phase in GIVEN_UP for shop in self.shops for one in self.edge.releases(shop.id)):
                break
        for shop in self.shops:
            self._runner.run(self._check(shop))
        names = {one.backend_name for shop in self.shops for one in self.edge.releases(shop.id)}
        assert set(self.edge.world().objects) <= names, "orphans"
        check_effects(self.edge)
        self._check_copies()
        self._check_order()
        self.copies.at_rest()
        self.calm, self.away = True, frozenset()

    def _try_again(self) -> None:
        for shop in self.shops:
            given_up = {one.operation_id for one in self.edge.releases(shop.id) if one.phase in GIVEN_UP}
            for operation in sorted(one for one in given_up if one is not None):
                if not shop.paused:
                    self.ask(shop, lambda user, key, operation=operation: user.retry(key, operation))

    async def _rest(self) -> None:
        edge = self.edge
        edge.deadline_s = CONVERGED_WITHIN_S
        await edge.until(lambda: all(self._rests(shop) for shop in self.shops), what="rest")

    def _rests(self, shop: Shop) -> bool:
        deployment = self.edge.deployment(shop.id)
        releases = self.edge.releases(shop.id)
        if shop.ending:
            return deployment is None or deployment.phase is DeploymentPhase.TERMINATED
        assert deployment is not None, f"{shop.name} is lost"
        if any(one.phase in GIVEN_UP for one in releases):
            return True
        if shop.moves and not shop.paused and not shop.may_be_at({one.site_id for one in releases}):
            return False
        if shop.paused:
            return deployment.phase in (DeploymentPhase.PAUSED, DeploymentPhase.PENDING_APPROVAL)
        if shop.pending is not None:
            return deployment.phase is DeploymentPhase.PENDING_APPROVAL and deployment.operation_id is None
        wanted = DeploymentPhase.STOPPED if shop.stopped else DeploymentPhase.READY
        return deployment.phase is wanted and deployment.operation_id is None

    async def _check(self, shop: Shop) -> None:
        edge, deployment = self.edge, self.edge.deployment(shop.id)
        for operation in shop.operations:
            running = edge.view.get(operation)
            over = await filed(edge, operation)
            assert over is not None or isinstance(running, Operation), f"{operation} was acknowledged and is lost"
            assert over is None or over.status in ENDS
        if shop.ending:
            assert not edge.releases(shop.id)
            assert deployment is None or not shop.deleted
            return
        assert deployment is not None
        proposed = deployment.proposal.number if deployment.proposal is not None else None
        assert proposed == shop.pending, f"{proposed} waits for approval, not {shop.pending}"
        page = RecordPage(collection="DeploymentRevision", subject_id=shop.id, limit=1_000)
        records = [
            msgspec.json.decode(one.body, type=DeploymentRevision) for one in await edge.ledger.store.records(page)
        ]
        assert sorted(one.number for one in records) == sorted(shop.revisions), "its past differs"
        for one in records:
            known = shop.revisions[one.number]
            assert edge.view.get(one.app_version_id).name == known.version, (one, known)
            assert one.replicas.get("web", 1) == known.replicas, (one, known)
            profile = edge.view.get(one.profile_id).name if one.profile_id is not None else None
            assert profile == known.profile, (one, known)
        if shop.paused:
            return
        self._check_backend(shop)

    def _check_backend(self, shop: Shop) -> None:
        wanted = shop.wanted
        all_of_it = self.edge.releases(shop.id)
        runs = wanted.runs(next((one.site_id for one in all_of_it), None)) if wanted is not None else {}
        world = self.edge.world()
        at = {one.site_id for one in all_of_it}
        assert shop.may_be_at(at), f"{shop.name} is at {sorted(at)}, not at {sorted(runs)}"
        for name in ("web", "db"):
            releases = {one.site_id: one for one in all_of_it if self.edge.view.get(one.component_id).name == name}
            assert set(releases) == at, f"{shop.name}: {name} is at {sorted(releases)} of {sorted(at)}"
            for site, one in releases.items():
                assert wanted is not None
                found = world.objects[one.backend_name]
                counts = (runs[site],) if name == "web" else (1,)
                if name == "web" and site in shop.may_lack:
                    # Left out when it was placed, it came back without a number of its own.
                    counts = (runs[site], wanted.replicas)
                if name == "web" and shop.scaled and site not in wanted.adjusted:
                    counts = FOLLOWED
                if shop.stopped:
                    counts = (0,)
                assert found.replicas in counts, (shop.name, name, found, counts)
                assert (found.replicas, found.generation) == (one.running_replicas, one.generation), (found, one)
                assert found.reference == f"shop:{wanted.version}", (shop.name, name, found.reference)
                values = msgspec.json.decode(found.content)[CONFIGURATION]
                assert values == (LARGE if name == "web" and wanted.profile else {}), (shop.name, name, found.content)

    def teardown(self) -> None:
        try:
            if getattr(self, "edge", None) is not None:
                self.comes_to_rest()
        finally:
            self._stack.close()

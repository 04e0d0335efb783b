"""Kept plans: made, applied once, refused with every reason when the graph has moved on, and gone when they expire."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from faultkit import broken
from graph.kinds import Deployment, DeploymentPhase, Link, OperationKind, Plan, PlanKind, PlanStatus, Site
from graph.kinds.policy import LatencyTarget, Place, PlacementPolicy, SiteSelector
from graph.kinds.what_if import Change, NodesAdded
from graph.ledger import Ledger, system_clock_ms
from graph.refusal import AlreadyExists, Forbidden, InvalidInput, InvalidState, LimitExceeded, NotFound
from graph.request import Idempotency
from graph.stores.sqlite import SqliteStore
from graph.values import Health, HealthStatus
from graph.view import each
from lifecycle import plans_kept
from lifecycle.plans import DEFAULT_LASTS_S, Wanted
from lifecycle.plans_kept import ENDED_KEPT_MS, Applied, PlanOutdated, PlanReason
from lifecycle.plans_rebalance import Rebalancing
from lifecycle.plans_steps import COLLECTION, PlanOutcome
from lifecycle.plans_sweep import PlanSweep, made_at_ms
from lifecycle.service import Lifecycle
from lifecyclekit.edge import NEED, NODE, QUICK, Edge, asking, everything

ONE = PlacementPolicy(max_sites=1)


def anybody(reader: Any, plan: Plan) -> None:
    """Nobody is refused."""


async def kept(edge: Edge, **wanted: Any) -> Plan:
    committed = await edge.lifecycle.plans.keep(
        Wanted(**wanted), asking("createPlan"), visible=everything, allowed=anybody
    )
    plan: Plan = committed.value
    return plan


async def applied(edge: Edge, plan: Plan, **request: Any) -> Applied:
    committed = await edge.lifecycle.plans.apply(
        plan.id, asking("applyPlan", **request), visible=everything, allowed=anybody
    )
    value: Applied = committed.value
    return value


async def reasons(edge: Edge, plan: Plan) -> list[tuple[str, str]]:
    def wanted() -> list[tuple[str, int]]:
        return [(one.id, one.generation) for one in each(edge.view, Deployment)]

    before = wanted(), edge.view.get(plan.id)
    with pytest.raises(PlanOutdated) as refusal:
        await applied(edge, plan)
    assert before == (wanted(), edge.view.get(plan.id)), "nothing of it was begun"
    return [(one.code, one.message) for one in refusal.value.reasons]


async def world(edge: Edge, sites: int = 3, **given: Any) -> None:
    await edge.network(sites=sites, **given)
    await edge.version()


async def running(edge: Edge, name: str, site: str, **fields: Any) -> str:
    held = PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=[site]))
    deployment, operation = await edge.deploy(name, policy=held, **fields)
    await edge.succeeded(operation)
    await edge.change(lambda edit: edit.replace(edit.get(deployment.id), policy=ONE))
    return deployment.id


async def dear(edge: Edge, site_id: str) -> None:
    """Makes it worth the move to leave a site."""
    await edge.change(lambda edit: edit.replace(edit.get(site_id), price_per_core_hour=20.0))


def sites(edge: Edge, deployment_id: str) -> set[str]:
    return {one.site_id for one in edge.releases(deployment_id)}


async def test_a_deployment_is_planned_kept_and_begun_where_it_was_planned(edge: Edge) -> None:
    await world(edge)
    wish = edge.wish("later", policy=ONE, labels={"team": "blue"}, display_name="Later")
    plan = await kept(edge, wish=wish, display_name="My plan")
    assert (plan.kind, plan.status, plan.feasible, plan.moves, plan.step_count) == (
        PlanKind.DEPLOYMENT,
        PlanStatus.OPEN,
        True,
        1,
        1,
    )
    assert plan.expires_at - plan.created_at == DEFAULT_LASTS_S * 1_000
    assert (plan.author, plan.display_name, plan.deployment_display_name) == ("user_test", "My plan", "Later")
    [step] = await edge.lifecycle.plans.steps(plan.id)
    assert step.planned.step.outcome is PlanOutcome.PLACES
    assert edge.view.find("Deployment", "later", edge.tenant_id) is None
    begun = await applied(edge, plan)
    [deployment], [operation] = begun.deployments, begun.operations
    assert (operation.kind, deployment.labels, deployment.display_name) == (
        OperationKind.DEPLOY,
        {"team": "blue"},
        "Later",
    )
    await edge.succeeded(operation)
    assert sites(edge, deployment.id) == set(step.planned.sites_after)
    after = edge.view.get(plan.id)
    assert (after.status, after.operation_ids) == (PlanStatus.APPLIED, [operation.id])
    assert after.applied_at is not None
    assert {one.reason for one in await edge.events(plan.id)} == {"PlanKept", "PlanApplied"}
    assert await reasons(edge, plan) == [("APPLIED", "it has been applied already")]
    edge.check_books()


async def test_a_plan_in_a_deployments_place_updates_it(edge: Edge) -> None:
    await world(edge)
    deployment_id = await running(edge, "shop", edge.site_ids[0])
    other = edge.wish("ignored", sites=[edge.site_ids[2]], replicas={"web": 2})
    plan = await kept(edge, wish=other, replaces=deployment_id)
    assert (plan.subject_id, plan.deployment_name) == (deployment_id, "shop")
    begun = await applied(edge, plan)
    assert [one.kind for one in begun.operations] == [OperationKind.UPDATE]
    await edge.succeeded(begun.operations[0])
    assert sites(edge, deployment_id) == {edge.site_ids[2]}
    assert edge.deployment(deployment_id).revision_number == 2


async def test_a_kept_drain_moves_everything_to_where_it_was_planned(edge: Edge) -> None:
    await world(edge, sites=4)
    home = edge.site_ids[0]
    ids = [await running(edge, f"d{number}", home) for number in range(3)]
    bound, operation = await edge.deploy("bound", sites=[home])
    await edge.succeeded(operation)
    plan = await kept(edge, drain_id=home)
    assert (plan.kind, plan.tenant_id, plan.moves, plan.stuck, plan.feasible) == (PlanKind.DRAIN, None, 3, 1, False)
    after = {
        one.planned.step.deployment_id: set(one.planned.sites_after)
        for one in await edge.lifecycle.plans.steps(plan.id)
    }
    begun = await applied(edge, plan)
    [drain] = begun.operations
    assert drain.kind is OperationKind.DRAIN
    over = await edge.ended(drain.id)
    assert (over.progress.done, over.progress.failed) == (3, 1)
    for one in ids:
        assert sites(edge, one) == after[one]
    assert sites(edge, bound.id) == {home}
    assert not edge.view.get(home).schedulable
    edge.check_books()


async def test_a_kept_rebalance_moves_what_gains_as_operations_that_can_be_taken_back(edge: Edge) -> None:
    await world(edge)
    deployment_id = await running(edge, "shop", edge.site_ids[0])
    await dear(edge, edge.site_ids[0])
    wanted = Rebalancing(tenant_id=edge.tenant_id, move_penalty=0.5, max_moves=7)
    plan = await kept(edge, rebalancing=wanted)
    assert (plan.kind, plan.tenant_id, plan.move_penalty, plan.max_moves) == (
        PlanKind.REBALANCE,
        edge.tenant_id,
        0.5,
        7,
    )
    [step] = await edge.lifecycle.plans.steps(plan.id)
    begun = await applied(edge, plan)
    assert [(one.kind, one.subject_id) for one in begun.operations] == [(OperationKind.REBALANCE, deployment_id)]
    await edge.succeeded(begun.operations[0])
    after = await edge.phase(deployment_id, DeploymentPhase.READY)
    assert sites(edge, deployment_id) == set(step.planned.sites_after) != {edge.site_ids[0]}
    assert after.revision_number == 1
    assert after.good.decision_id == after.decision_id
    edge.check_books()


async def test_a_rebalance_is_made_before_it_is_broken_and_can_be_cancelled(edges: Any) -> None:
    async with edges() as edge:
        await world(edge, sites=2, readyAfterMs=1_000)
        deployment_id = await running(edge, "shop", edge.site_ids[0])
        await dear(edge, edge.site_ids[0])
        plan = await kept(edge, rebalancing=Rebalancing(tenant_id=edge.tenant_id))
        [operation] = (await applied(edge, plan)).operations
        await edge.cancel(operation.id)
        over = await edge.ended(operation.id)
        assert over.status.name == "CANCELLED"
        await edge.phase(deployment_id, DeploymentPhase.READY)
        assert sites(edge, deployment_id) == {edge.site_ids[0]}
        edge.check_books()


# Refused


async def down(edge: Edge, site_id: str) -> None:
    health = Health(status=HealthStatus.DOWN, reasons=["no answer"])
    await edge.change(lambda edit: edit.replace(edit.get(site_id), health=health))


async def test_a_plan_is_refused_when_its_deployment_has_changed(edge: Edge) -> None:
    await world(edge)
    changed, gone, same = [await running(edge, name, edge.site_ids[0]) for name in ("changed", "gone", "same")]
    plan = await kept(edge, drain_id=edge.site_ids[0])
    await edge.succeeded((await edge.scale(changed, web=2)).operation)
    await edge.terminate(gone, delete=True)
    await edge.until(lambda: edge.deployment(gone) is None, what="its end")
    found = await reasons(edge, plan)
    assert [code for code, _ in found] == ["DEPLOYMENT_CHANGED", "DEPLOYMENT_GONE"]
    assert sites(edge, same) == {edge.site_ids[0]}
    assert edge.view.get(edge.site_ids[0]).schedulable


async def test_a_plan_is_refused_when_its_app_version_has_changed(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=ONE))
    component = edge.view.ids("Component")[0]
    await edge.change(lambda edit: edit.replace(edit.get(component), configuration={"x": 1}))
    assert [code for code, _ in await reasons(edge, plan)] == ["APP_VERSION_CHANGED"]


async def test_a_plan_is_refused_when_its_room_is_taken(edge: Edge) -> None:
    await world(edge, sites=1, nodes=1)
    most = NODE.cpu_millicores // NEED.cpu_millicores
    plan = await kept(edge, wish=edge.wish("later", policy=ONE, replicas={"web": most}))
    _, operation = await edge.deploy("first", replicas={"web": 1})
    await edge.succeeded(operation)
    [(code, message)] = await reasons(edge, plan)
    assert code == "CAPACITY_GONE"
    assert "s0" in message


@pytest.mark.parametrize("how", ["down", "cordoned", "gone"])
async def test_a_plan_is_refused_when_its_site_is_no_more(edges: Callable[..., Any], how: str) -> None:
    # Without workers, for an observer would find the site well again.
    async with edges(running=False) as edge:
        await world(edge, sites=2)
        plan = await kept(edge, wish=edge.wish("later", policy=ONE))
        [step] = await edge.lifecycle.plans.steps(plan.id)
        [home] = step.planned.sites_after
        if how == "down":
            await down(edge, home)
        elif how == "cordoned":
            await edge.change(lambda edit: edit.replace(edit.get(home), schedulable=False))
        else:

            def remove(edit: Any) -> None:
                for one in list(edit.ids("Cluster")):
                    cluster = edit.get(one)
                    edit.replace(cluster, site_ids=[each for each in cluster.site_ids if each != home])
                edit.delete(edit.get(home), cascade=True)

            await edge.change(remove)
        codes = {code for code, _ in await reasons(edge, plan)}
        assert codes == {"SITE_GONE"} if how == "gone" else codes == {"POLICY_BROKEN"}


async def test_a_plan_is_refused_when_its_policy_no_longer_holds_there(edge: Edge) -> None:
    await world(edge)
    first, second, _ = edge.site_ids
    link = await edge.change(lambda edit: edit.create(Link, from_site_id=first, to_site_id=second, latency_ms=1.0).id)
    near = PlacementPolicy(
        latency=[LatencyTarget(place=Place(site_id=second), within_ms=3.0)], sites=SiteSelector(site_ids=[first])
    )
    plan = await kept(edge, wish=edge.wish("later", policy=near))
    await edge.change(lambda edit: edit.replace(edit.get(link), latency_ms=30.0))
    [(code, message)] = await reasons(edge, plan)
    assert code == "POLICY_BROKEN"
    assert "3 ms" in message
    await edge.change(lambda edit: edit.replace(edit.get(link), latency_ms=2.0))
    assert (await applied(edge, plan)).operations


async def test_what_was_only_supposed_is_not_there_to_be_used(edge: Edge) -> None:
    await world(edge, sites=1, nodes=1)
    most = NODE.cpu_millicores // NEED.cpu_millicores + 1
    more = Change(nodes_added=NodesAdded(site_id=edge.site_ids[0]))
    plan = await kept(edge, wish=edge.wish("later", policy=ONE, replicas={"web": most}), changes=[more])
    assert plan.feasible
    assert {code for code, _ in await reasons(edge, plan)} == {"CAPACITY_GONE", "ONLY_SUPPOSED"}


async def test_a_plan_that_could_not_be_done_cannot_be_applied(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=PlacementPolicy(min_sites=9)))
    assert not plan.feasible
    with pytest.raises(InvalidState):
        await applied(edge, plan)


async def test_a_name_that_is_taken_meanwhile_is_told_as_that(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("shop", policy=ONE))
    await edge.deploy("shop", policy=ONE)
    with pytest.raises(AlreadyExists) as refusal:
        await applied(edge, plan)
    assert (refusal.value.path, refusal.value.remedy) == (
        "input.id",
        "plan it anew, under another name or in the place of the one that exists",
    )


async def test_applying_again_under_the_same_key_answers_the_same(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=ONE))
    request = asking("applyPlan", idempotency=Idempotency(key="k", body_digest="d"))
    apply = edge.lifecycle.plans.apply
    given: dict[str, Any] = {"visible": everything, "allowed": anybody, "remember": lambda value, revision: b'{"a":1}'}
    first = await apply(plan.id, request, **given)
    again = await apply(plan.id, request, **given)
    assert first.value.operations
    assert (again.value, again.replayed, again.revision) == (None, b'{"a":1}', first.revision)
    assert edge.view.count("Deployment") == 1


# Kept for a while


@pytest.mark.parametrize("lasts", [0, 59, 7 * 86_400 + 1])
async def test_a_plan_lasts_within_bounds(edge: Edge, lasts: int) -> None:
    await world(edge)
    with pytest.raises(InvalidInput) as refusal:
        await kept(edge, wish=edge.wish("later"), lasts_s=lasts)
    assert refusal.value.path == "input.expiresInSeconds"


async def test_a_plan_is_for_one_thing(edge: Edge) -> None:
    await world(edge)
    for wanted in ({}, {"wish": edge.wish("x"), "drain_id": edge.site_ids[0]}):
        with pytest.raises(InvalidInput):
            await kept(edge, **wanted)


async def test_plans_are_bounded_for_each_tenant(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans_kept, "MAX_PLANS", 2)
    await world(edge)
    made = [await kept(edge, wish=edge.wish(f"d{number}", policy=ONE)) for number in range(2)]
    with pytest.raises(LimitExceeded):
        await kept(edge, wish=edge.wish("d3", policy=ONE))
    await kept(edge, drain_id=edge.site_ids[0])
    await edge.lifecycle.plans.delete(made[0].id, asking("deletePlan"), visible=everything, allowed=anybody)
    await kept(edge, wish=edge.wish("d3", policy=ONE))


async def test_a_plan_of_too_many_deployments_is_refused(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    await world(edge)
    for number in range(2):
        await running(edge, f"d{number}", edge.site_ids[0])
    with pytest.raises(LimitExceeded):
        await kept(edge, rebalancing=Rebalancing(tenant_id=edge.tenant_id, first=1))


async def test_who_may_not_is_refused_at_head(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=ONE))

    def nobody(reader: Any, plan: Plan) -> None:
        raise Forbidden("not you")

    plans = edge.lifecycle.plans
    given: dict[str, Any] = {"visible": everything, "allowed": nobody}
    with pytest.raises(Forbidden):
        await plans.keep(Wanted(wish=edge.wish("b", policy=ONE)), asking(), **given)
    with pytest.raises(Forbidden):
        await plans.apply(plan.id, asking(), **given)
    with pytest.raises(Forbidden):
        await plans.delete(plan.id, asking(), **given)
    assert list(edge.view.ids("Plan")) == [plan.id]


async def test_a_deleted_plan_leaves_nothing(edge: Edge) -> None:
    await world(edge)
    plan = await kept(edge, wish=edge.wish("later", policy=ONE))
    assert await edge.ledger.store.subjects(COLLECTION) == [plan.id]
    await edge.lifecycle.plans.delete(plan.id, asking("deletePlan"), visible=everything, allowed=anybody)
    assert edge.view.get(plan.id) is None
    assert await edge.ledger.store.subjects(COLLECTION) == []
    with pytest.raises(NotFound):
        await applied(edge, plan)


class Hands:
    """A clock whose hands a test turns, for the ledger and the lifecycle alike."""

    def __init__(self) -> None:
        # Ids rise within a process whatever a clock says, so this one begins with the others.
        self.at_ms = system_clock_ms()
        self.passed_s = 0.0
        """Time that has passed, whatever the hands were turned to."""

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic(self) -> float:
        return self.at_ms / 1_000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


@contextlib.asynccontextmanager
async def timed(folder: Path, hands: Hands) -> Any:
    ledger = Ledger(SqliteStore(folder / "graph.db"), clock_ms=hands.now_ms, monotonic=lambda: hands.passed_s)
    async with ledger.running():
        driver = SimulatedDriver()
        lifecycle = Lifecycle(ledger, DriverRegistry.of(driver), settings=QUICK, clock=hands)
        yield Edge(ledger, lifecycle, driver)


async def test_plans_expire_and_are_swept(tmp_path: Path) -> None:
    hands = Hands()
    async with timed(tmp_path, hands) as edge:
        await world(edge)
        sweep = PlanSweep(edge.ledger, clock=hands)
        short = await kept(edge, wish=edge.wish("a", policy=ONE), lasts_s=60)
        long = await kept(edge, wish=edge.wish("b", policy=ONE), lasts_s=120)
        hands.at_ms = short.expires_at - 1
        assert await sweep.once() == 0
        hands.at_ms = short.expires_at
        assert await reasons(edge, short) == [("EXPIRED", "it has expired")]
        hands.at_ms = short.expires_at + ENDED_KEPT_MS - 1
        assert await sweep.once() == 0
        assert await reasons(edge, short) == [("EXPIRED", "it has expired")], "a day after it expired"
        hands.at_ms += 1
        assert await sweep.once() == 1
        assert list(edge.view.ids("Plan")) == [long.id]
        assert await edge.ledger.store.subjects(COLLECTION) == [long.id]
        assert await sweep.once() == 0
        with pytest.raises(NotFound):
            await applied(edge, short)


async def test_what_has_expired_makes_room_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans_kept, "MAX_PLANS", 3)
    hands = Hands()
    async with timed(tmp_path, hands) as edge:
        await world(edge)
        later = await kept(edge, wish=edge.wish("a", policy=ONE), lasts_s=120)
        sooner = await kept(edge, wish=edge.wish("b", policy=ONE), lasts_s=60)
        hands.at_ms = later.expires_at
        made = [await kept(edge, wish=edge.wish("c", policy=ONE))]
        assert list(edge.view.ids("Plan")) == [later.id, sooner.id, made[0].id], "there is room for all"
        made.append(await kept(edge, wish=edge.wish("d", policy=ONE)))
        assert list(edge.view.ids("Plan")) == [later.id, *(one.id for one in made)], "what expired first goes first"
        made.append(await kept(edge, wish=edge.wish("e", policy=ONE)))
        assert list(edge.view.ids("Plan")) == [one.id for one in made]
        with pytest.raises(LimitExceeded):
            await kept(edge, wish=edge.wish("f", policy=ONE))


async def test_a_plan_expires_by_the_graphs_time_when_the_clock_was_set_back(tmp_path: Path) -> None:
    hands = Hands()
    async with timed(tmp_path, hands) as edge:
        await world(edge)
        sweep = PlanSweep(edge.ledger, clock=hands)
        await kept(edge, wish=edge.wish("a", policy=ONE), lasts_s=60)
        hands.at_ms -= 3_600_000
        assert await sweep.once() == 0
        hands.passed_s += 130.0 + 2 * ENDED_KEPT_MS / 1_000  # at half the rate, until the clock is where the graph is
        with broken.by_the_machines_clock():
            assert await sweep.once() == 0, "the control: it is an hour until then by the machine's clock"
        assert await sweep.once() == 1


async def test_the_sweep_is_bounded_and_finds_what_was_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans_kept, "EXPIRED_A_COMMIT", 2)
    hands = Hands()
    async with timed(tmp_path, hands) as edge:
        await world(edge)
        sweep = PlanSweep(edge.ledger, clock=hands)
        made = [await kept(edge, wish=edge.wish(f"d{number}", policy=ONE)) for number in range(3)]
        await edge.change(lambda edit: edit.delete(edit.get(made[0].id)))
        await sweep.once()
        assert made[0].id in await edge.ledger.store.subjects(COLLECTION), "it may be another process's, just made"
        hands.at_ms += 2 * 3_600_000 + ENDED_KEPT_MS
        assert await sweep.once() == 2
        assert await edge.ledger.store.subjects(COLLECTION) == []


def test_an_id_tells_when_it_was_made() -> None:
    # The example of the ULID specification's own implementation: 1469918176385 ms.
    assert made_at_ms("plan_01ARYZ6S41TSV4RRFFQ69G5FAV") == 1_469_918_176_385


async def test_a_kept_plan_outlives_a_restart(edges: Callable[..., Any]) -> None:
    async with edges() as edge:
        await world(edge)
        plan = await kept(edge, wish=edge.wish("later", policy=ONE))
        tenant, version, ids = edge.tenant_id, edge.version_id, edge.site_ids
    async with edges() as edge:
        edge.tenant_id, edge.version_id, edge.site_ids = tenant, version, ids
        assert edge.view.get(plan.id) == plan
        begun = await applied(edge, plan)
        await edge.succeeded(begun.operations[0])
        assert isinstance(edge.view.get(next(iter(sites(edge, begun.deployments[0].id)))), Site)


@pytest.mark.parametrize(
    ("count", "said"), [(1, "gone"), (2, "gone (and 1 other reason)"), (3, "gone (and 2 other reasons)")]
)
def test_of_many_reasons_the_first_is_said_and_how_many_others_there_are(count: int, said: str) -> None:
    refusal = PlanOutdated([PlanReason(code="SITE_GONE", message="gone")] * count)
    assert refusal.message == f"the plan cannot be applied any more: {said}"

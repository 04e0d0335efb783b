"""Sites added, removed and adjusted: there what was asked, and everywhere else nothing at all."""

from __future__ import annotations

import asyncio

import pytest

from graph.kinds import DeploymentPhase, FailoverMode, FailoverPolicy, OperationKind, OperationStatus, SiteReplicas
from graph.kinds.policy import Division, PlacementPolicy, SiteSelector
from graph.refusal import CapacityGone, InvalidInput, InvalidState, NotFound
from lifecycle.unplaceable import Unplaceable
from lifecyclekit.edge import NEED, NODE
from placement.filed_decision import decision_filed
from placement.verdict import refusals_at


async def shop(edge, sites: int = 4, at: int = 2, **fields):
    """A deployment that is READY at some sites."""
    await edge.network(sites=sites)
    await edge.version()
    deployment, operation = await edge.deploy(sites=edge.site_ids[:at], **fields)
    await edge.succeeded(operation)
    return await edge.phase(deployment.id, DeploymentPhase.READY)


def standing(edge, deployment_id: str) -> dict[str, tuple[int, int, int]]:
    """(replicas, generation, calls) by site."""
    found = edge.releases(deployment_id)
    return {one.site_id: (one.replicas, one.generation, one.epoch) for one in found}


async def test_added_sites_are_all_that_is_touched(edge) -> None:
    deployment = await shop(edge)
    before = standing(edge, deployment.id)
    started = await edge.add_sites(deployment.id, edge.site_ids[3])
    assert (started.operation.kind, started.operation.progress.total) == (OperationKind.ADD_SITES, 1)
    await edge.succeeded(started.operation)
    after = standing(edge, deployment.id)
    assert after == {**before, edge.site_ids[3]: (1, 2, 1)}
    edge.check_books()
    # What was edited holds: the next update keeps to it.
    await edge.succeeded((await edge.update(deployment.id, replicas={"web": 2})).operation)
    assert standing(edge, deployment.id).keys() == after.keys()


async def test_a_removed_site_loses_its_workload_and_the_others_nothing(edge) -> None:
    deployment = await shop(edge, at=3)
    before = standing(edge, deployment.id)
    gone = edge.site_ids[1]
    started = await edge.remove_sites(deployment.id, gone)
    assert (started.operation.kind, started.operation.progress.total) == (OperationKind.REMOVE_SITES, 1)
    await edge.succeeded(started.operation)
    assert standing(edge, deployment.id) == {site: one for site, one in before.items() if site != gone}
    assert {one.site_id for one in edge.world().objects.values()} == before.keys() - {gone}
    edge.check_books()


async def test_an_update_that_only_removes_a_site_removes_its_workload(edge) -> None:
    deployment = await shop(edge, at=3)
    policy = edge.wish(sites=edge.site_ids[:2]).policy
    await edge.succeeded((await edge.update(deployment.id, policy=policy)).operation)
    assert {one.site_id for one in edge.world().objects.values()} == set(edge.site_ids[:2])
    await edge.succeeded((await edge.terminate(deployment.id)).operation)
    assert not edge.world().objects


async def test_a_removed_site_is_not_replaced_by_another(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=2, max_sites=2))
    await edge.succeeded(operation)
    one, two = sorted(standing(edge, deployment.id))
    await edge.succeeded((await edge.remove_sites(deployment.id, one)).operation)
    assert list(standing(edge, deployment.id)) == [two]
    assert edge.deployment(deployment.id).policy.min_sites == 1
    # It comes back when it is added, though it was excluded.
    await edge.succeeded((await edge.add_sites(deployment.id, one)).operation)
    assert sorted(standing(edge, deployment.id)) == [one, two]


async def test_everything_is_checked_before_anything_is_done(edge) -> None:
    deployment = await shop(edge)
    before = edge.deployment(deployment.id)
    one, two, three, _ = edge.site_ids
    with pytest.raises(NotFound) as refused:
        await edge.add_sites(deployment.id, three, "site_none")
    assert refused.value.path == "input.siteIds[1]"
    with pytest.raises(InvalidState, match="at all of these sites already"):
        await edge.add_sites(deployment.id, one)
    with pytest.raises(InvalidState, match="at none of these sites"):
        await edge.remove_sites(deployment.id, three)
    with pytest.raises(InvalidState, match="would be at no site"):
        await edge.remove_sites(deployment.id, one, two)
    with pytest.raises(InvalidState, match="not at this site"):
        await edge.adjust_site(deployment.id, three, web=2)
    with pytest.raises(InvalidInput, match="no component 'none'"):
        await edge.adjust_site(deployment.id, one, none=2)
    with pytest.raises(Unplaceable):
        await edge.adjust_site(deployment.id, one, web=17)
    assert edge.deployment(deployment.id) == before


async def test_a_site_without_room_is_refused_with_its_reason(edge) -> None:
    deployment = await shop(edge)
    full = edge.site_ids[3]
    taker, operation = await edge.deploy("taker", sites=[full], replicas={"web": 16})
    await edge.succeeded(operation)
    with pytest.raises(Unplaceable) as refused:
        await edge.add_sites(deployment.id, full)
    assert [one.site_id for one in refusals_at(refused.value.decision, [full])] == [full]
    assert taker.id != deployment.id
    edge.check_books()


async def test_one_site_has_another_number_of_replicas(edge) -> None:
    deployment = await shop(edge, at=3)
    before = standing(edge, deployment.id)
    one = edge.site_ids[1]
    started = await edge.adjust_site(deployment.id, one, web=3)
    assert (started.operation.kind, started.operation.progress.total) == (OperationKind.ADJUST_SITE, 1)
    await edge.succeeded(started.operation)
    after = standing(edge, deployment.id)
    assert after == {**before, one: (3, 2, 2)}
    (release,) = [each for each in edge.releases(deployment.id) if each.site_id == one]
    assert sum(release.assignments.values()) == 3
    edge.check_books()


async def priced(edge, deployment_id: str):
    """The decision that is filed of a deployment."""
    record = await edge.ledger.store.record("decision", edge.deployment(deployment_id).decision_id)
    return decision_filed(record.body)


async def test_the_decision_of_an_adjusted_site_tells_what_it_costs(edge) -> None:
    deployment = await shop(edge, at=2)
    one, two = edge.site_ids[:2]
    for site_id, price in ((one, 2.0), (two, 6.0)):
        await edge.change(
            lambda edit, site_id=site_id, price=price: edit.replace(edit.get(site_id), price_per_core_hour=price)
        )
    cores = NEED.cpu_millicores / 1000
    for counts, replicas in (((3, 1), {"web": 3}), ((1, 1), None)):
        await edge.succeeded((await edge.adjust_site(deployment.id, one, **(replicas or {}))).operation)
        found = await priced(edge, deployment.id)
        price = cores * (2.0 * counts[0] + 6.0 * counts[1])
        assert found.objective.price_per_hour == pytest.approx(price)
        assert [one.components[0].replicas for one in found.placements] == list(counts)
        terms = {at.site_id: {term.name: term.value for term in at.terms} for at in found.placements}
        assert [terms[site]["price"] for site in (one, two)] == pytest.approx(
            [cores * 2.0 * counts[0], cores * 6.0 * counts[1]]
        )
        # Of the two nodes of a site so much is in use by then.
        in_use = [count * NEED.cpu_millicores / (2 * NODE.cpu_millicores) for count in counts]
        assert [terms[site]["headroom"] for site in (one, two)] == pytest.approx(in_use)
        assert found.objective.score == pytest.approx(sum(at.score for at in found.placements))


async def test_more_at_a_site_than_the_policy_pays_for_is_refused(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    home = edge.site_ids[0]
    await edge.change(lambda edit: edit.replace(edit.get(home), price_per_core_hour=2.0))
    policy = PlacementPolicy(max_price_per_hour=4 * NEED.cpu_millicores / 1000)
    deployment, operation = await edge.deploy(policy=policy)
    await edge.succeeded(operation)
    await edge.succeeded((await edge.adjust_site(deployment.id, home, web=2)).operation)
    with pytest.raises(Unplaceable) as refused:
        await edge.adjust_site(deployment.id, home, web=3)
    assert [one.rule for one in refused.value.decision.conflicts] == ["max_price_per_hour"]
    assert standing(edge, deployment.id)[home][0] == 2


async def test_an_adjustment_is_part_of_the_revision(edge) -> None:
    deployment = await shop(edge)
    one, two, *_ = edge.site_ids
    for verb in (edge.adjust_site(deployment.id, one, web=3),):
        await edge.succeeded((await verb).operation)
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 3, two: 2}
    await edge.succeeded((await edge.adjust_site(deployment.id, one)).operation)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 2, two: 2}
    await edge.succeeded((await edge.rollback(deployment.id, 2)).operation)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 3, two: 1}
    # The next change starts from it.
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 3, two: 1}
    assert edge.deployment(deployment.id).revision_number == 6
    edge.check_books()


async def test_an_adjusted_site_keeps_its_number_when_another_is_drained(edge) -> None:
    await edge.network(sites=3)
    await edge.version()
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=2, max_sites=2))
    await edge.succeeded(operation)
    one, two = sorted(standing(edge, deployment.id))
    await edge.succeeded((await edge.adjust_site(deployment.id, one, web=3)).operation)
    await edge.succeeded(await edge.drain(two))
    after = standing(edge, deployment.id)
    assert after[one][0] == 3
    assert two not in after
    edge.check_books()


async def test_a_removed_site_takes_its_adjustment_with_it(edge) -> None:
    deployment = await shop(edge)
    one = edge.site_ids[0]
    await edge.succeeded((await edge.adjust_site(deployment.id, one, web=3)).operation)
    await edge.succeeded((await edge.remove_sites(deployment.id, one)).operation)
    await edge.succeeded((await edge.add_sites(deployment.id, one)).operation)
    assert standing(edge, deployment.id)[one][0] == 1
    assert edge.deployment(deployment.id).adjustments == []


async def updated(edge, deployment_id: str, *site_ids: str) -> None:
    policy = edge.wish(sites=list(site_ids)).policy
    await edge.succeeded((await edge.update(deployment_id, policy=policy)).operation)


async def migrated(edge, deployment_id: str, *site_ids: str) -> None:
    await edge.succeeded((await edge.migrate(deployment_id, site_ids=site_ids)).operation)


@pytest.mark.parametrize("go", [updated, migrated])
async def test_a_site_that_is_left_takes_its_adjustment_with_it(edge, go) -> None:
    deployment = await shop(edge)
    one, two, *_ = edge.site_ids
    for site_id, count in ((one, 0), (two, 3)):
        await edge.succeeded((await edge.adjust_site(deployment.id, site_id, web=count)).operation)
    await go(edge, deployment.id, two)
    assert [found.site_id for found in edge.deployment(deployment.id).adjustments] == [two]
    await go(edge, deployment.id, one, two)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 1, two: 3}
    # What was asked for at a revision comes back with it.
    await edge.succeeded((await edge.rollback(deployment.id, 2)).operation)
    assert {site: found[0] for site, found in standing(edge, deployment.id).items()} == {one: 0, two: 1}
    edge.check_books()


def is_good_now(edge, deployment_id: str) -> bool:
    """Whether it was wholly observed as it was last placed."""
    found = edge.deployment(deployment_id)
    return found.good.decision_id == found.decision_id


async def test_a_site_that_is_drained_takes_its_adjustment_with_it(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(policy=PlacementPolicy(min_sites=1, max_sites=1))
    await edge.succeeded(operation)
    (one,) = standing(edge, deployment.id)
    (two,) = set(edge.site_ids) - {one}
    await edge.succeeded((await edge.adjust_site(deployment.id, one, web=3)).operation)
    await edge.succeeded(await edge.drain(one))
    assert edge.deployment(deployment.id).adjustments == []
    await edge.change(lambda edit: edit.replace(edit.get(one), schedulable=True))
    await edge.succeeded(await edge.drain(two))
    assert standing(edge, deployment.id)[one][0] == 1
    await edge.until(lambda: is_good_now(edge, deployment.id), what="that it is whole")
    # A change that is taken back leaves it as it ran, not as its revision once wanted it there.
    await edge.configure(failingSites=["s0", "s1"])
    started = await edge.scale(deployment.id, web=2)
    await edge.cancel(started.operation.id)
    await edge.configure()
    await edge.ended(started.operation.id)
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert (standing(edge, deployment.id)[one][0], edge.deployment(deployment.id).adjustments) == (1, [])
    edge.check_books()


async def test_an_adjustment_of_an_earlier_time_does_not_hold_where_a_failover_leads(edge) -> None:
    deployment = await shop(edge)
    one, two, *_ = edge.site_ids
    await edge.succeeded((await edge.adjust_site(deployment.id, one, web=0)).operation)
    for site_ids in ([two], [one, two]):
        policy = PlacementPolicy(max_sites=1, sites=SiteSelector(site_ids=site_ids))
        failover = FailoverPolicy(mode=FailoverMode.APPLY, toleration_seconds=0)
        started = await edge.update(deployment.id, policy=policy, failover=failover)
        await edge.succeeded(started.operation)
        # As a graph may have it that was kept before such numbers went with their site.
        await edge.change(
            lambda edit: edit.replace(
                edit.get(deployment.id), adjustments=[SiteReplicas(site_id=one, component="web", replicas=0)]
            )
        )
    assert list(standing(edge, deployment.id)) == [two]
    await edge.configure(awaySites=["s1"])

    def moved() -> bool:
        return any((at.site_id, at.phase.name) == (one, "READY") for at in edge.releases(deployment.id))

    await edge.until(moved, what="that it moved")
    assert standing(edge, deployment.id)[one][0] == 1
    assert edge.deployment(deployment.id).adjustments == []


async def test_a_site_without_replicas_stays_so_while_others_change(edge) -> None:
    deployment = await shop(edge)
    one, two, three, _ = edge.site_ids
    await edge.succeeded((await edge.adjust_site(deployment.id, one, web=0)).operation)
    await edge.succeeded((await edge.scale(deployment.id, web=2)).operation)
    await edge.succeeded((await edge.add_sites(deployment.id, three)).operation)
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    counts = {site: found[0] for site, found in standing(edge, deployment.id).items()}
    assert counts == {one: 0, two: 2, three: 2}
    edge.check_books()


async def test_divided_totals_are_not_adjusted(edge) -> None:
    await edge.network(sites=2)
    await edge.version()
    policy = PlacementPolicy(everywhere=True, division=Division())
    deployment, operation = await edge.deploy(policy=policy, replicas={"web": 4})
    await edge.succeeded(operation)
    with pytest.raises(InvalidState, match="divided"):
        await edge.adjust_site(deployment.id, edge.site_ids[0], web=1)


async def test_sites_that_are_added_at_the_same_time_are_all_there(edge) -> None:
    deployment = await shop(edge, sites=4, at=1)
    asked = [edge.add_sites(deployment.id, site) for site in edge.site_ids[1:]]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    done = [site for site, one in zip(edge.site_ids[1:], answers, strict=True) if not isinstance(one, BaseException)]
    assert done
    assert all(isinstance(one, CapacityGone) for one in answers if isinstance(one, BaseException))
    await edge.phase(deployment.id, DeploymentPhase.READY)
    assert set(standing(edge, deployment.id)) == {edge.site_ids[0], *done}
    edge.check_books()


async def test_an_addition_is_taken_back_by_its_cancellation(edge) -> None:
    deployment = await shop(edge)
    await edge.configure(failingSites=["s3"])
    started = await edge.add_sites(deployment.id, edge.site_ids[3])
    await edge.cancel(started.operation.id)
    await edge.configure()
    assert (await edge.ended(started.operation.id)).status is OperationStatus.CANCELLED
    after = await edge.phase(deployment.id, DeploymentPhase.READY)
    assert set(standing(edge, deployment.id)) == set(edge.site_ids[:2])
    assert after.policy.sites == SiteSelector(site_ids=edge.site_ids[:2])
    edge.check_books()

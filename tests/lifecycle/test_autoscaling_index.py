"""What is scaled, kept from commits: always the same as what is found by looking at the whole graph."""

from __future__ import annotations

import contextlib
import random

import pytest

from graph.kinds import Component, Release, ScalingPolicy, SiteScaling
from graph.refusal import Refusal
from graph.view import View, each, get_as
from lifecycle.autoscaling_index import Scaled
from lifecycle.rescaling import drop_standings
from lifecycle.share import Share, partition_of
from lifecyclekit.edge import edge_of
from lifecyclekit.scaling import Loop


def found_by_walking(view: View) -> tuple[set[tuple[str, str]], set[str], dict[tuple[str, str], set[str]]]:
    """(policy, release) of what is scaled; standings that are left behind; releases by deployment and site."""
    targets, left, there = set(), set(), {}
    for policy in each(view, ScalingPolicy):
        sites = set()
        for release in each(view, Release, "deployment_id", policy.deployment_id):
            if release.stays:
                there.setdefault((policy.deployment_id, release.site_id), set()).add(release.id)
            component = get_as(view, Component, release.component_id)
            if component is None or component.name != policy.component or not release.wanted:
                continue
            sites.add(release.site_id)
            if release.retires_after is None and not release.standby:
                targets.add((policy.id, release.id))
        left |= {one.id for one in each(view, SiteScaling, "policy_id", policy.id) if one.site_id not in sites}
    return targets, left, there


def kept(scaled: Scaled, view: View) -> tuple[set[tuple[str, str]], set[str], dict[tuple[str, str], set[str]]]:
    targets = {(one.policy.id, one.release.id) for one in scaled.targets(Share())}
    there = {
        (policy.deployment_id, site_id): {one.id for one in scaled.staying(policy.deployment_id, site_id).values()}
        for policy in each(view, ScalingPolicy)
        for site_id in view.ids("Site")
    }
    return targets, set(scaled.left_behind(Share())), {key: some for key, some in there.items() if some}


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_kept_is_what_walking_the_graph_finds(tmp_path, seed: int) -> None:
    chance = random.Random(seed)
    async with edge_of(tmp_path) as edge:
        scaled = Scaled(edge.view)
        edge.view.follow(scaled)
        await edge.network(sites=3)
        await edge.version(web={}, db={})
        second = await edge.version("2", web={}, db={}, cache={})
        running: list[str] = []
        loop = Loop(edge)

        async def deploy(_: str = "") -> None:
            running.append((await edge.deploy(f"shop-{len(running)}"))[0].id)

        async def policy(one: str) -> None:
            name = chance.choice(["web", "db"])
            if not edge.view.find("ScalingPolicy", name, one):
                await loop.policy(one, name=name, component=name)

        async def without(one: str) -> None:
            await edge.change(lambda edit: [edit.delete(it) for it in each(edit, ScalingPolicy, "deployment_id", one)])

        async def another_component(one: str) -> None:
            def change(edit) -> None:
                policies = list(each(edit, ScalingPolicy, "deployment_id", one))
                for it in policies[:1]:
                    free = {"web", "db"} - {other.component for other in policies}
                    edit.replace(it, component=min(free, default=it.component))

            await edge.change(change)

        async def stand(one: str) -> None:
            def change(edit) -> None:
                for it in each(edit, ScalingPolicy, "deployment_id", one):
                    sites = {each_.site_id for each_ in each(edit, SiteScaling, "policy_id", it.id)}
                    for site_id in set(edge.site_ids) - sites:
                        edit.create(SiteScaling, tenant_id=it.tenant_id, policy_id=it.id, site_id=site_id)

            await edge.change(change)

        async def drop(_: str) -> None:
            await edge.change(lambda edit: [edit.delete(it) for it in list(each(edit, SiteScaling))[:2]])

        async def fewer_sites(one: str) -> None:
            if len({it.site_id for it in edge.releases(one) if it.wanted}) > 1:
                await edge.remove_sites(one, edge.releases(one)[0].site_id)

        steps = {
            "deploy": deploy,
            "policy": policy,
            "again": policy,
            "without": without,
            "another component": another_component,
            "stand": stand,
            "drop": drop,
            "update": lambda one: edge.update(one, app_version_id=second),
            "migrate": lambda one: edge.migrate(one, app_version_id=second),
            "stop": lambda one: edge.stop(one),
            "resume": lambda one: edge.resume(one),
            "fewer": fewer_sites,
            "terminate": lambda one: edge.terminate(one, delete=True),
        }
        await deploy()
        await deploy()
        for _ in range(40):
            name = chance.choice(list(steps))
            one = chance.choice([it for it in running if edge.deployment(it) is not None] or [""])
            with contextlib.suppress(Refusal):
                await steps[name](one)
            assert kept(scaled, edge.view) == found_by_walking(edge.view), name
        assert kept(Scaled(edge.view), edge.view) == kept(scaled, edge.view), "and what one that starts finds"


async def test_a_process_has_the_sites_of_its_share(edge) -> None:
    await edge.network(sites=4)
    await edge.version()
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await Loop(edge).policy(deployment.id)
    scaled = Scaled(edge.view)
    mine = frozenset({partition_of(edge.site_ids[1])})
    sites = {one.release.site_id for one in scaled.targets(Share("one", partitions=mine))}
    assert sites == {one for one in edge.site_ids if partition_of(one) in mine}


async def test_a_standing_stays_where_its_component_is_to_run_again_by_now(tmp_path) -> None:
    async with edge_of(tmp_path, running=False) as edge:
        await edge.network(sites=2)
        await edge.version()
        deployment, _ = await edge.deploy(sites=edge.site_ids[:1])
        policy = await Loop(edge).policy(deployment.id)

        def stand(edit) -> list[str]:
            made = [
                edit.create(SiteScaling, tenant_id=edge.tenant_id, policy_id=policy.id, site_id=site_id)
                for site_id in edge.site_ids
            ]
            return [one.id for one in made]

        here, left = await edge.change(stand)
        await edge.change(lambda edit: drop_standings(edit, [here, left]))
        assert list(edge.view.ids("SiteScaling")) == [here]
        await edge.change(
            lambda edit: [
                edit.replace(one, wanted=False) for one in each(edit, Release, "deployment_id", deployment.id)
            ]
        )
        await edge.change(lambda edit: drop_standings(edit, [here]))
        assert list(edge.view.ids("SiteScaling")) == []

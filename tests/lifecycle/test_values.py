"""Profiles and overrides: what a component runs with at each site, and what of it a change touches."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graph.kinds import Component, Override, Profile
from graph.kinds.dependencies import Dependency
from graph.refusal import InUse, InvalidInput, InvalidState, LimitExceeded, NotFound
from graph.view import get_as
from lifecycle.effective import MAX_LAID_BYTES, Overlays, effective_of
from lifecycle.work import work_of

OWN = {"image": {"tag": "1", "pull": "Always"}, "args": ["a", "b"], "level": "info"}


async def world(edge, *, sites: int = 3) -> str:
    await edge.network(sites=sites)
    made: str = await edge.version(web={"configuration": OWN}, db={})
    return made


async def profile(edge, version: str, name: str = "large", **values: Any) -> str:
    def make(edit: Any) -> str:
        return edit.create(Profile, name=name, app_version_id=version, tenant_id=edge.tenant_id, values=values).id

    made: str = await edge.change(make)
    return made


def told(edge, deployment_id: str) -> dict[tuple[str, str], Any]:
    """By component and site, what the backend is handed."""
    found = {}
    for one in edge.releases(deployment_id):
        name = get_as(edge.view, Component, one.component_id).name
        work = work_of(edge.view, one)
        assert work.configuration == effective_of(edge.view, one)
        found[name, edge.view.get(one.site_id).name] = work.configuration
    return found


async def test_values_are_the_components_then_the_profiles_then_the_overrides_general_ones_first(edge) -> None:
    version = await world(edge)
    large = await profile(edge, version, web={"image": {"pull": "Never"}, "size": "L"}, db={"size": "L"})
    overrides = [
        Override(component="web", path="level", value="site", site_ids=[edge.site_ids[0]]),
        Override(component="web", path="level", value="zone", site_selector="zone=z0"),
        Override(component="web", document="level: all\nargs: [c]\n"),
        Override(component="web", path="image.tag", site_selector="zone=z1"),
    ]
    deployment, operation = await edge.deploy(profile_id=large, overrides=overrides)
    await edge.succeeded(operation)
    web = {**OWN, "args": ["c"], "size": "L"}
    assert told(edge, deployment.id) == {
        ("web", "s0"): {**web, "level": "site", "image": {"tag": "1", "pull": "Never"}},
        ("web", "s1"): {**web, "level": "all", "image": {"tag": None, "pull": "Never"}},
        ("web", "s2"): {**web, "level": "zone", "image": {"tag": "1", "pull": "Never"}},
        **{("db", f"s{number}"): {"size": "L"} for number in range(3)},
    }


async def test_two_deployments_of_one_version_run_beside_each_other_with_values_of_their_own(edge) -> None:
    await edge.network(sites=2)
    await edge.version(web={"configuration": OWN, "dependencies": [Dependency(component="db")]}, db={})
    made = []
    for level in ("debug", "warning"):
        loud = [Override(component="web", path="level", value=level)]
        deployment, operation = await edge.deploy(level, overrides=loud)
        await edge.succeeded(operation)
        made.append(deployment.id)
    for deployment_id, level in zip(made, ("debug", "warning"), strict=True):
        assert {told(edge, deployment_id)["web", site]["level"] for site in ("s0", "s1")} == {level}
    await edge.succeeded((await edge.terminate(made[0])).operation)
    assert len(edge.releases(made[1])) == len(edge.world().objects) == 4
    edge.check_books()


async def test_only_what_runs_with_other_values_is_touched(edges, tmp_path: Path) -> None:
    async with edges(data_folder=tmp_path / "world") as edge:
        version = await world(edge)
        same = await profile(edge, version, web={"level": "info"})
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)

        async def touched(**change: Any) -> Counter[str]:
            began = len(edge.history())
            await edge.succeeded((await edge.update(deployment.id, **change)).operation)
            sites = {one.backend_name: edge.view.get(one.site_id).name for one in edge.releases(deployment.id)}
            return Counter(sites[name] for _, name, _ in edge.history()[began:])

        at_one = Override(component="web", path="level", value="debug", site_ids=[edge.site_ids[1]])
        assert await touched(overrides=[at_one]) == {"s1": 1}
        assert await touched(profile_id=same) == {}
        assert await touched(overrides=[Override(component="web", path="args", value=["a", "b"]), at_one]) == {}
        assert await touched(overrides=[]) == {"s1": 1}
        assert await touched(overrides=[Override(component="web", path="new", value=1)]) == {"s0": 1, "s1": 1, "s2": 1}
        assert await touched(profile_id=None) == {}
        generations = {one.generation for one in edge.releases(deployment.id)}
        assert len(generations) == 2  # those of db are as they were made


async def test_what_a_backend_was_told_outlasts_the_labels_of_its_site(edge) -> None:
    await world(edge, sites=1)
    in_zone = [Override(component="web", path="level", value="zone", site_selector="zone=z0")]
    deployment, operation = await edge.deploy(overrides=in_zone)
    await edge.succeeded(operation)
    await edge.change(lambda edit: edit.replace(edge.site(0), labels={}))
    assert told(edge, deployment.id)["web", "s0"]["level"] == "zone"
    await edge.succeeded((await edge.update(deployment.id)).operation)
    assert told(edge, deployment.id)["web", "s0"]["level"] == "info"


async def test_a_rollback_brings_profile_and_overrides_back_and_the_next_change_starts_from_them(edge) -> None:
    version = await world(edge, sites=1)
    large = await profile(edge, version, web={"size": "L"})
    loud = [Override(component="web", path="level", value="debug")]
    deployment, operation = await edge.deploy(profile_id=large, overrides=loud)
    await edge.succeeded(operation)
    first = told(edge, deployment.id)
    await edge.succeeded((await edge.update(deployment.id, profile_id=None, overrides=[])).operation)
    assert told(edge, deployment.id)["web", "s0"] == OWN
    await edge.succeeded((await edge.rollback(deployment.id, 1)).operation)
    assert told(edge, deployment.id) == first
    await edge.succeeded((await edge.scale(deployment.id, db=2)).operation)
    assert told(edge, deployment.id) == first
    assert (edge.deployment(deployment.id).profile_id, edge.deployment(deployment.id).overrides) == (large, loud)


async def test_values_wait_for_approval_with_the_change_that_they_are_part_of(edge) -> None:
    version = await world(edge, sites=1)
    large = await profile(edge, version, web={"size": "L"})
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    loud = [Override(component="web", path="level", value="debug")]
    await edge.update(deployment.id, profile_id=large, overrides=loud, requires_approval=True)
    assert told(edge, deployment.id)["web", "s0"] == OWN
    proposal = edge.deployment(deployment.id).proposal
    assert (proposal.profile_id, proposal.overrides) == (large, loud)
    await edge.succeeded((await edge.approve(deployment.id, proposal.number)).operation)
    assert told(edge, deployment.id)["web", "s0"] == {**OWN, "size": "L", "level": "debug"}


async def test_another_version_takes_its_profile_of_the_same_name_and_drops_what_it_has_no_component_for(edge) -> None:
    version = await world(edge, sites=1)
    large = await profile(edge, version, web={"size": "L"})
    overrides = [Override(component=name, path="x", value=1) for name in ("web", "db")]
    deployment, operation = await edge.deploy(profile_id=large, overrides=overrides)
    await edge.succeeded(operation)
    second = await edge.version("2", reference="shop:2", web={})
    with pytest.raises(InvalidInput, match="version '2' has no profile 'large'") as refused:
        await edge.update(deployment.id, app_version_id=second)
    assert refused.value.path == "input.profileId"
    await profile(edge, second, web={"size": "XL"})
    await edge.succeeded((await edge.update(deployment.id, app_version_id=second)).operation)
    assert told(edge, deployment.id) == {("web", "s0"): {"size": "XL", "x": 1}}
    assert edge.deployment(deployment.id).overrides == overrides[:1]


async def test_a_profile_that_was_used_stays_as_it_is_for_as_long_as_it_may_be_gone_back_to(edge) -> None:
    version = await world(edge, sites=1)
    large = await profile(edge, version, web={"size": "L"})
    await edge.change(lambda edit: edit.replace(edit.get(large), values={"web": {"size": "XL"}}))
    deployment, operation = await edge.deploy(profile_id=large)
    await edge.succeeded(operation)
    with pytest.raises(InvalidState, match="it stays as it is"):
        await edge.change(lambda edit: edit.replace(edit.get(large), values={}))
    await edge.succeeded((await edge.update(deployment.id, profile_id=None)).operation)
    with pytest.raises(InUse):
        await edge.change(lambda edit: edit.delete(edit.get(large)))
    unused = await profile(edge, version, "unused")
    await edge.change(lambda edit: edit.delete(edit.get(unused)))


async def test_what_cannot_be_meant_is_refused_before_anything_is_done(edge) -> None:
    version = await world(edge, sites=1)
    other = await profile(edge, await edge.version("2", reference="shop:2"), web={})
    for given, error, path in (
        ({"profile_id": other}, NotFound, "input.profileId"),
        ({"profile_id": "profile_gone"}, NotFound, "input.profileId"),
        ({"overrides": [Override(component="x", path="a")]}, InvalidInput, "input.overrides[0].component"),
        (
            {"overrides": [Override(component="web", path="a", site_ids=["site_gone"])]},
            NotFound,
            "input.overrides[0].siteIds[0]",
        ),
        ({"overrides": [Override(component="web", path="a..b")]}, InvalidInput, "input.overrides[0].path"),
    ):
        with pytest.raises(error) as refused:
            await edge.deploy(**given)
        assert refused.value.path == path
    with pytest.raises(NotFound) as refused:
        await profile(edge, version, "odd", cache={})
    assert refused.value.path == "input.values.cache"
    assert not edge.view.count("Deployment")


async def test_what_overrides_lay_on_is_bounded_for_all_sites_together(edge) -> None:
    await world(edge, sites=1)
    large = Overlays([Override(component="web", path=f"k{number}", value="x" * 60_000) for number in range(4)])
    for _ in range(MAX_LAID_BYTES // 240_100):
        large.at("web", edge.site(0))
    with pytest.raises(LimitExceeded):
        large.at("web", edge.site(0))

"""What decided which nodes count is what a driver is told, and a release has a new generation exactly when it differs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pod_terms import ARCH, COMPONENT, DEPLOYMENT, RELEASE, PodTerms, node_problem
from drivers.port import ReleaseWork
from graph.kinds import Artifact, ArtifactType, Component, Node, Release
from graph.kinds.policy import ComponentPolicy, PlacementPolicy, ScoreWeights, SiteSelector, Toleration
from graph.kinds.policy import TolerationOperator as Operator
from graph.kinds.scheduling import Scheduling
from graph.selectors import parse_selector
from graph.values import Resources, Taint, TaintEffect
from graph.view import each, get_as
from lifecycle.scheduling import pod_terms, scheduling_of
from lifecycle.work import work_of
from placement.conditions import node_problem as placements_problem

GPU = Toleration(key="gpu", operator=Operator.EXISTS)
SPOT = Toleration(key="spot", value="yes", effect=TaintEffect.NO_SCHEDULE)
TAINT = Taint("gpu", "", TaintEffect.NO_SCHEDULE)
NEED = Resources(cpu_millicores=500, memory_bytes=1 << 28)


def component(**fields: Any) -> Component:
    artifact = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="web:1")
    given = {"app_version_id": "v", "tenant_id": "t", "artifact": artifact, "resources": NEED}
    return Component(id="component_1", name="web", **given, **fields)


OF_COMPONENTS = ("one_per_node", "dedicated_nodes", "node_labels", "pod_anti_affinity", "pod_affinity")


def policy(**fields: Any) -> PlacementPolicy:
    of_web = {name: fields.pop(name) for name in OF_COMPONENTS if name in fields}
    said = [ComponentPolicy(component="web", **of_web)] if of_web else []
    return PlacementPolicy(everywhere=True, components=said, **fields)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tolerations": [GPU, SPOT]}, {"tolerations": [SPOT, GPU, GPU]}),
        ({"node_labels": "disk=ssd,zone in (b, a)"}, {"node_labels": "zone in (a,b), disk==ssd"}),
        ({"weights": ScoreWeights(latency=3.0)}, {"min_sites": 2, "sites": SiteSelector(labels="zone=z0")}),
        ({"one_per_node": False}, {}),
    ],
)
def test_another_spelling_of_the_same_words_is_no_difference(one, other) -> None:
    assert scheduling_of(component(), policy(**one)) == scheduling_of(component(), policy(**other))


@pytest.mark.parametrize(
    "words",
    [
        {"tolerations": [GPU]},
        {"one_per_node": True},
        {"dedicated_nodes": True},
        {"node_labels": "disk=ssd"},
        {"pod_anti_affinity": ["db"]},
        {"pod_affinity": ["db"]},
    ],
)
def test_every_word_about_nodes_is_a_difference(words) -> None:
    assert scheduling_of(component(), policy(**words)) != scheduling_of(component(), policy())


def test_what_is_said_of_another_component_is_not_told() -> None:
    said = PlacementPolicy(components=[ComponentPolicy(component="db", dedicated_nodes=True, node_labels="disk=ssd")])
    assert scheduling_of(component(), said) == Scheduling()


def test_all_words_are_told_in_the_terms_of_a_pod() -> None:
    words = policy(tolerations=[GPU], one_per_node=True, dedicated_nodes=True, node_labels="disk in (ssd,nvme)")
    scheduling = scheduling_of(component(node_selector="!retired", architectures=["arm64"]), words)
    assert pod_terms("shop-web", scheduling, deployment_id="deployment_1", component="web") == PodTerms(
        labels={RELEASE: "shop-web", DEPLOYMENT: "deployment_1", COMPONENT: "web"},
        tolerations=[GPU],
        node_affinity=parse_selector(f"!retired,disk in (ssd,nvme),{ARCH} in (arm64)"),
        anti_affinity=[
            parse_selector(f"{RELEASE}=shop-web"),
            parse_selector(f"{RELEASE},{RELEASE}!=shop-web"),
        ],
        affinity=[],
    )


def test_components_that_keep_off_each_others_nodes_are_both_told_so() -> None:
    said = PlacementPolicy(components=[ComponentPolicy(component="db", pod_anti_affinity=["web", "cache"])])
    scheduling = scheduling_of(component(), said)
    assert scheduling == Scheduling(pod_anti_affinity=["db"])
    terms = pod_terms("shop-web", scheduling, deployment_id="deployment_1", component="web")
    assert terms == PodTerms(
        labels={RELEASE: "shop-web", DEPLOYMENT: "deployment_1", COMPONENT: "web"},
        tolerations=[],
        anti_affinity=[parse_selector(f"{DEPLOYMENT} in (deployment_1),{COMPONENT} in (db)")],
        affinity=[],
    )


def test_a_component_goes_with_each_of_those_that_it_names_and_they_are_not_told() -> None:
    said = PlacementPolicy(components=[ComponentPolicy(component="web", pod_affinity=["db", "cache"])])
    scheduling = scheduling_of(component(), said)
    assert scheduling == Scheduling(pod_affinity=["cache", "db"])
    terms = pod_terms("shop-web", scheduling, deployment_id="deployment_1", component="web")
    assert terms.affinity == [
        parse_selector(f"{DEPLOYMENT} in (deployment_1),{COMPONENT} in ({one})") for one in ("cache", "db")
    ]
    assert scheduling_of(msgspec.structs.replace(component(), name="db"), said) == Scheduling()


TAINTS = st.builds(Taint, st.sampled_from(["gpu", "spot"]), st.sampled_from(["", "yes"]), st.sampled_from(TaintEffect))
TOLERATIONS = st.builds(
    Toleration,
    key=st.sampled_from(["gpu", "spot"]),
    operator=st.sampled_from(Operator),
    value=st.sampled_from(["", "yes"]),
    effect=st.none() | st.sampled_from(TaintEffect),
)
SELECTORS = st.none() | st.sampled_from(["disk=ssd", "disk!=ssd", "!disk", "disk in (ssd,hdd)", "disk notin (hdd)"])


@given(
    st.lists(TAINTS, max_size=2),
    st.dictionaries(st.just("disk"), st.sampled_from(["ssd", "hdd"])),
    st.sampled_from(["amd64", "arm64"]),
    st.lists(TOLERATIONS, max_size=2),
    SELECTORS,
    SELECTORS,
    st.lists(st.sampled_from(["amd64", "arm64"]), max_size=2),
)
def test_a_driver_is_told_to_use_exactly_the_nodes_that_placement_counts(
    taints, labels, arch, tolerations, own, features, architectures
) -> None:
    node = Node(id="node_1", name="n1", site_id="s", taints=taints, labels=labels, arch=arch)
    web = component(node_selector=own, architectures=architectures)
    wanted = parse_selector(features or "").requirements
    counts = placements_problem(node, web, tolerations) is None and all(one.holds(labels) for one in wanted)
    words = policy(tolerations=tolerations, **({"node_labels": features} if features else {}))
    assert (
        node_problem(pod_terms("web", scheduling_of(web, words), deployment_id="deployment_1", component="web"), node)
        is None
    ) is counts


# On a running edge


async def nodes_of(edge, deployment_id: str) -> set[str]:
    """The names of the nodes that a deployment's replicas run on, once all of them do."""

    def all_running() -> set[str] | None:
        names = {one.backend_name for one in edge.releases(deployment_id)}
        running = [
            get_as(edge.view, Node, one.node_id)
            for found in edge.world().objects.values()
            if found.name in names
            for one in found.serving()
        ]
        return {one.name[-2:] for one in running if one is not None} if running and all(running) else None

    return await edge.until(all_running, what="nodes")


async def mark(edge, *, site: int, index: int, **fields: Any) -> None:
    """Changes a node of a site."""

    def change(edit) -> None:
        nodes = list(each(edit, Node, "site_id", edge.site_ids[site]))
        edit.replace(next(one for one in nodes if one.name.endswith(f"-n{index}")), **fields)

    await edge.change(change)


def work(edge, release: Release) -> ReleaseWork:
    return work_of(edge.view, release)


async def test_a_tainted_node_is_used_by_what_tolerates_it_and_by_nothing_else(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await mark(edge, site=0, index=1, taints=[TAINT])
    await edge.version()
    plain, operation = await edge.deploy("plain")
    await edge.succeeded(operation)
    assert await nodes_of(edge, plain.id) == {"n0"}
    tolerant, operation = await edge.deploy(
        "tolerant", policy=policy(tolerations=[GPU], one_per_node=True), replicas={"web": 2}
    )
    await edge.succeeded(operation)
    assert await nodes_of(edge, tolerant.id) == {"n0", "n1"}
    told = work(edge, edge.releases(tolerant.id)[0]).pods
    assert told.tolerations == [GPU]
    assert told.anti_affinity == [parse_selector(f"{RELEASE}={edge.releases(tolerant.id)[0].backend_name}")]


@pytest.mark.parametrize(
    ("words", "anew"),
    [
        ({"tolerations": [GPU]}, True),
        ({"one_per_node": True}, True),
        ({"dedicated_nodes": True}, True),
        ({"node_labels": "!retired"}, True),
        ({"weights": ScoreWeights(latency=2.0)}, False),
        ({"one_per_node": False}, False),
    ],
)
async def test_a_release_has_a_new_generation_when_a_word_about_its_nodes_changes_and_only_then(
    edge, words, anew
) -> None:
    await edge.network(sites=2)
    await edge.version()
    deployment, operation = await edge.deploy(policy=policy())
    await edge.succeeded(operation)
    await edge.succeeded((await edge.update(deployment.id, policy=policy(**words))).operation)
    assert {one.generation for one in edge.releases(deployment.id)} == {2 if anew else 1}
    again = await edge.update(deployment.id, policy=policy(**words, min_sites=2))
    assert again.operation.progress.total == 0
    back = await edge.update(deployment.id, policy=policy())
    assert back.operation.progress.total == (2 if anew else 0)
    await edge.succeeded(back.operation)
    edge.check_books()


async def test_replicas_leave_the_nodes_that_a_new_word_leaves_out(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.version()
    await mark(edge, site=0, index=1, labels={"disk": "ssd"})
    deployment, operation = await edge.deploy(policy=policy())
    await edge.succeeded(operation)
    assert await nodes_of(edge, deployment.id) == {"n0"}
    await edge.succeeded((await edge.update(deployment.id, policy=policy(node_labels="disk=ssd"))).operation)
    assert await nodes_of(edge, deployment.id) == {"n1"}
    two = await edge.update(deployment.id, policy=policy(), replicas={"web": 2})
    await edge.succeeded(two.operation)
    await edge.succeeded((await edge.update(deployment.id, policy=policy(one_per_node=True))).operation)
    assert await nodes_of(edge, deployment.id) == {"n0", "n1"}


async def test_what_is_made_anew_leaves_a_node_that_no_longer_takes_it_and_what_runs_stays(edge) -> None:
    await edge.network(sites=1, nodes=2)
    await edge.version()
    deployment, operation = await edge.deploy(policy=policy())
    await edge.succeeded(operation)
    await mark(edge, site=0, index=0, taints=[TAINT])
    await edge.succeeded((await edge.update(deployment.id)).operation)
    assert await nodes_of(edge, deployment.id) == {"n0"}
    version = await edge.version("2", reference="shop:2")
    await edge.succeeded((await edge.update(deployment.id, app_version_id=version)).operation)
    assert await nodes_of(edge, deployment.id) == {"n1"}
    edge.check_books()


async def test_a_replica_whose_node_was_tainted_under_way_waits_and_runs_once_it_takes_it(edges, patient) -> None:
    async with edges(settings=patient) as edge:
        await edge.network(sites=1, nodes=1, failingSites=["s0"])
        await edge.version()
        deployment, operation = await edge.deploy(policy=policy())
        await mark(edge, site=0, index=0, taints=[TAINT])
        await edge.configure()
        await edge.phases(deployment.id, WAITING_READY=1)
        release = edge.releases(deployment.id)[0]
        assert "has taint gpu:NO_SCHEDULE" in release.observed.message
        assert all(one.waits is not None for one in edge.world().objects[release.backend_name].serving())
        await mark(edge, site=0, index=0, taints=[])
        await edge.succeeded(operation)
        assert await nodes_of(edge, deployment.id) == {"n0"}


async def test_a_release_of_before_is_told_what_its_component_says_and_is_not_made_anew(edge) -> None:
    await edge.network(sites=1)
    await edge.version(web={"architectures": ["amd64"], "node_selector": "!retired"})
    deployment, operation = await edge.deploy(policy=policy())
    await edge.succeeded(operation)
    release = edge.releases(deployment.id)[0]
    before = work(edge, release).pods

    def forget(edit) -> None:
        edit.replace(get_as(edit, Release, release.id), scheduling=None)

    await edge.change(forget)
    assert work(edge, edge.releases(deployment.id)[0]).pods == before
    assert before.node_affinity == parse_selector(f"!retired,{ARCH}=amd64")
    again = await edge.update(deployment.id)
    assert again.operation.progress.total == 0
    assert edge.releases(deployment.id)[0].scheduling == release.scheduling


async def test_a_version_with_other_terms_is_told_with_its_own_generation(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    deployment, operation = await edge.deploy(policy=policy())
    await edge.succeeded(operation)
    before = work(edge, edge.releases(deployment.id)[0]).pods
    second = await edge.version("2", web={"node_selector": "!retired"})
    assert work(edge, edge.releases(deployment.id)[0]).pods == before
    started = await edge.update(deployment.id, app_version_id=second)
    assert started.operation.progress.total == 1
    told = work(edge, edge.releases(deployment.id)[0]).pods
    assert told == msgspec.structs.replace(before, node_affinity=parse_selector("!retired"))

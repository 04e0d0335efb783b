"""What every driver does alike with nodes: it keeps to the terms that placement kept to, and says what it cannot place."""

from __future__ import annotations

from typing import Any

import pytest

from driverkit.work import NAME, all_of, has_ready, until, work
from drivers.pod_terms import ARCH, RELEASE, PodTerms
from graph.kinds import InstanceStatus
from graph.kinds.policy import Toleration, TolerationOperator
from graph.selectors import parse_selector

GPU = Toleration(key="dedicated", operator=TolerationOperator.EXISTS)
ITSELF = parse_selector(f"{RELEASE}={NAME}")
OTHERS = parse_selector(f"{RELEASE},{RELEASE}!={NAME}")


def pods(**terms: Any) -> PodTerms:
    return PodTerms(labels={RELEASE: NAME}, **terms)


@pytest.mark.parametrize(
    ("terms", "nodes"),
    [
        ({}, {"node_a1", "node_a2"}),
        ({"tolerations": [GPU]}, {"node_a1", "node_a2", "node_a3"}),
        ({"node_affinity": parse_selector("disk in (ssd,nvme)")}, {"node_a1"}),
        ({"node_affinity": parse_selector("disk!=ssd")}, {"node_a2"}),
        ({"anti_affinity": [ITSELF]}, {"node_a1", "node_a2"}),
        ({"tolerations": [GPU], "node_affinity": parse_selector(f"{ARCH}=arm64")}, {"node_a3"}),
    ],
)
async def test_replicas_run_on_the_nodes_that_their_terms_allow_and_on_no_other(bed, terms, nodes) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(replicas=len(nodes), assignments={}, pods=pods(**terms)))
        await until(backend, has_ready(NAME, len(nodes)))
        found = {one.node_id for one in (await all_of(backend))[NAME].instances}
        assert found == nodes if "anti_affinity" in terms else found <= nodes


async def test_a_replica_that_no_node_takes_waits_and_says_why(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(replicas=3, assignments={}, pods=pods(anti_affinity=[ITSELF])))
        await until(backend, has_ready(NAME, 2))
        found = (await all_of(backend))[NAME]
        waiting = [one for one in found.instances if one.status is InstanceStatus.PENDING]
        assert [one.node_id for one in waiting] == [None]
        assert waiting[0].message
        assert waiting[0].message in (found.message or "")


async def test_a_node_that_does_not_take_what_was_assigned_to_it_is_not_used(bed) -> None:
    async with bed.connected() as backend:
        await backend.ensure(work(assignments={"node_a1": 1, "node_a3": 1}, nodes={}, pods=pods()))
        await until(backend, has_ready(NAME, 1))
        found = (await all_of(backend))[NAME]
        assert (found.replicas, found.ready_replicas) == (2, 1)
        assert {one.node_id for one in found.instances} == {"node_a1", None}


async def test_what_goes_with_another_waits_for_it_and_runs_on_its_nodes(bed) -> None:
    other = "shop-backend-cccccccccccc"
    beside = parse_selector(f"{RELEASE}={other}")
    async with bed.connected() as backend:
        await backend.ensure(work(replicas=2, assignments={}, pods=pods(affinity=[beside])))
        found = (await all_of(backend))[NAME]
        assert {(one.node_id, one.status) for one in found.instances} == {(None, InstanceStatus.PENDING)}
        theirs = PodTerms(labels={RELEASE: other})
        await backend.ensure(work(name=other, replicas=1, assignments={"node_a2": 1}, pods=theirs))
        await until(backend, has_ready(NAME, 2))
        assert {one.node_id for one in (await all_of(backend))[NAME].instances} == {"node_a2"}


async def test_nobody_comes_beside_what_keeps_its_nodes_to_itself(bed) -> None:
    other = "shop-backend-cccccccccccc"
    async with bed.connected() as backend:
        alone = pods(anti_affinity=[OTHERS])
        await backend.ensure(work(replicas=1, assignments={"node_a1": 1}, nodes={}, pods=alone))
        theirs = PodTerms(labels={RELEASE: other})
        await backend.ensure(work(name=other, replicas=2, assignments={}, pods=theirs))
        found = await all_of(backend)
        assert {one.node_id for one in found[other].instances} == {"node_a2"}
        await backend.ensure(work(2, replicas=2, assignments={}, pods=alone))
        found = await all_of(backend)
        running = [one.node_id for one in found[NAME].instances if one.status is not InstanceStatus.TERMINATING]
        assert running == ["node_a1", "node_a1"]

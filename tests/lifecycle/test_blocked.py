"""Who waits for good: those alone that wait for what was given up, directly or through others."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import (
    Artifact,
    ArtifactType,
    Dependency,
    DependencyCondition,
    DependencyScope,
    FailoverPolicy,
    OperationStatus,
    Progress,
    Release,
    ReleasePhase,
    ReleaseStanding,
)
from lifecycle.blocked import blocked, blocked_of
from lifecyclekit.counted import Counted
from lifecyclekit.graphs import deployed
from tests.placement.placement_graphs import Builder

P = ReleasePhase
EVERYWHERE = {"scope": DependencyScope.EVERYWHERE}
DEPLOYED = {"condition": DependencyCondition.DEPLOYED}
WAITS: dict[str, Any] = {"phase": P.WAITING_DEPENDENCY}
GIVEN_UP: dict[str, Any] = {"phase": P.QUARANTINED}
GOING: dict[str, Any] = {"wanted": False, "applied_generation": 1}
STOPPING: dict[str, Any] = {"stopped": True, "generation": 2, "applied_generation": 1}
STANDS: dict[str, Any] = {"phase": P.READY, "applied_generation": 1}
OLD: dict[str, Any] = {**STANDS, "retires_after": 2}
NEW_GIVEN_UP: dict[str, Any] = {**GIVEN_UP, "generation": 2}
BY: dict[str, Any] = {"standby": True}


def on(*names: str, **fields: Any) -> list[Dependency]:
    return [Dependency(component=name, **fields) for name in names]


def found_of(
    waits_for: dict[str, list[Dependency]], releases: dict[str, dict[str, Any]], *, single: bool = False
) -> set[str]:
    """Which of the releases, each by the name of its component and the number of its site, wait for good."""
    build = Builder()
    sites = [build.site() for _ in range(3)]
    components = {name: build.component(name=name, dependencies=some) for name, some in waits_for.items()}
    deployment = deployed(build, failover=FailoverPolicy(single=single))
    made: dict[str, Release] = {}
    for key, fields in releases.items():
        name, number = key.lstrip("-").split("@")
        given = {"deployment_id": deployment.id, "replicas": 1, **fields}
        made[key] = build.release(components[name], sites[int(number)], {}, **given)
    found = blocked_of(build.view, made.values())
    assert blocked(build.view, made.values()) == found
    return {key for key, one in made.items() if one.id in found}


CHAIN = {"a": [], "b": [], "c": on("b"), "d": on("c")}


@pytest.mark.parametrize(
    ("waits_for", "releases", "found"),
    [
        # Beside what was given up, and not behind it.
        (CHAIN, {"a@0": GIVEN_UP, "b@0": {"phase": P.WAITING_READY}, "c@0": WAITS}, set()),
        (CHAIN, {"a@0": GIVEN_UP, "b@0": {"phase": P.WAITING_SITE}, "c@0": WAITS}, set()),
        (CHAIN, {"b@0": GIVEN_UP, "c@0": WAITS, "d@0": WAITS}, {"c@0", "d@0"}),
        (CHAIN, {"b@0": GIVEN_UP, "c@0": {"phase": P.PENDING}, "d@0": WAITS}, set()),
        # Another site's is nothing to it, unless it waits for all of them, or has none beside it.
        (CHAIN, {"b@0": GIVEN_UP, "b@1": {"phase": P.WAITING_READY}, "c@1": WAITS}, set()),
        ({"b": [], "c": on("b", **EVERYWHERE)}, {"b@0": GIVEN_UP, "b@1": STANDS, "c@1": WAITS}, {"c@1"}),
        ({"a": [], "b": [], "c": on("b", **EVERYWHERE)}, {"a@0": GIVEN_UP, "b@1": {}, "c@1": WAITS}, set()),
        (CHAIN, {"b@0": GIVEN_UP, "c@1": WAITS}, {"c@1"}),
        # It only settles.
        (CHAIN, {"b@0": GIVEN_UP, "c@0": {**WAITS, "due_at": 5}}, set()),
        # Its backend has taken it, and more is not asked for.
        ({"b": [], "c": on("b", **DEPLOYED)}, {"b@0": {**GIVEN_UP, "applied_generation": 1}, "c@0": WAITS}, set()),
        ({"b": [], "c": on("b", **DEPLOYED)}, {"b@0": GIVEN_UP, "c@0": WAITS}, {"c@0"}),
        # What is to be replaced is nothing to what stays.
        (CHAIN, {"-b@0": {**GIVEN_UP, "retires_after": 2}, "b@0": {"phase": P.WAITING_READY}, "c@0": WAITS}, set()),
        # What goes once it is replaced waits for that alone, and stays for good when that was given up or waits in vain.
        (CHAIN, {"-b@0": {**GIVEN_UP, "retires_after": 2}, "-c@0": {**WAITS, "retires_after": 2}}, set()),
        (CHAIN, {"-a@0": OLD, "-b@0": OLD, "a@1": NEW_GIVEN_UP, "b@1": {"generation": 2}}, {"-a@0"}),
        (CHAIN, {"-a@0": {**OLD, **GIVEN_UP}, "a@1": NEW_GIVEN_UP}, {"-a@0"}),
        (CHAIN, {"-a@0": OLD, "a@1": {**GIVEN_UP, "generation": 1}}, set()),
        (CHAIN, {"-b@0": OLD, "-c@0": OLD, "b@1": NEW_GIVEN_UP, "c@1": {**WAITS, "generation": 2}}, {"-b@0", "-c@0", "c@1"}),
        # While something stands by nothing goes.
        (CHAIN, {"-a@0": OLD, "-b@0": OLD, "a@1": {**NEW_GIVEN_UP, **BY}, "b@1": {"generation": 2, **BY}}, {"-a@0", "-b@0"}),
        # What others depend on goes after them.
        (CHAIN, {"d@0": {**GIVEN_UP, **GOING}, "c@0": {**WAITS, **GOING}, "b@0": {**WAITS, **GOING}}, {"c@0", "b@0"}),
        (CHAIN, {"a@0": {**GIVEN_UP, **GOING}, "c@0": {"phase": P.REMOVING, **GOING}, "b@0": {**WAITS, **GOING}}, set()),
        (CHAIN, {"c@0": {**GIVEN_UP, **GOING}, "b@1": {**WAITS, **GOING}}, {"b@1"}),
        (CHAIN, {"c@0": {**GIVEN_UP, **GOING}, "b@0": {**WAITS, **GOING}, "b@1": {**WAITS, **GOING}}, {"b@0"}),
        (CHAIN, {"c@0": {**GIVEN_UP, **GOING, "left_behind": True}, "b@1": {**WAITS, **GOING}}, set()),
        # And stops after them.
        (CHAIN, {"c@0": {**GIVEN_UP, **STOPPING}, "b@0": {**WAITS, **STOPPING}}, {"b@0"}),
        (CHAIN, {"a@0": {**GIVEN_UP, **STOPPING}, "b@0": {**WAITS, **STOPPING}, "c@0": STOPPING}, set()),
        (CHAIN, {"a@0": GIVEN_UP}, set()),
        (CHAIN, {"c@0": WAITS}, set()),
    ],
)  # fmt: skip
def test_who_waits_for_good(
    waits_for: dict[str, list[Dependency]], releases: dict[str, dict[str, Any]], found: set[str]
) -> None:
    assert found_of(waits_for, releases) == found


def test_of_many_deployments_only_those_are_looked_at_of_which_something_was_given_up() -> None:
    build = Builder()
    here, there = build.site(), build.site()
    component = build.component()
    old, new = [], []
    for number in range(3):
        one = deployed(build, name=f"d{number}")
        old.append(build.release(component, here, {}, deployment_id=one.id, **OLD))
        new.append(build.release(component, there, {}, deployment_id=one.id, generation=2))
    reader = Counted(build.view)
    assert (blocked(reader, old), reader.read) == (frozenset(), 0)
    build.change(new[0], phase=P.QUARANTINED)
    assert blocked(build.view, old) == {old[0].id}


@pytest.mark.parametrize(("single", "found"), [(True, {"b@1"}), (False, set())])
def test_what_is_single_waits_for_good_for_an_old_copy_that_cannot_be_removed(single: bool, found: set[str]) -> None:
    releases = {"-b@0": {**GIVEN_UP, **GOING}, "b@1": WAITS}
    assert found_of({"b": []}, releases, single=single) == found
    assert found_of({"b": []}, {**releases, "-b@0": {**GOING, "phase": P.REMOVING}}, single=single) == set()


async def test_an_operation_goes_on_while_something_waits_for_what_becomes_ready_beside_what_was_given_up(edge) -> None:
    """`a` cannot run, `b` takes its time, and `c` waits for `b` alone."""
    await edge.network(sites=1, readyAfterMs=1_500, rejectedReferences=["bad:1"])
    bad = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="bad:1")
    await edge.version(a={"artifact": bad}, b={}, c={"dependencies": on("b")})
    deployment, begun = await edge.deploy()
    await edge.phases(deployment.id, QUARANTINED=1, WAITING_READY=1, WAITING_DEPENDENCY=1)
    await edge.pause(deployment.id)
    await edge.phases(deployment.id, QUARANTINED=1, READY=1, WAITING_DEPENDENCY=1)

    def told() -> Progress | None:
        operation = edge.view.get(begun.id)
        assert operation is not None, "it has ended"
        return operation.progress if operation.progress.done else None

    assert await edge.until(told, what="the books") == Progress(total=3, done=1, waiting=1, failed=1)
    await edge.resume(deployment.id)
    over = await edge.ended(begun.id)
    assert (over.status, over.progress) == (OperationStatus.PARTIAL, Progress(total=3, done=2, failed=1))
    assert {one.component_name: one.standing for one in over.outcomes} == {
        "a": ReleaseStanding.FAILED,
        "b": ReleaseStanding.DONE,
        "c": ReleaseStanding.DONE,
    }

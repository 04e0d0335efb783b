"""The next step of a release: a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from graph.kinds import (
    Artifact,
    ArtifactType,
    Component,
    Dependency,
    DependencyCondition,
    DependencyScope,
    Release,
    ReleaseObserved,
    ReleasePhase,
)
from graph.values import Resources
from lifecycle.gates import Answer, Gate, Needed, is_ready
from lifecycle.todo import Action, todo

P = ReleasePhase
NEED = Resources(cpu_millicores=1, memory_bytes=1)
IMAGE = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="x")


def component(name: str, *needs: str) -> Component:
    return Component(
        id=f"component_{name}",
        name=name,
        app_version_id="v",
        tenant_id="t",
        artifact=IMAGE,
        resources=NEED,
        depends_on=list(needs),
    )


def release(name: str = "web", **fields: Any) -> Release:
    given = {"tenant_id": "t", "deployment_id": "d", "component_id": f"component_{name}", "site_id": "s", **fields}
    return Release(id=f"release_{name}", **given)


SEEN = ReleaseObserved(present=True, generation=1, replicas=1, ready_replicas=1)
READY = {"phase": P.READY, "generation": 2, "applied_generation": 2}


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({}, Action.ENSURE),
        ({"phase": P.APPLYING, "epoch": 3}, Action.ENSURE),
        ({"phase": P.WAITING_SITE}, Action.ENSURE),
        ({"phase": P.WAITING_DEPENDENCY}, Action.ENSURE),
        ({"generation": 4, "applied_generation": 3, "phase": P.READY}, Action.ENSURE),
        (READY, Action.NOTHING),
        ({**READY, "phase": P.WAITING_READY}, Action.NOTHING),
        ({**READY, "phase": P.WAITING_SITE}, Action.NOTHING),
        ({"phase": P.QUARANTINED}, Action.NOTHING),
        ({"wanted": False}, Action.FORGET),
        ({"wanted": False, "epoch": 1}, Action.REMOVE),
        ({"wanted": False, "applied_generation": 1, "generation": 2}, Action.REMOVE),
        ({"wanted": False, "observed": SEEN}, Action.REMOVE),
        ({"wanted": False, "epoch": 1, "phase": P.QUARANTINED}, Action.NOTHING),
    ],
)
def test_the_next_step_follows_from_what_is_wanted_and_what_is_there(fields: dict[str, Any], action: Action) -> None:
    assert todo(release(**fields), component("web"), []).action is action


@pytest.mark.parametrize(
    ("db", "action"),
    [
        ({}, Action.WAIT),
        ({"phase": P.WAITING_READY, "applied_generation": 1}, Action.WAIT),
        (READY, Action.ENSURE),
        ({**READY, "generation": 3}, Action.WAIT),
        ({"phase": P.QUARANTINED}, Action.WAIT),
        ({"wanted": False, "epoch": 1}, Action.ENSURE),
    ],
)
def test_a_component_waits_until_what_it_depends_on_is_ready(db: dict[str, Any], action: Action) -> None:
    found = todo(release(), component("web", "db"), [(release("db", **db), component("db"))])
    assert found.action is action
    assert (found.reason == "component db is not ready") == (action is Action.WAIT)


def test_removal_goes_the_other_way_round() -> None:
    db = release("db", wanted=False, epoch=1)
    web = release("web", wanted=False, epoch=1)
    assert todo(db, component("db"), [(web, component("web", "db"))]).action is Action.WAIT
    assert todo(web, component("web", "db"), [(db, component("db"))]).action is Action.REMOVE
    stays = release("web", **READY)
    assert todo(db, component("db"), [(stays, component("web", "db"))]).action is Action.REMOVE


def test_ready_means_observed_at_the_generation_that_is_wanted() -> None:
    assert is_ready(release(**READY))
    assert not is_ready(release(**{**READY, "generation": 3}))
    assert not is_ready(release(**{**READY, "wanted": False}))
    assert not is_ready(release(**{**READY, "phase": P.WAITING_SITE}))


def after(name: str, **fields: Any) -> Component:
    """A component `web` that waits for another in the long form."""
    return msgspec.structs.replace(component("web"), dependencies=[Dependency(component=name, **fields)])


DEPLOYED = DependencyCondition.DEPLOYED
EVERYWHERE = DependencyScope.EVERYWHERE
NOW = 1_000_000


@pytest.mark.parametrize(
    ("db", "action"),
    [
        ({}, Action.WAIT),
        ({"phase": P.APPLYING, "applied_generation": 1, "generation": 2}, Action.WAIT),
        ({"phase": P.WAITING_READY, "applied_generation": 1}, Action.ENSURE),
        ({"phase": P.WAITING_SITE, "applied_generation": 1}, Action.ENSURE),
        (READY, Action.ENSURE),
    ],
)
def test_deployed_is_what_the_backend_has_taken_whether_or_not_it_is_ready(db: dict[str, Any], action: Action) -> None:
    found = todo(release(), after("db", condition=DEPLOYED), [(release("db", **db), component("db"))])
    assert (found.action, found.reason) == (action, "component db is not deployed" if action is Action.WAIT else None)


@pytest.mark.parametrize(
    ("ready_at", "now", "due"),
    [
        (NOW, NOW, NOW + 30_000),
        (NOW, NOW + 29_999, NOW + 30_000),
        (NOW, NOW + 30_000, None),
        (NOW + 2_000, NOW, NOW + 32_000),  # another worker's clock, a little ahead
        (NOW + 3_600_000, NOW, None),  # a clock that was set: nothing waits an hour for it
        (None, NOW, None),  # it was ready before anybody wrote down when
    ],
)
def test_what_is_ready_is_given_its_time_to_settle(ready_at: int | None, now: int, due: int | None) -> None:
    db = release("db", **READY, ready_at=ready_at)
    found = todo(release(), after("db", wait_seconds=30), [(db, component("db"))], now_ms=now)
    assert (found.action, found.due_at) == (Action.ENSURE if due is None else Action.WAIT, due)
    if due is not None:
        assert found.reason == "component db is ready and given 30 s to settle"


def test_everywhere_is_asked_of_the_whole_deployment() -> None:
    web = after("db", scope=EVERYWHERE, wait_seconds=5)
    here = [(release("db", **READY), component("db"))]
    asked: list[Gate] = []

    def answer(shut_by: str | None) -> Callable[[Gate], Answer]:
        def say(gate: Gate) -> Answer:
            asked.append(gate)
            return Answer(shut_by, "db", NOW)

        return say

    found = todo(release(), web, here, asked=answer("release_far"), now_ms=NOW)
    gate = Gate("d", "db", Needed.READY)
    assert (found.action, found.reason, found.gate) == (Action.WAIT, "component db is not ready at every site", gate)
    assert todo(release(), web, here, asked=answer(None), now_ms=NOW).due_at == NOW + 5_000
    assert todo(release(), web, here, asked=answer(None), now_ms=NOW + 5_000).action is Action.ENSURE
    assert set(asked) == {gate}


def test_what_others_depend_on_everywhere_is_removed_and_stopped_after_all_of_them() -> None:
    def shut(gate: Gate) -> Answer:
        return Answer("release_far", "web", 0)

    found = todo(release("db", wanted=False, epoch=1), component("db"), [], asked=shut)
    assert found.gate == Gate("d", "db", Needed.DEPENDENTS_GONE, "v")
    assert found.reason == "component web depends on it and is removed everywhere first"
    found = todo(release("db", stopped=True), component("db"), [], asked=shut)
    assert found.gate == Gate("d", "db", Needed.DEPENDENTS_STOPPED, "v")
    assert found.reason == "component web depends on it and is stopped everywhere first"

"""The next step of a release: a table."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import Artifact, ArtifactType, Component, Release, ReleaseObserved, ReleasePhase
from graph.values import Resources
from lifecycle.todo import Action, is_ready, todo

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

"""How far an operation is and where a deployment stands: tables."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import (
    Deployment,
    DeploymentPhase,
    Operation,
    OperationKind,
    OperationStatus,
    Progress,
    Release,
    ReleasePhase,
)
from graph.kinds.policy import PlacementPolicy
from lifecycle.progress import Standing, outcome_of, phase_of, standing_of, tally

P, S, D = ReleasePhase, OperationStatus, DeploymentPhase


def release(phase: ReleasePhase, number: int = 0, **fields: Any) -> Release:
    applied = 1 if phase in (P.READY, P.WAITING_READY) else 0
    given = {
        "applied_generation": applied,
        "tenant_id": "t",
        "deployment_id": "d",
        "component_id": "c",
        "site_id": f"s{number}",
    }
    return Release(id=f"release_{number}", phase=phase, **{**given, **fields})


def releases(**counts: int) -> list[Release]:
    names = [name for name, count in counts.items() for _ in range(count)]
    return [release(P[name], number) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("phase", "fields", "standing"),
    [
        (P.READY, {}, Standing.DONE),
        (P.READY, {"generation": 2}, Standing.WORKING),
        (P.READY, {"wanted": False}, Standing.WORKING),
        (P.READY, {"retires_after": 2}, Standing.WORKING),
        (P.PENDING, {}, Standing.WORKING),
        (P.APPLYING, {}, Standing.WORKING),
        (P.WAITING_READY, {}, Standing.WORKING),
        (P.REMOVING, {"wanted": False}, Standing.WORKING),
        (P.WAITING_SITE, {}, Standing.WAITING),
        (P.WAITING_SITE, {"wanted": False}, Standing.WAITING),
        (P.WAITING_DEPENDENCY, {}, Standing.WAITING),
        (P.QUARANTINED, {}, Standing.FAILED),
        (P.QUARANTINED, {"wanted": False}, Standing.FAILED),
    ],
)
def test_where_a_release_stands(phase: ReleasePhase, fields: dict[str, Any], standing: Standing) -> None:
    assert standing_of(release(phase, **fields)) is standing


def test_every_phase_stands_somewhere() -> None:
    for phase in ReleasePhase:
        assert standing_of(release(phase)) in Standing


@pytest.mark.parametrize(
    ("status", "total", "counts", "expected", "progress"),
    [
        (S.RUNNING, 4, {"PENDING": 4}, S.RUNNING, Progress(total=4)),
        (S.RUNNING, 4, {"READY": 3, "APPLYING": 1}, S.RUNNING, Progress(total=4, done=3)),
        (S.RUNNING, 4, {"READY": 3, "WAITING_SITE": 1}, S.RUNNING, Progress(total=4, done=3, waiting=1)),
        (S.RUNNING, 4, {"READY": 4}, S.SUCCEEDED, Progress(total=4, done=4)),
        (S.RUNNING, 4, {}, S.SUCCEEDED, Progress(total=4, done=4)),
        (S.RUNNING, 0, {}, S.SUCCEEDED, Progress()),
        (S.RUNNING, 4, {"READY": 1}, S.SUCCEEDED, Progress(total=4, done=4)),
        (S.RUNNING, 4, {"READY": 3, "QUARANTINED": 1}, S.PARTIAL, Progress(total=4, done=3, failed=1)),
        (S.RUNNING, 4, {"QUARANTINED": 1, "PENDING": 1}, S.RUNNING, Progress(total=4, done=2, failed=1)),
        (S.RUNNING, 2, {"QUARANTINED": 2}, S.FAILED, Progress(total=2, failed=2)),
        (S.RUNNING, 1, {"READY": 3}, S.SUCCEEDED, Progress(total=3, done=3)),
        (S.CANCELLING, 4, {"READY": 3, "APPLYING": 1}, S.CANCELLING, Progress(total=4, done=3)),
        (S.CANCELLING, 4, {"READY": 4}, S.CANCELLED, Progress(total=4, done=4)),
        (S.CANCELLING, 4, {"READY": 3, "QUARANTINED": 1}, S.PARTIAL, Progress(total=4, done=3, failed=1)),
    ],
)
def test_what_becomes_of_an_operation(
    status: OperationStatus, total: int, counts: dict[str, int], expected: OperationStatus, progress: Progress
) -> None:
    operation = Operation(id="operation_1", kind=OperationKind.DEPLOY, status=status, progress=Progress(total=total))
    outcome = outcome_of(operation, tally(releases(**counts)))
    assert (outcome.status, outcome.progress) == (expected, progress)
    assert (outcome.error is not None) == (expected in (S.PARTIAL, S.FAILED))


def test_an_operation_whose_deployment_waits_to_be_placed_goes_on() -> None:
    operation = Operation(id="operation_1", kind=OperationKind.DEPLOY)
    assert outcome_of(operation, tally([]), placed=False).status is S.RUNNING


def test_an_error_tells_the_reasons_the_most_frequent_first() -> None:
    failed = [
        release(P.QUARANTINED, number, error="no image" if number < 3 else f"odd {number}") for number in range(9)
    ]
    operation = Operation(id="operation_1", kind=OperationKind.DEPLOY, progress=Progress(total=20))
    error = outcome_of(operation, tally(failed)).error
    assert error is not None
    assert error.message.startswith("9 of 20 releases failed: no image (3 releases); odd 3")
    assert error.message.count(";") == 4


def test_what_waits_for_what_was_given_up_has_failed_with_it() -> None:
    waits = {"phase": P.WAITING_DEPENDENCY, "error": "component db is not ready"}
    found = [release(P.QUARANTINED, 1, error="no image"), release(number=2, **waits), release(number=3, **waits)]
    counted = tally(found, blocked={"release_2"})
    assert (counted.failed, counted.waiting, counted.reasons) == (2, 1, ["no image"])
    # What was given up is another operation's.
    alone = tally(found[1:2], blocked={"release_2"})
    assert (alone.failed, alone.reasons) == (1, ["component db is not ready"])


@pytest.mark.parametrize(
    ("phase", "counts", "working", "expected", "message"),
    [
        (D.PROGRESSING, {"READY": 3}, False, D.READY, None),
        (D.PROGRESSING, {"READY": 2, "APPLYING": 1}, True, D.PROGRESSING, "1 under way of 3 releases"),
        (D.READY, {"READY": 2, "WAITING_READY": 1}, False, D.DEGRADED, "1 under way of 3 releases"),
        (D.READY, {"READY": 2, "WAITING_SITE": 1}, True, D.DEGRADED, "1 waiting of 3 releases"),
        (D.PROGRESSING, {"APPLYING": 1, "WAITING_DEPENDENCY": 2}, True, D.PROGRESSING,
         "2 waiting, 1 under way of 3 releases"),
        (D.PROGRESSING, {"WAITING_SITE": 1, "WAITING_DEPENDENCY": 1}, True, D.DEGRADED, "2 waiting of 2 releases"),
        (D.PROGRESSING, {"QUARANTINED": 1, "WAITING_DEPENDENCY": 1}, True, D.DEGRADED,
         "1 failed, 1 waiting of 2 releases: no reason was given"),
        (D.READY, {"READY": 1, "WAITING_DEPENDENCY": 1}, False, D.DEGRADED, "1 waiting of 2 releases"),
        (D.READY, {"READY": 2, "QUARANTINED": 1}, False, D.DEGRADED, "1 failed of 3 releases: no reason was given"),
        (D.TERMINATING, {"REMOVING": 1}, True, D.TERMINATING, "1 under way of 1 release"),
        (D.TERMINATING, {}, True, D.TERMINATED, None),
        (D.TERMINATED, {}, False, D.TERMINATED, None),
        (D.PENDING_PLACEMENT, {}, True, D.PENDING_PLACEMENT, "waits"),
    ],
)  # fmt: skip
def test_where_a_deployment_stands(
    phase: DeploymentPhase, counts: dict[str, int], working: bool, expected: DeploymentPhase, message: str | None
) -> None:
    deployment = Deployment(
        id="deployment_1",
        name="d",
        tenant_id="t",
        app_version_id="v",
        policy=PlacementPolicy(),
        phase=phase,
        message="waits" if phase is D.PENDING_PLACEMENT else None,
    )
    assert phase_of(deployment, tally(releases(**counts)), working=working) == (expected, message)


@pytest.mark.parametrize(
    ("many", "told"),
    [
        (0, None),
        (1, "1 release was left at a place that is away, and is removed when that answers"),
        (2, "2 releases were left at places that are away, and are removed when these answer"),
    ],
)
def test_what_was_left_at_places_that_are_away_is_told(many: int, told: str | None) -> None:
    deployment = Deployment(
        id="deployment_1", name="d", tenant_id="t", app_version_id="v", policy=PlacementPolicy(), phase=D.READY
    )
    left = [release(P.WAITING_SITE, number, wanted=False, left_behind=True) for number in range(many)]
    assert phase_of(deployment, tally([release(P.READY, 9), *left]), working=False) == (D.READY, told)

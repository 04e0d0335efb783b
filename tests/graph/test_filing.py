"""Which changes go among the live entities and which to the filed records."""

from __future__ import annotations

from graph.change import Change, Commit, decode_entity
from graph.entity import Entity
from graph.filing import filing, is_filed, record_of
from graph.kinds import DeploymentRevision, Event, Operation, OperationKind, OperationStatus, Region
from graph.kinds.policy import PlacementPolicy


def commit(revision: int, *changes: tuple[Entity | None, Entity | None]) -> Commit:
    made = [Change((a or b).SPEC.name, (a or b).id, b, a) for b, a in changes]  # type: ignore[union-attr]  # one of the two is there
    return Commit(revision=revision, draft_id=f"d{revision}", at=revision, author="a", action="t", changes=made)


RUNNING = Operation(id="operation_1", kind=OperationKind.DEPLOY, subject_id="deployment_1", tenant_id="tenant_1")
ENDED = Operation(
    id="operation_1",
    kind=OperationKind.DEPLOY,
    subject_id="deployment_1",
    tenant_id="tenant_1",
    status=OperationStatus.PARTIAL,
)
EVENT = Event(id="event_1", reason="Made", message="It was made.", subject_id="site_1", created_at=17)
REGION = Region(id="region_1", name="eu")


def test_a_running_operation_is_live_and_an_ended_one_is_filed() -> None:
    assert not is_filed(RUNNING)
    assert is_filed(ENDED)
    assert is_filed(EVENT)
    assert not is_filed(REGION)


def test_a_filed_record_carries_tenant_subject_and_the_whole_entity() -> None:
    record = record_of(ENDED)
    assert (record.collection, record.id, record.tenant_id, record.subject_id) == (
        "Operation",
        "operation_1",
        "tenant_1",
        "deployment_1",
    )
    assert decode_entity("Operation", record.body) == ENDED
    assert record_of(EVENT).at == 17
    assert record_of(EVENT).tenant_id is None


def test_a_revision_body_is_filed_under_its_deployment() -> None:
    body = DeploymentRevision(
        id="deploymentrevision_1",
        tenant_id="tenant_1",
        deployment_id="deployment_9",
        number=3,
        app_version_id="appversion_1",
        policy=PlacementPolicy(),
    )
    assert record_of(body).subject_id == "deployment_9"


def test_an_operation_that_ends_leaves_the_live_entities_for_the_records() -> None:
    result = filing([commit(1, (None, RUNNING)), commit(2, (RUNNING, ENDED))])
    assert result.live == {}
    assert result.gone == {"operation_1": "Operation"}
    assert set(result.records) == {"operation_1"}


def test_an_ended_operation_that_runs_again_is_live_and_no_record() -> None:
    result = filing([commit(3, (ENDED, RUNNING))])
    assert result.live == {"operation_1": RUNNING}
    assert result.records == {}
    assert result.records_gone == {"operation_1": "Operation"}


def test_only_the_last_value_of_a_group_is_kept() -> None:
    later = Region(id="region_1", name="europe")
    assert filing([commit(1, (None, REGION)), commit(2, (REGION, later))]).live == {"region_1": later}
    gone = filing([commit(1, (None, REGION)), commit(2, (REGION, None))])
    assert (gone.live, gone.gone) == ({}, {"region_1": "Region"})
    back = filing([commit(1, (REGION, None)), commit(2, (None, later))])
    assert (back.live, back.gone) == ({"region_1": later}, {})


def test_a_deleted_record_is_removed_from_its_collection() -> None:
    result = filing([commit(1, (EVENT, None))])
    assert result.records_gone == {"event_1": "Event"}
    assert result.gone == {}

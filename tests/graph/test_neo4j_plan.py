"""What is sent for which change, and how the connection's URL and faults are read: no server is needed."""

from __future__ import annotations

import msgspec
import pytest
from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConnectionAcquisitionTimeoutError,
    DatabaseError,
    IncompleteCommit,
    Neo4jError,
    ServiceUnavailable,
    TransientError,
)

from graph.change import Change, Commit
from graph.entity import Entity
from graph.kinds import Cluster, Instance, Link, Node, Operation, OperationKind, OperationStatus, Region, Release, Site
from graph.store import StoreProblem, StoreUnavailable, UnknownOutcome
from graph.stores import store_for
from graph.stores.neo4j import Neo4jStore
from graph.stores.neo4j_client import address
from graph.stores.neo4j_faults import translated, translated_at_commit
from graph.stores.neo4j_plan import ROWS_A_STEP, packed, plan_of
from graph.stores.neo4j_statements import STATEMENTS, USUAL, lists, usual_name

REGION = Region(id="region_1", name="r")
OTHER = Region(id="region_2", name="other")
SITE = Site(id="site_1", name="s", region_id="region_1", revision=4)
LINK = Link(id="link_1", from_site_id="site_1", to_site_id="site_2", latency_ms=1.0, revision=3)


def commits(*groups: list[tuple[Entity | None, Entity | None]]) -> list[Commit]:
    made = []
    for number, pairs in enumerate(groups, 1):
        changes = []
        for before, after in pairs:
            value = after or before
            assert value is not None
            changes.append(Change(value.SPEC.name, value.id, before, after))
        made.append(Commit(revision=number, draft_id=str(number), at=number, author="a", action="b", changes=changes))
    return made


def sent(*groups: list[tuple[Entity | None, Entity | None]]) -> list[tuple[str, object]]:
    """The lists that are sent, in order, without the empty ones."""
    plan = plan_of(commits(*groups))
    told = [(name, rows) for step in plan.steps for name, rows in step.lists.items() if rows]
    return [*told, *((name.partition("_")[2], plan.usual[name]) for name in USUAL if name in plan.usual)]


def replaced(entity: Entity, **fields: object) -> Entity:
    return msgspec.structs.replace(entity, **fields)


def test_a_change_sends_only_what_differs_and_names_the_revision_that_it_replaces() -> None:
    after = replaced(SITE, price_per_core_hour=2.0, revision=5)
    assert sent([(SITE, after)]) == [
        ("update", [{"id": "site_1", "was": 4, "set": {"price_per_core_hour": 2.0, "revision": 5}}])
    ]


def test_what_becomes_null_or_empty_is_removed() -> None:
    before = replaced(SITE, display_name="S", labels={"a": "b"})
    ((_, rows),) = sent([(before, replaced(before, display_name=None, labels={}, revision=5))])
    assert rows == [{"id": "site_1", "was": 4, "set": {"revision": 5, "display_name": None, "labels": None}}]


def test_a_new_entity_brings_its_relationships_in_one_statement() -> None:
    steps = plan_of(commits([(None, SITE)])).steps
    assert len(steps) == 1
    assert steps[0].expected == [1, 1, 0]
    assert steps[0].lists["add_0"] == [{"from": "site_1", "to": "region_1", "count": None}]


def test_what_the_lifecycle_writes_time_and_again_is_put_off_to_one_statement_with_the_log() -> None:
    release = Release(
        id="release_1",
        tenant_id="tenant_1",
        deployment_id="deployment_1",
        component_id="component_1",
        site_id="site_1",
        revision=2,
    )
    instance = Instance(
        id="instance_1", tenant_id="tenant_1", release_id="release_1", site_id="site_1", node_id="node_1"
    )
    plan = plan_of(commits([(release, replaced(release, epoch=1, revision=5)), (None, instance)]))
    assert plan.steps == []
    assert {name: len(rows) for name, rows in plan.usual.items()} == {
        "Release_update": 1,
        "Instance_create": 1,
        **{usual_name("Instance", one.add): 1 for one in STATEMENTS["Instance"].relations},
    }


def test_a_relationship_of_what_was_there_is_not_put_off_with_what_is_made() -> None:
    instance = Instance(id="instance_1", tenant_id="tenant_1", release_id="release_1", site_id="site_1", revision=2)
    plan = plan_of(commits([(instance, replaced(instance, node_id="node_1", revision=5))]))
    assert [name for step in plan.steps for name, rows in step.lists.items() if rows] == [
        one.add for one in STATEMENTS["Instance"].relations if one.target == "Node"
    ]
    assert list(plan.usual) == ["Instance_update"]


def test_a_reference_that_moves_cuts_one_relationship_and_adds_another() -> None:
    found = sent([(SITE, replaced(SITE, region_id="region_2", revision=5))])
    assert [name for name, _ in found] == ["cut_0", "add_0", "update"]
    assert found[0][1] == [{"from": "site_1", "to": "region_1"}]
    assert found[1][1] == [{"from": "site_1", "to": "region_2", "count": None}]


def test_lists_and_counts_of_references_change_by_their_difference() -> None:
    cluster = Cluster(id="cluster_1", name="c", driver="simulated", site_ids=["site_1", "site_2", "site_2"])
    found = sent([(cluster, replaced(cluster, site_ids=["site_3", "site_2"]))])
    assert found[0] == ("cut_0", [{"from": "cluster_1", "to": "site_1"}])
    assert found[1] == ("add_0", [{"from": "cluster_1", "to": "site_3", "count": None}])
    release = Release(
        id="release_1",
        tenant_id="tenant_1",
        deployment_id="deployment_1",
        component_id="component_1",
        site_id="site_1",
        assignments={"node_1": 1, "node_2": 2},
    )
    found = sent([(release, replaced(release, assignments={"node_2": 3, "node_3": 1}))])
    assert [name for name, _ in found] == ["cut_5", "add_5", "count_5", "update"]
    assert found[2][1] == [{"from": "release_1", "to": "node_2", "count": 3}]


def test_parents_are_made_first_and_removed_last_and_edges_between() -> None:
    node = Node(id="node_1", name="n", site_id="site_1")
    two = replaced(SITE, id="site_2", name="two")
    made = [
        step.lists
        for step in plan_of(commits([(None, node), (None, LINK), (None, two), (None, SITE), (None, REGION)])).steps
    ]
    assert [row["id"] for one in made for row in one["create"]] == ["region_1", "site_2", "site_1", "node_1", "link_1"]
    gone = sent([(REGION, None), (SITE, None), (LINK, None), (two, None), (node, None)])
    assert [[row["id"] for row in rows] for _, rows in gone] == [
        ["link_1"],
        ["node_1"],
        ["site_1", "site_2"],
        ["region_1"],
    ]


def test_names_that_are_exchanged_are_freed_first() -> None:
    found = sent([(REGION, replaced(REGION, name="other")), (OTHER, replaced(OTHER, name="r"))])
    assert found[0] == ("unname", [{"id": "region_1"}, {"id": "region_2"}])
    assert [row["set"]["name"] for row in found[1][1]] == ["other", "r"]  # type: ignore[attr-defined]  # rows are plain dicts


def test_a_group_writes_each_entity_once_as_its_last_commit_leaves_it() -> None:
    first = replaced(SITE, revision=5, name="b")
    assert sent([(SITE, first)], [(first, replaced(first, revision=6, name="s"))]) == [
        ("update", [{"id": "site_1", "was": 4, "set": {"revision": 6}}])
    ]
    assert sent([(None, SITE)], [(SITE, None)]) == []
    assert sent([(SITE, first)], [(first, None)]) == [("delete", [{"id": "site_1", "was": 4}])]


def test_an_operation_that_ends_leaves_the_live_graph() -> None:
    running = Operation(id="operation_1", kind=OperationKind.DEPLOY, revision=2)
    ended = replaced(running, status=OperationStatus.SUCCEEDED, revision=3)
    assert sent([(running, ended)]) == [("delete", [{"id": "operation_1", "was": 2}])]
    assert sent([(None, ended)]) == []
    assert [name for name, _ in sent([(ended, replaced(running, revision=4))])] == ["create"]


def test_a_link_whose_end_moves_is_made_anew() -> None:
    assert [name for name, _ in sent([(LINK, replaced(LINK, to_site_id="site_3"))])] == ["delete", "create"]


def test_large_work_is_sent_in_parts_that_keep_its_order() -> None:
    statement = lists({"first": "RETURN 1", "second": "RETURN 2"})
    rows = {"first": [{"n": n} for n in range(ROWS_A_STEP + 1)], "second": [{"n": -1, "body": "x" * 9_000}] * 3_000}
    steps = list(packed(statement, rows))
    assert [[len(part) for part in step.lists.values()] for step in steps] == [[5_000, 0], [1, 2_500], [0, 500]]
    assert [row for step in steps for row in step.lists["first"]] == rows["first"]
    assert list(packed(statement, {})) == []


def test_no_statement_holds_a_value() -> None:
    for one in STATEMENTS.values():
        for text in [one.create.text, one.page, *(each.text for each in (*one.take, *one.put))]:
            assert "'" not in text
            assert '"' not in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("bolt://h", ("bolt://h:7687", "neo4j", "neo4j", "")),
        ("bolt://me:p%40ss%2F@h:1", ("bolt://h:1", "neo4j", "me", "p@ss/")),
        ("neo4j+s://cluster.example:7687/edge", ("neo4j+s://cluster.example:7687", "edge", "neo4j", "")),
        ("bolt+ssc://u@[::1]:7688/", ("bolt+ssc://[::1]:7688", "neo4j", "u", "")),
    ],
)
def test_a_url_says_where_who_and_which_database(url: str, expected: tuple[str, ...]) -> None:
    found = address(url)
    assert (found.url, found.database, found.user, found.password) == expected


@pytest.mark.parametrize("url", ["http://h", "bolt://", "bolt://h:99999", "bolt://h?x=1", "bolt://h#y", "bolt://[::1"])
def test_a_url_that_names_no_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(StoreProblem, match="bolt"):
        address(url)


def test_user_and_password_given_apart_win_and_are_never_shown() -> None:
    store = store_for("bolt://in-url:hidden-1@h:7687", user="apart", password="hidden-2")
    assert isinstance(store, Neo4jStore)
    found = address("bolt://in-url:hidden-1@h:7687", user="apart", password="hidden-2")
    assert (found.user, found.password) == ("apart", "hidden-2")
    assert "hidden" not in f"{store!r} {found!r}"


def server_error(code: str) -> Exception:
    return Neo4jError._hydrate_neo4j(code=code, message="told by the server")


@pytest.mark.parametrize(
    ("problem", "before", "at_commit"),
    [
        (ServiceUnavailable("gone"), StoreUnavailable, UnknownOutcome),
        (IncompleteCommit("gone"), StoreUnavailable, UnknownOutcome),
        (TimeoutError(), StoreUnavailable, UnknownOutcome),
        (ConnectionResetError("reset"), StoreUnavailable, UnknownOutcome),
        (ConnectionAcquisitionTimeoutError("none"), StoreUnavailable, UnknownOutcome),
        (server_error("Neo.TransientError.Transaction.DeadlockDetected"), StoreUnavailable, UnknownOutcome),
        (server_error("Neo.DatabaseError.Transaction.TransactionCommitFailed"), StoreUnavailable, UnknownOutcome),
        (server_error("Neo.ClientError.Cluster.NotALeader"), StoreUnavailable, UnknownOutcome),
        (server_error("Neo.ClientError.Transaction.TransactionTimedOut"), StoreUnavailable, UnknownOutcome),
        (server_error("Neo.ClientError.Schema.ConstraintValidationFailed"), StoreProblem, StoreProblem),
        (server_error("Neo.ClientError.Statement.SyntaxError"), StoreProblem, StoreProblem),
        (server_error("Neo.ClientError.Security.Forbidden"), StoreProblem, StoreProblem),
        (server_error("Neo.ClientError.Security.Unauthorized"), StoreUnavailable, StoreUnavailable),
    ],
    ids=lambda value: (
        getattr(value, "code", None) or (value.__name__ if isinstance(value, type) else type(value).__name__)
    ),
)
def test_a_fault_means_that_nothing_was_committed_unless_commit_was_sent(
    problem: Exception, before: type[StoreProblem], at_commit: type[StoreProblem]
) -> None:
    assert type(translated(problem, where="bolt://h:1")) is before
    assert type(translated_at_commit(problem, where="bolt://h:1")) is at_commit
    assert "bolt://h:1" in str(translated(problem, where="bolt://h:1"))


def test_the_faults_are_those_that_the_driver_has() -> None:
    assert isinstance(server_error("Neo.TransientError.General.MemoryPoolOutOfMemoryError"), TransientError)
    assert isinstance(server_error("Neo.ClientError.Security.Unauthorized"), AuthError)
    assert isinstance(server_error("Neo.ClientError.Schema.ConstraintValidationFailed"), ClientError)
    assert isinstance(server_error("Neo.DatabaseError.General.UnknownError"), DatabaseError)

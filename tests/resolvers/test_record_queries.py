"""Operations, events, revisions and the audit: pages of what is filed, filtered or not, in the order of their making."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from access.viewer import Grant, Viewer
from graph.edit import Edit
from graph.kinds import Event, EventType, Operation, OperationKind, OperationStatus, Region, Role, Site, Tenant
from graph.refusal import Forbidden, InvalidInput, LimitExceeded
from graph.request import Request
from graph.store import RecordPage, StoreUnavailable
from resolvers import records
from resolvers.problems import StoreAway
from schema.work import MAX_WORK
from server.app import Application
from worldkit.running import application_in, ask, data

REQUEST = Request(author="user_1", action="test")


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, REQUEST)).value


SHAPE = "nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


async def pages(
    application: Application,
    field: str,
    arguments: str,
    size: int,
    *,
    backwards: bool = False,
    viewer: Viewer | None = None,
) -> list[str]:
    """The ids of all nodes, page by page, by cursors alone; from the end when backwards."""
    found: list[str] = []
    cursor = None
    more = {} if viewer is None else {"viewer": viewer}
    count, position = ("last", "before") if backwards else ("first", "after")
    has_more, goes_on = ("hasPreviousPage", "startCursor") if backwards else ("hasNextPage", "endCursor")
    behind = "hasNextPage" if backwards else "hasPreviousPage"
    for _ in range(200):
        arguments_ = f"{count}: $size, {position}: $cursor, {arguments}"
        text = f"query($size: Int, $cursor: String) {{ found: {field}({arguments_}) {{ {SHAPE} }} }}"
        page = (await data(application, text, {"size": size, "cursor": cursor}, **more))["found"]
        ids = [one["id"] for one in page["nodes"]]
        assert len(ids) <= size
        assert [(one["cursor"], one["node"]["id"]) for one in page["edges"]] == [(one, one) for one in ids]
        assert page["pageInfo"][behind] is (cursor is not None)
        found = [*ids, *found] if backwards else [*found, *ids]
        if not page["pageInfo"][has_more]:
            return found
        cursor = page["pageInfo"][goes_on]
        assert cursor is not None, "there is more, so there is a way on"
    raise AssertionError("the pages do not end")


async def total(
    application: Application, field: str, arguments: str, *, viewer: Viewer | None = None
) -> tuple[int, bool]:
    """How many there are, as the list itself says."""
    more = {} if viewer is None else {"viewer": viewer}
    text = f"{{ found: {field}({arguments} first: 1) {{ totalCount totalCountIsExact }} }}"
    found = (await data(application, text, **more))["found"]
    return found["totalCount"], found["totalCountIsExact"]


async def check(application: Application, field: str, arguments: str, expected: list[str], size: int) -> None:
    """The list holds what is expected, newest first: in either order, from either end, and counted."""
    for order, wanted in (("", expected), (", orderBy: {field: ID, direction: ASC}", expected[::-1])):
        for backwards in (False, True):
            found = await pages(application, field, arguments + order, size, backwards=backwards)
            assert found == wanted, (arguments, order, backwards)
    assert await total(application, field, arguments) == (len(expected), True), arguments


async def make_events(application: Application, count: int, *, warning_every: int) -> dict[str, str]:
    random_ = random.Random(1)

    def make(edit: Edit) -> dict[str, str]:
        region = edit.create(Region, name="r")
        sites = [edit.create(Site, name=f"s{n}", region_id=region.id).id for n in range(2)]
        made = {}
        for number in range(count):
            kind = EventType.WARNING if number % warning_every == 0 else EventType.NORMAL
            event = edit.create(Event, type=kind, reason="Test", message="m", subject_id=random_.choice(sites))
            made[event.id] = f"{kind.name}:{event.subject_id}"
        return made

    made: dict[str, str] = await change(application, make)
    return made


@pytest.mark.parametrize("size", [2, 7, 100])
async def test_events_are_paged_both_ways_filtered_or_not(application: Application, size: int) -> None:
    made = await make_events(application, 40, warning_every=9)
    newest = sorted(made, reverse=True)
    await check(application, "events", "", newest, size)
    for kind in EventType:
        expected = [one for one in newest if made[one].startswith(kind.name)]
        await check(application, "events", f"filter: {{type: {{eq: {kind.name}}}}}", expected, size)
    site, other = application.ledger.view.ids("Site")
    expected = [one for one in newest if made[one].endswith(site)]
    await check(application, "events", f'filter: {{subjectId: {{eq: "{site}"}}}}', expected, size)
    await check(application, "events", f'filter: {{subjectId: {{in: ["{site}", "{other}"]}}}}', newest, size)
    some = f"filter: {{id: {json.dumps([*newest[3:20:4], 'event_none', 'münchen'])}, type: {{notIn: [WARNING]}}}}"
    await check(application, "events", some, [one for one in newest[3:20:4] if made[one].startswith("NORMAL")], size)
    own = "query($id: ID!) { site(id: $id) { events(first: 100) { totalCount nodes { id } } } }"
    found = (await data(application, own, {"id": site}))["site"]["events"]
    assert [one["id"] for one in found["nodes"]] == expected
    assert found["totalCount"] == len(expected)


async def test_a_filter_of_what_an_entity_has_cannot_leave_that_entity(application: Application) -> None:
    made = await make_events(application, 9, warning_every=2)
    site, other = application.ledger.view.ids("Site")
    text = "query($id: ID!, $filter: EventFilter) { site(id: $id) { events(filter: $filter) { totalCount nodes { id } } } }"
    for asked, expected in ((site, [one for one in made if made[one].endswith(site)]), (other, [])):
        given = {"id": site, "filter": {"subjectId": {"eq": asked}}}
        found = (await data(application, text, given))["site"]["events"]
        assert sorted(one["id"] for one in found["nodes"]) == sorted(expected)
        assert found["totalCount"] == len(expected)


async def test_labels_and_nested_terms_filter_records_as_they_filter_live_kinds(application: Application) -> None:
    def make(edit: Edit) -> list[str]:
        return [
            edit.create(
                Event, reason=f"R{number % 3}", message=f"m{number}", labels={"n": str(number), "odd": str(number % 2)}
            ).id
            for number in range(12)
        ]

    made = await change(application, make)

    async def numbers(filter: str) -> list[int]:
        expected = await pages(application, "events", f"filter: {filter}", 5)
        await check(application, "events", f"filter: {filter}", expected, 4)
        return sorted(made.index(one) for one in expected)

    assert await numbers('{labels: "odd=1,n notin (3,5)"}') == [1, 7, 9, 11]
    assert await numbers('{or: [{labels: "n=4"}, {reason: {eq: "R2"}, message: {endsWith: "1"}}]}') == [4, 11]
    assert await numbers('{not: {reason: {in: ["R0", "R1"]}}}') == [2, 5, 8, 11]
    assert await numbers(f"{{and: [{{id: {json.dumps(made[:6])}}}, {{id: {json.dumps(made[4:])}}}]}}") == [4, 5]
    assert await numbers(f"{{not: {{id: {json.dumps(made[2:])}}}}}") == [0, 1]
    assert await numbers("{subjectId: {isNull: true}, tenantIsNull: true}") == list(range(12))
    assert await numbers("{tenantIsNull: false}") == []
    assert await numbers("{and: [], source: {kind: SYSTEM}}") == list(range(12))
    assert await numbers("{or: []}") == []


async def test_records_of_a_time_are_found_by_that_time(application: Application) -> None:
    made: dict[str, int] = {}
    for number in range(6):
        event = await change(
            application, lambda edit, number=number: edit.create(Event, reason="R", message=str(number))
        )
        made[event.id] = event.created_at
    newest = sorted(made, reverse=True)
    times = [made[one] for one in newest[::-1]]
    text = {
        at: datetime.datetime.fromtimestamp(at / 1000, datetime.UTC).isoformat(timespec="milliseconds") for at in times
    }
    tests: list[tuple[str, Callable[[int, int], bool]]] = [
        ("eq", lambda at, wanted: at == wanted),
        ("gt", lambda at, wanted: at > wanted),
        ("gte", lambda at, wanted: at >= wanted),
        ("lt", lambda at, wanted: at < wanted),
        ("lte", lambda at, wanted: at <= wanted),
    ]
    for operator, holds in tests:
        for wanted in times[::2]:
            expected = [one for one in newest if holds(made[one], wanted)]
            await check(application, "events", f'filter: {{createdAt: {{{operator}: "{text[wanted]}"}}}}', expected, 2)
    between = f'filter: {{createdAt: {{gte: "{text[times[1]]}", lt: "{text[times[4]]}"}}}}'
    await check(application, "events", between, newest[2:5], 2)
    await check(application, "events", 'filter: {createdAt: {lt: "0001-01-01T00:00:00Z"}}', [], 2)
    await check(application, "events", 'filter: {createdAt: {gt: "9999-12-31T23:59:59Z"}}', [], 2)
    await check(application, "events", 'filter: {createdAt: {gte: "0001-01-01T00:00:00Z"}}', newest, 2)


async def test_a_filter_that_few_meet_reads_only_so_much_at_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_READ", 10)
    made = await make_events(application, 60, warning_every=59)
    expected = [one for one in sorted(made, reverse=True) if made[one].startswith("WARNING")]
    assert len(expected) == 2
    for size in (1, 2, 5):
        await check(application, "events", "filter: {type: {eq: WARNING}}", expected, size)
    text = '{ events(first: 1, filter: {reason: {eq: "None"}}) { nodes { id } pageInfo { hasNextPage endCursor } } }'
    page = (await data(application, text))["events"]
    assert page == {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": sorted(made, reverse=True)[9]}}


async def test_what_all_lists_of_a_request_read_comes_out_of_one_budget(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_events(application, 20, warning_every=9)
    monkeypatch.setattr(records, "WORK_A_RECORD", MAX_WORK // 30)
    one = 'events(first: 5, filter: {reason: {eq: "None"}}) { nodes { id } }'
    await data(application, f"{{ a: {one} }}")
    answer = await ask(application, f"{{ a: {one} b: {one} }}")
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, LimitExceeded)
    assert answer.errors[0].original_error.path == "filter"


async def test_a_total_is_counted_only_when_it_is_asked_for_and_then_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_events(application, 5, warning_every=2)
    store, asked = application.ledger.store, []
    counted, read = store.count_records, store.records

    async def counting(page: RecordPage) -> int:
        asked.append("count")
        return await counted(page)

    async def reading(page: RecordPage) -> Any:
        asked.append("read")
        return await read(page)

    monkeypatch.setattr(store, "count_records", counting)
    monkeypatch.setattr(store, "records", reading)
    await data(application, "{ events(first: 2) { nodes { id } } }")
    assert asked == ["read"]
    await data(application, "{ events(first: 2) { nodes { id } totalCount totalCountIsExact } }")
    assert asked[1:] == ["read", "count"]
    del asked[:]
    await data(application, "{ events(first: 9, filter: {type: {eq: NORMAL}}) { totalCount totalCountIsExact } }")
    assert asked == ["read", "read"], "one for the page, one to count what the store cannot"


async def test_a_total_that_is_not_exact_says_so(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await make_events(application, 30, warning_every=3)
    monkeypatch.setattr(records, "MOST_COUNTED", 20)
    assert await total(application, "events", "") == (20, False)
    monkeypatch.setattr(records, "MOST_COUNTED", 30)
    assert await total(application, "events", "") == (30, True)
    monkeypatch.setattr(records, "READ_AT_ONCE", 7)
    monkeypatch.setattr(records, "MOST_READ_TO_COUNT", 20)
    newest = sorted(made, reverse=True)[:20]
    warnings = sum(made[one].startswith("WARNING") for one in newest)
    assert await total(application, "events", "filter: {type: {eq: WARNING}},") == (warnings, False)
    monkeypatch.setattr(records, "MOST_READ_TO_COUNT", 31)
    assert await total(application, "events", "filter: {type: {eq: WARNING}},") == (10, True)


async def make_operations(application: Application, count: int) -> dict[str, Operation]:
    """Some that run and some that have ended, mixed in the order of their making."""
    random_ = random.Random(2)
    made: dict[str, Operation] = {}
    for number in range(count):
        operation = await change(
            application,
            lambda edit, number=number: edit.create(
                Operation, kind=OperationKind.RETRY, subject_id=f"deployment_{number % 2}", requested_by="ann"
            ),
        )
        if random_.random() < 0.6:
            status = random_.choice([OperationStatus.SUCCEEDED, OperationStatus.FAILED])
            operation = await change(application, lambda edit, one=operation, to=status: edit.replace(one, status=to))
        made[operation.id] = operation
    return made


@pytest.mark.parametrize(("size", "most_read"), [(4, 2_000), (100, 2_000), (3, 5), (7, 3)])
async def test_operations_that_run_and_that_have_ended_are_one_list(
    application: Application, monkeypatch: pytest.MonkeyPatch, size: int, most_read: int
) -> None:
    monkeypatch.setattr(records, "MOST_READ", most_read)
    made = await make_operations(application, 30)
    newest = [made[one] for one in sorted(made, reverse=True)]
    assert {one.ended for one in newest} == {True, False}

    async def listed(filter: str, holds: Callable[[Operation], bool]) -> None:
        arguments = f"filter: {filter}" if filter else ""
        await check(application, "operations", arguments, [one.id for one in newest if holds(one)], size)

    await listed("", lambda one: True)
    for status in (OperationStatus.RUNNING, OperationStatus.SUCCEEDED, OperationStatus.CANCELLED):
        await listed(f"{{status: {{eq: {status.name}}}}}", lambda one, status=status: one.status is status)
    both = (OperationStatus.RUNNING, OperationStatus.FAILED)
    await listed("{status: {in: [RUNNING, FAILED]}}", lambda one: one.status in both)
    await listed("{status: {notIn: [RUNNING, FAILED]}}", lambda one: one.status not in both)
    await listed('{subjectId: {eq: "deployment_1"}}', lambda one: one.subject_id == "deployment_1")
    await listed("{status: {in: []}}", lambda one: False)
    await listed("{finishedAt: {isNull: true}}", lambda one: one.finished_at is None)
    half = sorted(made)[:15]
    await listed(f"{{id: {json.dumps(half)}}}", lambda one: one.id in half)
    await listed(f"{{not: {{id: {json.dumps(half)}}}}}", lambda one: one.id not in half)


async def test_operations_that_run_are_listed_and_counted_without_the_store(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make_operations(application, 12)

    async def away(page: RecordPage) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(application.ledger.store, "records", away)
    monkeypatch.setattr(application.ledger.store, "count_records", away)
    running = [one for one in sorted(made, reverse=True) if not made[one].ended]
    for filter in ("{status: {eq: RUNNING}}", "{and: [{status: {in: [RUNNING, CANCELLING]}}]}"):
        await check(application, "operations", f"filter: {filter}", running, 3)
    for fields in ("nodes { id }", "totalCount"):
        answer = await ask(application, f"{{ operations {{ {fields} }} }}")
        assert answer.errors
        assert isinstance(answer.errors[0].original_error, StoreAway)


async def test_an_operation_that_ends_while_it_is_listed_is_listed_and_counted_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await change(
        application, lambda edit: edit.create(Operation, kind=OperationKind.RETRY, requested_by="a")
    )
    store = application.ledger.store

    def late(of: Any) -> Any:
        async def asked(page: Any) -> Any:
            if page.collection == "Operation" and application.ledger.view.get(operation.id) is not None:
                await change(application, lambda edit: edit.replace(operation, status=OperationStatus.SUCCEEDED))
            return await of(page)

        return asked

    monkeypatch.setattr(store, "records", late(store.records))
    monkeypatch.setattr(store, "count_records", late(store.count_records))
    found = await data(application, "{ operations { nodes { id } totalCount } }")
    assert found["operations"] == {"nodes": [{"id": operation.id}], "totalCount": 1}
    assert application.ledger.view.get(operation.id) is None
    found = await data(application, "{ operations { nodes { id status } totalCount } }")
    assert found["operations"] == {"nodes": [{"id": operation.id, "status": "SUCCEEDED"}], "totalCount": 1}


async def test_the_operations_of_a_tenant_and_of_a_deployment_are_those_that_ended_too(
    application: Application,
) -> None:
    def make(edit: Edit) -> tuple[str, str]:
        mine, other = edit.create(Tenant, name="mine"), edit.create(Tenant, name="other")
        return mine.id, other.id

    mine, other = await change(application, make)
    expected = []
    for number in range(8):
        operation = await change(
            application,
            lambda edit, number=number: edit.create(
                Operation, kind=OperationKind.RETRY, tenant_id=mine if number % 3 else other, requested_by="a"
            ),
        )
        if number % 2:
            await change(application, lambda edit, one=operation: edit.replace(one, status=OperationStatus.FAILED))
        if number % 3:
            expected.append(operation.id)
    text = "query($id: ID!) { tenant(id: $id) { operations { totalCount nodes { id status } } } }"
    found = (await data(application, text, {"id": mine}))["tenant"]["operations"]
    assert [one["id"] for one in found["nodes"]] == expected[::-1]
    assert found["totalCount"] == len(expected)
    assert {one["status"] for one in found["nodes"]} == {"RUNNING", "FAILED"}
    await check(application, "operations", f'filter: {{tenant: "{mine}"}}', expected[::-1], 2)
    await check(application, "operations", 'filter: {tenant: "tenant_none"}', [], 2)


LISTS = ["events", "operations", "deploymentRevisions", "auditLog"]


@pytest.mark.parametrize("field", LISTS)
async def test_a_page_that_cannot_be_is_refused(application: Application, field: str) -> None:
    cursors = ("nonsense", "", "site_1", "event" if field == "operations" else "operation_1", "audité_1", "x" * 200)
    wrong = [f'{position}: "{one}"' for one in cursors for position in ("after", "before")]
    wrong += ["first: 501", "last: 501", "first: -1", "last: -1"]
    wrong.append("orderBy: [{field: ID, direction: ASC}, {field: ID, direction: DESC}]")
    wrong.append(f"filter: {{id: {json.dumps([f'event_{n}' for n in range(1_001)])}}}")
    for arguments in wrong:
        answer = await ask(application, f"{{ {field}({arguments}) {{ nodes {{ id }} }} }}")
        assert answer.errors, arguments
        assert isinstance(answer.errors[0].original_error, (InvalidInput, LimitExceeded)), arguments
    answer = await ask(application, f"{{ {field}(orderBy: {{field: REVISION}}) {{ nodes {{ id }} }} }}")
    assert answer.errors
    assert "does not exist in" in answer.errors[0].message


@pytest.mark.parametrize("field", LISTS)
async def test_a_page_may_be_empty_and_lists_may_ask_for_a_minimum_revision(
    application: Application, field: str
) -> None:
    await make_events(application, 3, warning_every=2)
    text = f"{{ found: {field}(first: 0) {{ {SHAPE} totalCount }} }}"
    found = (await data(application, text))["found"]
    assert found["nodes"] == found["edges"] == []
    assert found["pageInfo"]["hasNextPage"] is (found["totalCount"] > 0)
    revision = application.ledger.view.revision
    await data(application, f"{{ {field}(atLeastRevision: {revision}) {{ nodes {{ id }} }} }}")
    answer = await ask(application, f'{{ {field}(epoch: "another") {{ nodes {{ id }} }} }}')
    assert answer.errors


async def test_the_audit_is_filtered_as_everything_is(application: Application) -> None:
    regions = []
    for number in range(9):
        asked = Request(author=f"user_{number % 3}", action="createRegion" if number % 2 else "importRegion")
        made = await application.ledger.commit(lambda edit, n=number: edit.create(Region, name=f"r{n}"), asked)
        regions.append(made.value.id)
    everything = 'filter: {action: {in: ["createRegion", "importRegion"]}}'
    entries = await pages(application, "auditLog", everything, 4)
    assert len(entries) == 9
    for filter, expected in (
        ('{author: {eq: "user_1"}, action: {startsWith: "c"}}', [1, 7]),
        (f'{{subjectId: {{eq: "{regions[4]}"}}}}', [4]),
        (f"{{id: {json.dumps(entries[:2])}}}", [7, 8]),
        ('{changeCount: {gte: 1}, outcome: {notIn: [REFUSED]}, author: {in: ["user_2"]}}', [2, 5, 8]),
        (f"{{id: {json.dumps(entries)}, tenantIsNull: true, code: {{isNull: true}}}}", list(range(9))),
    ):
        await check(application, "auditLog", f"filter: {filter}", [entries[8 - one] for one in reversed(expected)], 2)


async def test_the_audit_tells_who_did_what_to_those_who_may_read_it(application: Application) -> None:
    def make(edit: Edit) -> str:
        return edit.create(Tenant, name="mine").id

    mine = await change(application, make)
    asked = Request(author="ann", action="createRegion", tenant_id=mine, correlation_id="c-1")
    await application.ledger.commit(lambda edit: edit.create(Region, name="r", tenant_id=mine), asked)
    text = "{ auditLog(first: 10) { nodes { author { name } action outcome revision changeCount correlationId } } }"
    everything = (await data(application, text))["auditLog"]["nodes"]
    assert everything[0] == {
        "author": {"name": "ann"},
        "action": "createRegion",
        "outcome": "COMMITTED",
        "revision": application.ledger.view.revision,
        "changeCount": 1,
        "correlationId": "c-1",
    }
    assert len(everything) > 1
    admin = Viewer(id="user_1", name="tina", grants=frozenset({Grant(Role.TENANT_ADMIN, mine)}))
    seen = (await data(application, text, viewer=admin))["auditLog"]["nodes"]
    assert [one["author"] for one in seen] == [{"name": "ann"}]
    viewer = Viewer(id="user_2", name="vera", grants=frozenset({Grant(Role.VIEWER, mine)}))
    answer = await ask(application, text, viewer=viewer)
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, Forbidden)

"""Operations, events, revisions and the audit: pages of what is filed, filtered or not, in the order of their making."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from access.viewer import Grant, Viewer
from graph.edit import Edit
from graph.kinds import Event, EventType, Operation, OperationKind, OperationStatus, Region, Role, Site, Tenant
from graph.refusal import Forbidden, InvalidInput
from graph.request import Request
from resolvers import records
from server.app import Application
from worldkit.running import application_in, ask, data

REQUEST = Request(author="user_1", action="test")


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as made:
        yield made


async def change(application: Application, function: Any) -> Any:
    return (await application.ledger.commit(function, REQUEST)).value


async def pages(
    application: Application, field: str, arguments: str, size: int, *, viewer: Viewer | None = None
) -> list[Any]:
    """All nodes, page by page, by cursors alone."""
    found: list[Any] = []
    cursor = None
    more = {} if viewer is None else {"viewer": viewer}
    for _ in range(200):
        shape = "nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor }"
        arguments_ = f"first: $first, after: $after {arguments}"
        text = f"query($first: Int, $after: String) {{ found: {field}({arguments_}) {{ {shape} }} }}"
        page = (await data(application, text, {"first": size, "after": cursor}, **more))["found"]
        assert len(page["nodes"]) <= size
        assert [one["node"]["id"] for one in page["edges"]] == [one["id"] for one in page["nodes"]]
        assert page["pageInfo"]["hasPreviousPage"] is (cursor is not None)
        found.extend(page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            return found
        cursor = page["pageInfo"]["endCursor"]
        assert cursor is not None, "there is more, so there is a way on"
    raise AssertionError("the pages do not end")


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


@pytest.mark.parametrize("size", [1, 3, 7, 100])
async def test_events_are_paged_newest_first_filtered_or_not(application: Application, size: int) -> None:
    made = await make_events(application, 40, warning_every=9)
    newest = sorted(made, reverse=True)
    assert [one["id"] for one in await pages(application, "events", "", size)] == newest
    for kind in EventType:
        expected = [one for one in newest if made[one].startswith(kind.name)]
        assert [one["id"] for one in await pages(application, "events", f", type: {kind.name}", size)] == expected
    site = application.ledger.view.ids("Site")[0]
    expected = [one for one in newest if made[one].endswith(site)]
    assert [one["id"] for one in await pages(application, "events", f', subject: "{site}"', size)] == expected
    own = await data(
        application, "query($id: ID!) { site(id: $id) { events(first: 100) { nodes { id } } } }", {"id": site}
    )
    assert [one["id"] for one in own["site"]["events"]["nodes"]] == expected


async def test_a_filter_that_few_meet_reads_only_so_much_at_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_READ", 10)
    made = await make_events(application, 60, warning_every=59)
    expected = [one for one in sorted(made, reverse=True) if made[one].startswith("WARNING")]
    assert len(expected) == 2
    for size in (1, 2, 5):
        assert [one["id"] for one in await pages(application, "events", ", type: WARNING", size)] == expected


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


@pytest.mark.parametrize(("size", "most_read"), [(1, 2_000), (4, 2_000), (100, 2_000), (2, 5), (7, 3)])
async def test_operations_that_run_and_that_have_ended_are_one_list(
    application: Application, monkeypatch: pytest.MonkeyPatch, size: int, most_read: int
) -> None:
    monkeypatch.setattr(records, "MOST_READ", most_read)
    made = await make_operations(application, 30)
    newest = [made[one] for one in sorted(made, reverse=True)]
    assert {one.ended for one in newest} == {True, False}

    async def listed(arguments: str = "") -> list[str]:
        return [one["id"] for one in await pages(application, "operations", arguments, size)]

    assert await listed() == [one.id for one in newest]
    for status in (OperationStatus.RUNNING, OperationStatus.SUCCEEDED, OperationStatus.CANCELLED):
        assert await listed(f", status: [{status.name}]") == [one.id for one in newest if one.status is status]
    both = [one.id for one in newest if one.status in (OperationStatus.RUNNING, OperationStatus.FAILED)]
    assert await listed(", status: [RUNNING, FAILED]") == both
    assert await listed(', subject: "deployment_1"') == [one.id for one in newest if one.subject_id == "deployment_1"]
    assert await listed(", status: []") == []


async def test_an_operation_that_ends_while_it_is_listed_is_listed_once(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = await change(
        application, lambda edit: edit.create(Operation, kind=OperationKind.RETRY, requested_by="a")
    )
    store = application.ledger.store
    records_of = store.records

    async def late(page: Any) -> Any:
        if page.collection == "Operation" and application.ledger.view.get(operation.id) is not None:
            await change(application, lambda edit: edit.replace(operation, status=OperationStatus.SUCCEEDED))
        return await records_of(page)

    monkeypatch.setattr(store, "records", late)
    found = await data(application, "{ operations { nodes { id } } }")
    assert found["operations"]["nodes"] == [{"id": operation.id}]


@pytest.mark.parametrize("field", ["events", "operations"])
async def test_a_cursor_of_another_list_is_refused(application: Application, field: str) -> None:
    for cursor in ("nonsense", "", "site_1", "event" if field == "operations" else "operation_1"):
        answer = await ask(application, f'{{ {field}(after: "{cursor}") {{ nodes {{ id }} }} }}')
        assert answer.errors, cursor
        assert isinstance(answer.errors[0].original_error, InvalidInput)
    answer = await ask(application, f"{{ {field}(first: 501) {{ nodes {{ id }} }} }}")
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, InvalidInput)


async def test_the_audit_tells_who_did_what_to_those_who_may_read_it(application: Application) -> None:
    def make(edit: Edit) -> str:
        return edit.create(Tenant, name="mine").id

    mine = await change(application, make)
    asked = Request(author="ann", action="createRegion", tenant_id=mine, correlation_id="c-1")
    await application.ledger.commit(lambda edit: edit.create(Region, name="r", tenant_id=mine), asked)
    text = "{ auditLog(first: 10) { nodes { author action outcome revision changeCount correlationId } } }"
    everything = (await data(application, text))["auditLog"]["nodes"]
    assert everything[0] == {
        "author": "ann",
        "action": "createRegion",
        "outcome": "COMMITTED",
        "revision": application.ledger.view.revision,
        "changeCount": 1,
        "correlationId": "c-1",
    }
    assert len(everything) > 1
    admin = Viewer(id="user_1", name="tina", grants=frozenset({Grant(Role.TENANT_ADMIN, mine)}))
    assert [one["author"] for one in (await data(application, text, viewer=admin))["auditLog"]["nodes"]] == ["ann"]
    viewer = Viewer(id="user_2", name="vera", grants=frozenset({Grant(Role.VIEWER, mine)}))
    answer = await ask(application, text, viewer=viewer)
    assert answer.errors
    assert isinstance(answer.errors[0].original_error, Forbidden)

"""What a terminal is shown of an entity: names for people, and ids only of what has no name to show."""

from __future__ import annotations

import pytest
from rich.console import Console

from graph.entity import KINDS
from server.cli.api import Json
from server.cli.output import cell, entity_table, entity_tree
from serverkit.described import described_types


def lines(row: Json) -> str:
    out = Console(width=200)
    with out.capture() as shown:
        out.print(entity_tree(row, "Deployment"))
    return shown.get()


def column(title: str, type_name: str, *rows: Json, wide: bool = False) -> list[str]:
    """The texts of one column of a table."""
    table = entity_table(rows, type_name, described_types(), wide=wide)
    [found] = [one for one in table.columns if one.header == title]
    return [str(one) for one in found.cells]


def titles(type_name: str, *, wide: bool = True) -> list[str]:
    """What the columns of a kind's table are called where each of its fields has a value."""
    fields = described_types().load_for(type_name).fields
    row: Json = {one.name: "a word" for one in fields} | {"id": "x_1", "name": "x", "createdAt": None}
    return [str(one.header) for one in entity_table([row], type_name, described_types(), wide=wide).columns]


ADMIN = {"id": "user_1", "name": "admin", "entity": {"id": "user_1", "name": "admin", "__typename": "User"}}
PARIS = {"id": "region_1", "name": "Paris", "__typename": "Region"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ADMIN, "admin"),
        ({"id": "deploymentrevision_1", "number": 3}, "3"),
        ({"regionIds": ["region_1"], "regions": [PARIS]}, "regions=Paris"),
        ({"regionIds": ["region_1", "region_2"], "regions": [PARIS]}, "regionIds=region_1, region_2 regions=Paris"),
        ({"siteIds": [], "sites": [], "labels": "type=city"}, "labels=type=city"),
        ({"siteId": "site_1", "site": {"id": "site_1", "name": "s"}}, "site=s"),
        ({"siteId": "site_1", "site": None}, "siteId=site_1"),
    ],
)
def test_an_id_is_shown_where_no_entity_stands_for_it(value: Json, text: str) -> None:
    assert cell(value) == text


def test_a_policy_is_described_by_the_names_that_it_has() -> None:
    region = {**PARIS, "name": "a region of quite a long name, so that the tree branches"}
    place = {"regionId": "region_1", "region": region, "siteId": None, "site": None}
    policy = {
        "sites": {"regionIds": ["region_1"], "regions": [region], "siteIds": ["site_gone"], "sites": []},
        "latency": [{"place": place, "withinMs": 5}],
    }
    shown = lines({"id": "deployment_1", "name": "d", "policy": policy, "subjectId": "x_1", "subject": ADMIN})
    assert "region_1" not in shown
    assert "a region of quite a long name" in shown
    assert "site_gone" in shown
    assert "subject: admin" in shown
    assert "x_1" not in shown


def test_losses_that_are_only_counted_are_described_beside_those_that_are_listed() -> None:
    listed = {"kind": "SITE_DOWN", "words": "site Vienna is down", "planned": False}
    counted = {"kind": "NODE_NOT_READY", "count": 744, "since": "2026-11-22T08:00:00Z", "planned": True}
    shown = lines({"id": "deployment_1", "name": "d", "displacement": {"losses": [listed], "more": [counted]}})
    assert "site Vienna is down" in shown
    assert "more" in shown
    assert "kind=NODE_NOT_READY" in shown
    assert "count=744" in shown
    assert "planned=yes" in shown


def test_the_table_of_deployments_tells_how_many_replicas_are_ready_and_how_many_still_serve() -> None:
    def deployment(ready: int, **more: int) -> Json:
        counted = {"desired": 3, "applied": 3, "ready": ready, "unknown": 0}
        status = {"replicas": counted, "sites": counted, "reasons": [], **more}
        return {"id": "deployment_1", "name": "d", "status": status}

    rows = [deployment(3, retiringReadyReplicas=0), deployment(1, retiringReadyReplicas=2), deployment(2)]
    assert column("READY", "Deployment", *rows) == ["3/3", "1/3 (+2 retiring)", "2/3"]
    assert "retiringReadyReplicas: 2" in lines(rows[1])


@pytest.mark.parametrize("type_name", sorted(one.name for one in KINDS.values()))
def test_a_column_is_called_by_what_is_in_it_and_no_two_alike(type_name: str) -> None:
    found = titles(type_name)
    assert len(set(found)) == len(found)
    for title in found:
        words = title.split()
        assert words[-1] not in ("NUMBER", "COUNT", "MS", "KM", "MBPS", "BYTES") or title == "NUMBER", title


@pytest.mark.parametrize(
    ("type_name", "some"),
    [
        ("Deployment", ["PHASE", "REVISION", "READY", "MESSAGE"]),
        ("Link", ["LATENCY", "LENGTH", "BANDWIDTH", "RESERVED"]),
        ("Package", ["TYPE", "SIZE"]),
        ("Plan", ["STATUS", "MOVE PENALTY", "MAX MOVES", "PLANNED AT REVISION", "STEPS"]),
    ],
)
def test_the_columns_of_a_table(type_name: str, some: list[str]) -> None:
    found = titles(type_name)
    at = found.index(some[0])
    assert found[at : at + len(some)] == some


def test_a_number_is_shown_in_its_unit() -> None:
    link = {
        "id": "link_1",
        "latencyMs": 2.5,
        "lengthKm": 410.25,
        "bandwidthMbps": 10_000,
        "reservedMbps": None,
        "cost": 3,
    }
    shown = {title: column(title, "Link", link) for title in ("LATENCY", "LENGTH", "BANDWIDTH", "COST")}
    assert shown == {"LATENCY": ["2.5 ms"], "LENGTH": ["410.25 km"], "BANDWIDTH": ["10000 Mbit/s"], "COST": ["3"]}
    assert column("SIZE", "Package", {"id": "package_1", "sizeBytes": 2_097_152}) == ["2 MiB"]

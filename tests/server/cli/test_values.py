"""Values from flags: what is given is added to what there is, and takes the place of the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.cli.failures import Failure
from server.cli.values import ValueFlags, put_values

NOBODY: Any = None
"""These need no server."""


def put(before: list[dict[str, Any]] | None = None, **flags: Any) -> Any:
    values: dict[str, Any] = {}
    put_values(NOBODY, ValueFlags(**flags), values, version={}, before=before or [])
    return values.get("overrides")


def test_a_value_is_read_as_yaml_and_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("a: 1\n")
    given = ["web:image.tag=2.1", 'web:image.name="2.1"', "db:on=", "web:args=[a, b]", "web:x=a=b"]
    assert put(set_values=given, values=[f"web={file}"]) == [
        {"component": "web", "document": "a: 1\n"},
        {"component": "web", "path": "image.tag", "value": 2.1},
        {"component": "web", "path": "image.name", "value": "2.1"},
        {"component": "db", "path": "on", "value": None},
        {"component": "web", "path": "args", "value": ["a", "b"]},
        {"component": "web", "path": "x", "value": "a=b"},
    ]


def test_what_is_given_takes_the_place_of_the_same_and_the_rest_stays() -> None:
    before = [
        {"component": "web", "path": "a", "value": 1, "document": None, "siteIds": [], "siteSelector": None},
        {"component": "web", "path": "a", "value": 2, "siteIds": [], "siteSelector": "zone=z0"},
        {"component": "web", "path": "b", "value": 3, "siteIds": []},
    ]
    assert put(before) is None
    assert put(before, reset_values=True) == []
    assert put(before, set_values=["web:a=9"]) == [
        {"component": "web", "path": "a", "value": 2, "siteIds": [], "siteSelector": "zone=z0"},
        {"component": "web", "path": "b", "value": 3, "siteIds": []},
        {"component": "web", "path": "a", "value": 9},
    ]
    assert put(before, set_values=["web:a=9"], at_sites_with="zone=z0")[-1] == {
        "component": "web",
        "path": "a",
        "value": 9,
        "siteSelector": "zone=z0",
    }
    assert len(put(before, set_values=["web:a=9"], at_sites_with="zone=z0")) == 3


@pytest.mark.parametrize(
    "flags",
    [
        {"set_values": ["web"]},
        {"set_values": ["web=1"]},
        {"set_values": [":a=1"]},
        {"set_values": ["web:a=["]},
        {"values": ["web"]},
        {"values": ["web=/nowhere/values.yaml"]},
        {"at_sites_with": "zone=z0"},
    ],
)
def test_what_cannot_be_read_is_told(flags: dict[str, Any]) -> None:
    with pytest.raises(Failure):
        put(**flags)

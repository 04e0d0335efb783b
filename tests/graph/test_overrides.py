"""Overrides: paths and documents are read, and what cannot be is refused with its place."""

from __future__ import annotations

from typing import Any

import pytest

from graph.kinds import Override
from graph.kinds.overrides import check_overrides, keys_of
from graph.refusal import InvalidInput, Refusal


@pytest.mark.parametrize(
    ("text", "keys"),
    [("a", ["a"]), ("image.tag", ["image", "tag"]), ("a\\.b.c", ["a.b", "c"]), ("a\\\\.b", ["a\\", "b"])],
)
def test_a_path_names_keys(text: str, keys: list[str]) -> None:
    assert keys_of(text, path="x") == keys


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a\\", "a\\b", ".".join("a" * 17)])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        keys_of(text, path="x")


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"path": "a.b", "value": [1]}, {"a": {"b": [1]}}),
        ({"path": "a"}, {"a": None}),
        ({"value": {"a": {"b": None}}}, {"a": {"b": None}}),
        ({"document": "a: {b: 1}\nc: 2026-01-01\n"}, {"a": {"b": 1}, "c": "2026-01-01"}),
        ({"document": '{"a": 1}'}, {"a": 1}),
        ({"document": "# nothing\n"}, {}),
    ],
)
def test_an_override_is_a_mapping_to_lay_on(given: dict[str, Any], values: Any) -> None:
    one = Override(component="web", **given)
    check_overrides([one], path="x")
    assert one.mapping() == values


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "x[0].value"),
        ({"value": 1}, "x[0].value"),
        ({"path": "a..b"}, "x[0].path"),
        ({"document": "a: 1", "path": "b"}, "x[0].document"),
        ({"document": "[1]"}, "x[0].document"),
        ({"document": "a: 1\n---\nb: 2\n"}, "x[0].document"),
        ({"document": "a: &x [1]\nb: *x\n"}, "x[0].document"),
        ({"document": "a: 1\na: 2\n"}, "x[0].document"),
        ({"document": "[" * 40 + "]" * 40}, "x[0].document"),
        ({"document": "a: .inf"}, "x[0].document"),
        ({"path": "a", "site_selector": "zone in ("}, "x[0].siteSelector"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(given: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_overrides([Override(component="web", **given)], path="x")
    assert refused.value.path == path


@pytest.mark.parametrize(
    "overrides",
    [
        [Override(component="web", path="a", value=1)] * 257,
        [Override(component="web", path="a", value="x" * 60_000)] * 5,
    ],
)
def test_they_are_bounded_in_number_and_size(overrides: list[Override]) -> None:
    with pytest.raises(Refusal) as refused:
        check_overrides(overrides, path="x")
    assert refused.value.code == "LIMIT_EXCEEDED"

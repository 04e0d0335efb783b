"""Values laid over values, and references to secrets among them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.secret_references import SecretReference, reference_in, references
from graph.value_merging import merged

SECRET = "secret_01M7YQ2Z3B4C5D6E7F8G9HJKMN"
HERE = {"secret": SECRET, "key": "password"}
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
VALUES = st.recursive(
    SCALARS | st.just(HERE),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@pytest.mark.parametrize(
    ("base", "over", "found"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {"b": None}}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": None}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": HERE}, {"a": HERE}),
        ({"a": HERE}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": HERE}, {"a": {"secret": "x", "key": "y"}}, {"a": {"secret": "x", "key": "y"}}),
        ({"a": {"secret": "x", "key": "y"}}, {"a": {"key": "z"}}, {"a": {"secret": "x", "key": "z"}}),
    ],
)
def test_mappings_are_merged_and_all_else_is_replaced(base: Any, over: Any, found: Any) -> None:
    before = str(base)
    assert merged(base, over) == found
    assert str(base) == before


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_what_is_laid_on_last_is_there_and_laying_on_twice_is_laying_on_once(a: Any, b: Any, c: Any) -> None:
    def within(inner: Any, outer: Any) -> bool:
        if isinstance(inner, dict) and reference_in(inner) is None:
            return isinstance(outer, dict) and all(
                key in outer and within(one, outer[key]) for key, one in inner.items()
            )
        return bool(inner == outer)

    found = merged(a, b, c)
    assert within(c, found)
    assert merged(found, c) == found
    assert merged(merged(a, b), c) == found
    assert merged(a) == a == merged({}, a)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (HERE, SecretReference(SECRET, "password")),
        ({"secret": "db-credentials", "key": "password"}, None),
        ({**HERE, "more": 1}, None),
        ({"secret": SECRET}, None),
        ({"secret": SECRET, "key": 1}, None),
        ({"secret": f"{SECRET}\n", "key": "k"}, None),
    ],
)
def test_a_reference_is_an_id_of_a_secret_and_a_key_and_nothing_else(value: Any, found: Any) -> None:
    assert reference_in(value) == found


def test_references_are_found_with_their_places() -> None:
    value = {"a": [1, {"b": HERE}], "c": HERE, "d": {"secret": "x", "key": "y"}}
    assert [where for where, _ in references(value)] == [".a[1].b", ".c"]

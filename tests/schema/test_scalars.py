"""The scalars at their edges: whole numbers as JSON takes them, moments to the millisecond, any JSON."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.schema import graphql_schema
from schema.scalars import SAFE_INTEGER, to_milliseconds

FIRST = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the first that Python's datetime and RFC 3339 have."""
LAST = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z."""


def scalar(name: str) -> Any:
    return graphql_schema().type_map[name]


@settings(deadline=None)
@given(st.integers(FIRST, LAST))
def test_a_moment_is_the_same_after_it_was_written_and_read(at: int) -> None:
    text = scalar("DateTime").serialize(at)
    assert to_milliseconds(text) == at
    assert scalar("DateTime").parse_value(text) == at
    assert text.endswith("Z")
    assert len(text) == len("2026-01-31T12:00:00.000Z")


@settings(deadline=None)
@given(st.integers(FIRST // 60_000 + 900, LAST // 60_000 - 900), st.integers(0, 59_999), st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_read_whatever_its_offset(minutes: int, rest: int, offset: int) -> None:
    at = minutes * 60_000 + rest
    zone = datetime.timezone(datetime.timedelta(minutes=offset))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    moment = (epoch + datetime.timedelta(milliseconds=at)).astimezone(zone)
    assert to_milliseconds(moment.isoformat()) == at


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2023-11-14T22:13:20.001Z", 1_700_000_000_001),
        ("2023-11-14T22:13:20.001999Z", 1_700_000_000_001),
        ("2024-02-29T00:00:00z", 1_709_164_800_000),
        ("0001-01-01T00:00:00Z", FIRST),
        ("9999-12-31T23:59:59.999Z", LAST),
    ],
)
def test_moments_are_read_to_the_millisecond(text: str, at: int) -> None:
    assert to_milliseconds(text) == at


@pytest.mark.parametrize(
    "given",
    [
        "",
        "yesterday",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:60Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12Z",
        "2026-01-31T12:00:00+01",
        "2026-01-31T12:00:00+01:00:30",
        "10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "２０２６-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z ",
        17,
        1.5,
        True,
        None,
        ["2026-01-31T12:00:00Z"],
        {},
    ],
)
def test_what_is_no_moment_is_refused_in_words(given: Any) -> None:
    with pytest.raises(GraphQLError) as problem:
        to_milliseconds(given)
    assert "DateTime" in problem.value.message


@settings(deadline=None)
@given(st.integers(-SAFE_INTEGER, SAFE_INTEGER))
def test_a_big_int_is_any_whole_number_that_json_readers_take(number: int) -> None:
    assert scalar("BigInt").parse_value(number) == number
    assert scalar("BigInt").serialize(number) == number


@pytest.mark.parametrize(
    "given",
    [
        SAFE_INTEGER + 1,
        -SAFE_INTEGER - 1,
        2**64,
        1.5,
        1e300,
        float("inf"),
        float("-inf"),
        float("nan"),
        "7",
        True,
        None,
        [],
        {},
    ],
)
def test_what_is_no_big_int_is_refused_in_words(given: Any) -> None:
    with pytest.raises(GraphQLError) as problem:
        scalar("BigInt").parse_value(given)
    assert "BigInt" in problem.value.message


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert scalar("BigInt").parse_value(7.0) == 7
    assert scalar("BigInt").parse_value(2.0**52) == 2**52


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "x", [1, [None]], {"a": {"b": []}}])
def test_json_is_as_it_is(value: Any) -> None:
    assert scalar("JSON").parse_value(value) == value
    assert scalar("JSON").serialize(value) == value

"""What of a filter the store can answer: never less than what the filter finds, and all of it only when it says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers import UlidSource
from graph.kinds import OperationStatus
from resolvers.record_filters import CLOCK_SLACK_MS, UNSET, Narrowing, narrowing_of

TIMES = st.integers(min_value=0, max_value=2**48 - 1)


def wanted(**terms: Any) -> Any:
    """A filter input as strawberry hands it over: what was not given is UNSET."""
    return SimpleNamespace(**({"labels": UNSET, "not_": UNSET} | terms))


def narrowed(**terms: Any) -> Narrowing:
    return narrowing_of(wanted(**terms), subject="subject_id", time="created_at")


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, Narrowing()),
        ({"id": ["a_1", "a_2"]}, Narrowing(ids=frozenset(["a_1", "a_2"]))),
        ({"id": ["é", "a_2"]}, Narrowing(ids=frozenset(["a_2"]))),
        ({"tenant": "t"}, Narrowing(tenants=frozenset(["t"]))),
        ({"tenant": "t", "tenant_is_null": True}, Narrowing(tenants=frozenset(["t"]), whole=False)),
        ({"subject_id": wanted(eq="s")}, Narrowing(subjects=frozenset(["s"]))),
        ({"subject_id": wanted(in_=["s", "r"], eq="s")}, Narrowing(subjects=frozenset(["s"]))),
        ({"subject_id": wanted(eq=None)}, Narrowing(whole=False)),
        ({"subject_id": wanted(eq="s", ne="r")}, Narrowing(subjects=frozenset(["s"]), whole=False)),
        ({"subject_id": wanted(starts_with="s")}, Narrowing(whole=False)),
        ({"created_at": wanted(gt=4, lte=9)}, Narrowing(at_from=5, at_until=10)),
        ({"created_at": wanted(gte=4, lt=9, eq=6)}, Narrowing(at_from=6, at_until=7)),
        ({"created_at": wanted(is_null=True)}, Narrowing(whole=False)),
        (
            {"status": wanted(eq=OperationStatus.FAILED)},
            Narrowing(statuses=frozenset([OperationStatus.FAILED]), whole=False),
        ),
        ({"status": wanted(not_in=list(OperationStatus))}, Narrowing(statuses=frozenset(), whole=False)),
        ({"labels": "a=b", "tenant": "t"}, Narrowing(tenants=frozenset(["t"]), whole=False)),
        ({"not_": wanted(tenant="t")}, Narrowing(whole=False)),
        ({"or_": [wanted(tenant="t")]}, Narrowing(whole=False)),
        ({"tenant": None}, Narrowing()),
        ({"and_": []}, Narrowing()),
        (
            {"and_": [wanted(id=["a", "b"]), wanted(id=["b", "c"], labels="x")], "created_at": wanted(lt=3)},
            Narrowing(ids=frozenset(["b"]), at_until=3, whole=False),
        ),
    ],
)
def test_terms_that_must_hold_narrow(terms: dict[str, Any], expected: Narrowing) -> None:
    assert narrowed(**terms) == expected


def test_what_cannot_be_is_known_before_anything_is_read() -> None:
    assert not Narrowing().nothing
    assert not narrowed(created_at=wanted(gte=4, lt=5)).nothing
    for terms in (
        {"id": []},
        {"id": ["é"]},
        {"subject_id": wanted(in_=[])},
        {"created_at": wanted(gt=4, lt=5)},
        {"created_at": wanted(gte=5, lt=5)},
        {"and_": [wanted(tenant="a"), wanted(tenant="b")]},
    ):
        assert narrowed(**terms).nothing, terms


@given(at=TIMES, since=TIMES, until=TIMES, late=st.integers(min_value=0, max_value=CLOCK_SLACK_MS - 1))
def test_ids_of_a_time_lie_between_the_bounds_of_every_range_that_holds_it(
    at: int, since: int, until: int, late: int
) -> None:
    low, high = Narrowing(at_from=since, at_until=until).id_bounds("event")
    assert low is not None
    assert high is not None
    # The id that a process makes whose clock was put back.
    made = id_at("event", min(at + late, 2**48 - 1))
    if at >= since:
        assert made > low
    if at < until:
        assert made < high or until + CLOCK_SLACK_MS > 2**48 - 1
    if at + late < since:
        assert made < low


def id_at(prefix: str, at_ms: int) -> str:
    """An id of just this time, from a source of its own: the process's would go on from the latest for ever."""
    return f"{prefix}_{UlidSource().make(at_ms=at_ms)}"


def test_bounds_are_absent_where_a_range_is_open() -> None:
    assert Narrowing().id_bounds("event") == (None, None)
    assert Narrowing(at_from=0).id_bounds("event") == ("event_0000000000", None)
    assert Narrowing(at_from=-5).id_bounds("event") == ("event_0000000000", None)
    assert Narrowing(at_until=2**60).id_bounds("event") == (None, "event_7ZZZZZZZZZ")

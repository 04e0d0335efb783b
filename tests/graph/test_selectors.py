"""Label selectors: the Kubernetes syntax, what it matches, and that the index gives the same answer as a walk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.kinds import Region
from graph.refusal import InvalidInput
from graph.selectors import LabelSelector, Operator, Requirement, ids_matching, matches, parse_selector
from graph.view import View

WEST_A100 = {"zone": "west", "gpu": "a100"}


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", WEST_A100, True),
        ("  \n", {}, True),
        ("zone=west", WEST_A100, True),
        ("zone==west", WEST_A100, True),
        ("zone = west", WEST_A100, True),
        ("zone=east", WEST_A100, False),
        ("zone!=east", WEST_A100, True),
        ("zone!=west", WEST_A100, False),
        ("absent!=west", WEST_A100, True),
        ("gpu in (a100,h100)", WEST_A100, True),
        ("gpu in(a100)", WEST_A100, True),
        ("gpu in ( h100 )", WEST_A100, False),
        ("absent in (a100)", WEST_A100, False),
        ("gpu notin (h100)", WEST_A100, True),
        ("gpu notin (a100,h100)", WEST_A100, False),
        ("absent notin (a100)", WEST_A100, True),
        ("gpu", WEST_A100, True),
        ("absent", WEST_A100, False),
        ("!absent", WEST_A100, True),
        ("! gpu", WEST_A100, False),
        ("zone=west,gpu in (a100,h100),!retired", WEST_A100, True),
        ("zone=west,gpu=h100", WEST_A100, False),
        ("zone=", {"zone": ""}, True),
        ("zone=", {"zone": "west"}, False),
        ("zone=", {}, False),
        ("zone!=", {"zone": ""}, False),
        ("zone in (,west)", {"zone": ""}, True),
        ("zone in (west,)", {"zone": "west"}, True),
        ("in in (in,notin)", {"in": "notin"}, True),
        ("edge.example.org/tier=metro", {"edge.example.org/tier": "metro"}, True),
    ],
)
def test_a_selector_matches_as_in_kubernetes(text: str, labels: dict[str, str], expected: bool) -> None:
    assert matches(text, labels) is expected
    assert matches(parse_selector(text), labels) is expected


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("zone=west,", 11, "a label key"),
        (",zone", 1, "a label key"),
        ("=west", 1, "a label key"),
        ("zone=west east", 11, "a comma"),
        ("zone in west", 9, "`(`"),
        ("zone in ()", 10, "at least one value"),
        ("zone in (west", 14, "a comma or `)`"),
        ("zone in (west east)", 15, "a comma or `)`"),
        ("zone>3", 5, "one of"),
        ("zone like west", 6, "one of"),
        ("!zone=west", 6, "a comma or the end"),
        ("!!zone", 2, "a label key"),
        ("zone=we/st", 6, "no value"),
        ("-zone", 1, "no label key"),
        ("Bad_Prefix/zone", 1, "no label key"),
        ("zone=" + "w" * 64, 6, "no value"),
    ],
)
def test_bad_syntax_is_refused_with_its_column_and_field(text: str, column: int, expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_selector(text, path="input.filter.labels")
    assert f"column {column}:" in caught.value.message
    assert expected in caught.value.message
    assert caught.value.path == "input.filter.labels"
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["a" * 9_000, ",".join(["a"] * 65), f"a in ({','.join(f'v{n}' for n in range(600))})"],
)
def test_a_selector_that_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="at most"):
        parse_selector(text)


def test_a_selector_prints_as_it_reads() -> None:
    text = "zone=west,gpu in (a100,h100),!retired,lab,tier!=metro,rack notin (1,2)"
    assert str(parse_selector(text)) == text
    assert parse_selector(str(parse_selector(text))) == parse_selector(text)


KEYS = ("zone", "gpu", "lab")
VALUES = ("", "a", "b", "c")
labels_strategy = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
requirement_strategy = st.one_of(
    st.builds(
        Requirement,
        st.sampled_from(KEYS),
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.sets(st.sampled_from(VALUES), min_size=1).map(lambda values: tuple(sorted(values))),
    ),
    st.builds(Requirement, st.sampled_from(KEYS), st.sampled_from([Operator.EXISTS, Operator.NOT_EXISTS])),
)


@settings(max_examples=200, deadline=None)
@given(
    labels=st.lists(labels_strategy, max_size=12),
    requirements=st.lists(requirement_strategy, max_size=4).map(tuple),
)
def test_the_index_gives_what_a_walk_over_all_entities_gives(
    labels: list[dict[str, str]], requirements: tuple[Requirement, ...]
) -> None:
    view = View()
    view.load(Region(id=f"region_{n:03}", name=f"r{n}", labels=one) for n, one in enumerate(labels))
    view.loaded(revision=1, at=1, epoch="e", counters={})
    selector = LabelSelector(requirements)
    walked = [f"region_{n:03}" for n, one in enumerate(labels) if matches(selector, one)]
    assert list(ids_matching(view, "Region", selector)) == walked
    assert parse_selector(str(selector)) == selector

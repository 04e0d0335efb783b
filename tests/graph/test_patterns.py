"""Patterns of strangers: found as others find them, in steps that are counted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.patterns import Pattern, UnknownPattern

ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\d", "\\W", "[a-c1]", "\\.", "(?:ab)", "^", "$"])


def _with(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{0,1}", "{1,}", "{0}", "+?"])
    return (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join).map("({})".format)
        | st.tuples(inner.map("({})".format), repeats).map("".join)
    )


PATTERNS = st.recursive(ATOMS, _with, max_leaves=8)


def found(pattern: str, text: str) -> bool:
    return Pattern(pattern).found_in(text, spend=lambda steps: None)


@given(PATTERNS, st.text("ab1c.", max_size=6))
def test_a_pattern_is_found_where_the_library_finds_it(pattern: str, text: str) -> None:
    assert found(pattern, text) == (re.search(pattern.replace("$", "\\Z"), text, re.ASCII) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "there"),
    [
        ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "shop-1", True),
        ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "shop-", False),
        ("^v?\\d+(\\.\\d+){2}$", "v1.20.3", True),
        ("^[^/]+/[^:]+:.+$", "registry/app:1", True),
        ("\\u0061\\x62", "ab", True),
        ("[\\]\\-]", "-", True),
        ("", "anything", True),
    ],
)
def test_patterns_as_charts_have_them(pattern: str, text: str, there: bool) -> None:
    assert found(pattern, text) is there


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a**", "*", "[a", "a{2", "(?=a)", "(?<n>a)", "\\1", "\\bx", "\\p{L}", "[b-a]", "a{2001}", "\\"),
        "(((a{99}){99}){99})",
        "(" * 60 + ")" * 60,
    ],
)
def test_what_is_none_or_not_known_is_told(pattern: str) -> None:
    with pytest.raises(UnknownPattern):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*$", "^(a*)*b$", "a*a*a*a*a*b"])
def test_what_keeps_others_busy_for_years_takes_steps_in_proportion_to_the_text(pattern: str) -> None:
    def steps(length: int) -> int:
        spent = 0

        def spend(count: int) -> None:
            nonlocal spent
            spent += count

        Pattern(pattern).found_in("a" * length + "!", spend=spend)
        return spent

    assert steps(2_000) <= 2.1 * steps(1_000)

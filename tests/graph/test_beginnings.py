"""Beginnings of names: found in the order by name just as by looking at every name."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graph.beginnings import _LAST_CASED, NameBegins
from graph.conditions import All, narrowing_of
from graph.edit import Edit
from graph.kinds import Region, Site
from graph.listing import PageRequest, page_of
from graph.view import View
from graphkit.programs import commit_of

CHARACTERS = "aAbBsSßſkKK\u212aiIİıfFﬁﬀtTéÉe\u0301 -1東"
names = st.lists(st.text(CHARACTERS, min_size=1, max_size=4).filter(lambda text: text == text.strip()), max_size=40)


def graph(given_names: list[str]) -> View:
    view = View()
    edit = Edit(view, at=1)
    region = edit.create(Region, name="r")
    for name in dict.fromkeys(given_names):
        edit.create(Site, name=name, region_id=region.id)
    view.apply(commit_of(edit))
    return view


@settings(max_examples=400, deadline=None)
@given(names, st.text(CHARACTERS, max_size=3))
@example(["Straße", "STRASSE", "strasse", "Strauss"], "strass")
@example(["ﬁsh", "fish", "FISH", "ﬀ"], "fi")
@example(["ß", "s", "ss", "S"], "s")
def test_a_beginning_finds_what_a_look_at_every_name_finds(given_names: list[str], beginning: str) -> None:
    view = graph(given_names)
    condition = NameBegins(beginning)
    expected = sorted(name for name in set(given_names) if name.casefold().startswith(beginning.casefold()))
    page = page_of(view, "Site", where=condition, request=PageRequest(first=100))
    assert [one.name for one in page.items] == expected  # type: ignore[attr-defined]  # of a named kind
    assert [one.name for one in page.items if condition.holds(one)] == expected  # type: ignore[attr-defined]  # of a named kind
    assert page.count() == len(expected)
    ids = condition.candidates(view, "Site")
    assert ids is not None
    assert list(ids) == sorted(one.id for one in page.items)
    narrowing = narrowing_of(All([condition]), view, "Site")
    assert narrowing is not None
    assert narrowing.size(view, "Site") == len(expected)


def test_a_beginning_that_is_written_in_very_many_ways_is_looked_for_without_the_index() -> None:
    written = [f"{a}{b}{c}{d}{e}{f}{g}" for a in "aA" for b in "aA" for c in "aA" for d in "aA" for e in "aA"
               for f in "aA" for g in "aA"]  # fmt: skip
    view = graph(written)
    condition = NameBegins("aaaaaaa")
    assert condition.candidates(view, "Site") is None
    assert narrowing_of(condition, view, "Site") is None
    assert page_of(view, "Site", where=condition, request=PageRequest(first=200)).count() == len(written) == 128


def test_folding_changes_no_character_beyond_those_that_are_known() -> None:
    assert all(chr(code).casefold() == chr(code) for code in range(_LAST_CASED + 1, sys.maxunicode + 1))


@pytest.mark.parametrize("beginning", ["", "nobody"])
def test_an_empty_graph_has_no_names(beginning: str) -> None:
    assert list(NameBegins(beginning).candidates(View(), "Site") or ()) == []

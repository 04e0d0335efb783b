"""A value with other fields is what `dataclasses.replace` makes of it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from placement_graphs import Builder

from placement.altered import altered
from placement.unit_problems import unit_problems


def test_it_says_what_one_that_is_made_anew_says(build: Builder) -> None:
    build.site(nodes=1)
    problem = build.problem(build.component())
    [unit] = unit_problems(problem)
    values: list[tuple[Any, str]] = [
        (problem, "revision"),
        (problem.bins, "archs"),
        (problem.words, "units"),
        (unit, "apart"),
    ]
    for value, name in values:
        found, expected = altered(value, **{name: "other"}), replace(value, **{name: "other"})
        assert type(found) is type(value)
        for one in fields(expected):
            assert getattr(found, one.name) is getattr(expected, one.name)
        assert getattr(value, name) != "other"
    with pytest.raises(FrozenInstanceError):
        altered(problem, revision=5).revision = 6  # type: ignore[misc]  # the case is that it cannot be


def test_a_field_that_there_is_not_is_refused(build: Builder) -> None:
    build.site(nodes=1)
    with pytest.raises(KeyError, match="nodes"):
        altered(build.problem(build.component()), nodes=5)

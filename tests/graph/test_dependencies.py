"""What components wait for: circles are found and spelled out, and both forms mean the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.edit import Edit
from graph.kinds import (
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Component,
    Dependency,
    DependencyCondition,
    DependencyScope,
    Tenant,
)
from graph.kinds.dependencies import circle_through
from graph.refusal import InvalidInput
from graph.values import Resources
from graph.view import View

NAMES = st.sampled_from("abcdef")


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=4)))
def test_a_circle_is_found_exactly_when_there_is_one_and_each_step_of_it_is_true(waits: dict[str, list[str]]) -> None:
    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(waits.get(start, ()))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += waits.get(name, ())
        return seen

    for start in "abcdef":
        circle = circle_through(start, waits)
        assert (circle is not None) == (start in reached(start))
        if circle is not None:
            assert circle[0] == circle[-1] == start
            assert all(after in waits[before] for before, after in itertools.pairwise(circle))
            assert len(set(circle)) == len(circle) - 1


def components(**given: dict[str, Any]) -> dict[str, Component]:
    edit = Edit(View(), at=1)
    tenant = edit.create(Tenant, name="t")
    app = edit.create(App, name="shop", tenant_id=tenant.id)
    version = edit.create(AppVersion, name="1", app_id=app.id, tenant_id=tenant.id)
    return {
        name: edit.create(
            Component,
            name=name,
            app_version_id=version.id,
            tenant_id=tenant.id,
            artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="x"),
            resources=Resources(cpu_millicores=1, memory_bytes=1),
            **fields,
        )
        for name, fields in given.items()
    }


def test_the_short_form_means_ready_at_the_same_site_at_once() -> None:
    long = Dependency(component="b", condition=DependencyCondition.DEPLOYED, scope=DependencyScope.EVERYWHERE)
    made = components(a={"depends_on": ["c"], "dependencies": [long]})["a"]
    assert made.waits_for == [
        Dependency(
            component="c",
            condition=DependencyCondition.READY,
            scope=DependencyScope.SAME_SITE,
            wait_seconds=0,
        ),
        long,
    ]


@pytest.mark.parametrize(
    ("given_", "message", "path"),
    [
        (
            {
                "a": {"dependencies": [Dependency(component="b")]},
                "b": {"depends_on": ["c"]},
                "c": {"depends_on": ["a"]},
            },
            "'c' would wait for itself: c waits for a waits for b waits for c",
            "input.dependsOn",
        ),
        (
            {"a": {"depends_on": ["b"]}, "b": {"dependencies": [Dependency(component="a")]}},
            "'b' would wait for itself: b waits for a waits for b",
            "input.dependencies",
        ),
        ({"a": {"depends_on": ["a"]}}, "a component cannot wait for itself", "input.dependsOn[0]"),
        (
            {"a": {"dependencies": [Dependency(component="b"), Dependency(component="b", wait_seconds=1)]}},
            "'b' is named twice",
            "input.dependencies[1].component",
        ),
        (
            {"a": {"dependencies": [Dependency(component=f"b{number}") for number in range(65)]}},
            "dependencies must be a list of at most 64 values",
            "input.dependencies",
        ),
    ],
)
def test_what_can_never_be_is_refused_with_its_place(given_: Any, message: str, path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        components(**given_)
    assert (refused.value.message, refused.value.path) == (message, path)

"""What the command line selects of an entity, by the schema that is released."""

from __future__ import annotations

from typing import Any

import graphql

from serverkit.described import described_types


def selected(type_name: str, *path: str) -> set[str]:
    """The names of the fields that are selected at a path of an entity."""
    at: Any = graphql.parse(f"{{ {described_types().selection(type_name)} }}").definitions[0]
    for name in path:
        [at] = [one for one in at.selection_set.selections if getattr(one, "name", None) and one.name.value == name]
    return {one.name.value for one in at.selection_set.selections if isinstance(one, graphql.FieldNode)}


def test_a_deployment_that_is_displaced_is_described_with_the_losses_that_are_only_counted() -> None:
    assert {"state", "why", "losses", "more"} <= selected("Deployment", "displacement")
    assert {"kind", "count", "since", "dueAt", "planned"} <= selected("Deployment", "displacement", "more")

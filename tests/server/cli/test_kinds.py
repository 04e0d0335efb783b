"""What the command line selects of an entity, by the schema that is released."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import graphql

from server.cli.api import Api, Json
from server.cli.kinds import Types

SCHEMA = graphql.build_schema((Path(__file__).resolve().parents[3] / "schema" / "schema.graphql").read_text())


class Described:
    """Answers as a server does that is asked for its types, and for nothing else."""

    def query(self, document: str) -> Json:
        """What the schema says of types."""
        answer = graphql.graphql_sync(SCHEMA, document)
        assert answer.errors is None, answer.errors
        return cast(Json, answer.data)


def selected(type_name: str, *path: str) -> set[str]:
    """The names of the fields that are selected at a path of an entity."""
    at: Any = graphql.parse(f"{{ {Types(cast(Api, Described())).selection(type_name)} }}").definitions[0]
    for name in path:
        [at] = [one for one in at.selection_set.selections if getattr(one, "name", None) and one.name.value == name]
    return {one.name.value for one in at.selection_set.selections if isinstance(one, graphql.FieldNode)}


def test_a_deployment_that_is_displaced_is_described_with_the_losses_that_are_only_counted() -> None:
    assert {"state", "why", "losses", "more"} <= selected("Deployment", "displacement")
    assert {"kind", "count", "since", "dueAt", "planned"} <= selected("Deployment", "displacement", "more")

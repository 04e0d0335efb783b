"""The server's types as the command line is told of them, by the schema that is checked in and without a server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

import graphql

from server.cli.api import Api, Json
from server.cli.kinds import Types

SCHEMA = graphql.build_schema((Path(__file__).resolve().parents[2] / "schema" / "schema.graphql").read_text())


class Described:
    """Answers as a server does that is asked for its types, and for nothing else."""

    def query(self, document: str) -> Json:
        """What the schema says of types."""
        answer = graphql.graphql_sync(SCHEMA, document)
        assert answer.errors is None, answer.errors
        return cast(Json, answer.data)


@cache
def described_types() -> Types:
    """All of them, asked for when needed."""
    return Types(cast(Api, Described()))

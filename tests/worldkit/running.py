"""The whole application without a socket, in a folder of its own, for tests of what it answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from graphql import ExecutionResult, graphql

from access.viewer import SYSTEM, Viewer
from resolvers.context import Context
from resolvers.schema import graphql_schema
from server.app import Application, running
from server.settings import Settings


@contextlib.asynccontextmanager
async def application_in(folder: Path, **settings: Any) -> AsyncIterator[Application]:
    """The application on an embedded store below the folder."""
    given = Settings(data_dir=folder / "data", key_file=folder / "keys" / "key", **settings)
    async with running(given) as application:
        yield application


async def ask(
    application: Application, text: str, variables: dict[str, Any] | None = None, *, viewer: Viewer = SYSTEM
) -> ExecutionResult:
    """What the schema answers to a viewer, without the endpoint's limits."""
    context = Context(viewer=viewer, services=application.services, correlation_id="test")
    return await graphql(graphql_schema(), text, context_value=context, variable_values=variables)


async def data(
    application: Application, text: str, variables: dict[str, Any] | None = None, *, viewer: Viewer = SYSTEM
) -> dict[str, Any]:
    """The data of an answer that must have no errors."""
    answer = await ask(application, text, variables, viewer=viewer)
    assert answer.errors is None, [str(error) for error in answer.errors]
    assert answer.data is not None
    return answer.data

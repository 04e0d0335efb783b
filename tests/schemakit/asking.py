"""The schema asked about a view that a test has filled, without a store: for tests of types, filters and pages."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from graphql import ExecutionResult, GraphQLError, graphql

from access.viewer import SYSTEM, Viewer
from access.visible import VisibleView
from graph.change import Record
from graph.store import RecordPage
from graph.view import View
from resolvers.schema import graphql_schema
from schema.work import Work


class NoRecords:
    """A store in which nothing is filed."""

    async def records(self, page: RecordPage) -> Sequence[Record]:
        """None."""
        return ()

    async def count_records(self, page: RecordPage) -> int:
        """None."""
        return 0


class Asked:
    """What a request over a view is handed: the part of a context that reads need."""

    def __init__(self, view: View, viewer: Viewer = SYSTEM, *, page_size_max: int = 500) -> None:
        self.viewer = viewer
        self.view = VisibleView(view, viewer)
        self.page_size_max = page_size_max
        self.work = Work()
        self.services = SimpleNamespace(ledger=SimpleNamespace(view=view, store=NoRecords()))


async def ask(view: View, text: str, *, viewer: Viewer = SYSTEM, **variables: Any) -> ExecutionResult:
    """What the schema answers about the view."""
    return await graphql(graphql_schema(), text, context_value=Asked(view, viewer), variable_values=variables)


async def data(view: View, text: str, *, viewer: Viewer = SYSTEM, **variables: Any) -> Any:
    """The data of an answer that must have no errors."""
    answer = await ask(view, text, viewer=viewer, **variables)
    assert answer.errors is None, [str(error) for error in answer.errors]
    return answer.data


async def refusal(view: View, text: str, **variables: Any) -> Any:
    """What a read field raised for its arguments."""
    answer = await ask(view, text, **variables)
    assert answer.errors, "it was answered"
    error: GraphQLError = answer.errors[0]
    return error.original_error or error

"""Making an operation: what every kind of long work begins with."""

from __future__ import annotations

from typing import Any

from graph.edit import Edit
from graph.kinds import Operation, OperationKind


def create_operation(edit: Edit, kind: OperationKind, *, path: str = "input", **fields: Any) -> Operation:
    """A new operation, RUNNING. Raises what `Edit.create` raises."""
    return edit.create(Operation, path=path, kind=kind, **fields)

"""Making an operation: the one kind with a field named `kind`, which `Edit.create` takes as its own argument's name."""

from __future__ import annotations

from typing import Any

from graph.edit import Edit
from graph.identifiers import new_id
from graph.kinds import Operation, OperationKind


def create_operation(edit: Edit, kind: OperationKind, *, path: str = "input", **fields: Any) -> Operation:
    """A new operation with all the checks of `Edit.create`. Raises what that raises."""
    given = {"id": new_id(Operation.SPEC.prefix, at_ms=edit.at), "source": edit.source, "kind": kind, **fields}
    return edit._put(None, edit._checked(Operation, given, path=path), path=path)

"""Flags that several commands take together, declared once.

typer reads a command from its function's signature, so commands that share flags would each have to repeat them there, and
hand them on one by one. Here they are the fields of a dataclass. A command has one parameter of that class, and typer is
shown a signature in which the fields stand in its place.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Any

Command = Callable[..., Any]


def takes_flags(command: Command) -> Command:
    """Let `command` be called with the fields of its dataclass parameters, each of which it is handed whole.

    A field is annotated as a parameter of a command is (`Annotated[str, typer.Option(…)]`) and has a default.
    """
    shown: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], tuple[str, ...]]] = {}
    for each in inspect.signature(command, eval_str=True).parameters.values():
        if isinstance(each.annotation, type) and dataclasses.is_dataclass(each.annotation):
            fields = _parameters(each.annotation)
            groups[each.name] = (each.annotation, tuple(one.name for one in fields))
            shown += fields
        else:
            shown.append(each)

    @functools.wraps(command)
    def with_groups(**given: Any) -> Any:
        for name, (group, fields) in groups.items():
            given[name] = group(**{field: given.pop(field) for field in fields})
        return command(**given)

    return shown_with(with_groups, shown)


def shown_with(command: Command, parameters: Sequence[inspect.Parameter]) -> Command:
    """Show whoever inspects `command`, made by functools.wraps and called by keywords, these parameters."""
    kept = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    command.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]  # what inspect and typer read
    command.__annotations__ = {each.name: each.annotation for each in kept}
    del command.__wrapped__  # type: ignore[attr-defined]  # set by wraps; its annotations would be read instead
    return command


def _parameters(group: type[Any]) -> list[inspect.Parameter]:
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)
    ]

"""Values of input types, built from what graphql-core has checked.

Strawberry asks of each value anew of what type its field is, and whether that is a list, an enum, lazy or a scalar: 30 ms on
the event loop for a policy with some hundred places. What a type's fields are does not change, so it is found out once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any

import strawberry
from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryList, StrawberryOptional
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.lazy_type import LazyType

UNSET = strawberry.UNSET
Build = Callable[[Any], Any]
"""Makes a value that is neither null nor unset."""


def quickly(cls: type) -> type:
    """An input type whose values are built by what is known of its fields."""
    definition: Any = cls.__strawberry_definition__  # type: ignore[attr-defined]  # what `strawberry.input` adds
    definition.from_input = _from_input
    return cls


_known: dict[type, Build] = {}


def _from_input(cls: type, value: Mapping[str, Any], context: InputContext) -> Any:
    build = _known.get(cls)
    return (_build_of(cls, context) if build is None else build)(value)


def _build_of(cls: Any, context: InputContext) -> Build:
    """How values of an input type are built."""
    known = _known.get(cls)
    if known is not None:
        return known
    definition = cls.__strawberry_definition__
    fields: list[tuple[str, str, Build | None]] = []
    # As Strawberry has it: what has no default of its own is null when it is left out.
    empty = {
        one.python_name: None
        for one in definition.fields
        if one.default_value is MISSING and one.default_factory is MISSING
    }

    def build(value: Mapping[str, Any]) -> Any:
        given: dict[str, Any] = dict(empty)
        for name, python_name, make in fields:
            if name in value:
                one = value[name]
                given[python_name] = one if make is None or one is None or one is UNSET else make(one)
        return cls(**given)

    _known[cls] = build  # before its fields are looked at, for a type may have values of its own type in it
    fields += [
        (
            context.config.name_converter.from_field(one),
            one.python_name,
            _converter(one.resolve_type(type_definition=definition), context),
        )
        for one in definition.fields
    ]
    return build


def _converter(declared: Any, context: InputContext) -> Build | None:
    """What is made of a value of a type; None: it stays as it is."""
    while isinstance(declared, StrawberryOptional | LazyType):
        declared = declared.of_type if isinstance(declared, StrawberryOptional) else declared.resolve_type()
    if isinstance(declared, StrawberryList):
        make = _converter(declared.of_type, context)
        # A list of plain values is copied all the same: a default is the same list for every request.
        return list if make is None else lambda items: [one if one is None else make(one) for one in items]
    definition = getattr(declared, "__strawberry_definition__", None)
    if definition is None or isinstance(definition, StrawberryEnumDefinition):
        return None
    return _build_of(declared, context)

"""Values of inputs are what Strawberry makes of them by itself, only sooner."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    Undefined,
)
from strawberry import UNSET
from strawberry.types.arguments import convert_argument
from strawberry.types.base import has_object_definition

from resolvers.schema import build_schema
from schema.vocabulary import NAMES

SCHEMA = build_schema()
INPUTS = sorted(
    name for name, one in SCHEMA._schema.type_map.items() if isinstance(one, GraphQLInputObjectType) and name in NAMES
)


def coerced(kind: Any, *, depth: int, full: bool) -> Any:
    """What graphql-core hands on of a value with everything in it that there can be, or with what must be."""
    if isinstance(kind, GraphQLNonNull):
        return coerced(kind.of_type, depth=depth, full=full)
    if isinstance(kind, GraphQLList):
        return [coerced(kind.of_type, depth=depth, full=full), None] if full and depth else []
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values.values())).value
    if isinstance(kind, GraphQLScalarType):
        return {"Int": 7, "Float": 0.5, "Boolean": True}.get(kind.name, "text")
    assert isinstance(kind, GraphQLInputObjectType)
    found: dict[str, Any] = {}
    for number, (name, field) in enumerate(kind.fields.items()):
        must = isinstance(field.type, GraphQLNonNull)
        if must or (full and depth):
            found[name] = (
                None if full and not must and number % 5 == 4 else coerced(field.type, depth=depth - 1, full=full)
            )
        elif field.default_value is not Undefined:
            found[name] = field.default_value
    return found


def said(value: Any) -> Any:
    """A value with the types of its parts; inputs are not compared by what is in them."""
    if isinstance(value, list):
        return [said(one) for one in value]
    if has_object_definition(type(value)):
        return type(value).__name__, {name: said(one) for name, one in vars(value).items()}
    return type(value).__name__, "unset" if value is UNSET else value


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_what_it_would_be_by_asking_each_value(
    name: str, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls: Any = NAMES[name]
    value = coerced(SCHEMA._schema.type_map[name], depth=4, full=full)
    registry, config = SCHEMA.schema_converter.scalar_registry, SCHEMA.config
    quick = convert_argument(value, cls, registry, config)
    for one in INPUTS:
        monkeypatch.setattr(NAMES[one].__strawberry_definition__, "from_input", None)
    assert said(quick) == said(convert_argument(value, cls, registry, config))


def test_a_list_that_is_given_is_not_the_one_that_is_handed_on() -> None:
    labels = ["a"]
    made: Any = convert_argument(
        {"siteIds": labels},
        NAMES["SiteSelectorInput"],
        SCHEMA.schema_converter.scalar_registry,
        SCHEMA.config,
    )
    made.site_ids.append("b")
    assert labels == ["a"]

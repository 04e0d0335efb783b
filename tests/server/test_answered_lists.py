"""Lists of leaves: answered whole when they may be, and otherwise left to the general way."""

from __future__ import annotations

import enum
import math
from typing import Any

import pytest
import strawberry
from graphql import GraphQLBoolean, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLList, GraphQLNonNull, GraphQLString

from server.answered_lists import answered


@strawberry.enum
class Colour(enum.Enum):
    RED = "r"
    DARK_GREEN = "g"


@strawberry.type
class Query:
    @strawberry.field
    def colour(self) -> Colour:
        return Colour.RED


COLOUR: Any = strawberry.Schema(Query)._schema.type_map["Colour"]
WHOLE: list[tuple[Any, list[Any], list[Any]]] = [
    (GraphQLNonNull(GraphQLString), ["a", "b"], ["a", "b"]),
    (GraphQLString, ["a", None], ["a", None]),
    (GraphQLID, [None], [None]),
    (GraphQLNonNull(GraphQLBoolean), [True, False], [True, False]),
    (GraphQLFloat, [1.5, None, -0.0], [1.5, None, -0.0]),
    (GraphQLNonNull(GraphQLInt), [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    (GraphQLNonNull(COLOUR), [Colour.DARK_GREEN, Colour.RED, Colour.RED], ["DARK_GREEN", "RED", "RED"]),
    (COLOUR, [None, Colour.RED], [None, "RED"]),
    (COLOUR, [], []),
]


@pytest.mark.parametrize(("item", "values", "expected"), WHOLE)
def test_a_list_of_just_such_leaves_is_answered_whole(item: Any, values: list[Any], expected: list[Any]) -> None:
    assert answered(item, values) == expected
    assert answered(item, tuple(values)) == expected


@pytest.mark.parametrize(
    ("item", "values"),
    [
        (GraphQLNonNull(GraphQLString), ["a", None]),
        (GraphQLString, ["a", 1]),
        (GraphQLInt, [2**31]),
        (GraphQLInt, [True]),
        (GraphQLFloat, [1.0, math.inf]),
        (GraphQLFloat, [math.inf, -math.inf]),
        (GraphQLFloat, [1]),
        (GraphQLNonNull(COLOUR), [Colour.RED, None]),
        (COLOUR, ["RED"]),
        (GraphQLList(GraphQLString), [["a"]]),
    ],
)
def test_any_other_list_goes_the_general_way(item: Any, values: list[Any]) -> None:
    assert answered(item, values) is None

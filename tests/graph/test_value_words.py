"""What the library says of a wrong value, in words: the field, what it takes, the bound."""

from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from graph.value_words import plain_words


class Tier(enum.Enum):
    EDGE = "EDGE"


class Place(msgspec.Struct):
    site_id: str


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        (Annotated[float, Meta(gt=0.0)], -1.5, "withinMs must be a number above 0"),
        (Annotated[float, Meta(le=0.5)], 2.0, "withinMs must be a number of at most 0.5"),
        (Annotated[int, Meta(ge=1)], 0, "withinMs must be a whole number of at least 1"),
        (Annotated[list[int], Meta(max_length=2)], [1, 2, 3], "withinMs must be a list of at most 2 values"),
        (Annotated[str, Meta(min_length=1)], "", "withinMs must be a text of at least 1 character"),
        (Annotated[dict[str, int], Meta(max_length=0)], {"a": 1}, "withinMs must be a mapping of at most 0 keys"),
        (int, "two", "withinMs must be a whole number, not a text"),
        (int | None, "two", "withinMs must be a whole number or null, not a text"),
        (list[int], 3, "withinMs must be a list, not a whole number"),
        (bool, "perhaps", "withinMs must be true or false, not a text"),
        (Tier, "CORE", "withinMs cannot be 'CORE'"),
        (Place, {}, "withinMs has no siteId"),
    ],
)
def test_a_wrong_value_is_told_with_its_field_and_bound(declared: Any, value: Any, words: str) -> None:
    with pytest.raises(msgspec.ValidationError) as found:
        msgspec.convert(value, declared)
    assert plain_words(str(found.value), path="policy.latency[0].withinMs") == words


def test_an_item_of_a_list_is_named_by_its_place_and_what_is_not_known_stays() -> None:
    assert (
        plain_words("Expected `int`, got `str`", path="input.counts[2]")
        == "counts[2] must be a whole number, not a text"
    )
    assert plain_words("Expected `int`", path="input.counts[...]") == "a value of counts must be a whole number"
    assert plain_words("Expected `str` matching regex 'a+'", path="name") == "name must be a text of the form 'a+'"
    assert plain_words("Something else", path="name") == "Something else"

"""What is no JSON Schema: a table of what is told of it and where, and what is sound."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from graph.json_schema_form import form_problem

DRAFT_4, DRAFT_7 = "http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft-07/schema"
NEWEST = "https://json-schema.org/draft/2020-12/schema"
TYPES = "and a type is one of array, boolean, integer, null, number, object, string"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (7, "as a whole it must be a schema, a mapping or true or false"),
        ({"type": "nosuch"}, f"/type is 'nosuch', {TYPES}"),
        ({"properties": {"a/b": {"type": ["string", "int"]}}}, f"/properties/a~1b/type is 'int', {TYPES}"),
        ({"type": []}, "/type must be a type, or a list of different types"),
        ({"type": ["null", "null"]}, "/type must be a type, or a list of different types"),
        ({"type": 1}, "/type must be a type, or a list of different types"),
        ({"minimum": "x"}, "/minimum must be a number"),
        ({"maximum": True}, "/maximum must be a number"),
        ({"multipleOf": 0}, "/multipleOf must be a number above 0"),
        ({"maxLength": -1}, "/maxLength must be a whole number of at least 0"),
        ({"minItems": 1.5}, "/minItems must be a whole number of at least 0"),
        ({"maxItems": "3"}, "/maxItems must be a whole number of at least 0"),
        ({"uniqueItems": "yes"}, "/uniqueItems must be true or false"),
        ({"required": True}, "/required must be a list of different names"),
        ({"required": ["a", "a"]}, "/required must be a list of different names"),
        ({"required": ["a", 1]}, "/required must be a list of different names"),
        ({"enum": "a"}, "/enum must be a list"),
        ({"pattern": 1}, "/pattern must be a text"),
        ({"pattern": "a("}, "/pattern is no regular expression: it ends too early"),
        ({"pattern": "[b-a]"}, "/pattern is no regular expression: a range that goes backwards"),
        ({"patternProperties": {"*": {}}}, "/patternProperties/* is no regular expression: a repetition of nothing"),
        ({"properties": ["a"]}, "/properties must be a mapping of schemas"),
        ({"properties": {"a": "string"}}, "/properties/a must be a schema, a mapping or true or false"),
        ({"items": 3}, "/items must be a schema, a mapping or true or false"),
        ({"items": [{"type": "x"}]}, f"/items/0/type is 'x', {TYPES}"),
        ({"allOf": {}}, "/allOf must be a list of at least one schema"),
        ({"anyOf": []}, "/anyOf must be a list of at least one schema"),
        ({"oneOf": [{}, 1]}, "/oneOf/1 must be a schema, a mapping or true or false"),
        ({"not": {"if": {"minimum": None}}}, "/not/if/minimum must be a number"),
        ({"dependentRequired": {"a": "b"}}, "/dependentRequired/a must be a list of different names"),
        ({"dependencies": {"a": 1}}, "/dependencies/a must be a schema, a mapping or true or false"),
        ({"dependencies": {"a": [1]}}, "/dependencies/a must be a list of different names"),
        ({"$ref": 1}, "/$ref must be a text"),
        ({"$ref": "#/$defs/gone"}, "/$ref refers to '#/$defs/gone', and there is nothing"),
        ({"$ref": "#/x-own", "x-own": {"type": "any"}}, f"/x-own/type is 'any', {TYPES}"),
        ({"title": 1}, "/title must be a text"),
        ({"examples": "a"}, "/examples must be a list"),
        ({"exclusiveMinimum": "1"}, "/exclusiveMinimum must be a number, or true or false"),
        ({"$schema": DRAFT_4, "exclusiveMinimum": 1}, "/exclusiveMinimum must be true or false"),
        ({"$schema": DRAFT_7, "exclusiveMinimum": True}, "/exclusiveMinimum must be a number"),
        ({"$schema": DRAFT_4, "required": []}, "/required must have an item, by draft 4"),
        ({"$schema": DRAFT_4, "properties": {"a": True}}, "/properties/a must be a schema, a mapping"),
        ({"$schema": NEWEST, "items": [{}]}, "/items must be a schema: by 2020-12 a list of them is `prefixItems`"),
        ({"$schema": 4}, "/$schema must be a text"),
        (
            {"$schema": "http://json-schema.org/draft-03/schema#"},
            "/$schema is 'http://json-schema.org/draft-03/schema#', which is none of the drafts from 4 to 2020-12",
        ),
        ({"properties": {str(one): 1 for one in range(9)}}, "(and more)"),
    ],
)
def test_what_is_no_schema_is_told_with_its_place(schema: Any, told: str) -> None:
    problem = form_problem(schema)
    assert problem is not None
    assert problem == told or problem.endswith(told if told == "(and more)" else f"; {told}")


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"type": ["string", "null"], "minLength": 1.0, "default": 7, "x-mine": {"type": "nosuch"}},
        {"properties": {"type": {"type": "string"}, "required": True, "$ref": {"type": "integer"}}},
        {
            "$schema": DRAFT_4,
            "minimum": 1,
            "exclusiveMinimum": True,
            "examples": "not yet a word",
            "additionalItems": False,
        },
        {"$schema": DRAFT_7, "$ref": "#/definitions/a", "definitions": {"a": {"items": [{"const": 1}]}}},
        {"$schema": NEWEST, "$defs": {"a": {"prefixItems": [{}]}}, "items": {"$ref": "#/$defs/a"}},
        {"$schema": "http://json-schema.org/schema#", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
        {"pattern": "(?=x)", "patternProperties": {"^\\p{L}$": {}}, "enum": []},
        {"$ref": "https://example.org/elsewhere.json", "allOf": [{"$ref": "#named"}, {"$ref": "#"}]},
        {"$defs": {"a": {"$id": "https://example.org/a", "$ref": "#/$defs/b", "$defs": {"b": {}}}}},
        {"$schema": "http://json-schema.org/schema#", "items": [{}], "exclusiveMinimum": True},
    ],
)
def test_what_is_a_schema_is_one(schema: Any) -> None:
    assert form_problem(schema) is None


def test_a_schema_that_goes_deep_or_on_without_end_is_looked_at_in_bounded_time() -> None:
    deep: dict[str, Any] = {"type": "nosuch"}
    for _ in range(50_000):
        deep = {"not": deep}
    began = time.process_time()
    assert form_problem(deep) is not None
    turning = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}
    assert form_problem(turning) is None
    broad = {"properties": {"k" * 500_000 + "\n": {"properties": {str(one): {"type": "x"} for one in range(40_000)}}}}
    tracemalloc.start()
    try:
        told = form_problem(broad)
        assert told is not None
        assert told.isprintable()
        assert len(told) < 1_000
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()
    large = {"patternProperties": {f"a{{900}}{one}": {} for one in range(5_000)}}
    assert form_problem(large) == "it is too large, or its patterns are, to be looked at"
    assert time.process_time() - began < 20.0

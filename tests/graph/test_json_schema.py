"""Values against schemas: a table of what each word asserts, and what a hostile schema comes to."""

from __future__ import annotations

from typing import Any

import pytest

from graph.json_schema import Flaw, Steps, TooMuch, UnknownText, flaws

REFERRING = {"$defs": {"port": {"type": "integer", "maximum": 65535}}, "properties": {"port": {"$ref": "#/$defs/port"}}}


def first(schema: Any, value: Any, *, steps: int = 10_000) -> Flaw | None:
    return next(flaws(schema, value, steps=Steps(steps)), None)


@pytest.mark.parametrize(
    ("schema", "good", "bad", "pointer"),
    [
        ({"type": "string"}, "a", 1, ""),
        ({"type": ["string", "null"]}, None, 1, ""),
        ({"type": "integer"}, 1.0, 1.5, ""),
        ({"type": "integer"}, 1, True, ""),
        ({"enum": ["a", 1]}, 1.0, True, ""),
        ({"const": {"a": 1, "b": 2}}, {"b": 2, "a": 1}, {"a": 1}, ""),
        ({"minimum": 1, "maximum": 3}, 3, 4, ""),
        ({"exclusiveMaximum": 3}, 2, 3, ""),
        ({"maximum": 3, "exclusiveMaximum": True}, 2, 3, ""),
        ({"multipleOf": 0.5}, 1.5, 1.2, ""),
        ({"maxLength": 2}, "ab", "abc", ""),
        ({"pattern": "^a+$"}, "aa", "ab", ""),
        ({"items": {"type": "string"}}, ["a"], ["a", 1], "/1"),
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1], "/1"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1], "/1"),
        ({"uniqueItems": True}, [1, True], [1, 1.0], ""),
        ({"contains": {"type": "string"}, "maxContains": 1}, ["a", 1], ["a", "b"], ""),
        ({"required": ["a"]}, {"a": None}, {"b": 1}, ""),
        ({"properties": {"a/b~c": {"type": "string"}}}, {"a/b~c": "x"}, {"a/b~c": 1}, "/a~1b~0c"),
        ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1}, {"b": 1}, "/b"),
        ({"patternProperties": {"^x-": {"type": "string"}}}, {"x-a": "b", "y": 1}, {"x-a": 1}, "/x-a"),
        ({"propertyNames": {"maxLength": 1}}, {"a": 1}, {"ab": 1}, "/ab"),
        ({"dependentRequired": {"tls": ["cert"]}}, {"cert": 1}, {"tls": 1}, ""),
        ({"dependencies": {"tls": {"required": ["cert"]}}}, {"tls": 1, "cert": 1}, {"tls": 1}, ""),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, 1, ""),
        ({"oneOf": [{"minimum": 1}, {"maximum": 3}]}, 5, 2, ""),
        ({"not": {"type": "string"}}, 1, "a", ""),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"c": 1}, {"a": 1}, ""),
        (REFERRING, {"port": 80}, {"port": 70_000}, "/port"),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/x", "type": "null", "x": {}}, 1, None, None),
        (False, None, 1, ""),
    ],
)
def test_each_word_asserts_what_it_says_and_where(schema: Any, good: Any, bad: Any, pointer: str | None) -> None:
    if schema is not False:
        assert first(schema, good) is None
    found = first(schema, bad)
    assert (None if found is None else found.pointer) == pointer


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.org/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere/at/all"},
        {"format": "email"},
        {"pattern": "(?=x)"},
        {"type": "no such type", "maxLength": "x", "properties": 1, "items": 3, "required": {"a": 1}, "enum": 1},
        {"allOf": [1, "x", None]},
    ],
)
def test_what_is_not_known_or_odd_asserts_nothing_and_fetches_nothing(schema: Any) -> None:
    for value in ("text", {"a": 1}, [1]):
        assert first(schema, value) is None


def bomb(depth: int) -> dict[str, Any]:
    doubled = {f"l{at}": {"allOf": [{"$ref": f"#/$defs/l{at + 1}"}] * 2} for at in range(depth)}
    return {"$defs": {**doubled, f"l{depth}": {}}, "$ref": "#/$defs/l0"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#"}, 1),
        ({"properties": {"a": {"$ref": "#"}}, "anyOf": [{"$ref": "#"}]}, {"a": {"a": 1}}),
        (bomb(40), 1),
        ({"pattern": "^(a|aa)*(b|bb)*$"}, "a" * 60_000),
        ({"items": {"enum": list(range(1_000))}}, [1] * 1_000),
    ],
)
def test_a_schema_that_unfolds_without_end_is_too_much(schema: Any, value: Any) -> None:
    with pytest.raises(TooMuch):
        list(flaws(schema, value, steps=Steps(100_000)))


def test_a_text_of_which_nothing_is_known_is_a_text() -> None:
    unknown = UnknownText()
    assert first({"type": "string", "pattern": "^x$", "enum": ["a"], "minLength": 9}, unknown) is None
    assert first({"type": "integer"}, unknown) is not None


def test_no_flaw_repeats_a_value() -> None:
    schema = {"type": "integer", "enum": ["a"], "const": 1, "pattern": "^x$", "maxLength": 1, "not": {}}
    assert "hunter2" not in str(list(flaws(schema, "hunter2", steps=Steps(1_000))))

"""What is wrong with a value, in words for the person who gave it.

The library that checks values says it to programmers: "Expected `float` > 0.0". Here that becomes "withinMs must be a number
above 0": the field, what it takes, and the bound.
"""

from __future__ import annotations

import re

from graph.spelling import camel

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
_PARTS = {"str": "character", "array": "value", "object": "key"}
_BOUNDS = {">": "above", ">=": "of at least", "<": "below", "<=": "of at most"}
_EXPECTED = re.compile(r"Expected `([a-z| ]+)`(?:, got `(\w+)`| (of length )?([<>]=?) (-?[\d.e+-]+))?")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_KEY = re.compile(r"\[\.+\]$")
"""A key of a mapping, which the library does not name."""
_FORM = re.compile(r"Expected `str` matching regex (.+)", re.DOTALL)
_UNKNOWN = re.compile(r"Invalid enum value (.+)", re.DOTALL)


def plain_words(text: str, *, path: str) -> str:
    """The library's message of what is wrong at a path, as a sentence that names the field; others are left as they are."""
    named = _KEY.sub("", path)
    field = named.rpartition(".")[2] or "it"
    if named != path:
        field = f"a value of {field}"
    missing = _MISSING.fullmatch(text)
    if missing is not None:
        return f"{field} has no {camel(missing[1])}"
    unknown = _UNKNOWN.fullmatch(text)
    if unknown is not None:
        return f"{field} cannot be {unknown[1]}"
    formed = _FORM.fullmatch(text)
    if formed is not None:
        return f"{field} must be a text of the form {formed[1]}"
    expected = _EXPECTED.fullmatch(text)
    if expected is None:
        return text
    kinds, got, length, relation, bound = expected.groups()
    each = [one.strip() for one in kinds.split("|")]
    wanted = " or ".join(_KINDS.get(one, one) for one in each)
    if got is not None:
        return f"{field} must be {wanted}, not {_KINDS.get(got, got)}"
    if relation is None:
        return f"{field} must be {wanted}"
    number = bound.removesuffix(".0")
    part = f" {_PARTS.get(each[0], 'character')}{'' if number == '1' else 's'}" if length else ""
    return f"{field} must be {wanted} {_BOUNDS[relation]} {number}{part}"

"""Values against a JSON Schema that a stranger wrote, within a bound on the work and without ever fetching anything.

The assertions of drafts 4 to 2020-12 that say what a value may be. A reference is followed within the schema alone; what is
elsewhere is not fetched, and asserts nothing here. So does what is not known: `format`, dynamic references, unevaluated
members, patterns that look around. A schema that is odd asserts less, and never fails the reader: where it is given it is
refused (`graph/json_schema_form.py`). Each step counts, so one that unfolds without end is told as too much and holds nobody
up. No flaw repeats a value: it may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeGuard
from urllib.parse import unquote

import msgspec

from graph.patterns import Pattern, UnknownPattern

MAX_DEPTH = 100
Schema = Mapping[str, Any] | bool


class TooMuch(Exception):
    """Checking took more steps than it may."""


class Steps:
    """How much may still be done."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, count: int = 1) -> None:
        """Raises TooMuch when nothing is left."""
        self._left -= count
        if self._left < 0:
            raise TooMuch


class UnknownText:
    """A text of which nothing is known but that it is one, such as what a reference to a secret stands for."""


class Flaw(NamedTuple):
    """Where a value is not as it should be, as a JSON Pointer (RFC 6901), and how."""

    pointer: str
    message: str


def flaws(schema: Schema, value: Any, *, steps: Steps) -> Iterator[Flaw]:
    """What of a value is not as its schema says. Raises TooMuch."""
    yield from _Checker(schema, steps).check(schema, value, "", 0)


TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "null": lambda one: one is None,
    "boolean": lambda one: isinstance(one, bool),
    "string": lambda one: isinstance(one, str | UnknownText),
    "number": lambda one: is_number(one),
    "integer": lambda one: is_number(one) and float(one).is_integer(),
    "array": lambda one: isinstance(one, list),
    "object": lambda one: isinstance(one, dict),
}
"""The types that there are, and which values are of them."""
NOWHERE: Final = object()
"""What a reference to nothing gives."""
_OLD = ("draft-03", "draft-04", "draft-06", "draft-07")
"""Drafts in which what stands beside `$ref` counts for nothing."""


class _Checker:
    def __init__(self, root: Schema, steps: Steps) -> None:
        self._root = root
        self._steps = steps
        stated = root.get("$schema") if isinstance(root, dict) else None
        self._ref_alone = isinstance(stated, str) and any(one in stated for one in _OLD)

    def check(self, schema: Any, value: Any, pointer: str, depth: int) -> Iterator[Flaw]:
        self._steps.spend()
        if depth > MAX_DEPTH:
            raise TooMuch
        if schema is False:
            yield Flaw(pointer, "may not be there")
        if not isinstance(schema, dict):
            return
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield from self.check(self._referred(ref), value, pointer, depth + 1)
            if self._ref_alone:
                return
        yield from self._plain(schema, value, pointer)
        yield from self._combined(schema, value, pointer, depth)
        if isinstance(value, str):
            yield from self._text(schema, value, pointer)
        elif isinstance(value, list):
            yield from self._array(schema, value, pointer, depth)
        elif isinstance(value, dict):
            yield from self._object(schema, value, pointer, depth)
        elif is_number(value):
            yield from _number(schema, value, pointer)

    def _holds(self, schema: Any, value: Any, depth: int) -> bool:
        return next(self.check(schema, value, "", depth + 1), None) is None

    def _referred(self, ref: str) -> Any:
        """The part of the schema that is referred to; what is not in it asserts nothing."""
        if ref != "#" and not ref.startswith("#/"):
            return True
        found = within(self._root, ref, spend=self._steps.spend)
        return True if found is NOWHERE else found

    def _plain(self, schema: Mapping[str, Any], value: Any, pointer: str) -> Iterator[Flaw]:
        wanted = schema.get("type")
        names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
        known = [one for one in names if isinstance(one, str) and one in TYPES]
        if known and not any(TYPES[one](value) for one in known):
            yield Flaw(pointer, f"must be {' or '.join(_called(one) for one in known)}")
        if isinstance(value, UnknownText):
            return
        choices = schema.get("enum")
        if isinstance(choices, list):
            self._steps.spend(len(choices))
            if _canonical(value) not in {_canonical(one) for one in choices}:
                yield Flaw(pointer, "is none of the values that it may have")
        if "const" in schema and _canonical(schema["const"]) != _canonical(value):
            yield Flaw(pointer, "is not the one value that it may have")

    def _combined(self, schema: Mapping[str, Any], value: Any, pointer: str, depth: int) -> Iterator[Flaw]:
        for one in _list(schema, "allOf"):
            yield from self.check(one, value, pointer, depth + 1)
        some = _list(schema, "anyOf")
        if some and not any(self._holds(one, value, depth) for one in some):
            yield Flaw(pointer, "is as none of the schemas of anyOf says")
        ways = _list(schema, "oneOf")
        if ways:
            count = sum(self._holds(one, value, depth) for one in ways)
            if count != 1:
                yield Flaw(pointer, f"is as {count} of the schemas of oneOf say, and must be as one of them does")
        if "not" in schema and self._holds(schema["not"], value, depth):
            yield Flaw(pointer, "is as it must not be")
        if "if" in schema:
            then = "then" if self._holds(schema["if"], value, depth) else "else"
            if then in schema:
                yield from self.check(schema[then], value, pointer, depth + 1)

    def _text(self, schema: Mapping[str, Any], value: str, pointer: str) -> Iterator[Flaw]:
        most, least = _count(schema, "maxLength"), _count(schema, "minLength")
        if most is not None and len(value) > most:
            yield Flaw(pointer, f"has more than {most} characters")
        if least is not None and len(value) < least:
            yield Flaw(pointer, f"has fewer than {least} characters")
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not self._found(pattern, value):
            yield Flaw(pointer, "is not as its pattern says")

    def _found(self, pattern: str, value: str) -> bool:
        compiled = _compiled(pattern)
        return compiled is None or compiled.found_in(value, spend=self._steps.spend)

    def _array(self, schema: Mapping[str, Any], value: list[Any], pointer: str, depth: int) -> Iterator[Flaw]:
        most, least = _count(schema, "maxItems"), _count(schema, "minItems")
        if most is not None and len(value) > most:
            yield Flaw(pointer, f"has more than {most} items")
        if least is not None and len(value) < least:
            yield Flaw(pointer, f"has fewer than {least} items")
        items = schema.get("items", True)
        first = items if isinstance(items, list) else _list(schema, "prefixItems")
        rest = schema.get("additionalItems", True) if isinstance(items, list) else items
        for at, one in enumerate(value):
            yield from self.check(first[at] if at < len(first) else rest, one, f"{pointer}/{at}", depth + 1)
        if schema.get("uniqueItems") is True:
            self._steps.spend(len(value))
            if len({_canonical(one) for one in value}) < len(value):
                yield Flaw(pointer, "has the same item twice")
        if "contains" in schema:
            count = sum(self._holds(schema["contains"], one, depth) for one in value)
            few, many = _count(schema, "minContains"), _count(schema, "maxContains")
            if count < (1 if few is None else few) or (many is not None and count > many):
                yield Flaw(pointer, "does not contain as many items of a sort as it must")

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any], pointer: str, depth: int) -> Iterator[Flaw]:
        most, least = _count(schema, "maxProperties"), _count(schema, "minProperties")
        if most is not None and len(value) > most:
            yield Flaw(pointer, f"has more than {most} members")
        if least is not None and len(value) < least:
            yield Flaw(pointer, f"has fewer than {least} members")
        yield from self._required(_list(schema, "required"), value, pointer)
        properties, patterns = _mapping(schema, "properties"), _mapping(schema, "patternProperties")
        others = schema.get("additionalProperties", True)
        for key, one in value.items():
            where = f"{pointer}/{escaped(key)}"
            known = key in properties
            if known:
                yield from self.check(properties[key], one, where, depth + 1)
            for pattern, inner in patterns.items():
                if self._found(pattern, key):
                    known = True
                    if _compiled(pattern) is not None:
                        yield from self.check(inner, one, where, depth + 1)
            if not known:
                yield from self.check(others, one, where, depth + 1)
            if "propertyNames" in schema and not self._holds(schema["propertyNames"], key, depth):
                yield Flaw(where, "has a name that it may not have")
        for word in ("dependentRequired", "dependentSchemas", "dependencies"):
            for key, needed in _mapping(schema, word).items():
                if key not in value:
                    continue
                if isinstance(needed, list):
                    yield from self._required(needed, value, pointer)
                else:
                    yield from self.check(needed, value, pointer, depth + 1)

    def _required(self, names: list[Any], value: dict[str, Any], pointer: str) -> Iterator[Flaw]:
        self._steps.spend(len(names))
        for name in names:
            if isinstance(name, str) and name not in value:
                yield Flaw(pointer, f"has no {name[:100]!r}")


def _number(schema: Mapping[str, Any], value: float, pointer: str) -> Iterator[Flaw]:
    most, least = schema.get("maximum"), schema.get("minimum")
    below, above = schema.get("exclusiveMaximum"), schema.get("exclusiveMinimum")
    if is_number(most) and (value > most or (below is True and value == most)):
        yield Flaw(pointer, f"is more than {most}" if below is not True else f"is not less than {most}")
    if is_number(least) and (value < least or (above is True and value == least)):
        yield Flaw(pointer, f"is less than {least}" if above is not True else f"is not more than {least}")
    if is_number(below) and value >= below:
        yield Flaw(pointer, f"is not less than {below}")
    if is_number(above) and value <= above:
        yield Flaw(pointer, f"is not more than {above}")
    step = schema.get("multipleOf")
    if is_number(step) and step > 0 and not float(value / step).is_integer():
        yield Flaw(pointer, f"is no multiple of {step}")


def within(root: Any, ref: str, *, spend: Callable[[int], None]) -> Any:
    """What a reference within a schema names, `#` or `#/…` as a JSON Pointer; NOWHERE when nothing is there.

    `spend` is told of every step.
    """
    found = root
    for key in parts_of(ref):
        spend(1)
        if isinstance(found, list) and key.isdecimal() and len(key) < 7 and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, dict) and key in found:
            found = found[key]
        else:
            return NOWHERE
    return found


def parts_of(ref: str) -> list[str]:
    """The names of members and numbers of items on the way to what a reference within a schema names."""
    return [part.replace("~1", "/").replace("~0", "~") for part in unquote(ref[1:]).split("/")[1:]]


def escaped(key: str) -> str:
    """A member's name as a part of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number by JSON Schema, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _called(kind: str) -> str:
    return kind if kind == "null" else f"{'an' if kind[0] in 'aio' else 'a'} {kind}"


def _list(schema: Mapping[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _mapping(schema: Mapping[str, Any], word: str) -> dict[str, Any]:
    found = schema.get(word)
    return found if isinstance(found, dict) else {}


def _count(schema: Mapping[str, Any], word: str) -> float | None:
    found = schema.get(word)
    return found if is_number(found) else None


def _canonical(value: Any) -> bytes:
    """Equal for values that JSON Schema calls equal: whatever the order of members, and 1 as 1.0."""
    return msgspec.json.encode(_plain_numbers(value), order="sorted")


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain_numbers(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain_numbers(one) for key, one in value.items()}
    return None if isinstance(value, UnknownText) else value


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Pattern | None:
    """The pattern; None for one that is not known."""
    try:
        return Pattern(pattern)
    except UnknownPattern:
        return None

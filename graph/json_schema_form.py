"""Whether what is given as a JSON Schema is one, before anything is checked by it.

The checking of values (`graph/json_schema.py`) takes what is odd in a schema to assert nothing: a type that does not exist
would let every value pass, and look as if it were checked. So a schema is held against the form of its words once, where it
is given: that of the draft that it declares, or of any that is supported when it declares none. Words that JSON Schema does
not know are left alone, as it says. Each step counts: who wrote it is a stranger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from graph.json_schema import NOWHERE, TYPES, Flaw, Steps, TooMuch, escaped, is_number, parts_of, within
from graph.patterns import BadPattern, Pattern, UnknownPattern

MAX_STEPS = 100_000
"""Schemas within each other and states of patterns, each one: less than a second."""
FLAWS_TOLD = 3
MAX_TOLD = 250
"""Characters of all of them, but for the first."""
MAX_POINTER = 80
"""Characters of a place that are told."""
MAX_SHOWN = 60
"""Characters of what is in a schema that are told."""
REMEDY = "write it by one of the drafts from 4 to 2020-12, and smaller when it is too large"
_NEWEST = 9
_DRAFTS: Final = {
    "draft-04": 4,
    "draft-06": 6,
    "draft-07": 7,
    "2019-09": 8,
    "2020-12": _NEWEST,
}
_NO_DRAFT = "json-schema.org/schema"
"""What many charts declare: whichever draft was the newest then."""


class _Place(NamedTuple):
    """Where in a schema: a chain, for whole pointers of all that is left to be looked at could be large."""

    above: _Place | None
    part: str

    def pointer(self) -> str:
        """As a JSON Pointer that can be told: printable, and its end when it is long."""
        parts: list[str] = []
        place: _Place | None = self
        while place is not None and place.above is not None:
            parts.append(escaped(place.part[: MAX_POINTER + 1]))
            place = place.above if sum(map(len, parts)) <= MAX_POINTER else None
        text = "".join(f"/{one}" for one in reversed(parts))
        shown = text if len(text) <= MAX_POINTER else f"…{text[-MAX_POINTER:]}"
        return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in shown)


_TOP = _Place(None, "")


class _Part(NamedTuple):
    """A schema that is to be looked at."""

    schema: Any
    at: _Place
    may_be_bool: bool = False
    """By draft 4 too."""


class _Form(NamedTuple):
    """What the value of a word must be."""

    words: str
    holds: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)


_COUNT = _Form("a whole number of at least 0", lambda one: _is_whole(one) and one >= 0)
_NUMBER = _Form("a number", is_number)
_BOOLEAN = _Form("true or false", lambda one: isinstance(one, bool))
_EITHER = _Form("a number, or true or false", lambda one: isinstance(one, bool) or is_number(one))
_TEXT = _Form("a text", lambda one: isinstance(one, str))
_LIST = _Form("a list", lambda one: isinstance(one, list))
_MAPPING = _Form("a mapping", lambda one: isinstance(one, dict))
_NAMES = _Form("a list of different names", _are_names)
_FORMS: Final[dict[str, _Form]] = {
    **dict.fromkeys(("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"), _COUNT),
    **dict.fromkeys(("minContains", "maxContains"), _COUNT),
    **dict.fromkeys(("maximum", "minimum"), _NUMBER),
    "multipleOf": _Form("a number above 0", lambda one: is_number(one) and one > 0),
    "uniqueItems": _BOOLEAN,
    **dict.fromkeys(("$schema", "$ref", "pattern", "title", "description", "format"), _TEXT),
    "required": _NAMES,
    "enum": _LIST,
    **dict.fromkeys(("dependencies", "dependentRequired"), _MAPPING),
}
_SINCE: Final[dict[str, tuple[int, _Form]]] = {
    "$id": (6, _TEXT),
    "examples": (6, _LIST),
    **dict.fromkeys(("$comment", "contentMediaType", "contentEncoding"), (7, _TEXT)),
    **dict.fromkeys(("readOnly", "writeOnly"), (7, _BOOLEAN)),
    **dict.fromkeys(("$anchor", "$dynamicAnchor", "$dynamicRef"), (8, _TEXT)),
    "deprecated": (8, _BOOLEAN),
}
"""Words that assert nothing, with the first draft that says what they are."""
_ONE = ("additionalProperties", "additionalItems", "propertyNames", "contains", "not", "if", "then", "else")
_ONE_MORE = ("unevaluatedItems", "unevaluatedProperties")
_SOME = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


def form_problem(schema: Any) -> str | None:
    """How a schema is none, in words with the places as JSON Pointers (RFC 6901), the first few; None for a sound one."""
    try:
        told = list(islice(_Reading(schema).flaws(), FLAWS_TOLD + 1))
    except TooMuch:
        return "it is too large, or its patterns are, to be looked at"
    if not told:
        return None
    words = [f"{one.pointer or 'as a whole it'} {one.message}" for one in told[:FLAWS_TOLD]]
    while len(words) > 1 and sum(map(len, words)) > MAX_TOLD:
        words.pop()
    return f"{'; '.join(words)}{' (and more)' if len(told) > len(words) else ''}"


class _Reading:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = Steps(MAX_STEPS)
        self._left: list[Iterator[_Part]] = [iter([_Part(root, _TOP)])]
        self._seen: set[int] = set()
        self._patterns: set[str] = set()
        self._refs: list[tuple[str, _Place]] = []
        self._parted = False
        """Whether a part of it has an address of its own, which its references start from."""
        self._draft: int | None = None

    def flaws(self) -> Iterator[Flaw]:
        stated = self._root.get("$schema") if isinstance(self._root, dict) else None
        if isinstance(stated, str) and _NO_DRAFT not in stated:
            self._draft = next((number for words, number in _DRAFTS.items() if words in stated), None)
            if self._draft is None:
                yield _flaw(
                    _Place(_TOP, "$schema"), f"is {_shown(stated)}, which is none of the drafts from 4 to 2020-12"
                )
        while self._left:
            while self._left:
                part = next(self._left[-1], None)
                if part is None:
                    self._left.pop()
                else:
                    yield from self._one(part)
            # What is referred to may lie where no schema is expected, and is one all the same.
            yield from self._referred()

    def _look_at(self, *parts: _Part) -> None:
        self._left.append(iter(parts))

    def _one(self, part: _Part) -> Iterator[Flaw]:
        self._steps.spend()
        schema, at, may_be_bool = part
        if isinstance(schema, bool) and (self._draft != 4 or may_be_bool):
            return
        if not isinstance(schema, dict):
            yield _flaw(at, f"must be a schema, {'a mapping' if self._draft == 4 else 'a mapping or true or false'}")
            return
        if id(schema) in self._seen:
            return
        self._seen.add(id(schema))
        for word, value in schema.items():
            form = self._form(word)
            if form is not None and not form.holds(value):
                yield _flaw(_Place(at, word), f"must be {form.words}")
            else:
                yield from self._word(word, value, _Place(at, word))
                yield from self._within(word, value, _Place(at, word))

    def _form(self, word: str) -> _Form | None:
        if word in ("exclusiveMaximum", "exclusiveMinimum"):
            return _EITHER if self._draft is None else _BOOLEAN if self._draft == 4 else _NUMBER
        since, form = _SINCE.get(word, (_NEWEST + 1, None))
        return form if form is not None and since <= (self._draft or _NEWEST) else _FORMS.get(word)

    def _word(self, word: str, value: Any, at: _Place) -> Iterator[Flaw]:
        if word == "type":
            yield from self._type(value, at)
        elif word == "pattern":
            yield from self._pattern(value, at)
        elif word == "$ref":
            self._refs.append((value, at))
        elif word in ("$id", "id"):
            self._parted |= isinstance(value, str) and not value.startswith("#") and at.above is not _TOP
        elif word in ("required", "enum") and self._draft == 4 and not value:
            yield _flaw(at, "must have an item, by draft 4")

    def _type(self, value: Any, at: _Place) -> Iterator[Flaw]:
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(one, str) for one in names) or len(set(names)) < len(names):
            yield _flaw(at, "must be a type, or a list of different types")
            return
        for one in names:
            if one not in TYPES:
                yield _flaw(at, f"is {_shown(one)}, and a type is one of {', '.join(sorted(TYPES))}")

    def _pattern(self, text: str, at: _Place) -> Iterator[Flaw]:
        if text in self._patterns:
            return
        self._patterns.add(text)
        try:
            self._steps.spend(Pattern(text).size)
        except UnknownPattern as unknown:
            self._steps.spend(unknown.size)
            if isinstance(unknown, BadPattern):
                yield _flaw(at, f"is no regular expression: {unknown}")

    def _within(self, word: str, value: Any, at: _Place) -> Iterator[Flaw]:
        """What schemas a word holds."""
        if word in _ONE or word in _ONE_MORE:
            self._look_at(_Part(value, at, word.startswith("additional")))
        elif word == "items" and (not isinstance(value, list) or self._draft == _NEWEST):
            if isinstance(value, list):
                yield _flaw(at, "must be a schema: by 2020-12 a list of them is `prefixItems`")
            else:
                self._look_at(_Part(value, at))
        elif word in _SOME or word == "items":
            if not isinstance(value, list) or not value:
                yield _flaw(at, "must be a list of at least one schema")
            else:
                self._left.append(_Part(one, _Place(at, str(number))) for number, one in enumerate(value))
        elif word in _NAMED:
            yield from self._named(word, value, at)
        elif word in ("dependencies", "dependentRequired"):
            yield from self._dependencies(word, value, at)

    def _named(self, word: str, value: Any, at: _Place) -> Iterator[Flaw]:
        if not isinstance(value, dict):
            yield _flaw(at, "must be a mapping of schemas")
            return
        if word == "patternProperties":
            for name in value:
                yield from self._pattern(name, _Place(at, name))
        self._left.append(_Part(one, _Place(at, name)) for name, one in value.items())

    def _dependencies(self, word: str, value: Mapping[str, Any], at: _Place) -> Iterator[Flaw]:
        may_be_schema = word == "dependencies"
        for name, needed in value.items():
            if may_be_schema and not isinstance(needed, list):
                continue
            if not _are_names(needed) or (self._draft == 4 and not needed):
                yield _flaw(_Place(at, name), f"must be {_NAMES.words}")
        if may_be_schema:
            self._left.append(
                _Part(needed, _Place(at, name)) for name, needed in value.items() if not isinstance(needed, list)
            )

    def _referred(self) -> Iterator[Flaw]:
        refs, self._refs = self._refs, []
        for ref, at in refs:
            if not (ref == "#" or ref.startswith("#/")) or self._parted:
                continue
            found = within(self._root, ref, spend=self._steps.spend)
            if found is NOWHERE:
                yield _flaw(at, f"refers to {_shown(ref)}, and there is nothing")
            else:
                self._look_at(_Part(found, _place_of(ref), may_be_bool=True))


def _flaw(at: _Place, message: str) -> Flaw:
    return Flaw(at.pointer(), message)


def _place_of(ref: str) -> _Place:
    place = _TOP
    for part in parts_of(ref):
        place = _Place(place, part)
    return place


def _shown(text: str) -> str:
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")

"""Label selectors in Kubernetes syntax: `zone=west,gpu in (a100,h100),!retired`.

One reading of the syntax for filters of the API, node selectors of components and site selectors of placement: two would
differ in what `!=` says of an entity that has no such label at all (it matches, as in Kubernetes). The grammar is that of
Kubernetes' `labels.Parse` (k8s.io/apimachinery/pkg/labels/selector.go), without its `<` and `>`.

A selector is answered from the index of labels: the requirement with the fewest entities is looked up, and the others are
checked on those alone. Only a selector that merely forbids walks the whole kind.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from graph.identifiers import label_key_problem, label_value_problem
from graph.refusal import InvalidInput
from graph.view import Reader

MAX_SELECTOR_LENGTH = 8_192
"""The most characters of a selector."""
MAX_REQUIREMENTS = 64
"""The most requirements in one selector, as many as an entity has labels."""
MAX_VALUES = 512
"""The most values of one `in` or `notin`."""

_REMEDY = "write it as Kubernetes does: `zone=west,gpu in (a100,h100),!retired`"
_SYMBOLS = "=!(),<>"
_SPACE = " \t\r\n"


class Operator(enum.Enum):
    """What a requirement asks of a label."""

    IN = "in"
    """Present, with one of the values; `=` and `==` are this with one value."""
    NOT_IN = "notin"
    """Absent, or with none of the values; `!=` is this with one value."""
    EXISTS = "exists"
    NOT_EXISTS = "!"


class Requirement(msgspec.Struct, frozen=True, gc=False):
    """One comma-separated part of a selector."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    """Sorted, each once."""

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet it."""
        value = labels.get(self.key)
        if self.operator is Operator.IN:
            return value is not None and value in self.values
        if self.operator is Operator.NOT_IN:
            return value is None or value not in self.values
        return (value is not None) is (self.operator is Operator.EXISTS)

    def __str__(self) -> str:
        if self.operator is Operator.EXISTS:
            return self.key
        if self.operator is Operator.NOT_EXISTS:
            return f"!{self.key}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{self.values[0]}"
        return f"{self.key} {self.operator.value} ({','.join(self.values)})"


class LabelSelector(msgspec.Struct, frozen=True, gc=False):
    """Requirements that all hold; without any, everything matches."""

    requirements: tuple[Requirement, ...] = ()

    def __str__(self) -> str:
        return ",".join(str(one) for one in self.requirements)


def parse_selector(text: str, *, path: str | None = None) -> LabelSelector:
    """The selector that `text` writes; an empty text matches everything.

    Raises InvalidInput that names `path`, the column (from 1) and what was expected there.
    """
    try:
        return _parse(text)
    except InvalidInput as problem:
        raise InvalidInput(problem.message, remedy=problem.remedy, path=path) from None


def matches(selector: LabelSelector | str, labels: Mapping[str, str]) -> bool:
    """Whether these labels match. Raises InvalidInput when the selector is a text that cannot be read."""
    return all(one.holds(labels) for one in _selector(selector).requirements)


def ids_matching(reader: Reader, kind: str, selector: LabelSelector | str) -> Sequence[str]:
    """The ids of the kind's entities whose labels match, ascending; not to be kept across an await.

    Cost: proportional to the entities that meet the selector's rarest requirement of presence; to the whole kind when it
    has none. Raises InvalidInput when the selector is a text that cannot be read.
    """
    requirements = _selector(selector).requirements
    if not requirements:
        return reader.ids(kind)
    narrowest = _narrowest(reader, kind, requirements)
    if narrowest is None:
        return _all_but(reader, kind, requirements)
    candidates: list[str] = []
    for field, value in _postings(narrowest):
        candidates.extend(reader.ids(kind, field, value))
    if len(narrowest.values) > 1:
        candidates.sort()
    covered = _covered(narrowest)
    rest = tuple(one for one in requirements if not (one is narrowest and covered))
    matched: list[str] = []
    last = ""
    for entity_id in candidates:
        if entity_id == last:
            continue
        last = entity_id
        if rest:
            entity = reader.get(entity_id)
            if entity is None or not all(one.holds(entity.labels) for one in rest):
                continue
        matched.append(entity_id)
    return matched


def entries_matching(
    reader: Reader, kind: str, selector: LabelSelector | str
) -> tuple[Sequence[tuple[str, str]], bool]:
    """The entries of the index of labels, as fields and values, that have all that match, and whether all in them do.

    Empty when the selector asks for no label to be present. Raises InvalidInput when it is a text that cannot be read.
    """
    requirements = _selector(selector).requirements
    narrowest = _narrowest(reader, kind, requirements)
    if narrowest is None:
        return (), False
    return _postings(narrowest), len(requirements) == 1 and _covered(narrowest)


def _covered(requirement: Requirement) -> bool:
    """Whether all in a requirement's entries of the index meet it."""
    return requirement.operator is Operator.EXISTS or "" not in requirement.values


def _narrowest(reader: Reader, kind: str, requirements: Sequence[Requirement]) -> Requirement | None:
    """The requirement of presence that the fewest entities may meet."""
    narrowest: Requirement | None = None
    least = -1
    for one in requirements:
        if one.operator in (Operator.IN, Operator.EXISTS):
            found = sum(reader.count(kind, field, value) for field, value in _postings(one))
            if narrowest is None or found < least:
                narrowest, least = one, found
    return narrowest


def _postings(requirement: Requirement) -> list[tuple[str, str]]:
    """Where the index has what may meet a requirement of presence; the index gives `` for the label's existence."""
    field = f"label:{requirement.key}"
    if requirement.operator is Operator.EXISTS or "" in requirement.values:
        return [(field, "")]
    return [(field, value) for value in requirement.values]


def _all_but(reader: Reader, kind: str, requirements: Sequence[Requirement]) -> Sequence[str]:
    left_out: set[str] = set()
    for one in requirements:
        for value in one.values or ("",):
            if value:
                left_out.update(reader.ids(kind, f"label:{one.key}", value))
                continue
            for entity_id in reader.ids(kind, f"label:{one.key}", ""):
                entity = reader.get(entity_id)
                if entity is not None and not one.holds(entity.labels):
                    left_out.add(entity_id)
    return [one for one in reader.ids(kind) if one not in left_out]


def _selector(selector: LabelSelector | str) -> LabelSelector:
    return _parse(selector) if isinstance(selector, str) else selector


@lru_cache(maxsize=512)
def _parse(text: str) -> LabelSelector:
    if len(text) > MAX_SELECTOR_LENGTH:
        raise InvalidInput(
            f"a label selector has at most {MAX_SELECTOR_LENGTH:,} characters, this one {len(text):,}", remedy=_REMEDY
        )
    tokens = _tokens(text)
    requirements: list[Requirement] = []
    reader = _TokenReader(tokens)
    if reader.kind == "end":
        return LabelSelector()
    while True:
        requirements.append(reader.requirement())
        if len(requirements) > MAX_REQUIREMENTS:
            raise InvalidInput(f"a label selector has at most {MAX_REQUIREMENTS} requirements", remedy=_REMEDY)
        if reader.kind == "end":
            return LabelSelector(tuple(requirements))
        reader.take(",", expected="a comma or the end")


Token = tuple[str, str, int]
"""Its kind (`word`, `end`, or the symbol itself), its text, and its column from 1."""


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        character = text[at]
        start = at
        if character in _SPACE:
            at += 1
            continue
        if character in _SYMBOLS:
            pair = text[at : at + 2]
            symbol = pair if pair in ("==", "!=") else character
            at += len(symbol)
            tokens.append((symbol, symbol, start + 1))
            continue
        while at < len(text) and text[at] not in _SYMBOLS and text[at] not in _SPACE:
            at += 1
        tokens.append(("word", text[start:at], start + 1))
    tokens.append(("end", "", len(text) + 1))
    return tokens


class _TokenReader:
    """Reads requirements off a list of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    def take(self, *kinds: str, expected: str) -> Token:
        token = self._tokens[self._at]
        if token[0] not in kinds:
            raise self._problem(expected)
        if token[0] != "end":
            self._at += 1
        return token

    def requirement(self) -> Requirement:
        absent = self.kind == "!"
        if absent:
            self.take("!", expected="`!`")
        key = self._key()
        if absent:
            if self.kind not in (",", "end"):
                raise self._problem("a comma or the end: `!key` asks for no value")
            return Requirement(key, Operator.NOT_EXISTS)
        if self.kind in (",", "end"):
            return Requirement(key, Operator.EXISTS)
        if self.kind in ("=", "==", "!="):
            symbol, _, _ = self.take("=", "==", "!=", expected="an operator")
            value = self._value() if self.kind == "word" else ""
            return Requirement(key, Operator.NOT_IN if symbol == "!=" else Operator.IN, (value,))
        if self.kind == "word" and self._tokens[self._at][1] in ("in", "notin"):
            _, word, _ = self.take("word", expected="an operator")
            return Requirement(key, Operator(word), self._set())
        raise self._problem("one of `=`, `==`, `!=`, `in`, `notin`, a comma or the end")

    def _set(self) -> tuple[str, ...]:
        self.take("(", expected="`(`")
        if self.kind == ")":
            raise self._problem("at least one value")
        values: set[str] = set()
        while True:
            values.add(self._value() if self.kind == "word" else "")
            if len(values) > MAX_VALUES:
                raise InvalidInput(f"`in` and `notin` take at most {MAX_VALUES} values", remedy=_REMEDY)
            symbol, _, _ = self.take(",", ")", expected="a value, a comma or `)`")
            if symbol == ")":
                return tuple(sorted(values))

    def _key(self) -> str:
        _, key, column = self.take("word", expected="a label key")
        problem = label_key_problem(key)
        if problem:
            raise InvalidInput(f"label selector, column {column}: {key!r} is no label key: {problem}", remedy=_REMEDY)
        return key

    def _value(self) -> str:
        _, value, column = self.take("word", expected="a value")
        problem = label_value_problem(value)
        if problem:
            raise InvalidInput(f"label selector, column {column}: {value!r} is no value: {problem}", remedy=_REMEDY)
        return value

    def _problem(self, expected: str) -> InvalidInput:
        kind, text, column = self._tokens[self._at]
        found = "the end" if kind == "end" else f"`{text}`"
        return InvalidInput(f"label selector, column {column}: expected {expected}, found {found}", remedy=_REMEDY)

"""YAML and JSON as they are given: read as plain values, with nothing taken that is more than it says.

The text may be hostile: aliases (a few lines of them can stand for gigabytes), keys that are given twice and deep nesting
are refused, with the line. Dates stay text, and no value is repeated that may be a secret with a slip in it.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from graph.free_values import value_problem
from graph.refusal import InvalidInput

MAX_DEPTH = 32
_UNCLEAR = "write JSON or YAML"
"""The remedy for what is neither."""
_LOOKED_UP = 1024 * 1024
"""Characters of JSON in which the line of a mistake is looked for."""
_SHOWN = 60
"""Characters of an unknown word that a refusal repeats."""


def shown(value: Any) -> str:
    """A word that was given, for a refusal: of anything else only what it is, for it may be long, or a secret."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    return "null" if value is None else f"that is {'a list' if isinstance(value, list) else 'no text'}"


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C where the library has it: ten times faster."""


_UNREADABLE = (ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError)
"""What the library raises for a value that its tag does not fit, such as `!!int abc`."""


class _Unwanted(yaml.MarkedYAMLError):
    """What YAML has and documents do not take, with what to write instead."""

    def __init__(self, problem: str, remedy: str, mark: Any) -> None:
        super().__init__(None, None, problem, mark)
        self.remedy = remedy


class _Loader(_Safe):  # type: ignore[misc]  # which class it is depends on how the library was built
    """A safe loader that takes no key twice and none that is not text, and says where what it cannot read is."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except _UNREADABLE:
            # Not a word of the value: it may be a secret with a slip in it.
            text = f"this cannot be read as {node.tag.rpartition(':')[2]}"
            raise _Unwanted(text, "leave out the tag, or write a value that fits it", node.start_mark) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _Unwanted("this is no mapping", "write key: value", node.start_mark)
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _Unwanted("a key is text", "quote it", key_node.start_mark)
            if key in seen:
                raise _Unwanted(f"key {shown(key)} is given twice", "give it once", key_node.start_mark)
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _check_events(text: str) -> None:
    """Refuses aliases (a few lines of them can stand for gigabytes) and deep nesting before anything is made of the text."""
    depth = 0
    events: Iterable[Any] = yaml.parse(text, Loader=_Safe)
    for event in events:
        mark: Any = event.start_mark
        if isinstance(event, yaml.events.AliasEvent):
            raise _Unwanted("aliases are not taken", "write out what is meant where it is meant", mark)
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _Unwanted("nested too deeply", f"values lie at most {MAX_DEPTH} deep in each other", mark)
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1


# Dates stay text: a document's fields say what they take.
_Loader.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def values_in(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """The values of a YAML stream, or the one of a JSON text, each with its line. Raises InvalidInput with the line."""
    mistake: InvalidInput | None = None
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        try:
            value = _json(text.lstrip("\ufeff"))
        except json.JSONDecodeError as found:
            # It may be YAML that begins so; if it is not, it was meant as JSON.
            mistake = InvalidInput(f"{name}:{found.lineno}: {found.msg}", remedy=_UNCLEAR, path=name)
        except (_NotJson, ValueError) as found:
            if isinstance(found, _Twice) and len(text) < _LOOKED_UP:
                for _ in _yaml(text, name):  # it is YAML as well, and read as such it is refused with its line
                    pass
            raise InvalidInput(f"{name}:1: {str(found)[:200]}", remedy=_UNCLEAR, path=name) from None
        except RecursionError:
            raise InvalidInput(f"{name}:1: nested too deeply", remedy=_UNCLEAR, path=name) from None
        else:
            yield 1, value
            return
    try:
        yield from _yaml(text, name)
    except InvalidInput as problem:
        # Where it can be read as YAML, what is wrong with it is what YAML finds.
        raise mistake if mistake is not None and problem.remedy == _UNCLEAR else problem from None


def _yaml(text: str, name: str) -> Iterator[tuple[int, Any]]:
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                value = loader.construct_document(node)
                if value is not None:
                    yield node.start_mark.line + 1, value
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark is not None else 1
        said, remedy = str(problem.problem), _UNCLEAR
        if problem.context is not None and problem.context.startswith("found"):
            said = problem.context
        if isinstance(problem, _Unwanted):
            remedy = problem.remedy
        elif "\t" in _indent(_at(text, line)):
            said, remedy = "a tab does not indent in YAML", "indent with spaces"
        raise InvalidInput(f"{name}:{line}: {said}", remedy=remedy, path=name) from None
    except (yaml.YAMLError, RecursionError) as problem:
        raise InvalidInput(f"{name}: {problem}", remedy=_UNCLEAR, path=name) from None


def _at(text: str, line: int) -> str:
    return next(itertools.islice(io.StringIO(text), line - 1, line), "")


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


class _NotJson(Exception):
    """What Python reads as JSON and JSON is not, or what nobody could mean."""


class _Twice(_NotJson):
    """A key that is given twice."""


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_constant)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"key {shown(twice)} is given twice")
    return found


def _no_constant(text: str) -> Any:
    raise _NotJson(f"{text} is no number of JSON")


def read_values(text: str, *, path: str) -> dict[str, Any]:
    """The one mapping that a values file is; nothing is an empty one. Raises InvalidInput with the line."""
    found = [value for _, value in values_in(text, path) if value is not None]
    if len(found) > 1:
        raise InvalidInput("it is more than one document", remedy="give one", path=path)
    if found and not isinstance(found[0], dict):
        raise InvalidInput("a values file is a mapping", remedy="write key: value", path=path)
    problem = value_problem(found[0]) if found else None
    if problem is not None:
        inner, said = problem
        raise InvalidInput(f"{inner.lstrip('.')}: {said}", remedy="write what JSON can hold", path=path)
    return found[0] if found else {}

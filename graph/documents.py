"""Declarative documents: what is wanted, as text in any order.

A document is what the Kubernetes API would call a manifest: `kind`, `metadata` and `spec`. Reading one looks nothing
up; that is done when it is applied (graph/applying.py). The text may be hostile: aliases, duplicate keys and deep
nesting are refused.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import yaml

from graph.document_values import MAX_TOLD, like
from graph.entity import ExternalId
from graph.free_values import value_problem
from graph.refusal import InvalidInput, LimitExceeded

MAX_DOCUMENTS = 250_000
MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 32
MAX_WRONG = 50
"""Bad documents that one refusal names."""
_UNCLEAR = "write JSON or YAML"
"""The remedy for what is neither."""
_LOOKED_UP = 1024 * 1024
"""Characters of JSON in which the line of a mistake is looked for."""
_SHOWN = 60
"""Characters of an unknown word that a refusal repeats."""
API_VERSION = "edgeatlas/v1"
APPLICABLE = (
    "Tenant",
    "Region",
    "Site",
    "Link",
    "Cluster",
    "Node",
    "App",
    "AppVersion",
    "Component",
    "Service",
    "Deployment",
)
"""Kinds that documents can be of, parents before children."""
_DOCUMENT = {"apiVersion", "kind", "metadata", "spec"}
_CLEARED = {"displayName": "display_name", "labels": "labels", "external": "external"}
_METADATA = {"name", "tenant", "displayName", "labels", "external"}


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document as it was given; nothing of it has been looked up yet.

    What is absent stays as it is, what is null is cleared.
    """

    kind: str
    name: str
    tenant: str | None = None
    display_name: str | msgspec.UnsetType | None = msgspec.UNSET
    labels: dict[str, str] | msgspec.UnsetType | None = msgspec.UNSET
    external: ExternalId | msgspec.UnsetType | None = msgspec.UNSET
    spec: dict[str, Any] = {}
    where: str = ""
    """Where it came from, for errors: `file.yaml:12` or `document 3`."""


def parse_documents(text: str, *, name: str = "document") -> list[Document]:
    """The documents of a YAML stream or of JSON (one, a list, or `{"kind": "List", "items": […]}`).

    Raises InvalidInput with the line, LimitExceeded for too many or too deep.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as problem:
        line = text.count("\n", 0, problem.start) + 1
        raise InvalidInput(
            f"{name}:{line}: half of a surrogate pair is no text", remedy="write UTF-8", path=name
        ) from None
    if size > MAX_TEXT_BYTES:
        raise LimitExceeded(
            f"documents have at most {MAX_TEXT_BYTES} bytes", remedy="send them in parts", path="documents"
        )
    found: list[Document] = []
    wrong: list[InvalidInput] = []
    for line, value in _values(text, name):
        items = value.get("items") if isinstance(value, dict) and value.get("kind") == "List" else None
        for nth, item in enumerate(items if isinstance(items, list) else value if isinstance(value, list) else [value]):
            single = items is None and not isinstance(value, list)
            try:
                found.append(document_from(item, where=f"{name}:{line}" if single else f"{name}:{line}[{nth}]"))
            except InvalidInput as problem:
                wrong.append(problem)
            if len(found) > MAX_DOCUMENTS:
                raise LimitExceeded(
                    f"a set has at most {MAX_DOCUMENTS} documents", remedy="send them in parts", path="documents"
                )
    if wrong:
        raise _all_of(wrong)
    return found


def _all_of(wrong: list[InvalidInput]) -> InvalidInput:
    """Every bad document in one refusal, up to a bound."""
    if len(wrong) == 1:
        return wrong[0]
    lines = [one.message for one in wrong[:MAX_WRONG]]
    more = f"\n(and {len(wrong) - MAX_WRONG} more)" if len(wrong) > MAX_WRONG else ""
    return InvalidInput("\n".join(lines) + more, remedy=wrong[0].remedy, path=wrong[0].path)


def document_from(value: Any, *, where: str) -> Document:
    """One document from plain values. Raises InvalidInput."""

    def wrong(text: str, remedy: str) -> InvalidInput:
        return InvalidInput(f"{where}: {text}", remedy=remedy, path=where)

    if not isinstance(value, dict):
        raise wrong("a document is a mapping", "write kind, metadata and spec")
    kind, metadata, spec = value.get("kind"), value.get("metadata"), value.get("spec", {})
    if kind not in APPLICABLE:
        raise wrong(f"kind {_shown(kind)} cannot be applied", _instead_of(kind))
    if value.get("apiVersion", API_VERSION) != API_VERSION:
        raise wrong(f"apiVersion {_shown(value['apiVersion'])} is not known", f"write {API_VERSION}")
    extra = set(value) - _DOCUMENT
    if extra:
        least = min(map(str, extra))
        known = like(least, _DOCUMENT, has="put a kind's fields under spec; it has")
        raise wrong(f"a document has no {_shown(least)}", known)
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        raise wrong("metadata and spec are mappings", "write kind, metadata and spec")
    problem = value_problem(value)
    if problem is not None:
        inner, text = problem
        raise wrong(f"{inner.lstrip('.')}: {text}", "write what JSON can hold")
    unknown = set(metadata) - _METADATA
    if unknown:
        least = min(map(str, unknown))
        raise wrong(f"metadata has no {_shown(least)}", like(least, _METADATA, has="it has"))
    try:
        return msgspec.convert(
            {
                "kind": kind,
                "name": metadata.get("name"),
                "tenant": metadata.get("tenant"),
                **{field: metadata[key] for key, field in _CLEARED.items() if key in metadata},
                "spec": spec,
                "where": where,
            },
            Document,
        )
    except msgspec.ValidationError as found:
        said, _, inner = str(found).partition(" - at `$")
        raise wrong(
            f"metadata{inner.rstrip('`').replace('display_name', 'displayName')}: {said[:MAX_TOLD]}",
            "give text; quote numbers and versions",
        ) from None


def _shown(value: Any) -> str:
    """A word that was given, for a refusal: of anything else only what it is, for it may be long, or a secret."""
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
    return "null" if value is None else f"that is {'a list' if isinstance(value, list) else 'no text'}"


def _instead_of(kind: Any) -> str:
    if kind == "Secret":
        return "values of secrets are not written into documents: see `edgeatlas secret create`"
    return like(kind if isinstance(kind, str) else "", APPLICABLE, has="use one of")


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
                raise _Unwanted(f"key {_shown(key)} is given twice", "give it once", key_node.start_mark)
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


def _values(text: str, name: str) -> Iterator[tuple[int, Any]]:
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
        raise _Twice(f"key {_shown(twice)} is given twice")
    return found


def _no_constant(text: str) -> Any:
    raise _NotJson(f"{text} is no number of JSON")

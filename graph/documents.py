"""Declarative documents: what is wanted, as text in any order.

A document is what the Kubernetes API would call a manifest: `kind`, `metadata` and `spec`. Reading one looks nothing
up; that is done when it is applied (graph/applying.py). The text may be hostile: aliases, duplicate keys and deep
nesting are refused.
"""

from __future__ import annotations

from typing import Any

import msgspec

from graph.document_values import MAX_TOLD, like
from graph.entity import ExternalId
from graph.free_values import value_problem
from graph.refusal import InvalidInput, LimitExceeded
from graph.value_words import plain_words
from graph.yaml_values import shown, values_in

MAX_DOCUMENTS = 250_000
MAX_TEXT_BYTES = 64 * 1024 * 1024
MAX_WRONG = 50
"""Bad documents that one refusal names."""
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
    "Profile",
    "Service",
    "Deployment",
    "ScalingPolicy",
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
    for line, value in values_in(text, name):
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
        raise wrong(f"kind {shown(kind)} cannot be applied", _instead_of(kind))
    if value.get("apiVersion", API_VERSION) != API_VERSION:
        raise wrong(f"apiVersion {shown(value['apiVersion'])} is not known", f"write {API_VERSION}")
    extra = set(value) - _DOCUMENT
    if extra:
        least = min(map(str, extra))
        known = like(least, _DOCUMENT, has="put a kind's fields under spec; it has")
        raise wrong(f"a document has no {shown(least)}", known)
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        raise wrong("metadata and spec are mappings", "write kind, metadata and spec")
    problem = value_problem(value)
    if problem is not None:
        inner, text = problem
        raise wrong(f"{inner.lstrip('.')}: {text}", "write what JSON can hold")
    unknown = set(metadata) - _METADATA
    if unknown:
        least = min(map(str, unknown))
        raise wrong(f"metadata has no {shown(least)}", like(least, _METADATA, has="it has"))
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
        field = f"metadata{inner.rstrip('`').replace('display_name', 'displayName')}"
        raise wrong(
            f"{field}: {plain_words(said, path=field)[:MAX_TOLD]}",
            "give text; quote numbers and versions",
        ) from None


def _instead_of(kind: Any) -> str:
    if kind == "Secret":
        return "values of secrets are not written into documents: see `edgeatlas secret create`"
    return like(kind if isinstance(kind, str) else "", APPLICABLE, has="use one of")

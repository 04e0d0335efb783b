"""What must hold of an entity before it is laid into the graph, beside what its own class checks.

Values that JSON holds, types and limits as the fields state them, labels, references and names. A mistake is placed: whoever
gave it learns which field it is and what to do. This runs under the store's lock, for every change, so the whole is
checked before its parts, and what is seldom wrong is placed only when it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from graph.entity import Entity, Field, Kind, Named
from graph.free_values import value_problem
from graph.identifiers import label_key_problem, label_value_problem, name_problem
from graph.refusal import AlreadyExists, InvalidInput, LimitExceeded, NotFound
from graph.spelling import camel, camel_path
from graph.value_words import plain_words
from graph.view import Reader

MAX_LABELS = 64
MAX_TREE_DEPTH = 64
"""Ancestors that an entity of a tree may have: every walk up the tree is this long at most."""

_label_key_problem = lru_cache(maxsize=4_096)(label_key_problem)
_label_value_problem = lru_cache(maxsize=4_096)(label_value_problem)


def called(entity: Entity) -> str:
    """What a message calls an entity: its name, or else its id."""
    return repr(entity.name) if isinstance(entity, Named) else entity.id


def check_known(spec: Kind, given: Iterable[str], *, path: str) -> None:
    """Raises InvalidInput when one of the names is no field of the kind."""
    fields = spec.fields
    for name in given:
        if name not in fields:
            raise InvalidInput(f"a {spec.name} has no {name}", path=f"{path}.{camel(name)}")


def check_complete(spec: Kind, given: Mapping[str, Any], *, path: str) -> None:
    """Raises InvalidInput when a field is missing that an entity of the kind must have."""
    for name in _required(spec.type):
        if name not in given:
            raise InvalidInput(
                f"{camel(name)} of a {spec.name} is missing", remedy="give it", path=f"{path}.{camel(name)}"
            )


@lru_cache(maxsize=256)
def _required(kind: type[Entity]) -> tuple[str, ...]:
    return tuple(field.name for field in kind.SPEC.fields.values() if field.required)


def check_fields(entity: Entity, given: Mapping[str, Any], names: Collection[str], *, path: str) -> None:
    """Raises InvalidInput or LimitExceeded when a value is none of JSON, or none of its field's type and range.

    `names` are those that were given by others, of the values that the entity was made from.
    """
    for name in names:
        value = given[name]
        kind = type(value)
        if (kind is str and value.isascii()) or value is None or kind is bool:
            continue
        found = value_problem(value)
        if found is not None:
            inner, text = found
            raise InvalidInput(text, remedy="give what JSON can hold", path=f"{path}.{camel(name)}" + camel_path(inner))
    # A round trip through plain values is what checks lengths, ranges and types: constructors do not. The whole takes a
    # fifth of the time of its fields one by one, by which alone a mistake is placed.
    try:
        msgspec.convert(msgspec.to_builtins(entity), type(entity))
    except msgspec.ValidationError:
        for name in names:
            _check_field(entity.SPEC, name, given[name], path=path)
    if "labels" in names:
        _check_labels(entity.labels, path=path)
    if "name" in names and isinstance(entity, Named):
        problem = name_problem(entity.name)
        if problem:
            raise InvalidInput(problem, remedy="choose another name", path=f"{path}.name")


def _check_field(spec: Kind, name: str, value: Any, *, path: str) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(value), _types(spec.type)[name])
    except msgspec.ValidationError as problem:
        text, _, inner = str(problem).partition(" - at `$")
        where = f"{path}.{camel(name)}" + camel_path(inner.rstrip("`"))
        raise InvalidInput(
            plain_words(text, path=where), remedy="give a value of the type and range that the field states", path=where
        ) from None


@lru_cache(maxsize=256)
def _types(kind: type[Entity]) -> dict[str, Any]:
    return {info.name: info.type for info in msgspec.structs.fields(kind)}


def _check_labels(labels: Mapping[str, str], *, path: str) -> None:
    if len(labels) > MAX_LABELS:
        raise LimitExceeded(f"an entity has at most {MAX_LABELS} labels, this one {len(labels)}", path=f"{path}.labels")
    for index, (key, value) in enumerate(labels.items()):
        problem, part = _label_key_problem(key), "key"
        if problem is None:
            problem, part = _label_value_problem(value), "value"
        if problem is not None:
            raise InvalidInput(
                problem, remedy="use a label by the Kubernetes rules", path=f"{path}.labels[{index}].{part}"
            )


# Among others


def check_reference(graph: Reader, entity: Entity, field: Field, *, path: str) -> None:
    """Raises NotFound when a reference of the entity leads nowhere or where it may not, InvalidInput when it names
    something twice or the entity itself, LimitExceeded when a tree becomes too deep."""
    given = getattr(entity, field.name)
    if given is None:
        return
    assert field.ref is not None
    kinds = field.ref.kinds
    where = f"{path}.{camel(field.name)}"
    if given == "":
        raise NotFound(" or ".join(kinds), "", path=where)
    targets = field.targets(entity)
    if len(targets) > 1 and len(set(targets)) != len(targets):
        raise InvalidInput("the same id is given twice", remedy="name each once", path=where)
    for target_id in targets:
        target = graph.get(target_id)
        if target is None or target.SPEC.name not in kinds or not _may_refer(entity, target):
            raise NotFound(" or ".join(kinds), target_id, path=where)
        if target_id == entity.id:
            raise InvalidInput(f"a {entity.SPEC.name} cannot refer to itself", path=where)
    if kinds == (entity.SPEC.name,):
        _check_tree(graph, entity, field.name, path=where)


def _may_refer(entity: Entity, target: Entity) -> bool:
    """What is private to a tenant is referred to by that tenant's entities alone: anything else would show it."""
    theirs = getattr(target, "tenant_id", None)
    return theirs is None or getattr(entity, "tenant_id", theirs) == theirs


def _check_tree(graph: Reader, entity: Entity, field_name: str, *, path: str) -> None:
    at: Entity | None = entity
    seen = {entity.id}
    while at is not None:
        parent = getattr(at, field_name)
        if parent in seen:
            raise InvalidInput(f"{entity.SPEC.name} {called(entity)} would be below itself", path=path)
        if parent and len(seen) > MAX_TREE_DEPTH:
            raise LimitExceeded(
                f"a {entity.SPEC.name} has at most {MAX_TREE_DEPTH} others above it",
                remedy="make the tree flatter",
                path=path,
            )
        seen.add(parent)
        at = graph.get(parent) if parent else None


def check_unique(graph: Reader, before: Entity | None, after: Entity, *, path: str) -> None:
    """Raises AlreadyExists when another has the entity's name in its scope, or its external id."""
    if isinstance(after, Named):
        spec = after.SPEC
        scope = spec.scope_of(after)
        holder = graph.find(spec.name, after.name, scope)
        if holder is not None and holder.id != after.id:
            within = f" in {scope}" if scope else ""
            raise AlreadyExists(
                f"there is a {spec.name} named {after.name!r}{within} already",
                existing_id=holder.id,
                path=f"{path}.name",
            )
    external = after.external
    if external is not None and (before is None or before.external != external):
        holder = graph.find_external(external.system, external.id, getattr(after, "tenant_id", None))
        if holder is not None and holder.id != after.id:
            raise AlreadyExists(
                f"{external.system} {external.id!r} is {holder.SPEC.name} {holder.id} already",
                existing_id=holder.id,
                path=f"{path}.external",
            )

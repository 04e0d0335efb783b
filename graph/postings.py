"""What the indexes have of an entity, and the lists of ids that they are made of.

This runs three times for each change of a commit, within the store's lock, so it is written for speed: plain loops and
lists, no generator, no call that can be spared.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

from graph.entity import Entity, ExternalId, Kind, Source


def index_text(value: object) -> str:
    """An indexed field's value as the text that it is looked up by: an enum's name, `true`, a number's digits."""
    if type(value) is str:
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    # An enum's own attribute: `name` is a descriptor, which takes longer than all the rest here.
    name = getattr(value, "_name_", None)
    return name if isinstance(name, str) else str(value)


def entries(kind: Kind, entity: Entity) -> list[tuple[str, str]]:
    """The (field, value) pairs under which an entity is found."""
    found: list[tuple[str, str]] = []
    for field in kind.refs:
        name = field.name
        target = getattr(entity, name)
        if not target:
            continue
        if type(target) is str:
            found.append((name, target))
        else:
            found.extend((name, one) for one in target)
    for field in kind.indexed:
        value = getattr(entity, field.name)
        if value is not None and value != "":
            found.append((field.name, index_text(value)))
    for key, text in entity.labels.items():
        name = f"label:{key}"
        found.append((name, ""))
        if text:
            found.append((name, text))
    found.append(("source", _source_text(entity.source)))
    return found


def moved(
    kind: Kind, before: Entity | None, after: Entity | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The pairs under which an entity is no longer found, and those under which it is found now, each once.

    As the differences of `entries`, without making those of the fields that stay as they are: most changes leave all.
    """
    if before is None:
        return [], but(entries(kind, after), []) if after is not None else []
    if after is None:
        return but(entries(kind, before), []), []
    left: list[tuple[str, str]] = []
    come: list[tuple[str, str]] = []
    values, fields = _found_by(type(after))
    old, new = values(before), values(after)
    if old != new:
        for field, one, other in zip(fields, old, new, strict=True):
            if one != other:
                gone, made = _entries_of(field, one), _entries_of(field, other)
                left += but(gone, made)
                come += but(made, gone)
    return left, come


@lru_cache(maxsize=256)
def _found_by(kind: type[Entity]) -> tuple[Callable[[Entity], tuple[Any, ...]], tuple[str, ...]]:
    spec = kind.SPEC
    fields = (*(field.name for field in (*spec.refs, *spec.indexed)), "labels", "source")
    return attrgetter(*fields), fields


def _entries_of(field: str, value: Any) -> list[tuple[str, str]]:
    """The pairs of one field."""
    if value is None or value == "":
        return []
    if field == "labels":
        return [(f"label:{key}", one) for key, text in value.items() for one in ({"": None, text: None})]
    if field == "source":
        return [(field, _source_text(value))]
    if type(value) is list or type(value) is dict:
        return [(field, one) for one in value]
    return [(field, index_text(value))]


def _source_text(source: Source) -> str:
    return f"{source.kind._name_}:{source.name}"


def external_key(entity: Entity, external: ExternalId) -> tuple[str, str, str]:
    """Under what an external id is unique: its tenant, lest one tenant's import meet another's, and its system."""
    return getattr(entity, "tenant_id", None) or "", external.system, external.id


def but(some: list[tuple[str, str]], others: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of some that are not among the others, each once."""
    if not others:
        return list(dict.fromkeys(some))
    if some == others:
        return []
    among = set(others)
    return [one for one in dict.fromkeys(some) if one not in among]


def insert(ids: list[str], entity_id: str) -> None:
    """Adds an id to an ascending list."""
    if not ids or entity_id > ids[-1]:  # what is new has the latest id
        ids.append(entity_id)
    else:
        insort(ids, entity_id)


def remove(ids: list[str], entity_id: str) -> None:
    """Takes an id out of an ascending list, if it is there."""
    at = bisect_left(ids, entity_id)
    if at < len(ids) and ids[at] == entity_id:
        del ids[at]

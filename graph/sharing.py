"""What many entities say alike is held once.

Each entity that is read from a store comes with texts and values of its own: a hundred thousand releases with as many copies
of their tenant's id, of the few amounts that are asked for, and of lists with nothing in them. That is over half of what a
graph takes in memory. Values are immutable, so that nobody can tell one copy from another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from graph.entity import Entity, Field, Kind, Source
from graph.kinds.scheduling import Scheduling
from graph.values import Resources

MOST_KEPT = 4_096
"""Values of each sort that are kept to be shared; then they are forgotten, and kept anew."""
LONGEST_BYTES = 1_024
"""As JSON, of a value that is worth a look whether it is known."""

Share = Callable[[Any], Any]

_encode = msgspec.json.Encoder().encode
_shares: dict[str, list[tuple[str, Share]]] = {}


class _Known:
    """Structs of one type by what they say."""

    def __init__(self) -> None:
        self._values: dict[bytes, Any] = {}

    def shared(self, value: Any) -> Any:
        """The first that said the same."""
        body = _encode(value)
        if len(body) > LONGEST_BYTES:
            return value
        if len(self._values) >= MOST_KEPT:
            self._values.clear()
        return self._values.setdefault(body, value)


def share(entity: Entity) -> None:
    """Has an entity that was just read share what others say too. It is still nobody else's: it is changed in its place."""
    kind = entity.SPEC
    shares = _shares.get(kind.name)
    if shares is None:
        shares = _shares[kind.name] = _shares_of(kind)
    for name, shared in shares:
        value = getattr(entity, name)
        if value is not None:
            other = shared(value)
            if other is not value:
                force_setattr(entity, name, other)


def _shares_of(kind: Kind) -> list[tuple[str, Share]]:
    return [(one.name, how) for one in kind.fields.values() if (how := _how(one)) is not None]


def _how(field: Field) -> Share | None:
    """How the values of a field are shared, if they are: ids, the structs of which many are alike, and empty collections."""
    kinds = [one for one in msgspec.inspect.multi_type_info([field.type]) for one in _without_none(one)]
    if len(kinds) != 1:
        return None
    (found,) = kinds
    if isinstance(found, msgspec.inspect.StrType):
        return sys.intern if field.ref is not None else None
    if isinstance(found, msgspec.inspect.ListType):
        return _list
    if isinstance(found, msgspec.inspect.DictType):
        return _counts_by_id if field.ref is not None else _dict
    if isinstance(found, msgspec.inspect.StructType) and found.cls in SHARED:
        return _Known().shared
    return None


SHARED = frozenset({Source, Resources, Scheduling})
"""Structs that many entities have the same of."""
_NO_LIST: list[Any] = []
_NO_DICT: dict[Any, Any] = {}


def _list(value: list[Any]) -> list[Any]:
    return value or _NO_LIST


def _dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return value or _NO_DICT


def _counts_by_id(value: dict[str, Any]) -> dict[str, Any]:
    return {sys.intern(one): count for one, count in value.items()} if value else _NO_DICT


def _without_none(info: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    if isinstance(info, msgspec.inspect.Metadata):
        return _without_none(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        return [one for one in info.types if not isinstance(one, msgspec.inspect.NoneType)]
    return [info]

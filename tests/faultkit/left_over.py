"""What a process still names though it is gone, and how many objects of its own classes it has: counted, and so exact.

Bytes tell of everything, but not exactly: a table that was once large stays so when it is empty. Most of what a process may
forget to let go of is kept under an id, or in an object of one of its own classes. Of both there are as many at rest as
there were at rest before, however much has come and gone meanwhile.
"""

from __future__ import annotations

import gc
import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from graph.identifiers import CROCKFORD
from graph.view import Reader

_ID = re.compile(f"[a-z]+_[{CROCKFORD}]{{26}}")
_DEEP = 6
"""Containers within containers."""


def own_objects(packages: Sequence[str]) -> list[Any]:
    """The instances of classes of some packages that there are."""
    inside = tuple(f"{one}." for one in packages)
    return [one for one in gc.get_objects() if str(getattr(type(one), "__module__", "")).startswith(inside)]


def names_of_gone(reader: Reader, objects: Collection[Any]) -> list[str]:
    """Each id of what is not in the graph any more in a container of one of the objects, and whose attribute that is."""
    return [
        f"{type(one).__qualname__}.{name}: {found}"
        for one in objects
        if not isinstance(one, msgspec.Struct | type)
        for name, value in _attributes(one)
        for found in _ids(value)
        if reader.get(found) is None
    ]


def _attributes(thing: object) -> Iterator[tuple[str, object]]:
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(thing, name):
                yield name, getattr(thing, name)


def _ids(value: object, deep: int = _DEEP) -> Iterator[str]:
    if isinstance(value, str):
        yield from (one for one in value.split() if _ID.fullmatch(one))
    elif deep:
        parts: Collection[object] = ()
        if isinstance(value, dict):
            parts = (*value.keys(), *value.values())
        elif isinstance(value, list | tuple | set | frozenset | deque):
            parts = tuple(value)
        elif isinstance(value, msgspec.Struct):
            parts = [getattr(value, name) for name in value.__struct_fields__]
        for one in parts:
            yield from _ids(one, deep - 1)

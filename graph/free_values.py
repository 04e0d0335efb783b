"""What a value may be made of at all, whatever its field says: what every store and every reader of JSON takes.

Documents and inputs bring in values that Python holds and JSON does not: infinities, numbers of a thousand digits, half of a
surrogate pair, lists in lists a thousand deep. Such a value would be accepted, kept as something else (an infinity as
null), and then break whoever reads it: the next start, or every answer that holds it. So it is refused when it comes in.
"""

from __future__ import annotations

import enum
import math
from typing import Any

import msgspec

MAX_DEPTH = 32
"""How deep values may lie in each other; encoders end at some 250, and call stacks not far from there."""
MAX_INTEGER = 2**63 - 1


def value_problem(value: Any, *, depth: int = 0) -> tuple[str, str] | None:
    """Where in `value` there is something that cannot be kept (`.a[1]`, empty for itself) and why; None when there is not.

    Takes plain values, enums and structs.
    """
    kind = type(value)
    if value is None or kind is bool:
        return None
    if kind is str:
        return None if _is_text(value) else ("", "half of a surrogate pair is no text")
    if kind is int:
        return None if -MAX_INTEGER <= value <= MAX_INTEGER else ("", "a whole number has at most 64 bits")
    if kind is float:
        return None if math.isfinite(value) else ("", "a number is finite")
    if isinstance(value, enum.Enum):
        return None
    if depth >= MAX_DEPTH:
        return "", f"values lie at most {MAX_DEPTH} deep in each other"
    if kind is list:
        return _in_list(value, depth)
    if kind is dict:
        return _in_mapping(value, depth)
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            found = value_problem(getattr(value, name), depth=depth + 1)
            if found is not None:
                return f".{name}{found[0]}", found[1]
        return None
    return "", f"a value of type {kind.__name__} is none of JSON"


def _in_list(value: list[Any], depth: int) -> tuple[str, str] | None:
    for at, one in enumerate(value):
        found = value_problem(one, depth=depth + 1)
        if found is not None:
            return f"[{at}]{found[0]}", found[1]
    return None


def _in_mapping(value: dict[Any, Any], depth: int) -> tuple[str, str] | None:
    for key, one in value.items():
        if type(key) is not str or not _is_text(key):
            return "", f"the key {key!a} is no text"
        found = value_problem(one, depth=depth + 1)
        if found is not None:
            return f".{key}{found[0]}", found[1]
    return None


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True

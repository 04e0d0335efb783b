"""Identifiers and names: made in one place, so that every id sorts by the time of its making.

An id is its kind's prefix and a ULID (48 bits of UTC milliseconds, 80 bits of randomness, Crockford base 32; the
ULID specification's monotonic variant). Lists that are ordered by id are therefore ordered by creation, which keyset
pages and the filed records rely on; nothing else may be read out of an id.
"""

from __future__ import annotations

import os
import re
import threading
import time
import unicodedata

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_BITS = 48
_RANDOM_BITS = 80
_RANDOM_BYTES = _RANDOM_BITS // 8
_DRAWN_BYTES = 128 * _RANDOM_BYTES
"""Randomness is drawn from the system for so many identifiers at once: a call for each is half of what one costs."""
_PAIRS = [a + b for a in CROCKFORD for b in CROCKFORD]
NAME_MAX_LENGTH = 253
# No control characters, no separators that would make a name look like a path, a query or two names.
_NAME = re.compile(r"^[^\x00-\x1f\x7f\u0085\u2028\u2029/\\]{1,253}$")
_LABEL_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
_LABEL_PREFIX = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")


class UlidSource:
    """Makes ULIDs that rise strictly within a process, whatever its clock does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._drawn = b""

    def begin_anew(self) -> None:
        """A process that was forked draws randomness of its own."""
        self._lock = threading.Lock()
        self._drawn = b""

    def make(self, *, at_ms: int | None = None) -> str:
        """A new 26-character ULID; `at_ms` is UTC milliseconds, the system clock's when not given.

        Raises ValueError for a time that 48 bits do not hold: all later identifiers would have to follow it.
        """
        stamp = int(time.time() * 1000) if at_ms is None else at_ms
        if stamp >> _TIME_BITS:
            raise ValueError(f"{stamp} ms is no time that an identifier can have: it has 48 bits")
        with self._lock:
            drawn = self._drawn or os.urandom(_DRAWN_BYTES)
            self._drawn = drawn[_RANDOM_BYTES:]
            value = stamp << _RANDOM_BITS | int.from_bytes(drawn[:_RANDOM_BYTES], "big")
            if value <= self._last:
                value = self._last + 1
            self._last = value
        high, low = value >> 60, value & (1 << 60) - 1
        pairs = _PAIRS
        return (
            f"{pairs[high >> 60]}{pairs[high >> 50 & 1023]}{pairs[high >> 40 & 1023]}{pairs[high >> 30 & 1023]}"
            f"{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{pairs[low >> 50]}"
            f"{pairs[low >> 40 & 1023]}{pairs[low >> 30 & 1023]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}"
            f"{pairs[low & 1023]}"
        )


_source = UlidSource()
os.register_at_fork(after_in_child=lambda: _source.begin_anew())


def new_ulid(*, at_ms: int | None = None) -> str:
    """A ULID from the process's own source."""
    return _source.make(at_ms=at_ms)


def new_id(prefix: str, *, at_ms: int | None = None) -> str:
    """An entity's id: `site_01J…`."""
    return f"{prefix}_{_source.make(at_ms=at_ms)}"


def name_problem(name: str) -> str | None:
    """Why `name` cannot be an entity's name, or None when it can: 1-253 characters, any script, no slash, no control."""
    if not name:
        return "a name has at least one character"
    if len(name) > NAME_MAX_LENGTH:
        return f"a name has at most {NAME_MAX_LENGTH} characters, this one has {len(name)}"
    if name != name.strip():
        return "a name neither begins nor ends with white space"
    if not name.isascii() and any(unicodedata.category(one) in ("Cc", "Cs") for one in name):
        return "a name has no control characters"
    if not _NAME.fullmatch(name):
        return "a name has no control characters and no slashes"
    return None


def label_key_problem(key: str) -> str | None:
    """Why `key` is no label key by the Kubernetes rules (an optional DNS prefix, a slash, at most 63 characters)."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > NAME_MAX_LENGTH or not _LABEL_PREFIX.fullmatch(prefix)):
        return "the part before the slash is a DNS subdomain of at most 253 characters"
    if not _LABEL_NAME.fullmatch(name):
        return "a label key has 1-63 characters of A-Z a-z 0-9 . _ - and begins and ends with a letter or digit"
    return None


def label_value_problem(value: str) -> str | None:
    """Why `value` is no label value by the Kubernetes rules (empty, or as a key's last part)."""
    if value and not _LABEL_NAME.fullmatch(value):
        return "a label value is empty or has 1-63 characters of A-Z a-z 0-9 . _ - between letters or digits"
    return None

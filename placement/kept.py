"""What was worked out of values that are replaced and never changed, kept for the next decision within a number of bytes.

Columns, readers' lists and networks are compared by identity: an equal one that was made anew is another. What holds a key
holds its objects, so that no other object can come to have their identity.

All that one projection keeps is on one shelf, where what was used longest ago makes room. How much is kept decides how often
something is worked out again, and never what is decided. Deciding threads keep what they searched for beside the thread that
makes problems, so the shelf has a lock, which nobody holds while something is worked out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

T = TypeVar("T")
_FEW = 32
"""Parts of a tuple that is looked into for arrays: one of so many sites has none."""
_BY_VALUE = (str, int, float, frozenset, tuple, type(None))

MOST_BYTES = 256 << 20
"""What is kept for one projection at most, bytes."""
ENTRY_BYTES = 1_024
"""What an entry counts for beside its arrays: the objects around them."""


class Owner(Protocol):
    """Who looks for what is on a shelf."""

    def forgotten(self, entry: Entry) -> None:
        """It is no longer kept. Called under the shelf's lock."""


class Entry:
    """One thing that is kept: `value`, found by its owner under `key`."""

    __slots__ = ("arrays", "kept", "key", "owner", "size", "value")

    def __init__(self, owner: Owner, key: Any, value: Any, *, arrays: Sequence[np.ndarray[Any, Any]] = ()) -> None:
        """arrays: all that it holds, but for those of a value that grows: that has its own `nbytes`."""
        self.owner, self.key, self.value, self.arrays = owner, key, value, arrays
        self.size = 0
        """Bytes of a value that grows, as far as they were told."""
        self.kept = False


class Shelf:
    """Entries in the order in which they were last used, within a number of bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.lock = threading.RLock()
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self._holders: dict[int, int] = {}
        """Of each array, by identity, how many times entries hold it: it takes its bytes once."""
        self._growing: dict[int, Entry] = {}
        """Those whose value grows, by its identity."""
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays that are kept, each once, and `ENTRY_BYTES` for each entry."""
        return self._nbytes

    def put(self, entry: Entry) -> None:
        """Keeps an entry as the one that was used last. What is larger than the whole shelf is not kept."""
        with self.lock:
            entry.kept = True
            self._entries[entry] = None
            self._nbytes += ENTRY_BYTES
            for one in entry.arrays:
                held = self._holders.get(id(one), 0)
                self._holders[id(one)] = held + 1
                if not held:
                    self._nbytes += one.nbytes
            if hasattr(type(entry.value), "nbytes_held"):
                self._growing[id(entry.value)] = entry
                self._measure(entry)
            self._make_room(entry)

    def use(self, entry: Entry) -> None:
        """Notes that it was just used."""
        with self.lock:
            if entry.kept:
                self._entries.move_to_end(entry)

    def grew(self, value: object) -> None:
        """A value whose `nbytes_held` grows, and which may be kept, holds more now."""
        with self.lock:
            entry = self._growing.get(id(value))
            if entry is not None:
                self._measure(entry)
                self._make_room(entry)

    def drop(self, entry: Entry) -> None:
        """Keeps it no longer; its owner is not told."""
        with self.lock:
            if not entry.kept:
                return
            entry.kept = False
            del self._entries[entry]
            self._nbytes -= ENTRY_BYTES + entry.size
            entry.size = 0
            self._growing.pop(id(entry.value), None)
            for one in entry.arrays:
                held = self._holders.pop(id(one)) - 1
                if held:
                    self._holders[id(one)] = held
                else:
                    self._nbytes -= one.nbytes

    def _measure(self, entry: Entry) -> None:
        size: int = entry.value.nbytes_held
        self._nbytes += size - entry.size
        entry.size = size

    def clear(self) -> None:
        """Keeps nothing of what there is."""
        with self.lock:
            while self._entries:
                self._forget(next(iter(self._entries)))

    def _make_room(self, last: Entry) -> None:
        """After one was put there, or grew: what does not fit even alone makes nothing else go."""
        if self._nbytes > self.most_bytes:
            alone = ENTRY_BYTES + last.size + sum(one.nbytes for one in {id(one): one for one in last.arrays}.values())
            if alone > self.most_bytes:
                self._forget(last)
        while self._nbytes > self.most_bytes:
            self._forget(next(iter(self._entries)))

    def _forget(self, entry: Entry) -> None:
        self.drop(entry)
        entry.owner.forgotten(entry)


class Kept:
    """The newest results of one function, by what it was made of."""

    def __init__(self, shelf: Shelf, *, most: int = 16) -> None:
        """most: how many there are at most, whatever they take."""
        self._shelf, self._most = shelf, most
        self._found: dict[int, Entry] = {}
        """By hash of the key: that of hundreds of places takes longer than all else."""

    def get(self, made_of: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives for these; strings, numbers, tuples and frozen sets count by value, others by identity."""
        key = tuple([one if isinstance(one, _BY_VALUE) else id(one) for one in made_of])
        shelf, mark = self._shelf, hash(key)
        with shelf.lock:
            entry = self._found.get(mark)
            if entry is not None and entry.key[1] == key:
                self._found[mark] = self._found.pop(mark)
                shelf.use(entry)
                found: T = entry.value
                return found
        made = make()
        # The entry holds what the key is the identity of.
        entry = Entry(self, (mark, key, made_of), made, arrays=tuple(_arrays((made_of, made))))
        with shelf.lock:
            before = self._found.pop(mark, None)
            if before is not None:
                shelf.drop(before)
            while len(self._found) >= self._most:
                shelf.drop(self._found.pop(next(iter(self._found))))
            self._found[mark] = entry
            shelf.put(entry)
        return made

    def forgotten(self, entry: Entry) -> None:
        """It had to make room."""
        self._found.pop(entry.key[0], None)


def _arrays(value: object, *, deep: int = 3) -> Iterator[np.ndarray[Any, Any]]:
    """The arrays in a value: itself, in a tuple, or in the fields of a data class; none of one that tells what it holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif deep and not hasattr(type(value), "nbytes_held"):
        parts: Iterable[object] = ()
        if isinstance(value, tuple) and len(value) <= _FEW:
            parts = value
        elif is_dataclass(value) and not isinstance(value, type):
            parts = (getattr(value, one.name) for one in fields(value))
        for one in parts:
            yield from _arrays(one, deep=deep - 1)

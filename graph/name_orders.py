"""Entries of an index ordered by name: what makes a filtered page cost what the page costs.

Postings are ordered by id, lists are shown by name. Ordering 4,500 candidates anew for each page took 25 ms, for which
everybody else waited. So an entry that was asked for in that order is kept in it, and brought along by each change of its
members with one bisection; entries that nobody asked for cost a commit nothing. What is kept is bounded: the entries that
were not asked for longest go first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Sequence

MOST_ENTRIES = 4_096
MOST_IDS = 500_000
"""Ids that all kept entries have together; 8 bytes each."""
FEW = 8
"""Entries of so many ids are ordered anew each time."""

Key = tuple[str, str, str]
"""An index entry's address: kind, field, value."""
NameKey = Callable[[str], tuple[str, str]]
"""The name and id of an entity, by its id."""


class NameOrders:
    """The entries of one view's index that are kept in the order of names."""

    def __init__(self, *, most_entries: int = MOST_ENTRIES, most_ids: int = MOST_IDS) -> None:
        self._kept: OrderedDict[Key, list[str]] = OrderedDict()
        self._ids = 0
        self._most_entries = most_entries
        self._most_ids = most_ids

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, entry: Key, ids: Sequence[str], *, everybody: Sequence[str], name_key: NameKey) -> Sequence[str]:
        """The ids of an entry ordered by name, then id; `everybody` is the kind in that order.

        Kept from then on, so not to be changed, nor to be held across a commit. O(1) when it is kept.
        """
        kept = self._kept.get(entry)
        if kept is not None:
            self._kept.move_to_end(entry)
            return kept
        # To leave the others out of the kind's own order is cheaper than to sort what is a large part of it.
        if len(ids) * 12 > len(everybody):
            among = frozenset(ids)
            ordered = [one for one in everybody if one in among]
        else:
            ordered = sorted(ids, key=name_key)
        if FEW < len(ordered) <= self._most_ids:
            self._kept[entry] = ordered
            self._ids += len(ordered)
            while self._ids > self._most_ids or len(self._kept) > self._most_entries:
                self._ids -= len(self._kept.popitem(last=False)[1])
        return ordered

    def leave(self, entry: Key, entity_id: str, *, name_key: NameKey) -> None:
        """An entity is about to leave an entry, or to be renamed in it: `name_key` still knows it as it was."""
        ids = self._kept.get(entry)
        if ids is None:
            return
        del ids[bisect_left(ids, name_key(entity_id), key=name_key)]
        self._ids -= 1
        if not ids:
            del self._kept[entry]

    def join(self, entry: Key, entity_id: str, *, name_key: NameKey) -> None:
        """An entity has come to an entry: `name_key` knows it as it is."""
        ids = self._kept.get(entry)
        if ids is not None:
            insort(ids, entity_id, key=name_key)
            self._ids += 1

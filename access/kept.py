"""What is worked out of the view for a set of permissions, kept for as long as it holds.

Which entities of a kind a viewer sees changes only when one comes, goes or is renamed: seldom, beside the thousands of
changes of status in between. So the lists that take a walk over a kind (which positions are hidden, a tenant's own by name)
are kept for all viewers with the same permissions and thrown away when the kind's list itself has changed. Without this a
page of a tenant's deployments would sort all of them each time.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from graph.change import Commit
from graph.entity import Named
from graph.filing import is_filed
from graph.view import View

T = TypeVar("T")
KEPT = 512
"""Lists that are kept for one view; of those, the longest unused go first."""


class KeptLists:
    """A follower of one view that holds what was worked out of it."""

    def __init__(self) -> None:
        self._lists: OrderedDict[tuple[str, Hashable], tuple[int, Any]] = OrderedDict()
        self._versions: dict[str, int] = {}

    def get(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for a kind under a key; made anew when entities of the kind came, went or were renamed."""
        version = self._versions.get(kind, 0)
        found = self._lists.get((kind, key))
        if found is not None and found[0] == version:
            self._lists.move_to_end((kind, key))
            return cast(T, found[1])
        value = make()
        self._lists[kind, key] = (version, value)
        self._lists.move_to_end((kind, key))
        while len(self._lists) > KEPT:
            self._lists.popitem(last=False)
        return value

    def applied(self, commit: Commit) -> None:
        """A commit was applied: the kinds whose lists it changed have a new version."""
        for change in commit.changes:
            before, after = change.before, change.after
            if before is None or after is None or is_filed(after) or _renamed(before, after):
                self._versions[change.kind] = self._versions.get(change.kind, 0) + 1

    def reloaded(self) -> None:
        """The view was loaded anew: nothing holds any more."""
        self._lists.clear()


_kept: weakref.WeakKeyDictionary[View, KeptLists] = weakref.WeakKeyDictionary()


def kept_of(view: View) -> KeptLists:
    """The lists that are kept for a view; it follows the view from the first time on."""
    found = _kept.get(view)
    if found is None:
        found = _kept[view] = KeptLists()
        view.follow(found)
    return found


def _renamed(before: object, after: object) -> bool:
    return isinstance(before, Named) and isinstance(after, Named) and before.name != after.name

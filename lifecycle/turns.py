"""Looking again at all entities of a kind, a few at a time.

Who follows changes looks only at what they name. That nothing was missed, because a rule of what a change concerns was too
narrow, shows only when everything is looked at again once in a while; in turn, so that it costs the same however many there
are.
"""

from __future__ import annotations

from bisect import bisect_right

from graph.view import Reader


class Turn:
    """Where one stands among the ids of a kind."""

    def __init__(self, reader: Reader, kind: str) -> None:
        self._reader = reader
        self._kind = kind
        self._last = ""

    def take(self, most: int) -> list[str]:
        """The next ids, at most so many, ascending; after the last it begins anew."""
        ids = self._reader.ids(self._kind)
        at = bisect_right(ids, self._last)
        found = list(ids[at : at + most])
        self._last = found[-1] if found and at + most < len(ids) else ""
        return found

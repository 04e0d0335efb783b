"""Names that begin so, whatever the case, found in the order by name.

A field of a page that completes what is typed asks for a beginning at every key, and walking 90,000 names for it kept
everybody else waiting for 40 ms. The order by name knows case, so the names that begin so lie in several stretches of it,
one for each way of writing the beginning that there is: they are looked for character by character, each in all its ways.

Case is what Unicode's full case folding takes away (The Unicode Standard, 3.13, D145), by which `Straße` begins with
`STRASS`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from functools import cache

from graph.conditions import EVERYTHING, Narrowing
from graph.entity import Entity
from graph.view import Reader

MAX_STRETCHES = 64
"""Beyond so many stretches no index narrows it."""
_LAST_CASED = 0x1E943
"""The last character of Unicode that folding changes or makes: the small letters of Adlam end there."""


class NameBegins:
    """The name begins so, whatever the case; answered from the order by name."""

    __slots__ = ("folded",)

    def __init__(self, beginning: str) -> None:
        self.folded = beginning.casefold()

    def holds(self, entity: Entity) -> bool:
        """Whether its name begins so."""
        return str(getattr(entity, "name", "")).casefold().startswith(self.folded)

    def candidates(self, reader: Reader, kind: str) -> Sequence[str] | None:
        """Those whose names begin so; None when they are written in too many ways."""
        stretches = self._stretches(reader, kind)
        if stretches is None:
            return None
        ids = reader.ids_by_name(kind)
        return sorted(one for begin, end in stretches for one in ids[begin:end])

    def narrowing(self, reader: Reader, kind: str) -> Narrowing | None:
        """The stretches of the order by name."""
        stretches = self._stretches(reader, kind)
        if stretches is None:
            return None
        return Narrowing(EVERYTHING, stretches=stretches)

    def _stretches(self, reader: Reader, kind: str) -> list[tuple[int, int]] | None:
        """Where the names are that begin so, ascending: one character after the other, each in all its ways."""
        ids = reader.ids_by_name(kind)
        if not self.folded:
            return [(0, len(ids))]

        def name(at: int) -> str:
            return str(getattr(reader.get(ids[at]), "name", ""))

        found: list[tuple[int, int]] = []
        waiting = [(0, len(ids), 0, self.folded)] if ids else []
        while waiting:
            begin, end, depth, left = waiting.pop()
            first, last = name(begin)[depth : depth + 1], name(end - 1)[depth : depth + 1]
            for character, folded in _ways(left[0]):
                if not first <= character <= last or not (left.startswith(folded) or folded.startswith(left)):
                    continue
                at, until = begin, end
                if first != last:

                    def here(one: str, depth: int = depth) -> str:
                        return str(getattr(reader.get(one), "name", ""))[depth : depth + 1]

                    at = bisect_left(ids, character, begin, end, key=here)
                    until = bisect_right(ids, character, at, end, key=here)
                if at < until and len(folded) >= len(left):
                    found.append((at, until))
                elif at < until:
                    waiting.append((at, until, depth + 1, left[len(folded) :]))
            if len(waiting) + len(found) > MAX_STRETCHES:
                return None
        return sorted(found)


def _ways(folded: str) -> Sequence[tuple[str, str]]:
    """The characters whose folding begins with a folded character, each with its folding."""
    return (*_unfolded().get(folded, ()), (folded, folded))


@cache
def _unfolded() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """The characters that folding changes, by the first character of what they become."""
    ways: dict[str, tuple[tuple[str, str], ...]] = {}
    for code in range(_LAST_CASED + 1):
        character = chr(code)
        folded = character.casefold()
        if folded != character:
            ways[folded[0]] = (*ways.get(folded[0], ()), (character, folded))
    return ways

"""The changes that wait to be written, and which of them share the next transaction.

While ten thousand releases converge, the system's own changes (claims, results, what observers see) fill every transaction,
and a transaction takes as long as what is in it. What somebody waits for is therefore written first and by itself; then
comes a transaction with both, so that neither starves the other: a request waits for one mixed transaction at most, and
the system's own work for one other.
"""

from __future__ import annotations

from collections import deque

from graph.drafts import Draft


class DraftQueue:
    """Drafts in the order in which they came, those that somebody waits for apart from the others."""

    def __init__(self, *, group_size: int) -> None:
        """`group_size`: the most that share a transaction."""
        self._group_size = group_size
        self._asked: deque[Draft] = deque()
        self._background: deque[Draft] = deque()
        self._passed_over = False
        """Whether the last transaction left the system's own changes waiting."""

    def __len__(self) -> int:
        return len(self._asked) + len(self._background)

    @property
    def asked(self) -> bool:
        """Whether somebody waits for one of them."""
        return bool(self._asked)

    def put(self, draft: Draft) -> None:
        """Has a draft wait for its turn."""
        (self._background if draft.request.background else self._asked).append(draft)

    def take(self) -> list[Draft]:
        """What shares the next transaction; nothing when nothing waits."""
        self._passed_over = bool(self._asked) and bool(self._background) and not self._passed_over
        background = 0 if self._passed_over else min(len(self._background), self._group_size)
        # Neither of the two takes more than half of what both want.
        asked = min(len(self._asked), self._group_size - min(background, max(1, self._group_size // 2)))
        background = min(background, self._group_size - asked)
        return [
            *(self._asked.popleft() for _ in range(asked)),
            *(self._background.popleft() for _ in range(background)),
        ]

    def drained(self) -> list[Draft]:
        """All that waits, which waits no longer."""
        drafts = [*self._asked, *self._background]
        self._asked.clear()
        self._background.clear()
        return drafts

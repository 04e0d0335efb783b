"""How long the system's own changes are held back for one that somebody is about to make.

A change that is asked for is first decided, in a thread, and then committed. Meanwhile the system's own work would keep the
interpreter busy, so that deciding takes several times as long, and would have the next transaction under way when the
change comes, which then waits for the end of it. So the writer stands still for the moment that deciding takes. The moment
is short, for some decisions take seconds; and after it the system's own changes are not held back again for as long as it
took, so that requests that come one after another leave them at least half of the time.
"""

from __future__ import annotations

HOLD_S = 0.020
"""The longest moment: most decisions take a few milliseconds."""


class Courtesy:
    """Whether the system's own changes are held back. Times are of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._coming = 0
        self._since: float | None = None
        """Since when they are held back."""
        self._not_before = float("-inf")
        """When they may be held back again."""

    def begins(self, *, now: float) -> None:
        """A change is made ready that somebody waits for."""
        self._coming += 1
        self._let_go(now)
        if self._since is None and now >= self._not_before:
            self._since = now

    def ends(self, *, now: float) -> None:
        """It is ready, or will not be. Each of these follows a `begins`."""
        self._coming -= 1
        self._let_go(now)

    def left_s(self, *, now: float) -> float:
        """For how long they are still held back at most: 0 when they are not."""
        self._let_go(now)
        return 0.0 if self._since is None else self._since + HOLD_S - now

    def _let_go(self, now: float) -> None:
        since = self._since
        if since is not None and (not self._coming or now >= since + HOLD_S):
            until = min(now, since + HOLD_S)
            self._since, self._not_before = None, until + (until - since)

"""What is still to do: the releases of which a backend does not have what is wanted, and since when.

Kept from commits, for whoever watches over an installation; nothing decides by it. A release that was given up or waits for
its site counts as well: that nothing is done for it is not that there is nothing to do.
"""

from __future__ import annotations

from graph.change import Commit
from graph.kinds import Release
from graph.view import View, each


class Backlog:
    """A `Follower` of the view."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._since: dict[str, int] = {}
        """UTC milliseconds by release."""
        self.reloaded()

    def __len__(self) -> int:
        return len(self._since)

    def oldest_s(self, *, now_ms: int) -> float:
        """How long the oldest has been waiting, in seconds; 0 when there is nothing to do."""
        return max(0.0, (now_ms - min(self._since.values())) / 1000) if self._since else 0.0

    def applied(self, commit: Commit) -> None:
        """Notes what came to be behind, and what no longer is."""
        for change in commit.changes:
            if change.kind != "Release":
                continue
            after = change.after
            if not isinstance(after, Release) or not _is_behind(after):
                self._since.pop(change.id, None)
            else:
                self._since.setdefault(change.id, commit.at)

    def reloaded(self) -> None:
        """Begins anew; what is behind is so since its last change at the latest."""
        self._since = {one.id: one.updated_at for one in each(self._view, Release) if _is_behind(one)}


def _is_behind(release: Release) -> bool:
    return not release.wanted or release.applied_generation < release.generation

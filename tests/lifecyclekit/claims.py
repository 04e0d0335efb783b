"""Calls of drivers held against claims: each call is to have a committed claim of its own, also when the store goes.

What a store's absence proves depends on how much is left to do when it goes: who has begun all calls by then can make none
without a claim. So it is counted what was left, what was claimed of that, and what was begun of it meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.port import ReleaseWork, RemovalWork
from graph.kinds import Release, ReleasePhase
from graph.view import Reader, each

CLAIMED = (ReleasePhase.APPLYING, ReleasePhase.REMOVING)


@dataclass
class Absence:
    """What was done from the moment at which the store went."""

    left: int
    """Calls of the change that had not begun when it went."""
    claimed: int
    """Of these, how many were claimed by then: they may begin."""
    begun: int
    """How many began before it was back."""
    unclaimed: int
    """Calls without a committed claim of their own, since the first one."""

    def check(self, *, least_left: int) -> None:
        """Fails when anything was begun that was not claimed, and when too little was left to show it."""
        assert self.left - self.claimed >= least_left, f"nothing could go wrong: {self}"
        assert self.begun <= self.claimed, f"calls were begun without the store: {self}"
        assert not self.unclaimed, f"calls without a claim of their own: {self}"


class Calls:
    """Every call as it begins, and whether it has a claim in the graph that no call before it had."""

    def __init__(self) -> None:
        self.reader: Reader | None = None
        """The graph, once there is one."""
        self.begun: list[str] = []
        """The object of each call."""
        self.unclaimed: list[str] = []
        self._claims: set[tuple[str, int]] = set()

    def told(self, work: ReleaseWork | RemovalWork) -> None:
        """A call is about to be made."""
        assert self.reader is not None
        self.begun.append(work.name)
        [release] = each(self.reader, Release, "backend_name", work.name)
        if not self._is_open(release) or release.generation < work.generation:
            self.unclaimed.append(work.name)
        self._claims.add((release.id, release.epoch))

    def claimed(self) -> int:
        """How many claims have no call yet."""
        assert self.reader is not None
        return sum(self._is_open(one) for one in each(self.reader, Release))

    def _is_open(self, release: Release) -> bool:
        return release.phase in CLAIMED and (release.id, release.epoch) not in self._claims

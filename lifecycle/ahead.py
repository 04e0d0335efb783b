"""Claims whose call has not begun: the next call begins when one ends, and not when a commit has.

A claim is a commit, and where many processes write one graph it waits for the others' commits. A slot for a call that
stayed empty meanwhile would be lost. So some releases are claimed before there is a slot for them: a few times as many as
calls end while a claim is written, by the pace of both of late, so that a claim waits for a few times as long as it took to
write, however long calls take. Where calls are slow beside the store hardly any is claimed ahead, and none before one ended.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

from lifecycle.settings import LifecycleSettings
from lifecycle.work import Claim

SPARE = 4.0
"""So many times what ends while a claim is written is claimed ahead, for calls end in bunches."""
OF_LATE = 0.125
"""What the newest duration counts for beside those before it."""


class Ahead:
    """Claims that wait for a slot, and the slots. Times are monotonic seconds; not thread-safe."""

    def __init__(self, settings: LifecycleSettings) -> None:
        self._slots = settings.concurrency
        self._slots_per_cluster = settings.concurrency_per_cluster
        self._waiting: dict[str, Claim] = {}
        """By release, in the order in which they came."""
        self._calling = 0
        """Calls that have not ended and are not set aside."""
        self._aside: set[str] = set()
        """The releases of calls that gave their slots back."""
        self._at_cluster: Counter[str] = Counter()
        self._claim_s: float | None = None
        self._call_s: float | None = None

    @property
    def wanted(self) -> int:
        """How many releases are to be claimed beyond those that there are slots for."""
        if not self._claim_s or not self._call_s:
            return 0
        return min(self._slots, math.ceil(SPARE * self._slots * self._claim_s / self._call_s))

    @property
    def aside(self) -> int:
        """How many calls that have not ended gave their slots back."""
        return len(self._aside)

    def put(self, claims: Iterable[Claim], *, took_s: float) -> None:
        """Has claims wait that it took so long to write."""
        self._claim_s = _of_late(self._claim_s, took_s)
        self._waiting.update((one.release.id, one) for one in claims)

    def begin(self, holds: Callable[[Claim], bool]) -> tuple[list[Claim], list[Claim]]:
        """The claims for which there is a slot, which count as called from now on, and those that were dropped.

        `holds` says whether a claim is what is wanted now, and is asked when its turn has come.
        """
        begun: list[Claim] = []
        dropped: list[Claim] = []
        for one in list(self._waiting.values()):
            if self._calling >= self._slots:
                break
            if self._at_cluster[one.cluster_id] >= self._slots_per_cluster:
                continue
            del self._waiting[one.release.id]
            if not holds(one):
                dropped.append(one)
                continue
            self._calling += 1
            self._at_cluster[one.cluster_id] += 1
            begun.append(one)
        return begun, dropped

    def set_aside(self, one: Claim) -> None:
        """The call of a claim, which has not ended, gives its slot back; it still counts for its cluster."""
        if one.release.id not in self._aside:
            self._aside.add(one.release.id)
            self._calling -= 1

    def ended(self, one: Claim, *, took_s: float) -> None:
        """The call of a claim has ended after so long: its slot is free."""
        self._call_s = _of_late(self._call_s, took_s)
        if one.release.id in self._aside:
            self._aside.discard(one.release.id)
        else:
            self._calling -= 1
        self._at_cluster[one.cluster_id] -= 1


def _of_late(before: float | None, newest: float) -> float:
    return newest if before is None else before + OF_LATE * (newest - before)

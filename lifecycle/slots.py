"""Slots for calls, and the claims that wait for one: the next call begins when one ends, and not when a commit has.

A claim is a commit, and where many processes write one graph it waits for the others' commits. A slot for a call that
stayed empty meanwhile would be lost. So some releases are claimed before there is a slot for them: a few times as many as
calls end while a claim is written, by the pace of both of late, so that a claim waits for a few times as long as it took to
write, however long calls take. Where calls are slow beside the store hardly any is claimed ahead, and none before one ended.

A call that hangs where nothing answers holds up nobody else: it gives its slot back, and as many as there are slots may be
under way so, besides those that have one.
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
PATIENCE_S = 3.0
"""A call that has been under way for so long, at an endpoint that has not answered anything since, gives its slot back."""


class Slots:
    """The calls that are under way, and the claims that wait for a slot. Times are monotonic seconds; not thread-safe."""

    def __init__(self, settings: LifecycleSettings) -> None:
        self._slots = settings.concurrency
        self._slots_per_cluster = settings.concurrency_per_cluster
        self._waiting: dict[str, Claim] = {}
        """By release, in the order in which they came."""
        self._held: dict[str, tuple[float, Claim]] = {}
        """Calls that have a slot, by release, and since when nothing is known to have answered: in the order of that."""
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

    def put(self, claims: Iterable[Claim], *, took_s: float) -> None:
        """Has claims wait that it took so long to write."""
        self._claim_s = _of_late(self._claim_s, took_s)
        self._waiting.update((one.release.id, one) for one in claims)

    def begin(self, holds: Callable[[Claim], bool], *, now: float) -> tuple[list[Claim], list[Claim]]:
        """The claims for which there is a slot, which count as called from now on, and those that were dropped.

        `holds` says whether a claim is what is wanted now, and is asked when its turn has come.
        """
        begun: list[Claim] = []
        dropped: list[Claim] = []
        for one in list(self._waiting.values()):
            if len(self._held) >= self._slots:
                break
            if self._at_cluster[one.cluster_id] >= self._slots_per_cluster:
                continue
            del self._waiting[one.release.id]
            if not holds(one):
                dropped.append(one)
                continue
            self._held[one.release.id] = (now, one)
            self._at_cluster[one.cluster_id] += 1
            begun.append(one)
        return begun, dropped

    def set_aside(self, heard_since: Callable[[Claim, float], bool], *, now: float) -> list[Claim]:
        """Has calls that hang give their slots back; they still count for their clusters. Tells those that did so now.

        `heard_since` says whether the endpoint of a call has answered anything after a time.
        """
        gave: list[Claim] = []
        for release_id, (since, one) in list(self._held.items()):
            if since + PATIENCE_S > now:
                break
            del self._held[release_id]
            if heard_since(one, since) or len(self._aside) >= self._slots:
                self._held[release_id] = (now, one)
                continue
            self._aside.add(release_id)
            gave.append(one)
        return gave

    def patient_until(self) -> float | None:
        """When to look next whether a call hangs; None while there is none that could."""
        return next((since + PATIENCE_S for since, _ in self._held.values()), None)

    def ended(self, one: Claim, *, took_s: float) -> None:
        """The call of a claim has ended after so long: its slot is free."""
        self._call_s = _of_late(self._call_s, took_s)
        if self._held.pop(one.release.id, None) is None:
            self._aside.discard(one.release.id)
        self._at_cluster[one.cluster_id] -= 1
        if not self._at_cluster[one.cluster_id]:
            del self._at_cluster[one.cluster_id]


def _of_late(before: float | None, newest: float) -> float:
    return newest if before is None else before + OF_LATE * (newest - before)

"""How long to wait before the next try, and when to leave a site alone.

Only the pace depends on this, never what is right: a restart forgets the breakers and nothing is worse for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

JITTER_FROM = 0.5
SOONER = 0.1
"""The part of its pause for which what speaks again is left alone all the same: else each word of it would be a probe."""
PROBED_S = 1.0
"""Whoever is behind a probe asks again after so long at most, for the end of it may tell nothing: then another may begin."""


def pause_s(attempt: int, *, base_s: float, cap_s: float, seed: int, key: str) -> float:
    """Seconds before the try after the `attempt`-th, from 1: exponential, capped, between half and all of that by seed.

    The jitter spreads the tries of many releases of one site, and is the same in every run of the same seed.
    """
    whole = min(cap_s, base_s * 2.0 ** min(max(attempt, 1) - 1, 40))
    digest = hashlib.blake2b(f"{seed}|{key}|{attempt}".encode(), digest_size=4).digest()
    share = int.from_bytes(digest, "big") / 2**32
    return whole * (JITTER_FROM + (1 - JITTER_FROM) * share)


@dataclass(slots=True)
class _Way:
    unanswered: int = 0
    openings: int = 0
    opened_at: float = 0.0
    open_until: float = 0.0
    pause_s: float = 0.0
    probing: bool = False


@dataclass(slots=True)
class Breakers:
    """A circuit breaker for each site as each cluster reaches it: after some unanswered calls it opens, and one call at a
    time tries it again."""

    after: int
    base_s: float
    cap_s: float
    seed: int
    _ways: dict[str, _Way] = field(default_factory=dict)

    def closed(self, way: str) -> bool:
        """Whether calls to the site are as usual."""
        found = self._ways.get(way)
        return found is None or found.unanswered < self.after

    def admit(self, way: str, *, now: float) -> bool:
        """Whether a call to the site may begin: always while closed, one at a time when its pause is over."""
        found = self._ways.get(way)
        if found is None or found.unanswered < self.after:
            return True
        if found.probing or now < found.open_until:
            return False
        found.probing = True
        return True

    def next_at(self, way: str, *, now: float) -> float:
        """When it is to be asked again whether a call may begin, by the monotonic clock."""
        found = self._ways.get(way)
        if found is None:
            return now
        return now + min(found.pause_s, PROBED_S) if found.probing else max(found.open_until, now)

    def unanswered(self, way: str, *, now: float) -> None:
        """A call to the site was not answered."""
        found = self._ways.setdefault(way, _Way())
        probed, found.probing = found.probing, False
        found.unanswered += 1
        # Calls that were under way when it opened say nothing new.
        if found.unanswered >= self.after and (probed or not found.openings):
            found.openings += 1
            found.pause_s = pause_s(found.openings, base_s=self.base_s, cap_s=self.cap_s, seed=self.seed, key=way)
            found.opened_at, found.open_until = now, now + found.pause_s

    def sooner(self, way: str, *, now: float, share: float = SOONER) -> bool:
        """Something there speaks again: it is probed after that share of its pause; whether that is sooner than it was.

        Pauses go on growing with every probe that is not answered, as if nothing had been said.
        """
        found = self._ways.get(way)
        if found is None or found.unanswered < self.after or found.probing:
            return False
        until = max(now, found.opened_at + share * found.pause_s)
        if until >= found.open_until:
            return False
        found.open_until = until
        return True

    def answered(self, way: str) -> bool:
        """The site answered; says whether it had been left alone."""
        found = self._ways.pop(way, None)
        return found is not None and found.unanswered >= self.after

    def released(self, way: str) -> None:
        """A call that was admitted ended without telling anything of the site."""
        found = self._ways.get(way)
        if found is not None:
            found.probing = False

    def keep(self, ways: Collection[str]) -> None:
        """Forgets what is not among these: nothing is asked there any more."""
        self.forget(lambda way: way not in ways)

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Forgets the ways of which that says so."""
        for way in [one for one in self._ways if is_gone(one)]:
            del self._ways[way]

"""Control planes as a whole: how many calls may begin at each now.

One endpoint may serve thousands of sites, and several clusters. When it does not answer at all, each of its sites would open
a breaker of its own after calls of its own; so it has one breaker for all, and one call at a time tries it again. Calls
beyond the rate that its operator allows wait their turn in a token bucket, which holds one second of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from drivers.port import WATCH_S
from lifecycle.backoff import Breakers

QUIET_S = 2 * WATCH_S
"""An endpoint that said something within so long is not silent: an observation may wait for a change."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


@dataclass(slots=True)
class Endpoints:
    """Breakers and token buckets by endpoint. Times are monotonic seconds."""

    breakers: Breakers
    _rates: dict[str, float] = field(default_factory=dict)
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _heard_at: dict[str, float] = field(default_factory=dict)
    """When each last answered a call or whoever observes it."""
    _silent: dict[str, set[str]] = field(default_factory=dict)
    """Where calls timed out since then, by endpoint."""

    def limit(self, endpoint: str, rate: float) -> None:
        """Allows so many calls a second there from now on; 0: any number."""
        if rate > 0:
            self._rates[endpoint] = rate
        else:
            self._rates.pop(endpoint, None)
            self._buckets.pop(endpoint, None)

    def keep(self, endpoints: Collection[str]) -> None:
        """Forgets what is not among these: no cluster is there any more."""
        self.breakers.keep(endpoints)
        for known in (self._rates, self._buckets, self._heard_at, self._silent):
            for gone in known.keys() - endpoints:
                del known[gone]

    def room(self, endpoint: str, *, now: float, most: int) -> int:
        """How many calls may begin there now, of at most so many; whoever gets one and makes none says `released`."""
        if most <= 0:
            return 0
        room = min(most, self._tokens(endpoint, now))
        if room <= 0 or not self.breakers.admit(endpoint, now=now):
            return 0
        return room if self.breakers.closed(endpoint) else 1

    def heard(self, endpoint: str, *, now: float) -> None:
        """Something there answered, whatever was asked."""
        self._heard_at[endpoint] = now
        self._silent.pop(endpoint, None)

    def heard_since(self, endpoint: str, began: float) -> bool:
        """Whether something there answered after that time."""
        return self._heard_at.get(endpoint, float("-inf")) > began

    def is_silent(self, endpoint: str, way: str, *, began: float, now: float, observed: bool) -> bool:
        """Whether a call on a way that began then and timed out tells of its endpoint, and not of its site alone.

        It does when nothing else was answered there all the while. Where nobody observes it here, one site may be all that
        was asked: then each site counts once.
        """
        if self._heard_at.get(endpoint, float("-inf")) >= min(began, now - QUIET_S):
            return False
        silent = self._silent.setdefault(endpoint, set())
        another = way not in silent
        silent.add(way)
        return observed or another or not self.breakers.closed(endpoint)

    def begun(self, endpoint: str, calls: int) -> None:
        """So many calls begin."""
        bucket = self._buckets.get(endpoint)
        if bucket is not None:
            bucket.tokens -= calls
        if not calls:
            self.breakers.released(endpoint)

    def next_at(self, endpoint: str, *, now: float) -> float | None:
        """When to ask again whether a call may begin there, if none may now for a reason that passes with time."""
        if not self.breakers.closed(endpoint):
            return self.breakers.next_at(endpoint, now=now)
        rate, bucket = self._rates.get(endpoint), self._buckets.get(endpoint)
        if rate is None or bucket is None or bucket.tokens >= 1:
            return None
        return bucket.filled_at + (1 - bucket.tokens) / rate

    def _tokens(self, endpoint: str, now: float) -> int:
        rate = self._rates.get(endpoint)
        if rate is None:
            return 1 << 30
        full = max(rate, 1.0)
        bucket = self._buckets.setdefault(endpoint, _Bucket(full, now))
        bucket.tokens = min(full, bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        # A share of a token that is lost in rounding would never be made up for.
        return int(bucket.tokens + 1e-9)

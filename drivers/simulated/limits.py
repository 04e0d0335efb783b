"""How many calls a simulated cluster and its sites take, at the same time and in a second; the rest is refused for now.

Whoever is refused is told when it may be worth another try, as a server that answers 429 tells it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from drivers.port import Retryable
from drivers.simulated.settings import Behaviour, Faults

RETRY_BUSY_S = 0.05
"""What is told when too much is under way: nobody knows when that ends."""


class Limits:
    """The calls under way, and those of the last second."""

    def __init__(self) -> None:
        self._under_way: dict[str, int] = {}
        self._tokens: dict[str, tuple[float, float]] = {}
        """(tokens, when they were counted) by site id; the cluster is ''."""

    @contextlib.contextmanager
    def call(self, behaviour: Behaviour, faults: Faults, *, site_id: str, site: str, now: float) -> Iterator[None]:
        """For as long as a call goes on. Raises Retryable when it is one too many. `now` in seconds, never going back."""
        bounds = [
            ("", "the cluster", behaviour.cluster_calls_at_once, behaviour.cluster_calls_per_second),
            (site_id, f"site {site}", faults.calls_at_once, faults.calls_per_second),
        ]
        for key, who, at_once, _ in bounds:
            if at_once and self._under_way.get(key, 0) >= at_once:
                raise Retryable(f"{who} takes {at_once} calls at the same time", retry_after_s=RETRY_BUSY_S)
        for key, who, _, rate in bounds:
            if rate:
                self._spend(key, who, rate, now)
        for key, *_ in bounds:
            self._under_way[key] = self._under_way.get(key, 0) + 1
        try:
            yield
        finally:
            for key, *_ in bounds:
                left = self._under_way[key] - 1
                if left:
                    self._under_way[key] = left
                else:
                    del self._under_way[key]

    def _spend(self, key: str, who: str, rate: float, now: float) -> None:
        burst = max(1.0, rate)
        tokens, counted = self._tokens.get(key, (burst, now))
        tokens = min(burst, tokens + (now - counted) * rate)
        if tokens < 1:
            self._tokens[key] = (tokens, now)
            raise Retryable(f"{who} takes {rate:g} calls a second", retry_after_s=(1 - tokens) / rate)
        self._tokens[key] = (tokens - 1, now)

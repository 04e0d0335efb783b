"""How often someone may fail: by name, by address and by both, in bounded memory.

A try is counted before it is made and given back when it succeeds, so that many tries at once cannot pass before the first
has failed. A name alone has a high limit: with a low one anybody could lock anybody out. What is forgotten when memory is
full is what was used longest ago.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries, of which one comes back every `refill_s` seconds."""

    tries: int
    refill_s: float


PAIR = Limit(6, 30.0)
"""One name from one address."""
ADDRESS = Limit(40, 10.0)
NAME = Limit(120, 10.0)
REMEMBERED = 20_000


class Throttle:
    """Counts tries under keys, each with its own limit."""

    def __init__(self, *, clock_s: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED) -> None:
        self._clock_s = clock_s
        self._most = remembered
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Under each key how many tries are used up, and when that was worked out."""

    def take(self, keys: Sequence[tuple[str, Limit]]) -> float:
        """Counts a try under every key and gives 0.0; or counts none and gives the seconds until one is free."""
        now = self._clock_s()
        waits = [
            (used + 1 - limit.tries) * limit.refill_s
            for key, limit in keys
            if (used := self._now(key, limit, now)) + 1 > limit.tries
        ]
        if waits:
            return max(1.0, math.ceil(max(waits) - 1e-6))
        for key, limit in keys:
            self._put(key, self._now(key, limit, now) + 1, now)
        return 0.0

    def give_back(self, keys: Sequence[tuple[str, Limit]]) -> None:
        """Takes back a counted try, as after a success."""
        now = self._clock_s()
        for key, limit in keys:
            self._put(key, max(0.0, self._now(key, limit, now) - 1), now)

    def _now(self, key: str, limit: Limit, now: float) -> float:
        used, at = self._used.get(key, (0.0, now))
        return max(0.0, used - (now - at) / limit.refill_s)

    def _put(self, key: str, used: float, now: float) -> None:
        self._used[key] = (used, now)
        self._used.move_to_end(key)
        while len(self._used) > self._most:
            self._used.popitem(last=False)


def sign_in_keys(name: str, address: str) -> list[tuple[str, Limit]]:
    """Under what a sign-in is counted. An IPv6 address counts with its /64, which is one customer's."""
    place = network_of(address)
    folded = name.casefold()[:256]
    return [(f"pair:{place}:{folded}", PAIR), (f"address:{place}", ADDRESS), (f"name:{folded}", NAME)]


def network_of(address: str) -> str:
    """The address itself, or the /64 of an IPv6 one; what is no address is taken as it is, cut to 64 characters."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)

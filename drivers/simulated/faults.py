"""What goes wrong at a simulated site: a pure function of (seed, site, call number).

A site is known by its name, so a run can be repeated on a network that is made anew; one site's faults do not depend on
what the others do, and a test can say beforehand which call fails. Nothing here reads a clock or keeps state.
"""

from __future__ import annotations

import hashlib
import struct

import msgspec

from drivers.simulated.settings import Faults

_SCALE = float(2**64)


class Fault(msgspec.Struct, frozen=True):
    """What happens to one call."""

    delay_ms: float
    away: bool
    refused: bool
    """Refused for now, with nothing done."""
    reply_lost: bool
    """Done, but the reply is lost."""


def draws(seed: int, site: str, number: int, salt: str = "call") -> tuple[float, float, float, float]:
    """Four numbers in [0, 1) that depend on nothing but the arguments (BLAKE2b, 32 bytes)."""
    digest = hashlib.blake2b(f"{seed}|{site}|{number}|{salt}".encode(), digest_size=32).digest()
    one, two, three, four = struct.unpack("<4Q", digest)
    return one / _SCALE, two / _SCALE, three / _SCALE, four / _SCALE


def is_away(settings: Faults, site: str, number: int) -> bool:
    """Whether the site is in an outage at this call: windows of `outage_calls` calls, each away or not as a whole."""
    if not settings.outage_rate:
        return False
    return draws(settings.seed, site, number // settings.outage_calls, "outage")[0] < settings.outage_rate


def fault_of(settings: Faults, site: str, number: int) -> Fault:
    """What happens to the call of that number, from 0, at the site."""
    jitter, refused, lost, _ = draws(settings.seed, site, number)
    return Fault(
        delay_ms=settings.latency_ms + jitter * settings.latency_jitter_ms,
        away=is_away(settings, site, number),
        refused=refused < settings.failure_rate,
        reply_lost=lost < settings.lost_reply_rate,
    )

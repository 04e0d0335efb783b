"""What the log of a simulated backend proves, or that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivers.simulated.effects import Effect, Outcome
from drivers.simulated.world import HAND


def violations(effects: Iterable[Effect]) -> list[str]:
    """Each thing that was applied twice to effect, or older over newer. Empty: none was.

    What a hand did in between makes the same generation due again.
    """
    found: list[str] = []
    newest: dict[str, int] = {}
    spoilt: set[str] = set()
    for one in effects:
        if one.outcome is not Outcome.DONE:
            continue
        if one.by == HAND:
            spoilt.add(one.name)
            continue
        held = newest.get(one.name, 0)
        if one.generation < held:
            found.append(f"{one.name}: generation {one.generation} {one.what} over {held}")
        elif one.generation == held and one.what == "applied" and one.name not in spoilt:
            found.append(f"{one.name}: generation {held} applied twice to effect")
        newest[one.name] = max(held, one.generation)
        spoilt.discard(one.name)
    return found


def orphans(there: Iterable[str], *, wanted: Sequence[str]) -> list[str]:
    """Names of what is there and nobody wants."""
    return sorted(set(there) - set(wanted))

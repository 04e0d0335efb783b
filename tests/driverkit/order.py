"""Whether what others depend on was removed while these were there, read from the log of a simulated backend as it grows."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.simulated.effects import Effect, Outcome
from drivers.simulated.world import HAND


class Order:
    """What is there of deployments, by site, of which one component depends on another at its site.

    A name is the deployment's, the component's, and a digest of the place.
    """

    def __init__(self, *, dependent: str, on: str) -> None:
        self._dependent = dependent
        self._on = on
        self._there: dict[tuple[str, str, str], set[str]] = {}
        """Names of objects, by deployment, component and site."""
        self.read_to = 0
        """The number of the last effect that was read."""
        self.removed = 0
        """How many were removed after those that depend on them."""

    def read(self, effects: Iterable[Effect]) -> list[str]:
        """Each that was removed too early, among effects that come after those read before."""
        found = []
        for one in effects:
            self.read_to = one.number
            if one.outcome is not Outcome.DONE:
                continue
            deployment, component = one.name.rpartition("-")[0].rsplit("-", 1)
            here = self._there.setdefault((deployment, component, one.site_id), set())
            if one.what not in ("removed", "vanished"):
                here.add(one.name)
                continue
            here.discard(one.name)
            if component != self._on or one.by == HAND:
                continue
            early = self._there.get((deployment, self._dependent, one.site_id))
            if early:
                found.append(f"{one.name} was removed while {', '.join(sorted(early))} was there")
            self.removed += not early
        return found

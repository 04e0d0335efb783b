"""Conditions that have held for long enough to be believed: a site that flickers is not written down at every flicker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from drivers.port import Condition


@dataclass(slots=True)
class Damper:
    """What was last reported of each thing, since when, and what of it is believed. Times are monotonic seconds."""

    down_after_s: float
    up_after_s: float
    _reported: dict[str, tuple[Condition, float]] = field(default_factory=dict)
    _believed: dict[str, Condition] = field(default_factory=dict)
    _unsettled: set[str] = field(default_factory=set)
    """Things whose last report is not believed yet: of a large network, the few that change."""

    def report(self, conditions: Mapping[str, Condition], *, now: float) -> None:
        """Takes in what was reported now."""
        for key, condition in conditions.items():
            before = self._reported.get(key)
            if before is None or before[0].ready != condition.ready:
                self._reported[key] = (condition, now)
            elif before[0] != condition:
                self._reported[key] = (condition, before[1])
            if self._believed.get(key) == condition:
                self._unsettled.discard(key)
            else:
                self._unsettled.add(key)

    def settle(self, *, now: float) -> dict[str, Condition]:
        """What is newly believed: the first report of a thing at once, a change when it has held for its time."""
        changed = {}
        for key in sorted(self._unsettled):
            condition, since = self._reported[key]
            believed = self._believed.get(key)
            wait = 0.0
            if believed is not None and believed.ready != condition.ready:
                wait = self.up_after_s if condition.ready else self.down_after_s
            if now - since >= wait:
                self._believed[key] = changed[key] = condition
        self._unsettled -= changed.keys()
        return changed

    def believed(self, key: str) -> Condition | None:
        """What is believed of a thing; None when it was never reported."""
        return self._believed.get(key)

    def keep(self, keys: Iterable[str]) -> None:
        """Forgets all things but these."""
        kept = set(keys)
        for gone in [key for key in self._reported if key not in kept]:
            del self._reported[gone]
            self._believed.pop(gone, None)
            self._unsettled.discard(gone)

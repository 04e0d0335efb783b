"""Replicas that are still beginning: what of the CPU they use says nothing of the load, and is set aside.

As the Kubernetes controller documents it: a replica that is not ready, or whose sample is from before it became ready, is
set aside during the period in which it may be initialising. After that one that is not ready is set aside only if it never
was ready; one that was, and is so busy that it no longer answers, counts with what it uses.

Ages are by the graph's clock, sample times by the measuring side's, and the two are never compared: that a sample is from
after a replica became ready is known when it is newer than all that had been measured when it was first seen ready.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from drivers.port import Sample
from graph.kinds import Instance, InstanceStatus

Key = tuple[str, str]


class Beginnings:
    """Remembers of young replicas what had been measured when they were first seen ready."""

    def __init__(self, *, initialisation_s: float, readiness_s: float) -> None:
        """`initialisation_s`: for how long a replica may be initialising. `readiness_s`: what last changed within so long of
        its beginning, and is not ready, never was.
        """
        self._initialisation_ms = initialisation_s * 1000
        self._readiness_ms = readiness_s * 1000
        self._ready_at: dict[Key, dict[str, int]] = {}
        """By target and replica the newest sample's time."""

    def aside(
        self, key: Key, instances: Iterable[Instance], samples: Mapping[str, Sample], *, now_ms: int
    ) -> frozenset[str]:
        """The names of a target's replicas that are set aside; `samples` are by name, `now_ms` is the graph's time."""
        newest = max((one.at_ms for one in samples.values()), default=0)
        before = self._ready_at.get(key, {})
        noted: dict[str, int] = {}
        found = set()
        for one in instances:
            name = one.backend_name
            young = now_ms - one.created_at < self._initialisation_ms
            sample = samples.get(name)
            if one.status is InstanceStatus.PENDING:
                was_ready = one.updated_at - one.created_at > self._readiness_ms
                if young or sample is None or not was_ready:
                    found.add(name)
            elif one.status is InstanceStatus.RUNNING and young:
                since = noted[name] = before.get(name, newest)
                if sample is not None and (sample.at_ms <= since or sample.at_ms - sample.window_ms < since):
                    found.add(name)
        self._ready_at[key] = noted
        return frozenset(found)

    def keep(self, keys: Collection[Key]) -> None:
        """Forgets all targets but these."""
        self._ready_at = {key: noted for key, noted in self._ready_at.items() if key in keys}

"""The pace of tries that found no place: what could not be moved is tried again when the graph has changed, after a pause.

Kept in memory alone: a process that takes over tries each once, at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.clock import Clock
from graph.kinds import Deployment, Loss, LossKind, UnlistedLosses
from lifecycle.backoff import pause_s
from lifecycle.settings import LifecycleSettings

Counted = tuple[tuple[tuple[LossKind, str | None], int], ...]
"""Losses that count: what each is, and since when."""


@dataclass(frozen=True, slots=True)
class _Try:
    generation: int
    losses: Counted
    failures: int
    revision: int
    """Of the graph when it was tried."""
    not_before: float


class Tries:
    """The last try of each deployment that found no place. Times are the clock's monotonic seconds."""

    def __init__(self, *, settings: LifecycleSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._last: dict[str, _Try] = {}

    def forget(self, deployment_id: str) -> None:
        """It is to be tried at once: something of its own has changed."""
        self._last.pop(deployment_id, None)

    def clear(self) -> None:
        """All are to be tried at once."""
        self._last.clear()

    def note(self, deployment: Deployment, due: Sequence[Loss | UnlistedLosses], *, changed_at: int) -> None:
        """It was tried for these losses, with nothing that matters newer than revision `changed_at`, and found no place."""
        failures = self._last[deployment.id].failures + 1 if self._is_same(deployment, due) else 1
        pause = pause_s(
            failures,
            base_s=self._settings.pending_retry_s,
            cap_s=self._settings.pending_retry_cap_s,
            seed=self._settings.seed,
            key=deployment.id,
        )
        not_before = self._clock.monotonic() + pause
        self._last[deployment.id] = _Try(deployment.generation, _counted(due), failures, changed_at, not_before)

    def is_due(self, deployment: Deployment, due: Sequence[Loss | UnlistedLosses], *, changed_at: int) -> bool:
        """Whether it is to be tried now: it is another, or the graph has changed and its pause is over."""
        if not self._is_same(deployment, due):
            return True
        last = self._last[deployment.id]
        return last.revision < changed_at and self._clock.monotonic() >= last.not_before

    def wait_s(self, deployment_id: str, *, changed_at: int) -> float | None:
        """How long the pause of one lasts that is to be tried again; None when none is, or it is over."""
        last = self._last.get(deployment_id)
        if last is None or last.revision >= changed_at:
            return None
        wait = last.not_before - self._clock.monotonic()
        return wait if wait > 0 else None

    def _is_same(self, deployment: Deployment, due: Sequence[Loss | UnlistedLosses]) -> bool:
        last = self._last.get(deployment.id)
        return last is not None and (last.generation, last.losses) == (deployment.generation, _counted(due))


def _counted(due: Sequence[Loss | UnlistedLosses]) -> Counted:
    return tuple((one.what, one.since) for one in due)

"""A connection whose calls end when they are given up, whatever the driver does then.

It is put around what each driver gives, so that whoever calls a backend and stops waiting for it, at a time-out or at the
stop of the process, goes on at once (`lifecycle.lingering`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from drivers.port import (
    Applied,
    Backend,
    Cursor,
    Observation,
    ReleaseWork,
    RemovalWork,
    Removed,
    Sample,
    SamplingBackend,
)
from lifecycle.lingering import Lingering


def bounded(backend: Backend, cluster_id: str, lingering: Lingering) -> Backend:
    """The backend of a cluster, with such calls; it measures if the other one does."""
    if isinstance(backend, SamplingBackend):
        return _BoundedSamplingBackend(backend, cluster_id, lingering)
    return _BoundedBackend(backend, cluster_id, lingering)


class _BoundedBackend:
    """What `drivers.port.Backend` asks for."""

    def __init__(self, backend: Backend, cluster_id: str, lingering: Lingering) -> None:
        self._backend = backend
        self._cluster_id = cluster_id
        self._lingering = lingering

    async def ensure(self, work: ReleaseWork) -> Applied:
        return await self._lingering.answer(self._cluster_id, partial(self._backend.ensure, work))

    async def remove(self, work: RemovalWork) -> Removed:
        return await self._lingering.answer(self._cluster_id, partial(self._backend.remove, work))

    async def observe(self, *, after: Cursor | None) -> Observation:
        return await self._lingering.answer(self._cluster_id, partial(self._backend.observe, after=after))


class _BoundedSamplingBackend(_BoundedBackend):
    """What `drivers.port.SamplingBackend` asks for."""

    def __init__(self, backend: SamplingBackend, cluster_id: str, lingering: Lingering) -> None:
        super().__init__(backend, cluster_id, lingering)
        self._sampling = backend

    async def samples(self, *, names: Sequence[str] = ()) -> Sequence[Sample]:
        return await self._lingering.answer(self._cluster_id, partial(self._sampling.samples, names=names))

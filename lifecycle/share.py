"""What of the work is this process's, when several processes share a store.

Everything that one process is to do has a key: a site's releases the site's id, a cluster's observer the cluster's, a
deployment's books the deployment's, what runs once over all its own name. Keys fall into partitions by their hash, and each
partition is one worker's. Who has which follows from the workers that are alive alone, so there is nothing to agree on and
nothing to hand over: whoever sees the same workers computes the same shares.

A share saves work, it protects nothing. Two processes that both hold a key for a moment do no harm: a release's epoch and
an observer's decide who is heard.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Iterable
from functools import lru_cache

PARTITIONS = 64
"""So many workers can have something to do."""
ALL = frozenset(range(PARTITIONS))


@lru_cache(maxsize=1 << 16)
def partition_of(key: str) -> int:
    """The partition of a key: the same in every process and version."""
    return hashlib.blake2b(key.encode(), digest_size=1).digest()[0] % PARTITIONS


def shares_of(workers: Iterable[str]) -> dict[str, frozenset[int]]:
    """The partitions of each worker: each partition is one's, and nobody has more than his part, rounded up.

    A partition goes to the worker that ranks highest for it and has room (rendezvous hashing with bounded loads), so that
    little moves when one comes or goes.
    """
    found = sorted(set(workers))
    held: dict[str, set[int]] = {worker: set() for worker in found}
    if not found:
        return {}
    room = math.ceil(PARTITIONS / len(found))
    for partition in range(PARTITIONS):
        ranked = sorted(found, key=lambda worker: _rank(worker, partition), reverse=True)
        held[next(worker for worker in ranked if len(held[worker]) < room)].add(partition)
    return {worker: frozenset(partitions) for worker, partitions in held.items()}


def _rank(worker: str, partition: int) -> bytes:
    return hashlib.blake2b(f"{worker}|{partition}".encode(), digest_size=8).digest()


class Share:
    """The share of one process. Without leases it is everything."""

    def __init__(self, worker: str = "", *, partitions: frozenset[int] = ALL) -> None:
        """`worker` stands on the claims of this process; empty where no other process could be meant."""
        self.worker = worker
        self.partitions = partitions
        self.workers: frozenset[str] | None = None
        """All workers that are alive, those that are leaving included; None while that is not known."""
        self.dead: frozenset[str] = frozenset()
        """Workers that are known to be dead, whether or not it is known who is alive."""
        self._followers: list[Callable[[], None]] = []
        self._changed = asyncio.Event()

    @property
    def part(self) -> float:
        """How much of everything it is, from 0 to 1."""
        return len(self.partitions) / PARTITIONS

    def holds(self, key: str) -> bool:
        """Whether what has this key is this process's to do."""
        return len(self.partitions) == PARTITIONS or partition_of(key) in self.partitions

    def is_gone(self, worker: str | None) -> bool:
        """Whether a worker is known not to be alive any more."""
        if worker is None:
            return False
        return worker in self.dead or (self.workers is not None and worker not in self.workers)

    def become(self, partitions: frozenset[int], *, workers: frozenset[str] | None) -> None:
        """Takes in what the share is now, and tells of it when it differs."""
        if (partitions, workers) == (self.partitions, self.workers):
            return
        self.partitions, self.workers = partitions, workers
        bell, self._changed = self._changed, asyncio.Event()
        bell.set()
        for told in list(self._followers):
            told()

    def follow(self, told: Callable[[], None]) -> Callable[[], None]:
        """Has `told` called after each change; gives the function that ends that."""
        self._followers.append(told)
        return lambda: self._followers.remove(told)

    async def until(self, found: Callable[[], bool]) -> None:
        """Returns when that is so; it is asked again after each change."""
        while not found():
            await self._changed.wait()

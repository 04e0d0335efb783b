"""Workers of their own over one Neo4j and one NATS: how much of what a backend could do they get done, and how soon the
work of one that is killed is another's.

The server works on nothing itself. What is timed is seen from outside, by asking the server.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import msgspec

from bench.measures.deploying import READY, asked, until_ready
from bench.measures.edges import Edge
from bench.measures.processes import Process
from bench.measures.requests import Caller
from bench.measures.served import of_installation
from lifecycle.share import partition_of, shares_of

START_S = 180.0
MOVED_S = 60.0


class _Said(msgspec.Struct):
    event: str = ""
    workers: int = 0


class Worker(Process):
    """A running `edgeatlas worker`."""

    def __init__(self, folder: Path, *, store: str, nats: str, in_flight: int) -> None:
        """Starts it; `in_flight`: its calls at once."""
        super().__init__(
            "worker",
            settings={
                **of_installation(folder, store=store),
                "NATS": nats,
                "WORKER_CONCURRENCY": str(in_flight),
                "LOG_LEVEL": "info",
            },
        )

    @property
    def name(self) -> str:
        """What its lease is called."""
        return next(line.split()[-1] for line in self.said if line.startswith("EdgeAtlas ") and " worker " in line)

    def knows(self, workers: int) -> bool:
        """Whether its share is that of one of so many."""
        shares = [found.workers for line in list(self.said) if (found := _read(line)).event == "share.changed"]
        return bool(shares) and shares[-1] == workers


def _read(line: str) -> _Said:
    try:
        return msgspec.json.decode(line, type=_Said)
    except msgspec.DecodeError:
        return _Said()


class Fleet:
    """So many workers of one installation."""

    def __init__(self, folder: Path, *, store: str, nats: str, count: int, in_flight: int) -> None:
        """Starts them; returns when all have their shares."""
        self.workers = [Worker(folder, store=store, nats=nats, in_flight=in_flight) for _ in range(count)]
        for one in self.workers:
            one.until(partial(one.knows, count), within_s=START_S, what="a worker's share")

    def cpu_s(self) -> float:
        """CPU seconds that all of them have used."""
        return sum(one.cpu_s() for one in self.workers)

    def end(self) -> None:
        """Ends them."""
        for one in self.workers:
            one.end()

    def converged_s(self, caller: Caller, edge: Edge, name: str, *, within_s: float) -> float:
        """Deploys to all sites; seconds from the answer until all of it is ready."""
        made = asked(caller, edge, name)
        began = time.perf_counter()
        deadline = time.monotonic() + within_s
        while caller.ask(READY, {"id": made})["deployment"]["releases"]["totalCount"] < len(edge.site_ids):
            if time.monotonic() > deadline:
                raise RuntimeError(f"deployment {name} is not ready everywhere after {within_s:.0f} s")
            time.sleep(0.05)
        return time.perf_counter() - began

    def moved_s(self, caller: Caller, edge: Edge, name: str, *, sites: int) -> float:
        """Kills a worker and deploys to sites that were its; seconds from the kill until all of that is ready."""
        shares = shares_of([one.name for one in self.workers])
        worker = self.workers.pop()
        own = [one for one in edge.site_ids if partition_of(one) in shares[worker.name]][:sites]
        began = time.perf_counter()
        worker.kill()
        until_ready(caller, [asked(caller, edge, name, own)], within_s=MOVED_S)
        return time.perf_counter() - began

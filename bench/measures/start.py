"""How long a start takes until the graph can be read and written, in a process of its own.

    EDGEATLAS_BENCH_STORE=… python -m bench.measures.start     prints {"seconds", "cpu_s", "entities", "resident_mb"}

Counted are the opening of the store, the load of all entities, their indexes, and what the server keeps beside the view
(the arrays of placement, the positions of sites). Not counted are the start of Python and its imports, about a second,
which no graph makes longer.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time

import msgspec
import uvloop

from bench.measures.places import ROOT


class Started(msgspec.Struct, frozen=True):
    """What one start took."""

    seconds: float
    cpu_s: float
    entities: int
    resident_mb: float


def started(store: str, *, timeout_s: float = 180.0) -> Started:
    """Starts on a store (`sqlite:PATH` or a Neo4j URL) in a fresh process."""
    environment = {**os.environ, "EDGEATLAS_BENCH_STORE": store}
    done = subprocess.run(
        [sys.executable, "-m", "bench.measures.start"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=timeout_s,
        check=True,
    )
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Started)


def resident_mb(pid: int | str = "self") -> float:
    """The resident memory of a process, in MB (1,000,000 bytes)."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/{pid}/status has no VmRSS")


async def _start(store: str) -> None:
    from graph.ledger import Ledger
    from graph.spatial import SiteIndex
    from graph.stores import store_for
    from placement.projection import Projection

    began, cpu = time.perf_counter(), time.process_time()
    ledger = Ledger(store_for(store))
    async with ledger.running():
        beside = Projection(ledger.view), SiteIndex(ledger.view)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        figures = {
            "seconds": took,
            "cpu_s": used,
            "entities": len(ledger.view),
            "resident_mb": resident_mb(),
        }
        del beside
    print(json.dumps(figures))


if __name__ == "__main__":
    # The store is in the environment: a command line, which may hold a password, is readable by everybody.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_start(os.environ["EDGEATLAS_BENCH_STORE"]))

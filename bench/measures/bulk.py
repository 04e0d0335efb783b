"""Large changes: how long one of them keeps everybody else waiting.

All of a process's reads and changes share one event loop, so what a large commit computes without a pause is added to
every other answer meanwhile. A task that wants to run every millisecond tells how long it could not.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable

import msgspec

from bench.measures.requests import Caller
from bench.measures.served import Served
from graph.edit import Edit
from graph.kinds import Region, Site
from graph.ledger import Ledger
from graph.request import Request
from graph.values import Position


class Stretch(msgspec.Struct, frozen=True):
    """One piece of work as others on the loop felt it."""

    wall_s: float
    blocked_s: float
    """The longest time that the loop did nothing else."""


async def felt(work: Callable[[], Awaitable[object]]) -> Stretch:
    """Runs it and watches the loop meanwhile."""
    gaps: list[float] = [0.0]

    async def watch() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.05)
    began = time.perf_counter()
    await work()
    took = time.perf_counter() - began
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return Stretch(took, max(gaps))


async def creation(ledger: Ledger, *, entities: int, prefix: str) -> Stretch:
    """Creates so many sites in one commit, every guard on."""
    request = Request(author="bench", action="createMany")
    region = (await ledger.commit(lambda edit: edit.create(Region, name=f"{prefix}-region"), request)).value

    def create(edit: Edit) -> None:
        for number in range(entities):
            edit.create(
                Site,
                name=f"{prefix}-{number}",
                region_id=region.id,
                labels={"zone": f"z{number % 40}", "vendor": "acme"},
                position=Position(number % 360 - 180.0, number % 170 - 85.0),
            )

    return await felt(lambda: ledger.commit(create, request))


APPLY = """mutation ($input: ApplyDocumentsInput!) { applyDocuments(input: $input) {
  __typename ... on ApplyDocumentsPayload { applied created refused operation { id } } ... on Error { message }
} }"""
OPERATION = "query ($id: ID!) { operation(id: $id) { status progress { done total } } }"


class Applied(msgspec.Struct, frozen=True):
    """A large set of documents."""

    answered_s: float
    applied_s: float
    """Until the last of them was applied."""
    cpu_s: float
    others_s: float
    """The longest that another caller waited for the smallest of answers meanwhile."""


def apply_documents(served: Served, caller: Caller, *, sites: int, region: str) -> Applied:
    """Applies documents of so many new sites, as one set. Raises RuntimeError when one is refused."""
    documents = [
        {
            "kind": "Site",
            "metadata": {"name": f"applied-{number}", "labels": {"zone": f"z{number % 40}"}},
            "spec": {"region": region, "position": {"longitude": number % 360 - 180, "latitude": number % 170 - 85}},
        }
        for number in range(sites)
    ]
    request = caller.request(APPLY, {"input": {"content": json.dumps(documents), "name": "bench"}})
    with _Waiting(served) as others:
        before, began = served.cpu_s(), time.perf_counter()
        answer = json.loads(caller.send(request))
        answered = time.perf_counter() - began
        if answer.get("errors"):
            raise RuntimeError(f"the documents were not taken: {answer['errors'][:2]}")
        result = answer["data"]["applyDocuments"]
        if result["__typename"] != "ApplyDocumentsPayload" or result["refused"]:
            raise RuntimeError(f"the documents were refused: {result}")
        if result["operation"] is not None:
            _finished(caller, result["operation"]["id"])
        applied = time.perf_counter() - began
        return Applied(answered, applied, served.cpu_s() - before, others.longest_s)


def _finished(caller: Caller, operation_id: str, *, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        operation = caller.ask(OPERATION, {"id": operation_id})["operation"]
        if operation["status"] == "SUCCEEDED":
            return
        if operation["status"] in ("FAILED", "CANCELLED"):
            raise RuntimeError(f"the operation ended: {operation}")
        time.sleep(0.1)
    raise RuntimeError(f"the operation was not finished within {within_s:.0f} s")


class _Waiting:
    """Another caller, who asks for the smallest of answers again and again."""

    def __init__(self, served: Served) -> None:
        self._caller = Caller(served)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.longest_s = 0.0

    def __enter__(self) -> _Waiting:
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        self._thread.join(30)
        self._caller.__exit__()

    def _ask(self) -> None:
        request = self._caller.request("{ __typename }")
        while not self._over.wait(0.005):
            began = time.perf_counter()
            self._caller.send(request)
            self.longest_s = max(self.longest_s, time.perf_counter() - began)

"""One driver call: made within its time, and its end put into what can be written down.

Whatever a driver does, there is an outcome. A bug in one is told and counts as a refusal of its own release; a call that
takes too long is given up, and whether it happened is found out by repeating it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import structlog
from opentelemetry import trace

from drivers.port import Backend, Driver, DriverProblem, Permanent, RemovalWork, Retryable, Unreachable
from lifecycle.work import Claim, Outcome

log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("edgeatlas")


class TimedOut(Unreachable):
    """A call was not answered within its time: nothing was said, neither of the site nor by the control plane."""


class Connected(Protocol):
    """A cluster that this process is connected to."""

    @property
    def driver(self) -> Driver:
        """Its driver."""
        ...

    @property
    def backend(self) -> Backend:
        """The connection."""
        ...


async def outcome_of(one: Claim, clusters: Mapping[str, Connected], *, timeout_s: float) -> Outcome:
    """Makes the call of a claim; says what came of it."""
    connected = clusters.get(one.cluster_id)
    if connected is None:
        return Unreachable("its cluster is not connected")
    work = one.work
    try:
        async with asyncio.timeout(timeout_s):
            return await _traced(connected, one)
    except DriverProblem as problem:
        return problem
    except TimeoutError:
        return TimedOut(f"site {work.site} did not answer within {timeout_s:g} s")
    except Exception as problem:  # a bug in a driver fails its own release and is told
        log.exception("driver.failed", driver=connected.driver.name, release=one.release.id)
        return Retryable(f"the driver {connected.driver.name} failed: {type(problem).__name__}")


async def _traced(connected: Connected, one: Claim) -> Outcome:
    removal = isinstance(one.work, RemovalWork)
    attributes: dict[str, str | int] = {
        "driver": connected.driver.name,
        "object": one.work.name,
        "generation": one.work.generation,
    }
    with _tracer.start_as_current_span("driver.remove" if removal else "driver.ensure", attributes=attributes):
        return await _made(connected, one)


async def _made(connected: Connected, one: Claim) -> Outcome:
    work = one.work
    if isinstance(work, RemovalWork):
        return await connected.backend.remove(work)
    if work.artifact.type not in connected.driver.artifacts:
        raise Permanent(f"the driver {connected.driver.name} does not take {work.artifact.type.name}")
    return await connected.backend.ensure(work)

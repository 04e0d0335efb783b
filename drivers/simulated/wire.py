"""What a simulated backend and its driver say to each other: the port's own values as JSON, one POST a call.

    POST /v1/clusters/NAME/ensure    Ensure        -> Applied
    POST /v1/clusters/NAME/remove    RemovalWork   -> Removed
    POST /v1/clusters/NAME/observe   Observe       -> Observation
    POST /v1/clusters/NAME/samples   AskSamples    -> [Sample]
    PUT  /v1/clusters/NAME/inventory PushedInventory

What goes wrong is a status with a `Problem`, as in any HTTP API; a reply that is lost is a connection that is cut. A
value of the port that grows a field grows it here by itself.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from drivers.port import (
    Cursor,
    DriverProblem,
    InUseElsewhere,
    Permanent,
    ReleaseWork,
    Retryable,
    StaleGeneration,
    Unreachable,
)
from graph.kinds import Node

CALLER: Final = "x-edgeatlas-connection"
"""The header with the connection's own name; it stands on each effect."""
INVENTORY_WANTED: Final = 428
"""The status of an observation for whose owner the backend has not the inventory that the driver has (RFC 6585)."""


class Ensure(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for an object."""

    work: ReleaseWork
    nodes: list[Node] = []
    """Those of its site as they are now, by which a replica is put on one."""


class Observe(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for an observation."""

    owner: str
    """Whose inventory is looked at: the id of the Cluster in the graph."""
    inventory: str
    """The digest of that inventory as the driver has it."""
    after: Cursor | None = None
    nodes: dict[str, list[Node]] = {}
    """The nodes of sites where replicas wait for one, by site id, where they are others than were told before."""


class AskSamples(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for measurements; without names for all."""

    names: list[str] = []


class PushedInventory(msgspec.Struct, frozen=True, kw_only=True):
    """The sites and nodes whose conditions an owner is told."""

    owner: str
    digest: str
    sites: Annotated[dict[str, str], msgspec.Meta(max_length=200_000)]
    """Names by id."""
    nodes: Annotated[dict[str, tuple[str, str]], msgspec.Meta(max_length=1_000_000)]
    """(name, site id) by id."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Why a call did not do what was asked."""

    problem: str
    message: str
    asked: int = 0
    held: int = 0
    """Of a stale generation."""
    retry_after_s: float | None = None


_PROBLEMS: Final[dict[type[DriverProblem], tuple[int, str]]] = {
    StaleGeneration: (409, "stale"),
    InUseElsewhere: (423, "in_use_elsewhere"),
    Retryable: (429, "retryable"),
    Permanent: (422, "permanent"),
    Unreachable: (503, "unreachable"),
}
_SORTS: Final = {word: sort for sort, (_, word) in _PROBLEMS.items()}


def told(problem: DriverProblem, *, asked: int = 0) -> tuple[int, Problem]:
    """The status and the body of a problem."""
    status, word = next((told for sort, told in _PROBLEMS.items() if isinstance(problem, sort)), (500, "failed"))
    return status, Problem(
        problem=word,
        message=str(problem),
        asked=asked,
        held=problem.held if isinstance(problem, StaleGeneration) else 0,
        retry_after_s=problem.retry_after_s if isinstance(problem, Retryable) else None,
    )


def meant(problem: Problem, *, name: str) -> DriverProblem:
    """The problem that a body told of."""
    sort = _SORTS.get(problem.problem, DriverProblem)
    if sort is StaleGeneration:
        return StaleGeneration(name=name, asked=problem.asked, held=problem.held)
    if sort is Retryable:
        return Retryable(problem.message, retry_after_s=problem.retry_after_s)
    return sort(problem.message)

"""What the driver's and the server's errors mean to whoever asked the store.

The one question that matters is whether a commit may have happened. Before COMMIT is sent it certainly has not. After it,
only a client error (a constraint, a refused state) says that it has not; a lost connection, a time that ran out, and what
the server calls transient or its own fault (a leader that changed, a failed flush) leave it open, and the same drafts are
sent again under their ids. Codes: https://neo4j.com/docs/status-codes/current/errors/all-errors/.
"""

from __future__ import annotations

from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConnectionAcquisitionTimeoutError,
    ConnectionPoolError,
    DriverError,
    Forbidden,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graph.store import StoreProblem, StoreUnavailable, UnknownOutcome

FAULTS = (DriverError, Neo4jError, OSError, TimeoutError)
"""What a call of the driver may raise for reasons that lie outside this program."""

_RETRIED = (ServiceUnavailable, SessionExpired, TransientError)
_AWAY_CODES = (
    "Neo.ClientError.Transaction.",  # timed out, terminated, lock client stopped
    "Neo.ClientError.Cluster.",
    "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
    "Neo.ClientError.General.ReadOnly",
    "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase",
    "Neo.ClientError.Database.DatabaseUnavailable",
)


def may_pass(problem: BaseException) -> bool:
    """Whether the same call may succeed at once on another connection; only asked where nothing was sent to commit."""
    return isinstance(problem, _RETRIED)


def translated(problem: BaseException, *, where: str) -> StoreProblem:
    """The meaning of an error before COMMIT was sent: nothing was committed. `where` is the server's URL, without user."""
    if isinstance(problem, AuthError):
        return StoreUnavailable(f"{where} refuses the user or the password: give the right ones and restart the server")
    if isinstance(problem, TimeoutError):
        return StoreUnavailable(f"{where} did not answer in time: see whether it is overloaded or another writer hangs")
    if isinstance(problem, ConnectionAcquisitionTimeoutError | ConnectionPoolError):
        return StoreUnavailable(f"all connections to {where} are in use: try again in a moment")
    if isinstance(problem, ConfigurationError):
        return StoreProblem(f"the connection to {where} is not set up rightly: {problem}")
    if isinstance(problem, ClientError):
        code = problem.code or ""
        if code.startswith(_AWAY_CODES):
            return StoreUnavailable(f"{where} refused for now: {problem.message} ({code})")
        if isinstance(problem, Forbidden):
            return StoreProblem(
                f"{where} forbids this to the user: give it the role editor or admin ({problem.message})"
            )
        return StoreProblem(f"{where} refused a statement: {problem.message} ({code})")
    if isinstance(problem, Neo4jError):
        return StoreUnavailable(f"{where} has a problem of its own: {problem.message} ({problem.code})")
    return StoreUnavailable(f"{where} does not answer: {problem}")


def translated_at_commit(problem: BaseException, *, where: str) -> StoreProblem:
    """The meaning of an error once COMMIT was sent."""
    if isinstance(problem, ClientError) and not (problem.code or "").startswith(_AWAY_CODES):
        return translated(problem, where=where)
    return UnknownOutcome(f"{where} did not say whether it committed: {type(problem).__name__}: {problem}")

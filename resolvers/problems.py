"""Problems that a read field tells its caller, as they are.

A mutation answers with a union, so its refusals are data. A read field has no union: it may have to say that the
asked revision is gone, or that the store is away. What is raised for that reaches the caller unmasked under `errors`,
with its code and its remedy; every other exception is a bug, is masked, and is found in the log by its correlation
id. "Not found" is neither: it is null.
"""

from __future__ import annotations

from collections.abc import Mapping


class RequestProblem(Exception):
    """A request that cannot be answered, for a reason that the caller can act on.

    `code` is an upper-case word that programs may compare; `message` and `remedy` are for people and must hold nothing
    that the caller may not see. `extensions` are further values of JSON under the same `extensions` as the code.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        remedy: str | None = None,
        retryable: bool = False,
        extensions: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.retryable = retryable
        self.extensions = dict(extensions or {})


class RevisionNotReached(RequestProblem):
    """The asked minimum revision was not reached in time; the same request may be sent again."""

    def __init__(self, *, asked: int, reached: int, epoch: str) -> None:
        super().__init__(
            "REVISION_NOT_REACHED",
            f"revision {asked} was not reached in time; the graph is at {reached}",
            remedy="send the request again; a revision of another epoch than this is never reached: read anew instead",
            retryable=True,
            extensions={"asked": asked, "reached": reached, "epoch": epoch},
        )


class EpochChanged(RequestProblem):
    """The asked epoch is not the graph's, so that what the caller keeps of it may name other commits now."""

    def __init__(self, *, epoch: str, revision: int) -> None:
        super().__init__(
            "EPOCH_CHANGED",
            "the graph was restored since: a revision of another epoch may name another commit now",
            remedy="drop the revisions and cursors that you keep, read anew, and keep this epoch beside what you read",
            extensions={"epoch": epoch, "revision": revision},
        )


class StoreAway(RequestProblem):
    """What was asked for is read from the store, and it does not answer; the same request may be sent again."""

    def __init__(self, message: str = "the store does not answer") -> None:
        super().__init__("STORE_UNAVAILABLE", message, remedy="send the request again in a while", retryable=True)

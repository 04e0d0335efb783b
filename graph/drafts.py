"""Change functions run at one head, one after another, into what is then written as one group.

This decides and writes nothing: it is given the view at head and what the store knows of the drafts, and returns commits,
records and answers. So it can be run again whenever the writing failed, and each draft of a group keeps its own revision,
its own answer and its own refusal; what one of them does wrong is in nobody else's commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from graph.audit import audit_record
from graph.change import MAX_COMMIT_BYTES, Commit, IdempotencyRecord, Record, encode_commit
from graph.edit import Edit
from graph.identifiers import new_ulid
from graph.refusal import LimitExceeded, Refusal, Unavailable
from graph.request import Committed, Request, answered_before
from graph.store import Head, WriteBatch
from graph.view import View

log = structlog.get_logger(__name__)


class Draft:
    """A change that waits for its turn, and whoever waits for its answer."""

    __slots__ = ("answer", "attempted", "function", "id", "remember", "request", "sent")

    def __init__(
        self,
        function: Callable[[Edit], Any],
        request: Request,
        remember: Callable[[Any, int], bytes] | None,
        answer: asyncio.Future[Committed[Any]],
    ) -> None:
        self.function = function
        self.request = request
        self.remember = remember
        self.answer = answer
        self.id = new_ulid()
        self.sent = False
        """Whether an attempt to commit it had an unknown outcome."""
        self.attempted: Committed[Any] | None = None
        """What the last attempt would have answered."""

    def settle(self, answer: Committed[Any] | BaseException) -> None:
        """Answers whoever waits, unless nobody does any more."""
        if self.answer.done():
            return
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


@dataclass(slots=True)
class Group:
    """The outcome of running a group's functions at one head."""

    commits: list[Commit] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """The commits encoded."""
    records: list[Record] = field(default_factory=list)
    idempotency: list[IdempotencyRecord] = field(default_factory=list)
    private: dict[str, bytes | None] = field(default_factory=dict)
    answers: list[tuple[Draft, Committed[Any] | BaseException]] = field(default_factory=list)

    @property
    def batch(self) -> WriteBatch | None:
        """What is to be written; None when there is nothing."""
        if not (self.commits or self.records or self.idempotency or self.private):
            return None
        return WriteBatch(
            commits=self.commits,
            bodies=self.bodies,
            records=self.records,
            idempotency=self.idempotency,
            private=self.private,
        )


def run_group(
    drafts: Sequence[Draft],
    view: View,
    *,
    head: Head,
    now_ms: int,
    done: Mapping[str, int],
    known: Mapping[str, IdempotencyRecord],
) -> Group:
    """Runs the drafts' functions in order, each at head with what those before it have done.

    `done` are the revisions of those drafts that were committed already, by draft id; `known` is what their idempotency
    keys made before. `now_ms` is the writer's clock in UTC milliseconds.
    """
    group = Group()
    at = max(now_ms, head.at + 1)
    revision = head.revision
    made_here: dict[str, IdempotencyRecord] = {}
    whole: Edit | None = (
        None  # what the accepted drafts have done together: the first one's own edit, joined by the rest
    )
    for draft in drafts:
        request = draft.request
        idempotency = request.idempotency
        if draft.id in done:
            group.answers.append((draft, _lost_answer(draft, done[draft.id])))
            continue
        if idempotency is not None:
            before = made_here.get(idempotency.key) or known.get(idempotency.key)
            if before is not None:
                group.answers.append((draft, answered_before(before, idempotency)))
                continue
        own = Edit(view if whole is None else whole, at=at, next_revision=revision + 1, source=request.source)
        try:
            value = draft.function(own)
            commit = _commit_of(draft, own, revision=revision + 1)
            body = b"" if commit is None else _encoded(commit)
        except Refusal as refusal:
            group.answers.append((draft, refusal))
            continue
        except Exception as problem:  # a bug in one change must not take the others with it
            log.exception("ledger.function_failed", action=request.action)
            group.answers.append((draft, problem))
            continue
        if commit is not None:
            revision += 1
            at += 1
            group.commits.append(commit)
            group.bodies.append(body)
            if whole is None:
                whole = own
            else:
                whole.join(own)
            if request.audited:
                group.records.append(audit_record(request, commit))
        group.records.extend(own.records)
        group.private.update(own.private)
        answer = draft.attempted = Committed(value, revision)
        if idempotency is not None:
            made_here[idempotency.key] = record = IdempotencyRecord(
                key=idempotency.key,
                body_digest=idempotency.body_digest,
                result=msgspec.Raw(draft.remember(value, revision) if draft.remember else b"null"),
                revision=revision,
                at=at,
            )
            group.idempotency.append(record)
        group.answers.append((draft, answer))
    return group


def _commit_of(draft: Draft, edit: Edit, *, revision: int) -> Commit | None:
    changes = edit.changes
    if not changes:
        return None
    return Commit(
        revision=revision,
        draft_id=draft.id,
        at=edit.at,
        author=draft.request.author,
        action=draft.request.action,
        changes=changes,
        counters=edit.raised_counters,
    )


def _encoded(commit: Commit) -> bytes:
    body = encode_commit(commit)
    if len(body) > MAX_COMMIT_BYTES:
        raise LimitExceeded(
            f"the commit has {len(body)} bytes, the most is {MAX_COMMIT_BYTES}", remedy="send it in parts", path="input"
        )
    return body


def _lost_answer(draft: Draft, revision: int) -> Committed[Any] | Refusal:
    """The answer of the attempt that did commit: the last one, for the lock lets no attempt begin before the one before
    has ended."""
    if draft.attempted is not None and draft.attempted.revision == revision:
        return draft.attempted
    return Unavailable(
        f"the change was made at revision {revision}, but its answer was lost", remedy="read it again; do not repeat it"
    )

"""The audit of what left no commit: refusals and sign-ins, in batches.

A change that was made leaves its audit record in its own commit. A refusal has no commit, and writing one for each would let
anybody fill the disk by asking for what he may not do. So refusals wait here, at most 60 a caller a minute, the rest is
counted into one record, and a background task writes what has gathered. What waits is bounded; what found no room is
counted too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog

from access.viewer import SYSTEM, now_ms
from graph.change import Record
from graph.edit import Edit
from graph.identifiers import new_id
from graph.ledger import Ledger
from graph.refusal import Refusal
from graph.request import Request

COLLECTION = "audit"
A_MINUTE = 60
"""Records of one caller in one minute."""
MINUTE_MS = 60_000
CALLERS = 10_000
WAITING = 5_000
BATCH = 500
EVERY_S = 2.0

log = structlog.get_logger(__name__)


class AuditBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an audit record of no commit holds, beside what a `Record` has."""

    author: str
    """The id of who asked; `anonymous` before anybody is signed in."""
    action: str
    """Such as `createSite` or `signIn`."""
    outcome: str
    """`REFUSED`, `SUCCEEDED` or `FAILED`."""
    code: str | None = None
    """The refusal's code."""
    path: str | None = None
    """The input field that it was refused for."""
    address: str | None = None
    """From where, for sign-ins."""
    correlation_id: str = ""
    count: int = 1
    """More than one: so many alike in what was left out, which have no records of their own."""


class _Caller(msgspec.Struct):
    minute: int
    tenant_id: str | None
    """Whose audit all of the minute's records belong to; None: several, or the installation's."""
    noted: int = 0
    more: int = 0


class Audit:
    """Gathers what is to be audited without a commit, and writes it in the background while `running`."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock_ms: Callable[[], int] = now_ms,
        a_minute: int = A_MINUTE,
        waiting: int = WAITING,
        every_s: float = EVERY_S,
    ) -> None:
        self._ledger = ledger
        self._clock_ms = clock_ms
        self._a_minute = a_minute
        self._most = waiting
        self._every_s = every_s
        self._waiting: list[Record] = []
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
        self.dropped = 0
        """Records that found no room, since the start; for metrics."""

    def refused(
        self,
        refusal: Refusal,
        *,
        author: str,
        action: str,
        tenant_id: str | None = None,
        subject_id: str | None = None,
        correlation_id: str = "",
    ) -> None:
        """Notes that a caller was refused. Its message is left out: it may quote what was sent."""
        body = AuditBody(
            author=author,
            action=action,
            outcome="REFUSED",
            code=refusal.code,
            path=refusal.path,
            correlation_id=correlation_id,
        )
        self.note(body, caller=author, tenant_id=tenant_id, subject_id=subject_id)

    def note(
        self, body: AuditBody, *, caller: str, tenant_id: str | None = None, subject_id: str | None = None
    ) -> None:
        """Notes something under a caller (a user's id, or an address), whose records of a minute are limited."""
        now = self._clock_ms()
        minute = now // MINUTE_MS
        known = self._callers.get(caller)
        if known is None or known.minute != minute:
            if known is not None:
                self._sum_up(caller, known, now)
            known = self._callers[caller] = _Caller(minute, tenant_id)
            while len(self._callers) > CALLERS:
                self._sum_up(*self._callers.popitem(last=False), now)
        if known.tenant_id != tenant_id:
            known.tenant_id = None
        if known.noted >= self._a_minute:
            known.more += 1
            return
        known.noted += 1
        self._add(body, now, tenant_id, subject_id)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Audit]:
        """Writes what is noted every 2 s until the context ends, then the rest, as far as the store takes it."""
        task = asyncio.create_task(self._write_on(), name="audit-writer")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.write(everything=True)

    async def write(self, *, everything: bool = False) -> None:
        """Writes a batch of what waits; with `everything` all of it and the counts of the minute that has not ended.

        What the store does not take waits on.
        """
        now = self._clock_ms()
        for caller, known in list(self._callers.items()):
            if everything or known.minute != now // MINUTE_MS:
                del self._callers[caller]
                self._sum_up(caller, known, now)
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            written = False
            try:
                await self._ledger.commit(_filing(batch), Request(author=SYSTEM.id, action="audit", audited=False))
                written = True
            except Refusal as refusal:
                log.warning("audit.waits", records=len(batch) + len(self._waiting), reason=refusal.code)
                return
            finally:
                # Also when this task is cancelled: a record that is written twice has one id and is kept once.
                if not written:
                    self._waiting = batch + self._waiting
            if not everything:
                return

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.write()

    def _sum_up(self, caller: str, known: _Caller, now: int) -> None:
        if known.more:
            body = AuditBody(author=caller, action="*", outcome="REFUSED", count=known.more)
            self._add(body, now, known.tenant_id, None)

    def _add(self, body: AuditBody, now: int, tenant_id: str | None, subject_id: str | None) -> None:
        if len(self._waiting) >= self._most:
            self.dropped += 1
            return
        self._waiting.append(
            Record(
                collection=COLLECTION,
                id=new_id("audit", at_ms=now),
                tenant_id=tenant_id,
                subject_id=subject_id,
                at=now,
                body=msgspec.Raw(msgspec.json.encode(body)),
            )
        )


def _filing(batch: list[Record]) -> Callable[[Edit], None]:
    def function(edit: Edit) -> None:
        for record in batch:
            edit.file(record)

    return function

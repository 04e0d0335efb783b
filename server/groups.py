"""Groups of subscribers who are sent the same, and their members.

A member is always in one of two states. *Live*: it is in its group's `members`, has everything up to the group's
position, and is given what the group is given. *Alone*: it has just come, or its outbox was full, or its group had to
begin anew; it finds its way to the group's position by itself (`server/catching_up.py`) and becomes live when the two are
equal. A member's position only grows between two beginnings, and an event is given to it only when it leads beyond.
Nothing is queued for a member that is behind: it has a position, and that is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from opentelemetry.context import Context

from resolvers.live import LiveQuery
from server.execution import Viewer
from server.field_executor import FieldExecutor
from server.outbox import Outbox

V = TypeVar("V", bound=Viewer)


@dataclass(slots=True, eq=False)
class Member(Generic[V]):
    """One subscription of one connection."""

    head: str
    """The envelope's beginning, up to the payload."""
    outbox: Outbox
    viewer: V
    query: LiveQuery
    correlation_id: str
    trace: Context | None = None
    """Where the subscription's start is in its trace."""
    revision: int = -1
    """What the client has been given everything up to."""
    known: int = -1
    """What the client has been told that it stands at: the revision of its newest event, or its cursor. Between it and
    `revision` was nothing for this subscription."""
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the member is no longer live."""
    anew: str | None = None
    """Why the member must begin anew instead of going on from its revision."""
    ended: bool = False

    def leave_live(self, *, anew: str | None = None) -> None:
        """Tells the member's task that it is alone."""
        if anew is not None:
            self.anew = anew
        self.turn.set()

    def end(self) -> None:
        """Tells the member's task that nothing follows."""
        self.ended = True
        self.turn.set()


@dataclass(frozen=True, slots=True)
class Text:
    """An encoded event; the end of its envelope is part of it."""

    body: str
    revision: int
    beat: bool = False
    """A heartbeat repeats a position; an event leads beyond it."""


def text_of(encoded: bytes, *, revision: int, beat: bool = False) -> Text:
    """Closes the envelope. It is text, since a binary frame is none of the protocol's."""
    return Text(encoded.decode() + "}", revision, beat)


@dataclass(slots=True, eq=False)
class Group(Generic[V]):
    """Subscribers with the same document, variables, query and permissions."""

    key: Hashable
    query: LiveQuery
    executor: FieldExecutor
    position: int
    """All commits up to here were looked at."""
    follows: int
    """What the next event follows: a revision with nothing for this subscription between it and the position. No live
    member knows less."""
    interval_s: float
    not_before: float
    sent_at: float
    name: str | None = None
    """The operation's, for traces."""
    trace: Context | None = None
    """Where its first member's start is in its trace."""
    members: dict[Member[V], None] = field(default_factory=dict)
    """Those that are live, in the order of their coming."""
    users: int = 0
    """Members that are live or alone."""
    busy: bool = False
    """Its events are being awaited."""
    over: bool = False
    """The subscription has ended, or failed; nobody joins any more."""
    snapshot: list[Text] = field(default_factory=list)
    """The encoded snapshot and the events since; empty when there is none that can be brought forward."""
    tail_bytes: int = 0
    caught: dict[int, list[Text]] = field(default_factory=dict)
    """What leads from a revision to the group's position, for others who come back from the same one."""
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while something is encoded for members that are alone, so that others find it made."""

    def join(self, member: Member[V]) -> bool:
        """Makes a member live if it stands where the group does."""
        if member.revision < self.position:
            return False
        member.turn.clear()
        self.members[member] = None
        self.follows = min(self.follows, member.known)
        return True

    def fan_out(self, text: Text) -> int:
        """Gives a text to the live members whom it brings forward; says how many had no room and are alone now."""
        behind: list[Member[V]] = []
        body, revision = text.body, text.revision
        last = revision if text.beat else revision - 1
        for member in self.members:
            if member.revision <= last:
                if member.outbox.offer(member.head, body):
                    member.revision = member.known = revision
                else:
                    behind.append(member)
        for member in behind:
            del self.members[member]
            member.leave_live()
        return len(behind)

    def keep(self, text: Text, *, max_events: int, max_bytes: int) -> None:
        """Brings the encoded snapshot forward by an event, or lets go of it when that has become long."""
        if not self.snapshot or text.revision <= self.snapshot[0].revision:
            return
        self.snapshot.append(text)
        self.tail_bytes += len(text.body)
        if len(self.snapshot) > max_events + 1 or self.tail_bytes > max(max_bytes, len(self.snapshot[0].body) // 2):
            self.forget()

    def forget(self) -> None:
        """Lets go of the encoded snapshot."""
        self.snapshot = []
        self.tail_bytes = 0

    def passed(self, revision: int) -> None:
        """All commits up to here were looked at."""
        if revision != self.position:
            self.position = revision
            self.caught.clear()

    def begin_anew(self, revision: int, reason: str) -> None:
        """Goes on from here without knowing what was before: every member begins anew."""
        self.forget()
        self.passed(revision)
        self.follows = revision
        for member in self.members:
            member.leave_live(anew=reason)
        self.members.clear()

    def end(self) -> None:
        """Nothing follows."""
        self.over = True
        for member in self.members:
            member.end()
        self.members.clear()

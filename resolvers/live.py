"""What a subscription's resolver returns: not a stream, but how to make one for many viewers at once.

Were each subscriber given an async generator of its own, every event would be executed and encoded once for each of
them (160 to 260 microseconds a delivery). A resolver therefore returns a `LiveQuery`: plain, mostly synchronous
questions that the server asks once for a group of subscribers with the same document, variables and permissions
(`server/broadcast.py`). It is async iterable in name only, so that graphql-core and the schema's `AsyncGenerator`
annotation accept it.

The rules that make this sound:
- An event is whole values, never differences of values, and says by which revision it `follows`: it holds everything
  between that revision and its own. A client that is at or beyond `follows` may apply it.
- Nothing here awaits but `catch_up`, which may read the store.
- A live query outlives the request that made it and may serve other members of its group, who have the same
  permission key. It must therefore ask for the current view each time, and must not keep the viewer's own view.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar, cast

from graph.change import Commit

LiveEvent: TypeAlias = tuple[object, int]
"""A value of the subscription field's type, and the revision that it brings a client to."""

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Resync:
    """The answer that a position cannot be caught up from: the client must begin anew. `reason` is shown to it."""

    reason: str


class Feed(Protocol):
    """The commits as this process has applied them to its view."""

    @property
    def revision(self) -> int:
        """The newest applied revision."""
        ...

    def since(self, revision: int) -> Sequence[Commit]:
        """The commits after `revision`, in order, from memory. Raises graph.store.Compacted when they are gone."""
        ...

    async def wait(self, revision: int) -> object:
        """Returns when the newest applied revision is greater than `revision`; at once when it is."""
        ...


class LiveQuery(ABC):
    """One subscription, as questions that are asked for all of its group. Subclasses set the attributes."""

    key: Hashable
    """The field's name and its canonical arguments without the cursor. Together with document, variables and the
    viewer's permission key it names the group."""
    after: int | None = None
    """The revision to resume after, decoded from the cursor; None: begin with the snapshot, or from now."""
    max_rate_hz: float = 10.0
    """At most so many events a second, once the first after a quiet time was sent. The server has its own bounds."""
    resync_first: str | None = None
    """Why the given cursor cannot be resumed from (it is of another epoch, say): a resync and a snapshot are sent."""

    @abstractmethod
    def snapshot(self) -> tuple[object | None, int]:
        """The event that tells the whole state, and the revision of the view that it was read from; asked any time.

        None for a subscription that begins from now.
        """

    @abstractmethod
    async def catch_up(self, after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        """The events of the commits in (after, upto], coalesced as far as sensible, the first following `after`.

        From the feed's memory or the store's log; bounded in count: what is too much, compacted or ahead of the graph
        is a Resync.
        """

    @abstractmethod
    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        """The events of these consecutive commits, which may be none. The first follows revision `follows`.

        `follows` is the revision of the group's event before, and may be less than `commits[0].revision - 1` when
        commits between had nothing for this query.
        """

    def heartbeat(self, revision: int) -> object | None:
        """The event that says the stream is alive and complete up to `revision`; None: the subscription has none."""
        return None

    def resync(self, reason: str, *, revision: int) -> object | None:
        """The event that tells a client to forget what it has; a snapshot follows, or events after `revision`."""
        return None

    def ended(self) -> bool:
        """Whether nothing can follow what was told so far; asked after every event. The subscription then completes."""
        return False

    def __aiter__(self) -> AsyncIterator[object]:
        """Only there to pass for a stream: the server never iterates it."""
        raise TypeError("a LiveQuery is delivered by the server's broadcast and cannot be iterated")


def as_stream(query: LiveQuery, event_type: type[E] | None = None) -> AsyncGenerator[E, None]:
    """The same query, typed as the schema's subscription fields want it; use it in the resolver's return statement."""
    return cast("AsyncGenerator[E, None]", query)

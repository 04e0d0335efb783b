"""A small world behind a real schema: sites that are renamed, a feed of commits, and subscriptions over both.

The endpoint's tests want to see what it does with unions, lists, awaited and failing fields and all that a live query
may be, and nothing of the product's own schema. Commits are real; what a change means is told by `World.history`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry.types import Info

from graph.change import Change, Commit
from graph.feed import Feed
from resolvers.live import LiveEvent, LiveQuery, Resync, as_stream
from resolvers.problems import RequestProblem


@strawberry.enum
class Tier(Enum):
    CORE = "core"
    EDGE = "edge"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Site(Named):
    id: strawberry.ID
    tier: Tier
    latitude: float
    size: int
    up: bool
    note: str | None
    revision: int

    @strawberry.field
    def label(self) -> str:
        return f"{self.name} ({self.tier.value})"

    @strawberry.field
    def neighbours(self, info: Info, first: int = 50) -> list[Site]:
        return list(info.context.world.sites.values())[:first]

    @strawberry.field
    async def awaited(self) -> str:
        await asyncio.sleep(0)
        return self.name

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("the secret of another tenant")

    @strawberry.field
    def wrong(self) -> int:
        return "not a number"  # type: ignore[return-value]  # that it is none is what is tried


@strawberry.type
class SiteConnection:
    nodes: list[Site]
    total_count: int


@strawberry.type
class Columns:
    latitude: list[float]
    name: list[str]


@strawberry.type
class Renamed:
    site: Site


@strawberry.type
class NotFound:
    message: str


RenameResult = Annotated[Renamed | NotFound, strawberry.union("RenameResult")]


@strawberry.input
class RenameInput:
    id: strawberry.ID
    name: str


@dataclass
class World:
    """Sites, their history and the feed; `kept` bounds what the feed remembers."""

    kept: int = 1_000
    sites: dict[str, Site] = field(default_factory=dict)
    history: list[tuple[int, Site]] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    catch_up_limit: int = 500
    holds: bool = False
    """Whether a renaming waits at the gate."""
    waits: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    """What becomes of those who wait at the gate: `begun`, then `ended` or `cancelled`."""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Tells of one who waits at the gate."""
        self.waits.put_nowait("begun")
        try:
            yield
        except asyncio.CancelledError:
            self.waits.put_nowait("cancelled")
            raise
        self.waits.put_nowait("ended")

    def __post_init__(self) -> None:
        self.feed = Feed(kept_commits=self.kept)

    def count(self, what: str) -> None:
        self.calls[what] = self.calls.get(what, 0) + 1

    def add(self, number: int, *, note: str | None = None) -> None:
        """Sites that have always been there: no commits."""
        for index in range(number):
            key = f"site_{index}"
            self.sites[key] = Site(
                id=strawberry.ID(key),
                name=f"n{index}",
                tier=Tier.EDGE,
                latitude=index / 2,
                size=index,
                up=True,
                note=note,
                revision=0,
            )

    def rename(self, key: str, name: str, *, note: str | None = None) -> int:
        """Commits a new name and publishes it."""
        revision = self.feed.revision + 1
        old = self.sites[key]
        new = Site(
            id=old.id,
            name=name,
            tier=old.tier,
            latitude=old.latitude,
            size=old.size,
            up=old.up,
            note=note if note is not None else old.note,
            revision=revision,
        )
        self.sites[key] = new
        self.history.append((revision, new))
        self.publish(revision, "Site", key)
        return revision

    def touch(self, kind: str = "Node", key: str = "node_1") -> int:
        """Commits something that no site subscription is about."""
        revision = self.feed.revision + 1
        self.publish(revision, kind, key)
        return revision

    def finish(self, key: str) -> int:
        self.finished.add(key)
        return self.touch("Operation", key)

    def publish(self, revision: int, kind: str, key: str) -> None:
        change = Change(kind=kind, id=key, before=None, after=None)
        self.feed.publish(
            Commit(revision=revision, draft_id=f"d{revision}", at=revision, author="u", action="test", changes=[change])
        )

    def changed(self, after: int, upto: int) -> dict[str, Site]:
        """The newest value of every site that changed in (after, upto]."""
        return {str(site.id): site for revision, site in self.history if after < revision <= upto}


@dataclass
class Context:
    world: World
    viewer: Any
    correlation_id: str


# --- subscriptions --------------------------------------------------------------------------------------------------


@strawberry.type
class Snapshot:
    revision: int
    sites: list[Site]


@strawberry.type
class Delta:
    revision: int
    follows: int
    sites: list[Site]


@strawberry.type
class Heartbeat:
    revision: int


@strawberry.type
class Restart:
    revision: int
    reason: str


SiteEvent = Annotated[Snapshot | Delta | Heartbeat | Restart, strawberry.union("SiteEvent")]
ChangeEvent = Annotated[Delta | Heartbeat | Restart, strawberry.union("ChangeEvent")]


class LiveSites(LiveQuery):
    """Sites, with a snapshot or without."""

    def __init__(self, world: World, *, after: int | None, max_rate_hz: float, whole: bool, only: str | None) -> None:
        self.world, self.after, self.max_rate_hz, self.whole, self.only = world, after, max_rate_hz, whole, only
        self.key = ("sites" if whole else "changes", max_rate_hz, only)
        if after is not None and after < 0:
            self.after, self.resync_first = None, "the cursor is of another epoch"

    def snapshot(self) -> tuple[object | None, int]:
        revision = self.world.feed.revision
        if not self.whole:
            return None, revision
        self.world.count("snapshot")
        return Snapshot(revision=revision, sites=self._wanted(list(self.world.sites.values()))), revision

    async def catch_up(self, after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        self.world.count("catch_up")
        await asyncio.sleep(0)
        commits = self.world.feed.since(after)  # raises Compacted
        if len(commits) > self.world.catch_up_limit:
            return Resync("too many changes to catch up with")
        return self._events(after, min(upto, self.world.feed.revision), follows=after)

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        self.world.count("delta")
        return self._events(commits[0].revision - 1, commits[-1].revision, follows=follows)

    def heartbeat(self, revision: int) -> object:
        return Heartbeat(revision=revision)

    def resync(self, reason: str, *, revision: int) -> object:
        return Restart(revision=revision, reason=reason)

    def _wanted(self, sites: list[Site]) -> list[Site]:
        return [site for site in sites if self.only is None or str(site.id) == self.only]

    def _events(self, after: int, upto: int, *, follows: int) -> list[LiveEvent]:
        sites = self._wanted(list(self.world.changed(after, upto).values()))
        if not sites:
            return []
        revision = max(site.revision for site in sites)
        return [(Delta(revision=revision, follows=follows, sites=sites), revision)]


class LiveOperation(LiveQuery):
    """A thing that ends."""

    def __init__(self, world: World, key: str) -> None:
        self.world, self.id, self.key = world, key, ("operation", key)

    def snapshot(self) -> tuple[object | None, int]:
        return self._now(), self.world.feed.revision

    def _now(self) -> str:
        return "DONE" if self.id in self.world.finished else "RUNNING"

    async def catch_up(self, after: int, upto: int) -> Sequence[LiveEvent] | Resync:
        return Resync("it has no cursor")

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        if any(change.id == self.id for commit in commits for change in commit.changes):
            return [(self._now(), commits[-1].revision)]
        return []

    def ended(self) -> bool:
        return self.id in self.world.finished


class LiveBug(LiveOperation):
    """A query with a bug in it."""

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        raise ZeroDivisionError("the secret of another tenant")


# --- the schema -----------------------------------------------------------------------------------------------------


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "you") -> str:
        return f"hello {name}"

    @strawberry.field
    def me(self, info: Info) -> str:
        return str(info.context.viewer.id)

    @strawberry.field
    def sites(self, info: Info, first: int = 50, after: str | None = None) -> SiteConnection:
        sites = list(info.context.world.sites.values())
        return SiteConnection(nodes=sites[: min(first, 500)], total_count=len(sites))

    @strawberry.field
    def by_ids(self, info: Info, ids: list[strawberry.ID]) -> list[Site | None]:
        return [info.context.world.sites.get(str(key)) for key in ids]

    @strawberry.field
    def named(self, info: Info) -> list[Named]:
        return list(info.context.world.sites.values())[:2]

    @strawberry.field
    def columns(self, info: Info) -> Columns:
        sites = info.context.world.sites.values()
        return Columns(latitude=[site.latitude for site in sites], name=[site.name for site in sites])

    @strawberry.field
    def gone(self) -> str:
        raise RequestProblem(
            "REVISION_GONE", "revision 7 is no longer kept", remedy="read again", extensions={"oldest": 9}
        )

    @strawberry.field
    async def slow(self, info: Info) -> str:
        with info.context.world.waiting():
            await info.context.world.gate.wait()
        return "at last"

    @strawberry.field
    def secret(self) -> str:
        raise LookupError("the secret of another tenant")

    @strawberry.field
    def tier(self, of: Tier) -> str:
        return of.value


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename(
        self, info: Info, input: RenameInput
    ) -> Annotated[Renamed | NotFound, strawberry.union("RenameResult")]:
        world: World = info.context.world
        await asyncio.sleep(0)
        if world.holds:
            with world.waiting():
                await world.gate.wait()
        if str(input.id) not in world.sites:
            return NotFound(message=f"there is no site {input.id}")
        world.rename(str(input.id), input.name)
        return Renamed(site=world.sites[str(input.id)])


@strawberry.type
class Subscription:
    @strawberry.subscription
    def sites(
        self, info: Info, after: str | None = None, max_rate_hz: float = 1_000.0, only: str | None = None
    ) -> AsyncGenerator[SiteEvent, None]:
        world: World = info.context.world
        world.count("subscribe")
        cursor = None if after is None else int(after)
        return as_stream(LiveSites(world, after=cursor, max_rate_hz=max_rate_hz, whole=True, only=only))

    @strawberry.subscription
    async def changes(
        self, info: Info, after: str | None = None, max_rate_hz: float = 1_000.0
    ) -> AsyncGenerator[ChangeEvent, None]:
        if after == "never":
            raise RequestProblem("BAD_CURSOR", "this is not a cursor", remedy="leave it out")
        cursor = None if after is None else int(after)
        return as_stream(LiveSites(info.context.world, after=cursor, max_rate_hz=max_rate_hz, whole=False, only=None))

    @strawberry.subscription
    def operation(self, info: Info, id: strawberry.ID) -> AsyncGenerator[str, None]:
        return as_stream(LiveOperation(info.context.world, str(id)))

    @strawberry.subscription
    def bug(self, info: Info) -> AsyncGenerator[str, None]:
        return as_stream(LiveBug(info.context.world, "bug"))

    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        yield 1


schema = strawberry.Schema(Query, Mutation, Subscription, types=[Site])

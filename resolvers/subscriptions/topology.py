"""`topology`: a picture of the whole that stays current, as a snapshot in columns and deltas in the same columns.

The query of the same name answers with the same snapshot. A filter chooses sites; nodes and instances come with their
site, links with both of theirs. When a site begins or ceases to match, what hangs on it does too; then a new snapshot is
sent in place of a delta.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Any

import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from access.visible import VisibleView
from graph.change import Change, Commit, coalesced
from graph.conditions import EVERYTHING, All, Condition, Equals
from graph.entity import Entity
from graph.kinds import Instance, Link, Node, Region, Site, SiteRole, Tier
from graph.listing import matching
from graph.view import each
from resolvers.context import Context
from resolvers.live import LiveEvent, as_stream
from resolvers.subscriptions.resuming import GraphQuery, parts
from schema.columns import TABLES, table_members, tables
from schema.filters import SPECIAL, label_condition
from schema.results import EPOCH, Payload
from schema.vocabulary import Member, enum_type, input_type, object_type, resolver_field, subscription_field, union_type

UNSET = strawberry.UNSET


class TopologyTable(enum.Enum):
    """The tables of a topology."""

    REGIONS = "REGIONS"
    """Regions."""
    SITES = "SITES"
    """Sites."""
    NODES = "NODES"
    """Nodes."""
    LINKS = "LINKS"
    """Links."""
    INSTANCES = "INSTANCES"
    """Instances."""


_TABLE_OF: dict[type[Entity], TopologyTable] = {
    Region: TopologyTable.REGIONS,
    Site: TopologyTable.SITES,
    Node: TopologyTable.NODES,
    Link: TopologyTable.LINKS,
    Instance: TopologyTable.INSTANCES,
}


class Picture:
    """What a topology shows: which tables, and which sites."""

    def __init__(self, given: Any) -> None:
        self.tables = set(_TABLE_OF)
        self._given = None if given in (UNSET, None) else given
        if self._given is not None and self._given.tables not in (UNSET, None):
            self.tables = {kind for kind, table in _TABLE_OF.items() if table in self._given.tables}

    def sites(self, view: VisibleView) -> Condition:
        """The condition on sites, read with a view."""
        given = self._given
        found: list[Condition] = []
        if given is None:
            return EVERYTHING
        if given.in_region not in (UNSET, None):
            found.append(SPECIAL["Site"]["in_region"][2](given.in_region, "filter.inRegion", view))
        if given.tiers not in (UNSET, None):
            found.append(Equals("tier", list(given.tiers), indexed=True))
        if given.roles not in (UNSET, None):
            found.append(Equals("role", list(given.roles), indexed=True))
        if given.labels not in (UNSET, None):
            found.append(label_condition(given.labels, path="filter.labels"))
        return All(found) if found else EVERYTHING

    def snapshot(self, view: VisibleView, *, cursor: str) -> Payload:
        """All that it shows."""
        where = self.sites(view)
        chosen: dict[str, Entity] = {one.id: one for one in matching(view, "Site", where)}
        rows: dict[type[Entity], Iterator[Entity] | list[Entity]] = {}
        if Region in self.tables:
            rows[Region] = each(view, Region)
        if Site in self.tables:
            rows[Site] = list(chosen.values())
        if Node in self.tables:
            rows[Node] = [one for one in each(view, Node) if where is EVERYTHING or one.site_id in chosen]
        if Instance in self.tables:
            rows[Instance] = [one for one in each(view, Instance) if where is EVERYTHING or one.site_id in chosen]
        if Link in self.tables:
            rows[Link] = [
                one
                for one in each(view, Link)
                if where is EVERYTHING or (one.from_site_id in chosen and one.to_site_id in chosen)
            ]
        return Payload("TopologySnapshot", revision=view.revision, epoch=view.epoch, cursor=cursor, **tables(rows))


class TopologyQuery(GraphQuery):
    """The live query of `topology`."""

    def __init__(self, context: Context, *, filter: Any, after: Any, max_rate_hz: float) -> None:
        super().__init__(context, after=after, max_rate_hz=max_rate_hz)
        self._picture = Picture(filter)
        self._picture.sites(self.view)  # a bad selector is told at once
        self.key = ("topology",)

    def snapshot(self) -> tuple[object | None, int]:
        """The whole picture."""
        view = self.view
        return self._picture.snapshot(view, cursor=self.cursor(view.revision)), view.revision

    def delta(self, commits: Sequence[Commit], *, follows: int) -> Sequence[LiveEvent]:
        """The rows that were added or changed and the ids that are gone; a snapshot when a site moved across the filter."""
        events: list[LiveEvent] = []
        view = self.view
        where = self._picture.sites(view)
        for part in parts(commits):
            rows: dict[type[Entity], list[Entity]] = {}
            removed: list[str] = []
            for change in coalesced(part).values():
                kind = type(change.value)
                if kind not in _TABLE_OF:
                    continue
                before, after = self._shown(change.before, view, where), self._shown(change.after, view, where)
                if kind is Site and self._crosses(change, before, after):
                    return (*events, self.snapshot())
                if kind not in self._picture.tables:
                    continue
                if after is not None:
                    rows.setdefault(kind, []).append(after)
                elif change.after is None and change.before is not None and view.sees(change.before):
                    removed.append(change.id)
            if rows or removed:
                revision = part[-1].revision
                event = Payload(
                    "TopologyDelta",
                    revision=revision,
                    follows=follows,
                    epoch=self.epoch,
                    cursor=self.cursor(revision),
                    removed_ids=removed,
                    **tables(rows),
                )
                events.append((event, revision))
                follows = revision
        return events

    def heartbeat(self, revision: int) -> object | None:
        """Complete up to a revision."""
        return Payload("TopologyHeartbeat", revision=revision, epoch=self.epoch, cursor=self.cursor(revision))

    def resync(self, reason: str, *, revision: int) -> object | None:
        """Forget the picture; a snapshot follows."""
        return Payload("TopologyResync", reason=reason, revision=revision, epoch=self.epoch)

    @staticmethod
    def _crosses(change: Change, before: Entity | None, after: Entity | None) -> bool:
        return change.before is not None and change.after is not None and (before is None) != (after is None)

    def _shown(self, entity: Entity | None, view: VisibleView, where: Condition) -> Entity | None:
        shown = view.shown(entity) if entity is not None else None
        if shown is None or where is EVERYTHING or isinstance(shown, Region):
            return shown
        if isinstance(shown, Site):
            return shown if where.holds(shown) else None
        ends = (shown.site_id,) if isinstance(shown, Node | Instance) else (shown.from_site_id, shown.to_site_id)  # type: ignore[attr-defined]  # a Link
        sites = [view.get(one) for one in ends]
        return shown if all(site is not None and where.holds(site) for site in sites) else None


def topology_fields() -> tuple[Member, Member]:
    """The query and the subscription, and their types."""
    members = table_members()
    input_type(
        "TopologyFilter",
        {
            "tables": (
                f"Optional[list[{enum_type(TopologyTable)}]]",
                strawberry.field(description="Only these tables.", default=UNSET),
            ),
            "in_region": (
                "Optional[ID]",
                strawberry.field(description="Only sites in this region or below it.", default=UNSET),
            ),
            "tiers": (
                f"Optional[list[{enum_type(Tier)}]]",
                strawberry.field(description="Only sites of these tiers.", default=UNSET),
            ),
            "roles": (
                f"Optional[list[{enum_type(SiteRole)}]]",
                strawberry.field(description="Only sites of these roles.", default=UNSET),
            ),
            "labels": ("Optional[str]", strawberry.field(description="A label selector on sites.", default=UNSET)),
        },
        description="What a topology shows; nodes and instances come with their site, links with both of theirs.",
    )
    revision = ("BigInt", strawberry.field(description="Complete up to this revision."))
    cursor = ("str", strawberry.field(description="Give it as `after` to resume from here."))
    object_type(
        "TopologySnapshot",
        {"revision": revision, "epoch": EPOCH, "cursor": cursor, **members},
        description="The whole picture; forget what you had.",
    )
    object_type(
        "TopologyDelta",
        {
            "revision": revision,
            "epoch": EPOCH,
            "follows": ("BigInt", strawberry.field(description="It holds all changes after this revision.")),
            "cursor": cursor,
            "removed_ids": ("list[ID]", strawberry.field(description="Rows that are gone, of any table.")),
            **members,
        },
        description="Rows that were added or changed since, whole, and ids that are gone.",
    )
    object_type(
        "TopologyHeartbeat",
        {"revision": revision, "epoch": EPOCH, "cursor": cursor},
        description="Nothing for you up to this revision; the stream is alive.",
    )
    object_type(
        "TopologyResync",
        {"revision": revision, "epoch": EPOCH, "reason": ("str", strawberry.field(description="Why."))},
        description="The cursor could not be resumed from: a snapshot follows.",
    )
    union_type(
        "TopologyEvent",
        ("TopologySnapshot", "TopologyDelta", "TopologyHeartbeat", "TopologyResync"),
        description="An event of the live topology.",
    )
    declare_value_types(
        *(f"{kind.__name__}Columns" for kind in TABLES),
        "TopologySnapshot",
        "TopologyDelta",
        "TopologyHeartbeat",
        "TopologyResync",
    )
    declare_root("Query", "topology", Permission.READ_INFRASTRUCTURE)
    declare_root("Subscription", "topology", Permission.READ_INFRASTRUCTURE)
    wanted = ("Optional[TopologyFilter]", UNSET, "What to show; everything when not given.")

    def query(source: Any, info: Any, *, filter: Any) -> Payload:
        live = TopologyQuery(info.context, filter=filter, after=None, max_rate_hz=1.0)
        snapshot, _ = live.snapshot()
        assert isinstance(snapshot, Payload)
        return snapshot

    async def subscribe(source: Any, info: Any, **arguments: Any) -> Any:
        return as_stream(TopologyQuery(info.context, **arguments))

    return (
        (
            None,
            resolver_field(
                query,
                returns="TopologySnapshot",
                description="Columnar: one array a field, for pictures of the whole.",
                arguments={"filter": wanted},
            ),
        ),
        (
            None,
            subscription_field(
                subscribe,
                yields="TopologyEvent",
                description="A snapshot, then deltas. Resume with the last `cursor`; one too old is answered with "
                "TopologyResync and a new snapshot.",
                arguments={
                    "filter": wanted,
                    "after": ("Optional[str]", UNSET, "Resume after this cursor."),
                    "max_rate_hz": ("float", 10.0, "At most so many deltas a second; changes between are joined."),
                },
            ),
        ),
    )

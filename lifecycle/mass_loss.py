"""Mass loss: when many sites vanish at once automatic moves are held, for it is more likely that we see wrong.

A cut of our own uplink looks as if all sites behind it were gone, while they serve their users as before. Moving all of that
elsewhere would put two of everything into the world, and what is left under more than it can bear. So moves are held: in
the whole network when a share of all sites is lost within minutes, and in a region when a larger share of its own is. The
hold is in the graph. Sites that are private to a tenant do not count: whoever owns them could else hold the moves of all
others, or hide that many are lost. It ends when the share falls, or when an operator says that he knows how many are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from graph.change import Change
from graph.edit import Edit
from graph.kinds import Cluster, FailoverHold, Node, Region, Site, SiteRole
from graph.refusal import InvalidState, NotFound
from graph.view import Reader, each, get_as
from lifecycle.events import tell
from lifecycle.losses import is_lost, lost_since
from lifecycle.settings import LifecycleSettings
from lifecycle.turns import Turn

WHOLE = ""
"""The scope of the whole network; any other is a region's id."""
MOVES_HELD = "automatic moves are held, for many sites were lost at once"


class Count(NamedTuple):
    """How a scope stands."""

    sites: int
    lost: int
    at_once: int
    """Of those that are lost, how many were lost within the window, and after somebody had moves go on."""


class SitesLost:
    """Which sites are lost since when, kept from changes, so that no look at all of them is needed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._region: dict[str, str] = {}
        """By COMPUTE site, its region."""
        self._sites: dict[str, set[str]] = {}
        """By region, its sites."""
        self._lost: dict[str, int] = {}
        """By site that is lost, since when."""
        self._turn = Turn(reader, "Site")

    def reload(self) -> None:
        """Looks at all sites."""
        self._region.clear()
        self._sites.clear()
        self._lost.clear()
        for site in each(self._reader, Site):
            self._learn(site.id)

    def take(self, change: Change) -> bool:
        """Takes a change in; says whether it is about sites that come or go."""
        before, after = change.before, change.after
        if isinstance(before, Site) or isinstance(after, Site):
            if _of_site(before) == _of_site(after):
                return False
            self._learn(change.id)
            return True
        if isinstance(before, Cluster) or isinstance(after, Cluster):
            if _of_cluster(before) == _of_cluster(after):
                return False
            for site_id in self._served(change):
                self._learn(site_id)
            return True
        if isinstance(before, Node) or isinstance(after, Node):
            # A node that comes or goes may be why a control plane counts as one that serves its site.
            if _of_node(before) == _of_node(after):
                return False
            sites = sorted({one.site_id for one in (before, after) if isinstance(one, Node)})
            differ = [self._learn(site_id) for site_id in sites]
            return any(differ)
        return False

    def look_again(self, most: int) -> None:
        """Looks at the next few sites in turn, `most` at once."""
        for site_id in self._turn.take(most):
            self._learn(site_id)

    def scopes(self) -> Iterator[str]:
        """The whole, and each region with a lost site."""
        yield WHOLE
        yield from sorted({self._region[one] for one in self._lost})

    def count(self, scope: str, *, since: int) -> Count:
        """How a scope stands, of losses within a window that began at `since` (UTC ms)."""
        if scope == WHOLE:
            times = list(self._lost.values())
            return Count(len(self._region), len(times), sum(one >= since for one in times))
        here = self._sites.get(scope, set())
        found = [self._lost[one] for one in here if one in self._lost]
        return Count(len(here), len(found), sum(one >= since for one in found))

    def _served(self, change: Change) -> set[str]:
        found: set[str] = {one.site_id for one in each(self._reader, Node, "cluster_id", change.id)}
        for cluster in (change.before, change.after):
            if isinstance(cluster, Cluster):
                found.update(cluster.site_ids)
        return found

    def _learn(self, site_id: str) -> bool:
        """Looks at a site; says whether it differs from what was known of it."""
        region_id, since = self._region.pop(site_id, None), self._lost.pop(site_id, None)
        self._take(site_id, region_id)
        return (region_id, since) != (self._region.get(site_id), self._lost.get(site_id))

    def _take(self, site_id: str, region_id: str | None) -> None:
        if region_id is not None:
            here = self._sites[region_id]
            here.discard(site_id)
            if not here:
                del self._sites[region_id]
        site = get_as(self._reader, Site, site_id)
        if site is None or site.role is not SiteRole.COMPUTE or site.tenant_id is not None:
            return
        self._region[site_id] = site.region_id
        self._sites.setdefault(site.region_id, set()).add(site_id)
        if is_lost(self._reader, site):
            self._lost[site_id] = lost_since(self._reader, site)


def is_mass(count: Count, scope: str, *, settings: LifecycleSettings) -> bool:
    """Whether so many were lost at once that moves are to be held."""
    return count.at_once > most_lost(count.sites, scope, settings=settings)


def most_lost(sites: int, scope: str, *, settings: LifecycleSettings) -> float:
    """How many sites of a scope may be lost at once without a hold."""
    share = settings.mass_loss_share if scope == WHOLE else settings.mass_loss_region_share
    return max(float(settings.mass_loss_least), share * sites)


def hold_of(reader: Reader, scope: str) -> FailoverHold | None:
    """The hold of a scope."""
    return next((one for one in each(reader, FailoverHold) if (one.region_id or WHOLE) == scope), None)


def holds(reader: Reader) -> dict[str, FailoverHold]:
    """The holds that are in force, by scope; those that somebody has ended are not."""
    return {one.region_id or WHOLE: one for one in each(reader, FailoverHold) if one.resumed_at is None}


def keep_holds(edit: Edit, counts: Mapping[str, Count], *, settings: LifecycleSettings) -> None:
    """Begins, brings up to date and ends holds by how their scopes stand."""
    for scope, count in counts.items():
        hold = hold_of(edit, scope)
        if hold is None:
            if is_mass(count, scope, settings=settings):
                _begin(edit, scope, count)
        elif count.lost <= most_lost(count.sites, scope, settings=settings):
            _end(edit, hold, count)
        elif hold.resumed_at is not None and is_mass(count, scope, settings=settings):
            after = edit.replace(hold, lost=count.lost, sites=count.sites, resumed_at=None, resumed_by=None)
            _told(edit, after, count)
        else:
            edit.replace(hold, lost=count.lost, sites=count.sites)


def resume(edit: Edit, hold_id: str, lost: int, *, author: str, path: str = "input") -> FailoverHold:
    """Has automatic moves go on, by somebody who knows that so many sites are lost. Asked again nothing changes.

    Raises NotFound, or InvalidState when more are lost by now.
    """
    hold = get_as(edit, FailoverHold, hold_id)
    if hold is None:
        raise NotFound("FailoverHold", hold_id, path=f"{path}.id")
    if hold.resumed_at is not None:
        return hold
    if hold.lost > lost:
        raise InvalidState(
            f"{hold.lost} of {hold.sites} sites are lost by now, not {lost}",
            remedy="look again, and say that you know of all of them",
            path=f"{path}.lostSites",
        )
    after = edit.replace(hold, resumed_at=edit.at, resumed_by=author)
    told = f"Automatic moves go on though {hold.lost} of {hold.sites} sites are lost."
    tell(edit, after, "FailoverResumed", told, author=author, warning=True)
    return after


def scopes_of(reader: Reader, site_ids: list[str]) -> set[str]:
    """The scopes whose holds concern what is lost at some sites."""
    sites = (get_as(reader, Site, one) for one in site_ids)
    return {WHOLE, *(one.region_id for one in sites if one is not None)}


def are_held(reader: Reader, place_ids: Collection[str]) -> bool:
    """Whether moves that begin by themselves are held for what is lost at some sites or nodes that are left."""
    there = [one for one in place_ids if reader.get(one) is not None]
    return bool(scopes_of(reader, there) & holds(reader).keys())


def _begin(edit: Edit, scope: str, count: Count) -> None:
    if scope != WHOLE and get_as(edit, Region, scope) is None:
        return
    hold = edit.create(FailoverHold, region_id=scope or None, lost=count.lost, sites=count.sites)
    _told(edit, hold, count)


def _told(edit: Edit, hold: FailoverHold, count: Count) -> None:
    region = get_as(edit, Region, hold.region_id)
    where = f"of region {region.name} " if region is not None else ""
    told = f"{count.at_once} of {count.sites} sites {where}were lost at once: nothing is moved by itself."
    tell(edit, hold, "FailoverHeld", told, warning=True)


def _end(edit: Edit, hold: FailoverHold, count: Count) -> None:
    told = f"{count.lost} of {count.sites} sites are lost: what is lost is moved by itself again."
    tell(edit, hold, "FailoverHoldOver", told)
    edit.delete(hold)


def _of_site(site: object) -> tuple[object, ...] | None:
    return (site.region_id, site.role, site.health.status) if isinstance(site, Site) else None


def _of_cluster(cluster: object) -> tuple[object, ...] | None:
    return (cluster.site_ids, cluster.health.status) if isinstance(cluster, Cluster) else None


def _of_node(node: object) -> tuple[object, ...] | None:
    return (node.site_id, node.cluster_id) if isinstance(node, Node) else None

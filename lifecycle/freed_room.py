"""Room that releases have left, and who of those that wait for room may have use for it.

What was removed, moved or made smaller gives room back at its site. Whoever waits for room there is woken by that, and not
only by a sweep or at the end of a pause. Commits only note what was given up; what that leaves is worked out once for all
who may want it, when it is asked for. At most so many are woken at once, those that have a right to room first: the others
are found by the next that leaves, or in their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from graph.change import Change, Commit
from graph.kinds import Node, Release, Site
from graph.values import NO_RESOURCES, Resources
from graph.view import Reader, get_as
from lifecycle.failover_room import may_take_more, offered
from lifecycle.leaving import ranked
from placement.capacity import node_use, replicas_of

MOST_WOKEN = 24
"""Deployments that are woken at once: as many as are decided together."""
MOST_LOOKS = 512
"""How often at once it is asked whether a deployment may have use for what was left."""
SITES_AT_ONCE = 64


class Room(NamedTuple):
    """What a node had left for our work before something left it, and has by now."""

    was: Resources
    now: Resources


Freed = Mapping[str, Collection[Room] | None]
"""By site id what came free there on nodes; None: something did, and on which node nobody knows."""


class FreedRoom:
    """What releases have given up since it was last asked for. Fed with their changes, in order, or a `Follower`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.awaited = True
        """Whether anybody waits for room: else a follower notes nothing."""
        self._given_up: dict[str, dict[str | None, Resources]] = {}
        """By site and node."""

    def applied(self, commit: Commit) -> None:
        """Notes what a commit has releases give up."""
        if self.awaited:
            for change in commit.changes:
                if change.kind == "Release":
                    self.note(change)

    def reloaded(self) -> None:
        """What was given up meanwhile is not known."""
        self.clear()

    def clear(self) -> None:
        """Forgets what was given up."""
        self._given_up.clear()

    def note(self, change: Change) -> bool:
        """Takes in a change of a release; whether it gave anything up."""
        before, after = change.before, change.after
        if not isinstance(before, Release):
            return False
        fewer = given_up(before, after if isinstance(after, Release) else None)
        if not fewer:
            return False
        here = self._given_up.setdefault(before.site_id, {})
        for node_id, count in fewer.items():
            here[node_id] = here.get(node_id, NO_RESOURCES).plus(before.resources.times(count))
        return True

    def __bool__(self) -> bool:
        return bool(self._given_up)

    def take(self) -> Freed:
        """What has come free at some sites; of these it is then over, the others come next."""
        sites = list(self._given_up)[:SITES_AT_ONCE]
        return {site_id: self._rooms(self._given_up.pop(site_id)) for site_id in sites}

    def take_sites(self) -> frozenset[str]:
        """The sites where something has come free; it is then over."""
        given_up, self._given_up = self._given_up, {}
        return frozenset(given_up)

    def _rooms(self, here: Mapping[str | None, Resources]) -> list[Room] | None:
        found = []
        for node_id, amount in here.items():
            node = get_as(self._reader, Node, node_id)
            if node is None:
                return None
            now = offered(node).minus(node_use(self._reader, node.id))
            found.append(Room(now.minus(amount), now))
        return found


def given_up(before: Release, after: Release | None) -> dict[str | None, int]:
    """How many replicas a release may have given up on each of its nodes; under None where it has none."""
    fewer = replicas_of(before) - (0 if after is None else replicas_of(after))
    if not before.assignments:
        return {None: fewer} if fewer > 0 else {}
    kept = {} if after is None else after.assignments
    found: dict[str | None, int] = {}
    for node_id, count in before.assignments.items():
        # Reserved ones are given up when they are taken away, seen ones when they are gone: on which node is not told.
        less = max(count - kept.get(node_id, 0), fewer)
        if less > 0:
            found[node_id] = less
    return found


def woken(reader: Reader, freed: Freed, waiting_at: Callable[[Site], Iterable[str]]) -> list[str]:
    """Those that wait for room at sites and may have use for what came free, as they have a right to it.

    `waiting_at` gives the ids of those that wait for room at a site.
    """
    found: set[str] = set()
    looks = MOST_LOOKS
    for site_id, rooms in freed.items():
        site = get_as(reader, Site, site_id)
        if site is None:
            continue
        for deployment_id in waiting_at(site):
            if deployment_id in found:
                continue
            if looks <= 0:
                break
            looks -= 1
            if rooms is None or any(may_take_more(reader, *one, deployment_id) for one in rooms):
                found.add(deployment_id)
    return ranked(reader, found)[:MOST_WOKEN]

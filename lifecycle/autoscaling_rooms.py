"""Room for more replicas at sites: decided like everything else, for many sites at once, and with an end.

Sites that are to have the same are asked about together. A decision says which of them it refuses: those are asked about
with fewer, together again, and the others once more without them. So a load that rises everywhere takes as many decisions
as there are different answers, and not as there are sites. Where even that is too much, what was not looked at waits for
the next round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from graph.kinds import AppVersion, Release
from graph.refusal import Refusal
from graph.view import Reader, get_as
from lifecycle.adjusting import only_at
from lifecycle.autoscaling_targets import Target
from lifecycle.components import components_of
from lifecycle.placing import Filing, Placing
from placement.decision import Decision, SitePlacement
from placement.stopping import Stop, look
from placement.verdict import refusals_at, sites_refused

Staying = Callable[[str, str], Mapping[str, Release]]
"""By deployment and site: the releases that are to stay there, by component name."""
WORDS = 64
"""Of so many sites that are refused together each has reasons of its own; the others have the first one's."""
GONE = "its app version is gone"
NO_ROOM = "there is no room for it"


class Room(NamedTuple):
    """How many replicas have room at a site."""

    replicas: int
    placed: SitePlacement | None
    """Where its components go; None: no more than there are now."""
    why: str | None
    """Why there is no room for all that were wanted; None: there is, or no more was looked at."""


class Rooms(NamedTuple):
    """What was found."""

    by_key: dict[tuple[str, str], Room]
    """By the target's key; those that are not here were not looked at."""
    looks: int
    """Decisions that it took."""


@dataclass(slots=True)
class _Search:
    """Sites that are alike, and between which numbers the most that has room is looked for."""

    targets: list[Target]
    low: int
    """So many have room at all of them."""
    high: int
    """More than that have no room at any of them."""
    next: int
    placed: dict[str, SitePlacement] = field(default_factory=dict)
    """By site where `low` go; none while that is what there are now."""
    why: dict[str, str] = field(default_factory=dict)
    """By site why there is no room for more than `high`."""

    def of(self, targets: list[Target], *, high: int, next_: int, why: dict[str, str]) -> _Search:
        """The same of some of the sites."""
        return _Search(targets, self.low, high, next_, self.placed, {**self.why, **why})


async def rooms_for(
    placing: Placing, reader: Reader, wanted: Sequence[tuple[Target, int]], *, staying: Staying, looks: int
) -> Rooms:
    """For how many of the replicas that are wanted, above those that there are, each target's site has room.

    `looks`: how many decisions that may take at most; the first of `wanted` come first.
    """
    waiting = list(reversed(_alike(wanted, staying)))
    found: dict[tuple[str, str], Room] = {}
    spent = 0
    while waiting:
        search = waiting.pop()
        if search.low >= search.high:
            for one in search.targets:
                site_id = one.release.site_id
                found[one.key] = Room(search.low, search.placed.get(site_id), search.why.get(site_id))
            continue
        if spent >= looks:
            # What has room so far may be taken; whether there is more is looked at in the next round.
            if search.placed:
                for one in search.targets:
                    found[one.key] = Room(search.low, search.placed[one.release.site_id], None)
            continue
        spent += 1
        waiting += reversed(await _looked(placing, reader, search, staying))
    return Rooms(found, spent)


def _alike(wanted: Sequence[tuple[Target, int]], staying: Staying) -> list[_Search]:
    alike: dict[tuple[object, ...], _Search] = {}
    for one, count in wanted:
        here = staying(one.deployment.id, one.release.site_id)
        counts = sorted((name, release.replicas) for name, release in here.items())
        key = (one.policy.id, count, one.release.replicas, *counts)
        search = alike.setdefault(key, _Search([], one.release.replicas, count, count))
        search.targets.append(one)
    return list(alike.values())


async def _looked(placing: Placing, reader: Reader, search: _Search, staying: Staying) -> list[_Search]:
    """What remains to be looked for after one decision more."""
    count = search.next
    decision, told = await _at_sites(placing, reader, search.targets, count, staying)
    if decision is not None and decision.feasible:
        placed = {one.site_id: one for one in decision.placements}
        return [
            _Search(search.targets, count, search.high, _middle(count, search.high), placed, search.why),
        ]
    ids = [one.release.site_id for one in search.targets]
    why = dict.fromkeys(ids, told) if decision is None else await placing.told(partial(_refused, decision, ids, told))
    if not why:
        half = len(ids) // 2
        return [
            search.of(some, high=search.high, next_=count, why={})
            for some in (search.targets[:half], search.targets[half:])
        ]
    remain = [one for one in search.targets if one.release.site_id not in why]
    full = [one for one in search.targets if one.release.site_id in why]
    fewer = search.of(full, high=count - 1, next_=_middle(search.low, count - 1), why=why)
    return [fewer, *([search.of(remain, high=search.high, next_=count, why={})] if remain else [])]


def _middle(low: int, high: int) -> int:
    """The next number to look at between two, above the first."""
    return (low + high + 1) // 2


async def _at_sites(
    placing: Placing, reader: Reader, targets: Sequence[Target], count: int, staying: Staying
) -> tuple[Decision | None, str]:
    """Where the components go at the sites of targets that have the same there, with so many of the scaled one."""
    deployment, component = targets[0].deployment, targets[0].component
    version = get_as(reader, AppVersion, deployment.app_version_id)
    if version is None:
        return None, GONE
    here = staying(deployment.id, targets[0].release.site_id)
    counts = {**{name: release.replicas for name, release in here.items()}, component.name: count}
    site_ids = sorted(one.release.site_id for one in targets)
    try:
        chosen = await placing.choose(
            reader,
            components=[one for one in components_of(reader, version) if one.name in here],
            policy=only_at(deployment.policy, site_ids, names=counts),
            replicas=counts,
            tenant_id=deployment.tenant_id,
            excluding_deployment_id=deployment.id,
            filing=Filing.NONE,
            adjustments=(),
            scaled=False,
        )
    except Refusal as refusal:
        return None, refusal.message
    conflicts = chosen.decision.conflicts
    return chosen.decision, conflicts[0].message if conflicts else NO_ROOM


def _refused(decision: Decision, site_ids: Sequence[str], told: str, stop: Stop) -> dict[str, str]:
    """Those of some sites that are refused, and why each is: `told` where nothing is known of a site alone. For a thread.

    A site that is by itself is refused in any case.
    """
    look(stop)
    ruled_out = sites_refused(decision, site_ids) if len(site_ids) > 1 else set(site_ids)
    found = {one: told for one in site_ids if one in ruled_out}
    for one in refusals_at(decision, list(found)[:WORDS]):
        if one.reasons:
            found[one.site_id] = one.reasons[0].untold or one.reasons[0].message
    return found

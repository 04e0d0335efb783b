"""A policy edited for single sites, so that a deployment runs there, or no longer does, and all else stays.

What a deployment wants is its policy, not the list of its sites; so sites are added and removed by the words that say so,
and the next placement, whoever asks for it, comes to the same. Words that do not stand in the way are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from graph.kinds import SiteReplicas
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidState

PATH = "input.siteIds"


def with_sites(policy: PlacementPolicy, here: Sequence[str], added: Sequence[str]) -> PlacementPolicy:
    """The policy of a deployment that is `here`, with sites that it is to be at in any case. Raises InvalidState.

    They are pinned, and selected where sites are named; `maxSites` is raised where it would not leave room for them.
    """
    new = [one for one in dict.fromkeys(added) if one not in here]
    if not new:
        raise InvalidState("it is at all of these sites already", remedy="name others", path=PATH)
    selected = policy.sites
    sites = msgspec.structs.replace(
        selected,
        site_ids=[*selected.site_ids, *_missing(new, selected.site_ids)] if selected.site_ids else [],
        excluded_site_ids=_without(selected.excluded_site_ids, new),
    )
    count = len(here) + len(new)
    return msgspec.structs.replace(
        policy,
        sites=sites,
        pinned_site_ids=[*policy.pinned_site_ids, *_missing(new, policy.pinned_site_ids)],
        max_sites=None if policy.max_sites is None else max(policy.max_sites, count),
    )


def without_sites(policy: PlacementPolicy, here: Sequence[str], removed: Sequence[str]) -> PlacementPolicy:
    """The policy of a deployment that is `here`, without some sites. Raises InvalidState.

    They are excluded, or no longer named; `minSites` is lowered where it would ask for others in their place.
    """
    gone = [one for one in dict.fromkeys(removed) if one in here]
    if not gone:
        raise InvalidState("it is at none of these sites", remedy="see its releases", path=PATH)
    left = len(here) - len(gone)
    if not left:
        raise InvalidState("it would be at no site", remedy="stop or terminate it", path=PATH)
    selected = policy.sites
    named = _without(selected.site_ids, gone)
    excluded = selected.excluded_site_ids
    sites = msgspec.structs.replace(
        selected,
        site_ids=named,
        excluded_site_ids=excluded if named else [*excluded, *_missing(gone, excluded)],
    )
    return msgspec.structs.replace(
        policy,
        sites=sites,
        pinned_site_ids=_without(policy.pinned_site_ids, gone),
        min_sites=min(policy.min_sites, left),
    )


def adjusted_at(
    adjustments: Iterable[SiteReplicas], site_id: str, replicas: dict[str, int] | None
) -> list[SiteReplicas]:
    """Replicas at single sites with those of one site set by component name; None: as at the others again."""
    given = replicas or {}
    found = {
        (one.site_id, one.component): one
        for one in adjustments
        if one.site_id != site_id or (replicas is not None and one.component not in given)
    }
    for name, count in given.items():
        found[site_id, name] = SiteReplicas(site_id=site_id, component=name, replicas=count)
    return [found[key] for key in sorted(found)]


def _missing(wanted: Iterable[str], named: Sequence[str]) -> list[str]:
    return [one for one in wanted if one not in named]


def _without(named: Iterable[str], gone: Sequence[str]) -> list[str]:
    return [one for one in named if one not in gone]

"""Who may want a site: deployments by the narrowest word that their policy says of sites.

A site that is new, has changed, is back or has room again concerns those whose policy may select it, and none of the others.
What is found may be refused by the policy's other words; what is not found cannot be selected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from graph.kinds import Site
from graph.kinds.policy import PlacementPolicy
from graph.refusal import Refusal
from graph.selectors import Operator, parse_selector
from graph.view import Reader
from lifecycle.failover_regions import regions_of_site

Bucket = tuple[str, str]
ANY: Bucket = ("any", "")


class Wanting:
    """Ids of deployments by what a site must have one of for their policy to select it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._by_bucket: defaultdict[Bucket, set[str]] = defaultdict(set)
        self._buckets: dict[str, tuple[Bucket, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def __contains__(self, deployment_id: object) -> bool:
        return deployment_id in self._buckets

    def __iter__(self) -> Iterator[str]:
        return iter(self._buckets)

    def clear(self) -> None:
        """Forgets all."""
        self._by_bucket.clear()
        self._buckets.clear()

    def learn(self, deployment_id: str, policy: PlacementPolicy) -> None:
        """Takes in what a deployment asks of sites by now."""
        self.forget(deployment_id)
        self._buckets[deployment_id] = tuple(dict.fromkeys(_buckets(policy)))
        for bucket in self._buckets[deployment_id]:
            self._by_bucket[bucket].add(deployment_id)

    def forget(self, deployment_id: str) -> None:
        """It is gone, or nobody asks for it any more."""
        for bucket in self._buckets.pop(deployment_id, ()):
            left = self._by_bucket[bucket]
            left.discard(deployment_id)
            if not left:
                del self._by_bucket[bucket]

    def at(self, site: Site) -> list[str]:
        """Those that may want a site, by id."""
        found: set[str] = set()
        for bucket in self._of(site):
            found |= self._by_bucket.get(bucket, set())
        return sorted(found)

    def _of(self, site: Site) -> Iterator[Bucket]:
        yield ANY
        yield "site", site.id
        yield from ((f"label {key}", value) for key, value in site.labels.items())
        yield from (("region", one) for one in regions_of_site(self._reader, site))


def _buckets(policy: PlacementPolicy) -> list[Bucket]:
    """What a site must have one of for the policy to select it; the narrowest of its words."""
    sites = policy.sites
    if sites.site_ids:
        return [("site", one) for one in sites.site_ids]
    try:
        asked = parse_selector(sites.labels or "", path="policy.sites.labels").requirements
    except Refusal:
        return [ANY]
    for one in asked:
        if one.operator is Operator.IN:
            return [(f"label {one.key}", value) for value in one.values]
    if sites.region_ids:
        return [("region", one) for one in sites.region_ids]
    return [ANY]

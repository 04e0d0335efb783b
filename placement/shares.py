"""What each release takes up, kept release by release: a release that changes is taken out and put in again.

The sums over all releases take as long as there are releases; what a commit changes is a few of them. The numbers are those
of placement/capacity.py, which asks for one node or one site.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graph.kinds import Instance, Release
from graph.view import Reader, each, get_as
from placement.capacity import holds_resources, instances_by_node, placed_replicas, replicas_of
from placement.nodes import LARGEST

FEW_INSTANCES = 4
Amount = tuple[int, int, int]
"""In the order of `placement.nodes.RESOURCES`."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one release takes up."""

    site_id: str
    each: Amount
    """Of one replica."""
    accelerators: tuple[tuple[str, int], ...]
    """Of one replica: models and counts."""
    count: int
    """Replicas at the site."""
    placed: tuple[tuple[str, int], ...]
    """Replicas by node id, those that are known."""

    @property
    def unplaced(self) -> int:
        """Replicas that are known to exist, but not on which node."""
        return max(0, self.count - sum(count for _, count in self.placed))

    def amount(self, replicas: int) -> Amount:
        """What so many replicas take up."""
        cpu, memory, storage = self.each
        return (
            min(cpu * replicas, LARGEST),
            min(memory * replicas, LARGEST),
            min(storage * replicas, LARGEST),
        )


class Sums:
    """Amounts added up by id, and accelerators by model and id."""

    def __init__(self) -> None:
        self.amounts: dict[str, list[int]] = {}
        self.accelerators: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, holder_id: str, share: Share, replicas: int, *, sign: int) -> None:
        """Adds what so many replicas take up, or with sign -1 takes it away."""
        if not replicas:
            return
        amount = share.amount(replicas)
        total = self.amounts.get(holder_id)
        if total is None:
            total = self.amounts[holder_id] = [0, 0, 0]
        total[0] += sign * amount[0]
        total[1] += sign * amount[1]
        total[2] += sign * amount[2]
        for model, count in share.accelerators:
            self.accelerators[model][holder_id] += sign * count * replicas

    def forget(self, holder_ids: Iterable[str]) -> None:
        """Leaves some ids out."""
        for one in holder_ids:
            self.amounts.pop(one, None)
            for by_id in self.accelerators.values():
                by_id.pop(one, None)


@dataclass(slots=True)
class Use:
    """What releases take up, or by how much that changed."""

    holders: Sums
    """By node, and by site for its stated capacity: all at the site."""
    unplaced: Sums
    """By site: known to exist, but not on which node."""

    @staticmethod
    def nothing() -> Use:
        """No use."""
        return Use(Sums(), Sums())

    @staticmethod
    def of_deployment(reader: Reader, deployment_id: str) -> Use:
        """What one deployment takes up."""
        use = Use.nothing()
        for one in each(reader, Release, "deployment_id", deployment_id):
            use.add(_share(one, instances_by_node(reader, one.id)))
        return use

    def add(self, share: Share, *, sign: int = 1) -> None:
        """Adds a release, or with sign -1 takes it away."""
        for node_id, count in share.placed:
            self.holders.add(node_id, share, count, sign=sign)
        self.holders.add(share.site_id, share, share.count, sign=sign)
        self.unplaced.add(share.site_id, share, share.unplaced, sign=sign)


class Shares:
    """The share of every release."""

    def __init__(self, shares: Mapping[str, Share] | None = None) -> None:
        self._shares: dict[str, Share] = dict(shares or {})

    @staticmethod
    def of(reader: Reader) -> Shares:
        """The shares of all releases that a reader lists."""
        seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for instance in each(reader, Instance):
            if instance.node_id is not None and holds_resources(instance):
                seen[instance.release_id][instance.node_id] += 1
        nothing: Counter[str] = Counter()
        return Shares({one.id: _share(one, seen.get(one.id, nothing)) for one in each(reader, Release)})

    def copy(self) -> Shares:
        """A copy that changes by itself."""
        return Shares(self._shares)

    def total(self) -> Use:
        """What all of them take up."""
        use = Use.nothing()
        for one in self._shares.values():
            use.add(one)
        return use

    def changed(self, reader: Reader, release_ids: Iterable[str]) -> Use:
        """Takes in what these releases are now; by how much what is in use has changed."""
        use = Use.nothing()
        for release_id in release_ids:
            before = self._shares.pop(release_id, None)
            release = get_as(reader, Release, release_id)
            after = None if release is None else _share(release, instances_by_node(reader, release_id))
            if after is not None:
                self._shares[release_id] = after
            if before != after:
                if before is not None:
                    use.add(before, sign=-1)
                if after is not None:
                    use.add(after)
        return use

    def on(self, reader: Reader, holder_ids: Iterable[str], site_ids: Iterable[str] = ()) -> Use:
        """What is in use on some nodes and stated capacities, and unplaced at some sites."""
        use, wanted, sites = Use.nothing(), frozenset(holder_ids), frozenset(site_ids)
        releases: dict[str, None] = {}
        for one in (*wanted, *sites):
            releases.update(dict.fromkeys(reader.ids("Release", "assignments", one)))
            releases.update(dict.fromkeys(reader.ids("Release", "site_id", one)))
            for instance in each(reader, Instance, "node_id", one):
                releases[instance.release_id] = None
        for release_id in releases:
            share = self._shares.get(release_id)
            if share is None:
                continue
            for node_id, count in share.placed:
                if node_id in wanted:
                    use.holders.add(node_id, share, count, sign=1)
            if share.site_id in wanted:
                use.holders.add(share.site_id, share, share.count, sign=1)
            if share.site_id in sites:
                use.unplaced.add(share.site_id, share, share.unplaced, sign=1)
        return use


def takes_as_much(before: Release, after: Release) -> bool:
    """Whether a release takes up what it did, and where it did. Most of its changes are steps of its work, and no more."""
    return (
        before.replicas == after.replicas
        and before.assignments == after.assignments
        and before.site_id == after.site_id
        and before.resources == after.resources
        and replicas_of(before) == replicas_of(after)
    )


def is_where_it_was(before: Instance, after: Instance) -> bool:
    """Whether an instance holds what it did, where it did."""
    return (
        before.node_id == after.node_id
        and before.release_id == after.release_id
        and holds_resources(before) == holds_resources(after)
    )


def is_as_reserved(reader: Reader, release_id: str) -> bool:
    """Whether all that is seen of a release is where it was reserved, so that it takes up that and no more.

    Of one with more than a few instances that is not looked at: False.
    """
    release = get_as(reader, Release, release_id)
    if release is None or reader.count("Instance", "release_id", release_id) > FEW_INSTANCES:
        return False
    seen = instances_by_node(reader, release_id)
    return all(count <= release.assignments.get(node_id, 0) for node_id, count in seen.items())


def _share(release: Release, seen: Mapping[str, int]) -> Share:
    resources = release.resources
    return Share(
        site_id=release.site_id,
        each=(resources.cpu_millicores, resources.memory_bytes, resources.storage_bytes),
        accelerators=tuple(resources.accelerator_counts().items()) if resources.accelerators else (),
        count=replicas_of(release),
        placed=tuple(placed_replicas(release, seen).items()),
    )

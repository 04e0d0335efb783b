"""Which releases on their way out may go, and which stay after all: what was replaced goes, dependents first.

What is made before it is broken leaves one by one, as what replaces it becomes ready: a database long before the API that
waits for it. Gone at once, it would be missed by the old API, which still runs. So of one operation a release is kept for as
long as another one that is to be replaced depends on it; both then go together, and are removed in the order that a
termination has too (`lifecycle.todo`). What is kept so is neither more nor less likely to go than what it is kept for: when
that stays, for what was to replace it was given up, it stays as well, and the operation ends with both: they wait for good
(`lifecycle.blocked`).

A component is replaced by itself, wherever that runs from now on. What a version has no more is replaced by all that the
change made or changed: at the sites where the others stay it is needed until their backends have rolled the new version out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from graph.kinds import GIVEN_UP, DependencyScope, Release
from graph.view import Reader
from lifecycle.by_site import BySite
from lifecycle.gates import is_ready
from lifecycle.known_gone import is_known_gone


def may_go(reader: Reader, releases: Sequence[Release]) -> list[Release]:
    """Of all releases of a deployment those that were replaced, and that nothing which stays for now depends on."""
    if not any(one.retires for one in releases):
        return []  # as a rule, and this is asked in every round of every deployment
    found = _Withdrawing(reader, BySite(reader, releases))
    waits = found.retiring_beside(one for one in found.staying if not is_ready(one))
    kept = found.kept_for(waits)
    return [one for one in found.retiring if one.id not in kept]


def stay_after_all(reader: Reader, every: BySite, *, in_vain: Set[str]) -> set[str]:
    """The ids of those, of all releases of a deployment, that were to go and stay: what they need for that was given up.

    That is their own removal, what is to be ready before they go, and both of all that goes before them. `in_vain` has the
    ids of others that wait for what was given up, which is the same.
    """
    found = _Withdrawing(reader, every)

    def over(one: Release) -> bool:
        return one.phase in GIVEN_UP or one.id in in_vain

    stay = [one for one in every.releases if not one.wanted and over(one)]
    return found.kept_for([*stay, *found.retiring_beside(one for one in found.staying if over(one))])


class _Withdrawing:
    """The releases of a deployment, as far as it matters who goes before whom."""

    def __init__(self, reader: Reader, every: BySite) -> None:
        self._reader = reader
        self._every = every
        self.staying = [one for one in every.releases if one.stays]

    @property
    def retiring(self) -> Iterator[Release]:
        """Those that go once they are replaced."""
        return (one for one in self._every.releases if one.retires)

    def retiring_beside(self, those: Iterable[Release]) -> list[Release]:
        """Those that go once they are replaced, of which some of `those` are what replaces them.

        That is their component, or if that stays nowhere any other, at the generation of the change or at a later one.
        While something stands by, it and all that came with it or later replace whatever goes.
        """
        newest: dict[str, int] = {}
        for one in those:
            name = self._every.name(one)
            newest[name] = max(newest.get(name, 0), one.generation)
        latest = max(newest.values(), default=0)
        standing_by = (one.generation for one in self._every.releases if one.standby and one.wanted)
        if latest >= min(standing_by, default=latest + 1):
            return list(self.retiring)
        newest = dict.fromkeys({self._every.name(one) for one in self.staying}, 0) | newest
        return [
            one
            for one in self.retiring
            if one.retires_after is not None and newest.get(self._every.name(one), latest) >= one.retires_after
        ]

    def kept_for(self, those: Iterable[Release]) -> set[str]:
        """The ids of `those`, and of all that stay for as long as they do: elsewhere not for what is known to be gone."""
        kept: dict[str, Release] = {one.id: one for one in those}
        left = list(kept.values())
        told = set[tuple[object, ...]]()
        while left:
            holder = left.pop()
            gone = is_known_gone(self._reader, holder)
            for name, site_id in self._waited_for(holder):
                # At a thousand sites each says the same of what it waits for everywhere.
                key = (name, site_id, holder.wanted, holder.operation_id, holder.left_behind)
                if key in told or (gone and site_id is None):
                    continue
                told.add(key)
                for one in self._every.at(name, site_id):
                    if one.id not in kept and not one.stays and _holds(holder, one):
                        kept[one.id] = one
                        left.append(one)
        return set(kept)

    def _waited_for(self, release: Release) -> Iterator[tuple[str, str | None]]:
        """What a release waits for: a component's name, and the site, or none where all of them count."""
        for one in self._every.component(release).waits_for:
            here = one.scope is DependencyScope.SAME_SITE and any(self._every.at(one.component, release.site_id))
            yield one.component, release.site_id if here else None


def _holds(holder: Release, other: Release) -> bool:
    """Whether a release that leaves keeps another one that leaves, and that it depends on.

    Nobody waits for what was left at a place that was lost, nor for what another operation is still to replace.
    """
    if holder.left_behind and not other.left_behind:
        return False
    return not holder.wanted or (other.wanted and other.operation_id == holder.operation_id)

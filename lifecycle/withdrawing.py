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

from graph.kinds import GIVEN_UP, Component, DependencyScope, Release
from graph.view import Reader, get_as
from lifecycle.gates import is_ready
from lifecycle.known_gone import is_known_gone


def may_go(reader: Reader, releases: Sequence[Release]) -> list[Release]:
    """Of all releases of a deployment those that were replaced, and that nothing which stays for now depends on."""
    found = _Found(reader, releases)
    waits = found.retiring_beside(one for one in found.staying if not is_ready(one))
    kept = found.kept_for(waits)
    return [one for one in found.retiring if one.id not in kept]


def stay_after_all(reader: Reader, releases: Iterable[Release], *, in_vain: Set[str]) -> set[str]:
    """The ids of those, of all releases of a deployment, that were to go and stay: what they need for that was given up.

    That is their own removal, what is to be ready before they go, and both of all that goes before them. `in_vain` has the
    ids of others that wait for what was given up, which is the same.
    """
    found = _Found(reader, releases)

    def over(one: Release) -> bool:
        return one.phase in GIVEN_UP or one.id in in_vain

    stay = [one for one in found.leaving if not one.wanted and over(one)]
    return found.kept_for([*stay, *found.retiring_beside(one for one in found.staying if over(one))])


class _Found:
    """The releases of a deployment, as far as it matters who goes before whom."""

    def __init__(self, reader: Reader, releases: Iterable[Release]) -> None:
        self._reader = reader
        components = dict[str, Component]()
        self.staying: list[Release] = []
        self._standing_by: list[Release] = []
        self.leaving: list[Release] = []
        self._at: dict[str, dict[str, list[Release]]] = {}
        """Those that leave, by component name and site."""
        self._there: dict[str, set[str]] = {}
        """The sites of all, by component name."""
        for one in releases:
            component = components.get(one.component_id) or get_as(reader, Component, one.component_id)
            if component is None:
                continue
            components[one.component_id] = component
            self._there.setdefault(component.name, set()).add(one.site_id)
            if one.standby and one.wanted:
                self._standing_by.append(one)
            if one.wanted and one.retires_after is None:
                self.staying.append(one)
            else:
                self.leaving.append(one)
                self._at.setdefault(component.name, {}).setdefault(one.site_id, []).append(one)
        self._components = components

    @property
    def retiring(self) -> Iterator[Release]:
        """Those that go once they are replaced."""
        return (one for one in self.leaving if one.wanted)

    def retiring_beside(self, those: Iterable[Release]) -> list[Release]:
        """Those that go once they are replaced, of which some of `those` are what replaces them.

        That is their component, or if that stays nowhere any other, at the generation of the change or at a later one.
        While something stands by, it and all that came with it or later replace whatever goes.
        """
        newest: dict[str, int] = {}
        for one in those:
            name = self._name(one)
            newest[name] = max(newest.get(name, 0), one.generation)
        latest = max(newest.values(), default=0)
        if latest >= min((one.generation for one in self._standing_by), default=latest + 1):
            return list(self.retiring)
        newest = dict.fromkeys({self._name(one) for one in self.staying}, 0) | newest
        return [
            one
            for one in self.retiring
            if one.retires_after is not None and newest.get(self._name(one), latest) >= one.retires_after
        ]

    def _name(self, release: Release) -> str:
        return self._components[release.component_id].name

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
                at = self._at.get(name, {})
                for here in at.values() if site_id is None else [at.get(site_id, [])]:
                    for one in here:
                        if one.id not in kept and _holds(holder, one):
                            kept[one.id] = one
                            left.append(one)
        return set(kept)

    def _waited_for(self, release: Release) -> Iterator[tuple[str, str | None]]:
        """What a release waits for: a component's name, and the site, or none where all of them count."""
        for one in self._components[release.component_id].waits_for:
            here = one.scope is DependencyScope.SAME_SITE and release.site_id in self._there.get(one.component, ())
            yield one.component, release.site_id if here else None


def _holds(holder: Release, other: Release) -> bool:
    """Whether a release that leaves keeps another one that leaves, and that it depends on.

    Nobody waits for what was left at a place that was lost, nor for what another operation is still to replace.
    """
    if holder.left_behind and not other.left_behind:
        return False
    return not holder.wanted or (other.wanted and other.operation_id == holder.operation_id)

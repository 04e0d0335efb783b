"""Which releases wait for good: for what was given up, or for what itself waits for that.

An operation ends when nothing more happens by itself, so who waits in vain has failed with what it waits for. Who waits for
something else has not, whatever was given up beside it: it goes on, and so does its operation. So what a release waits for
is looked at as it is where the next step is found (`lifecycle.todo`), and from what was given up on backwards. What is to go
once it is replaced waits for that alone: how it is itself is no matter (`lifecycle.withdrawing`).
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graph.kinds import (
    GIVEN_UP,
    Component,
    DependencyCondition,
    DependencyScope,
    Deployment,
    Release,
    ReleasePhase,
)
from graph.view import Reader, each, get_as
from lifecycle.by_site import BySite
from lifecycle.gates import is_met, is_ready
from lifecycle.known_gone import is_known_gone
from lifecycle.old_copies import follows_old_copies
from lifecycle.progress import is_given_up
from lifecycle.withdrawing import stay_after_all


class _Of(enum.Enum):
    """What of a component's releases somebody waits for."""

    READY = DependencyCondition.READY
    DEPLOYED = DependencyCondition.DEPLOYED
    DEPENDENTS_GONE = "DEPENDENTS_GONE"
    DEPENDENTS_STOPPED = "DEPENDENTS_STOPPED"
    OLD_COPY_GONE = "OLD_COPY_GONE"


class _Awaited(NamedTuple):
    """Something that is waited for; who withholds it has the same."""

    what: _Of
    component: str
    """Of dependents: what they depend on."""
    site_id: str | None
    """None: wherever it is."""
    version_id: str = ""
    """Of dependents: the app version of what they depend on."""


def blocked(reader: Reader, releases: Iterable[Release]) -> frozenset[str]:
    """The ids of those among releases, of whichever deployments, that wait for good."""
    waiting = [one for one in releases if _waits(one) or not one.stays]
    found: frozenset[str] = frozenset()
    deployment_ids = {one.deployment_id for one in waiting}
    if len(deployment_ids) > 1:
        # A drain has many, at many sites each, and of hardly any was something given up.
        given_up = (one for phase in GIVEN_UP for one in each(reader, Release, "phase", phase.name))
        deployment_ids &= {one.deployment_id for one in given_up}
    for deployment_id in sorted(deployment_ids):
        found |= blocked_of(reader, each(reader, Release, "deployment_id", deployment_id))
    return found & {one.id for one in waiting}


def going(reader: Reader, releases: Iterable[Release]) -> Iterator[Release]:
    """Those among releases, of whichever deployments, that leave: nothing was given up that they need for that."""
    leaving: dict[str, list[Release]] = defaultdict(list)
    for one in releases:
        if not one.stays:
            leaving[one.deployment_id].append(one)
    for some in leaving.values():
        in_vain = blocked(reader, some)
        yield from (one for one in some if one.id not in in_vain and not is_given_up(one))


def blocked_of(reader: Reader, releases: Iterable[Release]) -> frozenset[str]:
    """The ids of those that wait for good among all the releases of one deployment."""
    all_of_it = list(releases)
    if not any(is_given_up(one) for one in all_of_it):
        return frozenset()
    every = BySite(reader, all_of_it)
    given_up = [one for one in every.releases if is_given_up(one)]
    found = set[str]()
    if any(_waits(one) for one in every.releases):
        there = _Waiting(reader, every)
        waiting: dict[_Awaited, list[Release]] = defaultdict(list)
        for one in every.releases:
            if _waits(one):
                for awaited in there.awaited_by(one):
                    waiting[awaited].append(one)
        left = list(given_up)
        while left:
            for withheld in there.withheld_by(left.pop()):
                # Whoever waited for this is found once, at however many sites it is withheld.
                for one in waiting.pop(withheld, ()):
                    if one.id not in found:
                        found.add(one.id)
                        left.append(one)
    if not all(one.stays for one in every.releases):
        found |= stay_after_all(reader, every, in_vain=found)
    return frozenset(found.difference(one.id for one in given_up))


def _waits(release: Release) -> bool:
    """Whether a release waits for another one; what it waited for is there when it only has that settle."""
    return release.phase is ReleasePhase.WAITING_DEPENDENCY and release.due_at is None and release.retires_after is None


class _Waiting:
    """All releases of a deployment, as far as it matters who waits for whom."""

    def __init__(self, reader: Reader, every: BySite) -> None:
        self._reader = reader
        self._every = every
        self._version_ids = every.version_ids
        self._deployment = get_as(reader, Deployment, every.releases[0].deployment_id) if every.releases else None

    def awaited_by(self, release: Release) -> Iterator[_Awaited]:
        """What a release that waits may wait for."""
        component = self._every.component(release)
        if not release.wanted or release.stopped:
            what = _Of.DEPENDENTS_STOPPED if release.wanted else _Of.DEPENDENTS_GONE
            for site_id in (release.site_id, None):
                yield _Awaited(what, component.name, site_id, component.app_version_id)
            return
        for one in component.waits_for:
            what = _Of(one.condition)
            if one.scope is DependencyScope.SAME_SITE and self._waited_for_here(one.component, release.site_id):
                yield _Awaited(what, one.component, release.site_id)
            else:
                yield _Awaited(what, one.component, None)
        if self._deployment is not None and follows_old_copies(self._deployment, release):
            yield _Awaited(_Of.OLD_COPY_GONE, component.name, None)

    def withheld_by(self, release: Release) -> Iterator[_Awaited]:
        """What a release keeps from others that is not as wanted, and stays so."""
        component = self._every.component(release)
        if release.wanted:
            for condition in DependencyCondition:
                if not is_met(release, condition):
                    yield _Awaited(_Of(condition), component.name, release.site_id)
                    yield _Awaited(_Of(condition), component.name, None)
        else:
            if not is_known_gone(self._reader, release):
                yield _Awaited(_Of.OLD_COPY_GONE, component.name, None)
            yield from self._dependents(release, component, _Of.DEPENDENTS_GONE)
        if release.wanted and release.stopped and not is_ready(release):
            yield from self._dependents(release, component, _Of.DEPENDENTS_STOPPED)

    def _dependents(self, release: Release, component: Component, what: _Of) -> Iterator[_Awaited]:
        """What those that a release depends on wait for: of its version, and of later ones."""
        versions = [one for one in self._version_ids if one >= component.app_version_id]
        for one in component.waits_for:
            yield from (_Awaited(what, one.component, release.site_id, version) for version in versions)
            if what is _Of.DEPENDENTS_GONE and (release.left_behind or is_known_gone(self._reader, release)):
                continue  # elsewhere nobody waits for it
            here = (
                other.retires_after is None and (other.wanted or what is _Of.DEPENDENTS_GONE)
                for other in self._every.at(one.component, release.site_id)
            )
            if one.scope is DependencyScope.EVERYWHERE or not any(here):
                yield from (_Awaited(what, one.component, None, version) for version in versions)

    def _waited_for_here(self, name: str, site_id: str) -> bool:
        """Whether a component has releases at a site for which others there wait."""
        return any(other.stays for other in self._every.at(name, site_id))

"""What is to hold of a component at every site of its deployment before something else may begin, asked once for many.

A component that waits for another everywhere asks the same question at each of its sites: at a thousand of them, each of
which looks at a thousand, that would be a million looks a pass. So the question is a value, a gate, and its answer is kept
for the revision at which it was found. While a gate is shut one release of those that shut it is remembered, so that asking
again costs a look at that one, or at its site, until it is as it should be.

Who waits for another at its own site, where that one does not run, waits for it wherever it runs, and is waited for in
turn: a database of which there are three is no less needed at the sites that have none.

Two versions may be there at once, and what depends on what may be the other way round in the newer one. So that they never
wait for each other, what is to go or to stop comes after those of its own version and of earlier ones that depend on it.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from graph.kinds import Component, DependencyCondition, DependencyScope, Release, ReleasePhase
from graph.view import Reader, each, get_as
from lifecycle.known_gone import is_known_gone
from lifecycle.siblings import siblings_of

MOST_REMEMBERED = 4_096


class Needed(enum.Enum):
    """What is to hold of all releases of a component."""

    READY = "READY"
    DEPLOYED = "DEPLOYED"
    DEPENDENTS_GONE = "DEPENDENTS_GONE"
    """None that is to be removed, and depends on it everywhere or where it is not, is there any more."""
    DEPENDENTS_STOPPED = "DEPENDENTS_STOPPED"
    """None that is to be stopped, and depends on it everywhere or where it is not, runs any more."""


NEEDED = {DependencyCondition.READY: Needed.READY, DependencyCondition.DEPLOYED: Needed.DEPLOYED}


class Gate(NamedTuple):
    """A question about all releases of a component in a deployment."""

    deployment_id: str
    component: str
    needed: Needed
    version_id: str = ""
    """Of dependents: the app version of what they depend on; those of later ones do not count."""


class Answer(NamedTuple):
    """Whether a gate is open."""

    shut_by: str | None
    """A release because of which it is shut; None: it is open."""
    by_component: str
    """The name of that release's component."""
    since_ms: int
    """When what it asks for came true for the last of them, UTC milliseconds; 0: it is not known."""


class Gates:
    """Answers about gates, kept while the graph is at the revision at which they were found."""

    def __init__(self) -> None:
        self._revision = -1
        self._answers: dict[Gate, Answer] = {}
        self._shut: dict[Gate, Answer] = {}
        """What shut each gate when it was last asked, at whichever revision."""

    def answer(self, reader: Reader, gate: Gate) -> Answer:
        """Whether the gate is open in a graph. What is asked of one `Gates` is always the same graph."""
        if reader.revision != self._revision:
            self._revision = reader.revision
            self._answers.clear()
        found = self._answers.get(gate)
        if found is None:
            found = self._answers[gate] = self._found(reader, gate)
            if found.shut_by is None:
                self._shut.pop(gate, None)
            else:
                if len(self._shut) >= MOST_REMEMBERED:
                    self._shut.clear()
                self._shut[gate] = found
        return found

    def _found(self, reader: Reader, gate: Gate) -> Answer:
        before = self._shut.get(gate)
        if before is not None and (name := _still_shut_by(reader, gate, before.shut_by)) is not None:
            return before._replace(by_component=name)
        since = 0
        has_it: set[str] = set()
        beside: list[tuple[Release, Component]] = []
        for release in each(reader, Release, "deployment_id", gate.deployment_id):
            component = get_as(reader, Component, release.component_id)
            if component is None:
                continue
            if component.name == gate.component:
                since = max(since, _since(gate, release))
                if _counts_here(gate, release):
                    has_it.add(release.site_id)
            scope = _shuts(reader, gate, release, component)
            if scope is DependencyScope.EVERYWHERE:
                return Answer(release.id, component.name, 0)
            if scope is not None:
                beside.append((release, component))
        for release, component in beside:
            if release.site_id not in has_it:
                return Answer(release.id, component.name, 0)
        return Answer(None, "", since)


def is_ready(release: Release) -> bool:
    """Whether what is wanted was observed."""
    return release.wanted and release.phase is ReleasePhase.READY and release.applied_generation >= release.generation


def is_deployed(release: Release) -> bool:
    """Whether its backend has taken what is wanted."""
    return release.wanted and release.applied_generation >= release.generation


def is_met(release: Release, condition: DependencyCondition) -> bool:
    """Whether a release is as far as one that depends on it asks."""
    return is_ready(release) if condition is DependencyCondition.READY else is_deployed(release)


def met_since(release: Release, condition: DependencyCondition) -> int:
    """When it came that far, UTC milliseconds; 0: it is not known."""
    return (release.ready_at if condition is DependencyCondition.READY else release.applied_at) or 0


def depends_on(component: Component, name: str) -> DependencyScope | None:
    """Where a component waits for another one; None: it does not."""
    if name in component.depends_on:
        return DependencyScope.SAME_SITE
    return next((one.scope for one in component.dependencies if one.component == name), None)


def comes_before(component: Component, name: str, *, version_id: str) -> DependencyScope | None:
    """Where a component is to be gone, or to have stopped, before another one of that name and version; None: nowhere."""
    return depends_on(component, name) if component.app_version_id <= version_id else None


def _still_shut_by(reader: Reader, gate: Gate, release_id: str | None) -> str | None:
    """The name of a release's component when it shuts the gate."""
    release = get_as(reader, Release, release_id)
    component = get_as(reader, Component, release.component_id) if release is not None else None
    if release is None or component is None:
        return None
    scope = _shuts(reader, gate, release, component)
    if scope is DependencyScope.SAME_SITE and any(
        what.name == gate.component and _counts_here(gate, other) for other, what in siblings_of(reader, release)
    ):
        return None
    return component.name if scope is not None else None


def _shuts(reader: Reader, gate: Gate, release: Release, component: Component) -> DependencyScope | None:
    """How a release shuts the gate: wherever it is, only if its site has not the gate's component, or not at all (None)."""
    if gate.needed is Needed.DEPENDENTS_GONE:
        # Nobody waits for what was left at a place that was lost, nor for what somebody knows to be gone.
        there = not release.wanted and not release.left_behind and not is_known_gone(reader, release)
        return comes_before(component, gate.component, version_id=gate.version_id) if there else None
    if gate.needed is Needed.DEPENDENTS_STOPPED:
        runs = release.wanted and release.stopped and not is_ready(release)
        return comes_before(component, gate.component, version_id=gate.version_id) if runs else None
    if component.name != gate.component or not release.stays:
        return None
    met = is_ready(release) if gate.needed is Needed.READY else is_deployed(release)
    return None if met else DependencyScope.EVERYWHERE


def _counts_here(gate: Gate, release: Release) -> bool:
    """Whether, of the gate's component, this is the one that others at its site depend on.

    What is to go counts for those that go too: it waits for them itself.
    """
    return release.retires_after is None and (release.wanted or gate.needed is Needed.DEPENDENTS_GONE)


def _since(gate: Gate, release: Release) -> int:
    if gate.needed in (Needed.DEPENDENTS_GONE, Needed.DEPENDENTS_STOPPED) or not release.wanted:
        return 0
    return (release.ready_at if gate.needed is Needed.READY else release.applied_at) or 0

"""What is to hold of a component at every site of its deployment before something else may begin, asked once for many.

A component that waits for another everywhere asks the same question at each of its sites: at a thousand of them, each of
which looks at a thousand, that would be a million looks a pass. So the question is a value, a gate, and its answer is kept
for the revision at which it was found. While a gate is shut one release of those that shut it is remembered, so that asking
again costs one look until that one is as it should be.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from graph.kinds import Component, DependencyCondition, DependencyScope, Release, ReleasePhase
from graph.view import Reader, each, get_as

MOST_REMEMBERED = 4_096


class Needed(enum.Enum):
    """What is to hold of all releases of a component."""

    READY = "READY"
    DEPLOYED = "DEPLOYED"
    DEPENDENTS_GONE = "DEPENDENTS_GONE"
    """None that depends on it everywhere, and is to be removed, is there any more."""
    DEPENDENTS_STOPPED = "DEPENDENTS_STOPPED"
    """None that depends on it everywhere, and is to be stopped, runs any more."""


NEEDED = {DependencyCondition.READY: Needed.READY, DependencyCondition.DEPLOYED: Needed.DEPLOYED}


class Gate(NamedTuple):
    """A question about all releases of a component in a deployment."""

    deployment_id: str
    component: str
    needed: Needed


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
        if before is not None and (release := get_as(reader, Release, before.shut_by)) is not None:
            name = _shut_by(reader, gate, release)
            if name is not None:
                return Answer(release.id, name, 0)
        since = 0
        for release in each(reader, Release, "deployment_id", gate.deployment_id):
            name = _shut_by(reader, gate, release)
            if name is not None:
                return Answer(release.id, name, 0)
            since = max(since, _since(reader, gate, release))
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


def depends_everywhere(component: Component, name: str) -> bool:
    """Whether a component waits for another at every site."""
    return any(one.component == name and one.scope is DependencyScope.EVERYWHERE for one in component.waits_for)


def _shut_by(reader: Reader, gate: Gate, release: Release) -> str | None:
    """The name of the release's component when it shuts the gate."""
    component = get_as(reader, Component, release.component_id)
    if component is None:
        return None
    if gate.needed is Needed.DEPENDENTS_GONE:
        left = release.left_behind  # nobody waits for what was left at a place that was lost
        shuts = not release.wanted and not left and depends_everywhere(component, gate.component)
    elif gate.needed is Needed.DEPENDENTS_STOPPED:
        shuts = (
            release.wanted
            and release.stopped
            and not is_ready(release)
            and depends_everywhere(component, gate.component)
        )
    elif component.name != gate.component or not release.wanted or release.retires_after is not None:
        shuts = False
    else:
        shuts = not (is_ready(release) if gate.needed is Needed.READY else is_deployed(release))
    return component.name if shuts else None


def _since(reader: Reader, gate: Gate, release: Release) -> int:
    if gate.needed in (Needed.DEPENDENTS_GONE, Needed.DEPENDENTS_STOPPED) or not release.wanted:
        return 0
    component = get_as(reader, Component, release.component_id)
    if component is None or component.name != gate.component:
        return 0
    return (release.ready_at if gate.needed is Needed.READY else release.applied_at) or 0

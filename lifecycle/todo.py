"""What is to be done for a release now: the comparison of desired with observed, and nothing else.

It is a function of the graph alone, so it does not matter who asks, how often, or what was forgotten: that is what
level-triggered means here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from graph.kinds import GIVEN_UP, Component, Deployment, Release, ReleasePhase
from graph.view import Reader, each, get_as


class Action(enum.Enum):
    """The next step of a release."""

    NOTHING = "NOTHING"
    """It is as wanted, waits for its backend, or is quarantined."""
    ENSURE = "ENSURE"
    REMOVE = "REMOVE"
    FORGET = "FORGET"
    """It is not wanted and no backend was ever asked for it: it is deleted without a call."""
    WAIT = "WAIT"
    """Another component at its site comes first."""


class Todo(NamedTuple):
    """An action and, when it is to wait, why."""

    action: Action
    reason: str | None = None


NOTHING = Todo(Action.NOTHING)


def todo(release: Release, component: Component, siblings: Iterable[tuple[Release, Component]]) -> Todo:
    """The next step of a release, given the other releases of its deployment at its site."""
    if release.phase in GIVEN_UP:
        return NOTHING
    if not release.wanted:
        if release.epoch == 0 and release.applied_generation == 0 and release.observed is None:
            return Todo(Action.FORGET)
        for other, what in siblings:
            if component.name in what.depends_on and other.id != release.id and not other.wanted:
                return Todo(Action.WAIT, f"component {what.name} depends on it and is removed first")
        return Todo(Action.REMOVE)
    if release.applied_generation >= release.generation:
        return NOTHING
    if release.stopped:
        for other, what in siblings:
            if component.name in what.depends_on and other.wanted and other.stopped and not is_ready(other):
                return Todo(Action.WAIT, f"component {what.name} depends on it and is stopped first")
        return Todo(Action.ENSURE)
    if not component.depends_on:
        return Todo(Action.ENSURE)
    for other, what in siblings:
        if what.name in component.depends_on and other.wanted and not is_ready(other):
            return Todo(Action.WAIT, f"component {what.name} is not ready")
    return Todo(Action.ENSURE)


def is_ready(release: Release) -> bool:
    """Whether what is wanted was observed."""
    return release.wanted and release.phase is ReleasePhase.READY and release.applied_generation >= release.generation


def todo_in(reader: Reader, release: Release) -> Todo:
    """The next step of a release in a graph: none while its deployment is paused."""
    deployment = get_as(reader, Deployment, release.deployment_id)
    if deployment is not None and deployment.paused:
        return NOTHING
    component = get_as(reader, Component, release.component_id)
    if component is None:
        return NOTHING
    return todo(release, component, siblings_of(reader, release))


def siblings_of(reader: Reader, release: Release) -> Iterator[tuple[Release, Component]]:
    """The other releases of its deployment at its site, with their components."""
    here = reader.count("Release", "site_id", release.site_id)
    whole = reader.count("Release", "deployment_id", release.deployment_id)
    field, value = ("site_id", release.site_id) if here <= whole else ("deployment_id", release.deployment_id)
    for other in each(reader, Release, field, value):
        if other.id == release.id or (other.deployment_id, other.site_id) != (release.deployment_id, release.site_id):
            continue
        component = get_as(reader, Component, other.component_id)
        if component is not None:
            yield other, component

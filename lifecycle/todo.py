"""What is to be done for a release now: the comparison of desired with observed, and nothing else.

It is a function of the graph alone, so it does not matter who asks, how often, or what was forgotten: that is what
level-triggered means here.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from graph.kinds import GIVEN_UP, Component, DependencyCondition, DependencyScope, Deployment, Release, Site
from graph.view import Reader, get_as
from lifecycle.gates import NEEDED, Answer, Gate, Gates, Needed, comes_before, is_met, is_ready, met_since
from lifecycle.old_copies import old_copy
from lifecycle.siblings import siblings_of


class Action(enum.Enum):
    """The next step of a release."""

    NOTHING = "NOTHING"
    """It is as wanted, waits for its backend, or is quarantined."""
    ENSURE = "ENSURE"
    REMOVE = "REMOVE"
    FORGET = "FORGET"
    """It is not wanted and no backend was ever asked for it: it is deleted without a call."""
    WAIT = "WAIT"
    """Another component comes first."""


class Todo(NamedTuple):
    """An action and, when it is to wait, why and until when."""

    action: Action
    reason: str | None = None
    gate: Gate | None = None
    """What is to hold everywhere first; none: it waits for something at its own site."""
    due_at: int | None = None
    """When the waiting ends if all stays as it is, UTC milliseconds; none: something has to happen first."""


NOTHING = Todo(Action.NOTHING)
SKEW_MS = 60_000
"""A stamp that is further ahead than this was made by a clock that is off: nothing is waited for because of it."""
Asked = Callable[[Gate], Answer]
"""Says whether a gate is open."""


def todo(
    release: Release,
    component: Component,
    siblings: Iterable[tuple[Release, Component]],
    *,
    asked: Asked | None = None,
    now_ms: int = 0,
) -> Todo:
    """The next step of a release, given the other releases of its deployment at its site, and `asked` what holds everywhere.

    Without `asked` nothing is known of other sites, and nothing there is waited for.
    """
    if release.phase in GIVEN_UP:
        return NOTHING
    others = list(siblings)
    if not release.wanted:
        if release.epoch == 0 and release.applied_generation == 0 and release.observed is None:
            return Todo(Action.FORGET)
        for other, what in others:
            if _comes_before(what, component) and other.id != release.id and not other.wanted:
                return Todo(Action.WAIT, f"component {what.name} depends on it and is removed first")
        return _shut(release, component, Needed.DEPENDENTS_GONE, asked, "removed") or Todo(Action.REMOVE)
    if release.applied_generation >= release.generation:
        return NOTHING
    if release.stopped:
        for other, what in others:
            if _comes_before(what, component) and other.wanted and other.stopped and not is_ready(other):
                return Todo(Action.WAIT, f"component {what.name} depends on it and is stopped first")
        return _shut(release, component, Needed.DEPENDENTS_STOPPED, asked, "stopped") or Todo(Action.ENSURE)
    return _before_it(release, component, others, asked, now_ms) or Todo(Action.ENSURE)


def _comes_before(one: Component, other: Component) -> bool:
    """Whether one is to be gone, or to have stopped, before another that is beside it."""
    return comes_before(one, other.name, version_id=other.app_version_id) is not None


def _before_it(
    release: Release,
    component: Component,
    siblings: Sequence[tuple[Release, Component]],
    asked: Asked | None,
    now_ms: int,
) -> Todo | None:
    """What a release waits for before it is applied."""
    settles: Todo | None = None
    for one in component.waits_for:
        gate: Gate | None = None
        since = 0
        same_site = one.scope is DependencyScope.SAME_SITE
        here = list(_of(one.component, release, siblings)) if same_site else []
        for other in here:
            if not is_met(other, one.condition):
                return Todo(Action.WAIT, f"component {one.component} is not {_WORDS[one.condition]}")
            since = max(since, met_since(other, one.condition))
        if not here and asked is not None:
            gate = Gate(release.deployment_id, one.component, NEEDED[one.condition])
            shut_by, _, since = asked(gate)
            if shut_by is not None:
                told = f"component {one.component} is not {_WORDS[one.condition]} at every site"
                return Todo(Action.WAIT, f"{told}, and this site has none" if same_site else told, gate)
        due = _due(since, one.wait_seconds, now_ms)
        if due is not None and (settles is None or settles.due_at is None or due > settles.due_at):
            told = f"component {one.component} is {_WORDS[one.condition]} and given {one.wait_seconds} s to settle"
            settles = Todo(Action.WAIT, told, gate, due)
    return settles


def _of(name: str, release: Release, siblings: Iterable[tuple[Release, Component]]) -> Iterator[Release]:
    """The releases of a component that one at the same site may wait for: what is leaving is for those that leave too."""
    for other, what in siblings:
        if what.name == name and other.wanted and (other.retires_after is None or release.retires_after is not None):
            yield other


_WORDS = {DependencyCondition.READY: "ready", DependencyCondition.DEPLOYED: "deployed"}


def _due(since_ms: int, wait_s: int, now_ms: int) -> int | None:
    """When something has settled that has been so since a time; None: it has, or the time cannot be true."""
    due = since_ms + wait_s * 1000
    return due if since_ms and now_ms < due and since_ms <= now_ms + SKEW_MS else None


def _shut(release: Release, component: Component, needed: Needed, asked: Asked | None, word: str) -> Todo | None:
    if asked is None:
        return None
    gate = Gate(release.deployment_id, component.name, needed, component.app_version_id)
    answer = asked(gate)
    if answer.shut_by is None:
        return None
    return Todo(Action.WAIT, f"component {answer.by_component} depends on it and is {word} everywhere first", gate)


def todo_in(reader: Reader, release: Release, *, now_ms: int, gates: Gates | None = None) -> Todo:
    """The next step of a release in a graph: none while its deployment is paused. `gates` keeps what is asked often."""
    deployment = get_as(reader, Deployment, release.deployment_id)
    if deployment is not None and deployment.paused:
        return NOTHING
    component = get_as(reader, Component, release.component_id)
    if component is None:
        return NOTHING
    asked = partial((gates or Gates()).answer, reader)
    found = todo(release, component, siblings_of(reader, release), asked=asked, now_ms=now_ms)
    other = old_copy(reader, release) if found.action is Action.ENSURE else None
    if other is None:
        return found
    site = get_as(reader, Site, other.site_id)
    where = site.name if site is not None else other.site_id
    return Todo(Action.WAIT, f"it is single, and the copy at site {where} is not known to be gone")

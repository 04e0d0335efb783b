"""What became of each release in an operation, kept on the operation.

A release tells what it is worked on for now: the next operation takes it over, and one that was removed is no more. What an
operation did would be lost with that, so it is written down: removed releases as they go, the others when it ends. A drain's
are not: whoever sees the drain need not see the tenants' releases.
"""

from __future__ import annotations

from collections.abc import Iterable

from graph.edit import Edit
from graph.kinds import (
    Component,
    Operation,
    OperationKind,
    Release,
    ReleaseOutcome,
    ReleaseStanding,
    Site,
)
from graph.view import Reader, get_as
from lifecycle.blocked import blocked
from lifecycle.progress import Standing, standing_of

OUTCOMES_MAX = 100
_ENDS = {Standing.DONE: ReleaseStanding.DONE, Standing.FAILED: ReleaseStanding.FAILED}
_ORDER = (ReleaseStanding.FAILED, ReleaseStanding.UNFINISHED, ReleaseStanding.DONE, ReleaseStanding.REMOVED)


def outcomes_of(reader: Reader, operation: Operation, releases: Iterable[Release]) -> list[ReleaseOutcome]:
    """What became of the operation's releases now that it ends: those that it still works on, and those it removed."""
    if operation.kind is OperationKind.DRAIN:
        return []
    found = sorted(releases, key=lambda one: one.backend_name)
    in_vain = blocked(reader, found)
    present = [
        _outcome(reader, one, _ENDS.get(standing_of(one, blocked=in_vain), ReleaseStanding.UNFINISHED)) for one in found
    ]
    # Many releases are told of by those that tell most.
    every = sorted([*present, *operation.outcomes], key=lambda one: _ORDER.index(one.standing))
    return every[:OUTCOMES_MAX]


def note_removed(edit: Edit, release: Release) -> None:
    """Writes down that a release is gone, on the operation that removed it while that is under way."""
    operation = get_as(edit, Operation, release.operation_id)
    if operation is None or operation.ended or operation.kind is OperationKind.DRAIN:
        return
    if len(operation.outcomes) < OUTCOMES_MAX:
        noted = _outcome(edit, release, ReleaseStanding.REMOVED)
        edit.replace(operation, outcomes=[*operation.outcomes, noted])


def _outcome(reader: Reader, release: Release, standing: ReleaseStanding) -> ReleaseOutcome:
    component, site = get_as(reader, Component, release.component_id), get_as(reader, Site, release.site_id)
    told = standing in (ReleaseStanding.FAILED, ReleaseStanding.UNFINISHED)
    return ReleaseOutcome(
        release_id=release.id,
        backend_name=release.backend_name,
        component_name=component.name if component else "",
        site_id=release.site_id,
        site_name=(site.display_name or site.name) if site else "",
        standing=standing,
        error=release.error if told else None,
    )

"""How what a deployment has lost is kept with it: what counts first one by one, of very much the rest by kind.

A commit has bounds, and a deployment may run at thousands of sites. How many are kept decides nothing: whoever acts on
losses reads those that are not kept from the graph again (`lifecycle.losses`), by since when the last of their kind is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from graph.kinds import Displacement, DisplacementState, Loss, LossKind, UnlistedLosses

MOST_LISTED = 256
"""Losses of one deployment that are kept one by one."""
OF_PLACES = frozenset(
    {LossKind.SITE_DOWN, LossKind.CLUSTER_DOWN, LossKind.NODE_NOT_READY, LossKind.NODE_TAINTED},
)
"""What the graph says by itself, without the policy."""
ORDER = {kind: at for at, kind in enumerate(LossKind)}
L = TypeVar("L", Loss, UnlistedLosses, Loss | UnlistedLosses)


class Begun(NamedTuple):
    """Since when losses are so, UTC ms."""

    known: Mapping[tuple[LossKind, str | None], int]
    unlisted: Mapping[LossKind, int]
    """By kind the last of those that are not kept one by one: of no more than that is known of them."""
    at: int

    def by(self, what: tuple[LossKind, str | None]) -> int:
        """Of one, by what is known; now, if nothing is."""
        return self.known.get(what, self.unlisted.get(what[0], self.at))


class Planned(NamedTuple):
    """Which losses a plan puts right."""

    listed: frozenset[tuple[LossKind, str | None]]
    not_planned: frozenset[tuple[LossKind, str | None]]
    unlisted: Mapping[LossKind, int]
    """By kind since when the last of those is so that are not kept one by one."""

    @classmethod
    def of(cls, displacement: Displacement | None) -> Planned:
        """By what was written down."""
        losses = displacement.losses if displacement is not None else []
        more = displacement.more if displacement is not None else []
        return cls(
            frozenset(one.what for one in losses if one.planned),
            frozenset(one.what for one in losses if not one.planned),
            {one.kind: one.since for one in more if one.planned},
        )

    def has(self, one: Loss) -> bool:
        """Whether the plan is for it: of what is not kept one by one whatever is no younger than the last of it."""
        if one.what in self.listed:
            return True
        return one.what not in self.not_planned and one.since <= self.unlisted.get(one.kind, -1)


def unlisted_since(displacement: Displacement | None) -> dict[LossKind, int]:
    """By kind since when the last of those is so that are not kept one by one, UTC ms."""
    found: dict[LossKind, int] = {}
    for one in displacement.more if displacement is not None else ():
        found[one.kind] = max(one.since, found.get(one.kind, 0))
    return found


def due_of(losses: Iterable[L], *, at: int) -> list[L]:
    """Those that count by now."""
    return [one for one in losses if one.due_at <= at]


def due_kept(displacement: Displacement, *, at: int) -> list[Loss | UnlistedLosses]:
    """What counts by now of all that is kept: some of it by kind alone."""
    return due_of([*displacement.losses, *displacement.more], at=at)


def unlisted_of_policy(displacement: Displacement | None) -> list[UnlistedLosses]:
    """The losses that only placement tells and that are not kept one by one: without asking it they are as they were."""
    return [one for one in displacement.more if one.kind not in OF_PLACES] if displacement is not None else []


def displaced(
    state: DisplacementState,
    losses: Iterable[Loss],
    unlisted: Iterable[UnlistedLosses] = (),
    *,
    why: str | None = None,
    plan_id: str | None = None,
    plan_generation: int | None = None,
) -> Displacement:
    """Where a deployment stands that has lost these, and further ones that are known by kind alone."""
    kept, more = list(losses), list(unlisted)
    if len(kept) > MOST_LISTED:
        kept.sort(key=lambda one: (one.due_at, ORDER[one.kind], one.subject_id or ""))
        rest = kept[MOST_LISTED:]
        more += [
            UnlistedLosses(kind=one.kind, count=1, since=one.since, due_at=one.due_at, planned=one.planned)
            for one in rest
        ]
        kept = sorted(kept[:MOST_LISTED], key=lambda one: (ORDER[one.kind], one.subject_id or ""))
    return Displacement(
        state=state,
        losses=kept,
        more=_by_kind(more),
        why=why,
        plan_id=plan_id,
        plan_generation=plan_generation,
    )


def _by_kind(unlisted: Iterable[UnlistedLosses]) -> list[UnlistedLosses]:
    found: dict[tuple[int, bool], list[UnlistedLosses]] = {}
    for one in unlisted:
        found.setdefault((ORDER[one.kind], one.planned), []).append(one)
    return [
        msgspec.structs.replace(
            alike[0],
            count=sum(one.count for one in alike),
            since=max(one.since for one in alike),
            due_at=max(one.due_at for one in alike),
        )
        for _, alike in sorted(found.items())
    ]

"""Whether what a plan chose still keeps the policies it was chosen by, on the graph as it is now.

What is verified under the lock is that sites, clusters and nodes are there and have room. The rest of a policy (latency,
labels, residency, what components are to each other) may have ceased to hold in the hour since; it is decided again with
every component held to the very sites that were chosen for it. If that cannot be, the rules that refuse these sites are the
reasons, or what the sites do not keep together.

Moves that were planned together may rest on each other: one goes where another that it is to be near goes first. So they are
looked at as they were planned, each on the graph with those before it laid over it, and a plan stands when it does so as a
whole.

What was scaled since by what is measured at its sites is to go with its new numbers: what is decided again here takes the
place of what was planned for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from graph.kinds import AppVersion, Component, Deployment, Operation, Plan, PlanKind, Site
from graph.kinds.policy import PlacementPolicy
from graph.refusal import CapacityGone, Refusal, Unavailable
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deployments import Chosen, Visible
from lifecycle.drain import is_movable, move_deployment, start_drain
from lifecycle.events import AUTHOR
from lifecycle.indulgence import NONE, Blemished, blemished
from lifecycle.losses import left_out, planned_of
from lifecycle.placing import SUPPOSED, Filing, Placing, without
from lifecycle.plans_dry_runs import DryRuns
from lifecycle.plans_kept import GOING, PlanReason, is_as_planned, wish_of
from lifecycle.plans_moving import down_sites, move_placed
from lifecycle.plans_steps import NO_DECISION, Planned, by_turn, places_of, sites_chosen
from lifecycle.releases import sites_of
from lifecycle.unplaceable import reasons_of
from lifecycle.what_if_graph import SupposedGraph
from placement.decision import Decision, SiteRefusal
from placement.disclosure import reason_without_use
from placement.verdict import refusals_at

REASONS_TOLD = 10
"""Reasons that are told of one deployment."""


class Rechecked(NamedTuple):
    """What was found of a plan."""

    steps: list[Planned]
    """As they are to be begun: of what was scaled since with its numbers as they are now."""
    broken: list[PlanReason]
    """Why the policies do not allow what was planned, as far as the asker sees it; empty when they do."""


class Recheck:
    """Decides on planned sites again."""

    def __init__(self, placing: Placing, dry_runs: DryRuns) -> None:
        self._placing = placing
        self._dry_runs = dry_runs

    async def of(self, whole: Reader, plan: Plan, steps: Sequence[Planned], *, visible: Visible) -> Rechecked:
        """Whether a plan still stands. `whole` is the graph, of which the asker sees what is `visible`.

        Raises Unavailable.
        """
        going = [one for one in by_turn(steps) if one.step.outcome in GOING and one.chosen is not None]
        if len(going) > 1:
            looked = await self._dry_runs.on((), lambda graph: _together(graph, plan, going), visible=visible)
        else:
            look = _Look(self._placing, visible(whole), whole, plan)
            looked = [await look.at(one) for one in going]
        renewed = {id(before): after.step for before, after in zip(going, looked, strict=True)}
        return Rechecked(
            [renewed.get(id(one), one) for one in steps], [reason for one in looked for reason in one.reasons]
        )


class _Looked(NamedTuple):
    step: Planned
    """As it is to be begun."""
    reasons: list[PlanReason]


async def _together(graph: SupposedGraph, plan: Plan, going: Sequence[Planned]) -> list[_Looked]:
    """Moves that are each looked at with those before it begun. `graph` has those begun afterwards that can be."""
    drain: Operation | None = None
    if plan.kind is PlanKind.DRAIN:
        try:
            drain = start_drain(graph.edit, plan.subject_id or "", visible=lambda _: graph.reader, author=AUTHOR)
        except Refusal:
            return [_Looked(one, []) for one in going]  # what is gone is told by the change itself
        graph.laid()
    look = _Look(graph.placing, graph.reader, graph.edit, plan)
    found: list[_Looked] = []
    for one in going:
        step, reasons = await look.at(one)
        if all(reason.code == "CAPACITY_GONE" for reason in reasons):
            # Whether there is room is certain on the very nodes that were planned; deciding anew may take others.
            gone = _begun(graph, drain, step)
            reasons = reasons or [gone] if gone is not None else []
        found.append(_Looked(step, reasons))
    return found


def _begun(graph: SupposedGraph, drain: Operation | None, one: Planned) -> PlanReason | None:
    """Has a move begun, unless the deployment has changed, which the change itself tells; why it cannot be."""
    edit, decision = graph.edit, one.decision
    deployment = get_as(edit, Deployment, one.step.deployment_id)
    version = get_as(edit, AppVersion, deployment.app_version_id) if deployment is not None else None
    if decision is None or deployment is None or version is None or not is_movable(deployment):
        return None
    chosen = Chosen(decision=decision, record_id=SUPPOSED)
    try:
        if drain is not None:
            move_deployment(edit, drain.id, deployment.id, chosen, generation=one.step.generation)
        else:
            move_placed(edit, deployment, components_of(edit, version), chosen, author=AUTHOR)
    except CapacityGone as gone:
        return PlanReason(code="CAPACITY_GONE", message=gone.message, figures=gone.figures, deployment_id=deployment.id)
    graph.laid()
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at single deployments, with what a graph has at the moment."""

    placing: Placing
    reader: Reader
    """What the asker sees of `whole`."""
    whole: Reader
    plan: Plan

    async def at(self, one: Planned) -> _Looked:
        """Why the policy does not allow what was planned of one, and how it is to be begun. Raises Unavailable."""
        reader, plan = self.reader, self.plan
        assert one.decision is not None, "only what was chosen is looked at"
        sites = sites_chosen(one.decision)
        gone = [site_id for site_id in sites if get_as(reader, Site, site_id) is None]
        if gone:
            return _Looked(one, [_reason("SITE_GONE", f"site {site_id} is gone", one) for site_id in gone])
        asked = _asked(reader, plan, one)
        if asked is None:
            return _Looked(one, [])  # what is gone is told by the change itself
        version, policy, replicas, tenant_id = asked
        try:
            components = components_of(reader, version)
            planned = _planned(one.decision, components)
            chosen = await self.placing.choose(
                reader,
                components=components,
                policy=policy,
                replicas=replicas,
                tenant_id=tenant_id,
                excluding_deployment_id=one.step.deployment_id,
                deployment_labels=plan.deployment_labels if one.step.deployment_id is None else None,
                stay_at=planned,
                or_move=False,
                filing=Filing.NONE,
                indulging=NONE
                if one.step.deployment_id is None
                else _indulging(self.whole, plan, one.step.deployment_id),
            )
        except Unavailable:
            raise
        except Refusal as refusal:
            return _Looked(one, [_reason("REFUSED", refusal.message, one)])
        everything = frozenset(site_id for chosen_for in planned.values() for site_id in chosen_for)
        refused = await self.placing.told(lambda _: refusals_at(chosen.decision, everything))
        reasons = _told(reader, chosen.decision, refused, planned, one)
        return _Looked(one, reasons) if reasons else self._renewed(one, chosen.decision)

    def _renewed(self, one: Planned, decision: Decision) -> _Looked:
        """A step with what was decided again, where its deployment was only scaled since."""
        deployment = get_as(self.whole, Deployment, one.step.deployment_id)
        if deployment is None or deployment.generation == one.step.generation:
            return _Looked(one, [])
        if not is_as_planned(self.whole, self.plan, one.step, deployment):
            return _Looked(one, [])  # that it has changed is told by the change itself
        assert one.decision is not None, "only what was chosen is looked at"
        if places_of(decision) != places_of(one.decision):
            told = f"deployment {one.step.name!r} was scaled, and has no use for all of these sites"
            return _Looked(one, [_reason("DEPLOYMENT_CHANGED", told, one)])
        step = msgspec.structs.replace(one.step, generation=deployment.generation, decision=NO_DECISION)
        return _Looked(Planned(step=step, decision=decision), [])


def _asked(reader: Reader, plan: Plan, one: Planned) -> tuple[AppVersion, PlacementPolicy, dict[str, int], str] | None:
    """Version, policy, replicas and tenant of what is placed."""
    if plan.kind is PlanKind.DEPLOYMENT:
        wish = wish_of(plan)
        version = get_as(reader, AppVersion, wish.app_version_id)
        return None if version is None else (version, wish.policy, wish.replicas, wish.tenant_id)
    deployment = get_as(reader, Deployment, one.step.deployment_id)
    version = get_as(reader, AppVersion, deployment.app_version_id) if deployment is not None else None
    if deployment is None or version is None:
        return None
    policy = deployment.policy
    if plan.kind is PlanKind.DRAIN and plan.subject_id and get_as(reader, Site, plan.subject_id) is not None:
        policy = without(policy, plan.subject_id)
    return version, policy, deployment.replicas, deployment.tenant_id


def _indulging(whole: Reader, plan: Plan, deployment_id: str) -> Blemished:
    leave_out = [plan.subject_id or ""]
    deployment = get_as(whole, Deployment, deployment_id)
    if plan.kind is PlanKind.FAILOVER and deployment is not None and deployment.displacement is not None:
        leave_out = left_out(whole, deployment, planned_of(whole, deployment))
        return blemished(whole, deployment_id, leave_out=leave_out, with_nodes=True)
    if plan.kind is not PlanKind.DRAIN:
        leave_out += down_sites(whole, sites_of(whole, deployment_id))
    return blemished(whole, deployment_id, leave_out=leave_out)


def _planned(decision: Decision, components: Sequence[Component]) -> dict[str, set[str]]:
    """By the name of each component the sites that were chosen for it; of one that is gone nothing is told here."""
    names = {one.id: one.name for one in components}
    found: dict[str, set[str]] = {}
    for at in decision.placements:
        for placed in at.components:
            if placed.component_id in names:
                found.setdefault(names[placed.component_id], set()).add(at.site_id)
    return found


def _told(
    reader: Reader,
    decision: Decision,
    refused: Sequence[SiteRefusal],
    planned: Mapping[str, Collection[str]],
    one: Planned,
) -> list[PlanReason]:
    """What refuses a site for what was planned there; else what the planned sites do not keep together.

    refused: why sites that were planned were not chosen now.
    """
    found: list[PlanReason] = []
    for refusal in refused:
        names = refusal.components or planned
        if not any(refusal.site_id in planned.get(name, ()) for name in names):
            continue
        site = get_as(reader, Site, refusal.site_id)
        name = site.name if site is not None else refusal.site_id
        for reason in refusal.reasons:
            if reason.rule == "not_needed":
                continue
            found.append(
                PlanReason(
                    code="CAPACITY_GONE" if reason.rule == "capacity" else "POLICY_BROKEN",
                    message=f"deployment {one.step.name!r} at site {name!r}: {reason_without_use(reason).message}",
                    figures=f"deployment {one.step.name!r} at site {name!r}: {reason.message}",
                    deployment_id=one.step.deployment_id,
                )
            )
    if not found and not decision.feasible:
        found = [
            _reason("POLICY_BROKEN", f"deployment {one.step.name!r}: {message}", one)
            for message in reasons_of(decision)
        ]
    return found[:REASONS_TOLD]


def _reason(code: str, message: str, one: Planned) -> PlanReason:
    return PlanReason(code=code, message=message, deployment_id=one.step.deployment_id)

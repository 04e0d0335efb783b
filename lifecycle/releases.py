"""From a decision to releases: only what differs is touched.

A release is a component at a site through a cluster. What a decision keeps keeps its release, and gets a new generation
only if its backend would see a difference; what is new gets a release; what is left out is removed, or first replaced.
Generations are the deployment's own rising number, so that a release that comes back after it was removed is newer than
whatever a late call may still carry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from drivers.naming import release_name
from drivers.pod_terms import node_problem
from graph.edit import Edit
from graph.kinds import GIVEN_UP, Component, Deployment, DriftPolicy, Node, Release, ReleasePhase, Site
from graph.kinds.scheduling import Scheduling
from graph.view import Reader, each, get_as
from lifecycle.effective import Layers, Overlays, effective
from lifecycle.missed_sites import missed_by
from lifecycle.progress import Standing, standing_of
from lifecycle.scheduling import pod_terms, scheduling_of, scheduling_told
from placement.decision import ComponentPlacement, Decision

Key = tuple[str, str, str]
"""A release's address within its deployment: component name, site id, cluster id or empty."""
STARTS_ANEW: dict[str, Any] = {
    "phase": ReleasePhase.PENDING,
    "attempts": 0,
    "failures": 0,
    "drifts": 0,
    "due_at": None,
    "error": None,
}
"""What a new generation does to the work on a release."""


class _Want(NamedTuple):
    component: Component
    placed: ComponentPlacement
    scheduling: Scheduling
    profile_id: str | None
    layers: Layers


def releases_of(reader: Reader, deployment_id: str) -> list[Release]:
    """All releases of a deployment, by id."""
    return list(each(reader, Release, "deployment_id", deployment_id))


def sites_of(reader: Reader, deployment_id: str) -> list[str]:
    """The sites where a deployment is to stay, by id."""
    found = releases_of(reader, deployment_id)
    return sorted({one.site_id for one in found if one.stays})


def sites_by_component(reader: Reader, deployment_id: str) -> dict[str, list[str]]:
    """By the name of each component the sites where it is to stay, by id."""
    found: dict[str, set[str]] = {}
    for one in releases_of(reader, deployment_id):
        if one.stays:
            found.setdefault(_name(reader, one), set()).add(one.site_id)
    return {name: sorted(sites) for name, sites in found.items()}


def apply_decision(
    edit: Edit,
    deployment: Deployment,
    decision: Decision,
    components: Sequence[Component],
    *,
    operation_id: str,
    replace_first: bool = False,
    take_over: bool = True,
    reassign: frozenset[str] = frozenset(),
    standby: bool = False,
) -> int:
    """Makes the deployment's releases those of the decision; says how many the operation has to see through.

    The sites that the decision misses are kept with the deployment.

    `deployment` carries the new generation already. `replace_first`: what is left out stays until what replaces it is
    ready. `take_over`: the operation also sees through what an earlier one left undone. At the sites in `reassign` the
    decision's nodes are taken even where the need is unchanged. `standby`: nothing is to be sent to what is new, until all
    of it is ready. Of a deployment that is `single` nothing is made ahead of what it replaces: that goes first.
    """
    if deployment.failover.single:
        replace_first = standby = False
    tellings = _Tellings(edit)
    wanted = _wants(edit, deployment, decision, components, reassign=reassign, tellings=tellings)
    existing = {_key(edit, one): one for one in releases_of(edit, deployment.id)}
    touched = 0
    for key, want in wanted.items():
        release = existing.get(key)
        if release is None:
            _create(edit, deployment, key, want, operation_id=operation_id, standby=standby)
            touched += 1
        else:
            if release.standby and not replace_first:
                release = edit.replace(release, standby=False)
            touched += _keep(
                edit, deployment, release, want, operation_id=operation_id, take_over=take_over, tellings=tellings
            )
    for key, release in existing.items():
        if key not in wanted:
            touched += _leave(
                edit, deployment, release, operation_id=operation_id, replace_first=replace_first, take_over=take_over
            )
    edit.replace(deployment, missed=missed_by(edit, deployment, decision))
    return touched


def remove_all(edit: Edit, deployment: Deployment, *, operation_id: str) -> int:
    """Makes every release of the deployment unwanted; says how many there are."""
    found = releases_of(edit, deployment.id)
    for release in found:
        # The end of it waits for every copy, also at a place that was lost.
        kept = edit.replace(release, left_behind=False)
        unwant(edit, kept, generation=deployment.generation, operation_id=operation_id)
    return len(found)


def unwant(edit: Edit, release: Release, *, generation: int, operation_id: str | None) -> Release:
    """Makes a release one that is to be removed, with a generation that no earlier call has.

    It keeps what it has reserved until it is gone: until then it runs.
    """
    if not release.wanted:
        anew = STARTS_ANEW if release.phase in GIVEN_UP else {}
        return edit.replace(release, operation_id=operation_id, **anew)
    return edit.replace(
        release,
        wanted=False,
        retires_after=None,
        generation=generation,
        operation_id=operation_id,
        **STARTS_ANEW,
    )


def _wants(
    edit: Edit,
    deployment: Deployment,
    decision: Decision,
    components: Sequence[Component],
    *,
    reassign: frozenset[str],
    tellings: _Tellings,
) -> dict[Key, _Want]:
    by_id = {one.id: (one, scheduling_of(one, deployment.policy)) for one in components}
    overlays = Overlays(deployment.overrides)
    wanted: dict[Key, _Want] = {}
    here: dict[str, list[Release]] = {}
    clusters: dict[tuple[str, str], str] = {}
    for release in releases_of(edit, deployment.id):
        if release.cluster_id is not None:
            clusters[_name(edit, release), release.site_id] = release.cluster_id
        if release.stays:
            here.setdefault(release.site_id, []).append(release)
    for site in decision.placements:
        place = get_as(edit, Site, site.site_id)
        wants = [
            _Want(component, one, scheduling, deployment.profile_id, overlays.at(component.name, place))
            for one in site.components
            for component, scheduling in [by_id[one.component_id]]
        ]
        old = here.get(site.site_id, [])
        if (
            site.site_id not in reassign
            and _need(wants) == _need_now(edit, old)
            and _may_stay(edit, wants, old, tellings)
        ):
            wants = _as_reserved(edit, wants, old)
        for want in wants:
            # A site without a cluster when it was chosen may have got one since, and the release with it.
            name = want.component.name
            wanted[name, site.site_id, want.placed.cluster_id or clusters.get((name, site.site_id), "")] = want
    return wanted


def _need(wants: Iterable[_Want]) -> dict[str, Any]:
    return {want.component.name: (want.placed.replicas, want.component.resources, want.scheduling) for want in wants}


def _need_now(edit: Edit, releases: Iterable[Release]) -> dict[str, Any]:
    return {_name(edit, one): (one.replicas, one.resources, scheduling_told(edit, one)) for one in releases}


def _may_stay(edit: Edit, wants: Iterable[_Want], releases: Iterable[Release], tellings: _Tellings) -> bool:
    """Whether the nodes take what would be made anew there: a node may have got a taint, or lost a label, since."""
    old = {_name(edit, one): one for one in releases}
    for want in wants:
        release = old[want.component.name]
        if tellings.are_same(release, want):
            continue
        terms = pod_terms(
            release.backend_name, want.scheduling, deployment_id=release.deployment_id, component=want.component.name
        )
        nodes = (get_as(edit, Node, one) for one in release.assignments)
        if any(one is None or node_problem(terms, one) is not None for one in nodes):
            return False
    return True


def _as_reserved(edit: Edit, wants: Iterable[_Want], releases: Iterable[Release]) -> list[_Want]:
    """The same need at the same site stays on the nodes that it has: moving it would gain nothing."""
    old = {_name(edit, one): one for one in releases}
    return [
        want._replace(
            placed=ComponentPlacement(
                component_id=want.component.id,
                replicas=want.placed.replicas,
                assignments=old[want.component.name].assignments,
                cluster_id=old[want.component.name].cluster_id,
            )
        )
        for want in wants
    ]


def _create(edit: Edit, deployment: Deployment, key: Key, want: _Want, *, operation_id: str, standby: bool) -> None:
    name, site_id, cluster_id = key
    edit.create(
        Release,
        tenant_id=deployment.tenant_id,
        deployment_id=deployment.id,
        component_id=want.component.id,
        site_id=site_id,
        cluster_id=want.placed.cluster_id,
        backend_name=release_name(
            deployment_name=deployment.name,
            component_name=name,
            identity=(deployment.id, name, site_id, cluster_id),
        ),
        standby=standby,
        awaits_old=deployment.failover.single,
        stopped=deployment.stopped,
        replicas=want.placed.replicas,
        resources=want.component.resources,
        assignments=dict(want.placed.assignments),
        scheduling=want.scheduling,
        profile_id=want.profile_id,
        overrides=want.layers,
        generation=deployment.generation,
        operation_id=operation_id,
    )


def _keep(
    edit: Edit,
    deployment: Deployment,
    release: Release,
    want: _Want,
    *,
    operation_id: str,
    take_over: bool,
    tellings: _Tellings,
) -> int:
    fields: dict[str, Any] = {
        "component_id": want.component.id,
        "replicas": want.placed.replicas,
        "resources": want.component.resources,
        "assignments": dict(want.placed.assignments),
        "scheduling": want.scheduling,
        "profile_id": want.profile_id,
        "overrides": want.layers,
        "stopped": deployment.stopped,
        "wanted": True,
        "retires_after": None,
        "left_behind": False,
    }
    differs = (
        not release.wanted
        or not tellings.are_same(release, want)
        or scheduling_told(edit, release) != want.scheduling
        or any(getattr(release, one) != fields[one] for one in ("stopped", "replicas", "resources", "assignments"))
    )
    if differs:
        if not release.wanted:
            # What was to take its place may have been started, and then goes first.
            fields["awaits_old"] = deployment.failover.single
        edit.replace(release, generation=deployment.generation, operation_id=operation_id, **fields, **STARTS_ANEW)
        return 1
    kept = edit.replace(release, **fields)
    if kept.phase is ReleasePhase.DRIFTED and deployment.drift_policy is DriftPolicy.REPORT:
        # What somebody did there by hand is left to whoever asks for it: nothing here touches it.
        return 0
    if take_over and standing_of(kept) is not Standing.DONE:
        anew = STARTS_ANEW if kept.phase in GIVEN_UP else {}
        edit.replace(kept, operation_id=operation_id, **anew)
        return 1
    return 0


def _leave(
    edit: Edit, deployment: Deployment, release: Release, *, operation_id: str, replace_first: bool, take_over: bool
) -> int:
    if release.wanted and replace_first:
        edit.replace(release, retires_after=deployment.generation, operation_id=operation_id)
        return 1
    if release.wanted or (take_over and not release.left_behind):
        unwant(edit, release, generation=deployment.generation, operation_id=operation_id)
        return 1
    return 0


class _Tellings:
    """Whether backends are to be told what they were told, besides what is kept on releases: artifact and values.

    Values may be large and sites many, so what is alike at several sites is laid together and compared once.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._same: dict[tuple[object, ...], bool] = {}

    def are_same(self, release: Release, want: _Want) -> bool:
        """Whether the backend of a release was told what is wanted now."""
        told = (release.component_id, release.profile_id, release.overrides)
        if told == (want.component.id, want.profile_id, want.layers):
            return get_as(self._reader, Component, release.component_id) is not None
        layers = msgspec.json.encode((release.overrides, want.layers))
        key = (release.component_id, release.profile_id, want.component.id, want.profile_id, layers)
        found = self._same.get(key)
        if found is None:
            found = self._same[key] = self._compared(release, want)
        return found

    def _compared(self, release: Release, want: _Want) -> bool:
        before, after = get_as(self._reader, Component, release.component_id), want.component
        if before is None or before.artifact != after.artifact:
            return False
        told = effective(self._reader, before, profile_id=release.profile_id, layers=release.overrides)
        return told == effective(self._reader, after, profile_id=want.profile_id, layers=want.layers)


def _key(edit: Edit, release: Release) -> Key:
    return _name(edit, release), release.site_id, release.cluster_id or ""


def _name(reader: Reader, release: Release) -> str:
    component = get_as(reader, Component, release.component_id)
    return component.name if component is not None else ""

"""Affinity: at which sites other deployments of the same tenant keep this one company, or keep it away.

Only the tenant's own deployments are looked at, whatever the graph holds besides. What is wanted nearby is there while it is
wanted and stays; what is to be kept away from is there as long as any of it is. Keeping away goes both ways: a deployment
whose own policy wants this one away from it is kept away from as well, or the later of the two would undo the
earlier one's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.kinds import App, AppVersion, Component, Deployment, Release
from graph.kinds.policy import AffinityScope, AppAffinity
from graph.refusal import InvalidInput, NotFound
from graph.selectors import ids_matching, matches, parse_selector
from graph.view import Reader, each, get_as
from placement.arrays import Ints, Mask
from placement.selection import Ground
from placement.wording import listed

UNNAMED = "another deployment of the tenant"


@dataclass(frozen=True, slots=True)
class Company:
    """Deployments at or near which something is to run, or is not."""

    scope: AffinityScope
    wanted: str
    """What the policy asks for, in words."""
    deployments: tuple[tuple[str, Ints], ...]
    """Each deployment's name, and the sites (the problem's rows, ascending) that it is at or near; by id."""
    there: Mask
    """(sites,): whether any of them is at or near the site."""
    theirs: bool = False
    """Whether it is their policy that keeps them apart, and not this one."""

    def at(self, site: int) -> list[str]:
        """The names of those that are at or near a site."""
        return [
            name
            for name, rows in self.deployments
            if (at := np.searchsorted(rows, site)) < len(rows) and rows[at] == site
        ]


@dataclass(frozen=True, slots=True)
class Itself:
    """What is placed, as the policies of others know it."""

    deployment: Deployment | None
    """None when it is not in the graph yet."""
    app_id: str | None
    tenant_id: str | None
    labels: Mapping[str, str]

    @property
    def id(self) -> str | None:
        """The deployment's id."""
        return None if self.deployment is None else self.deployment.id


def itself_of(
    reader: Reader,
    components: Sequence[Component],
    *,
    deployment_id: str | None,
    tenant_id: str | None,
    labels: Mapping[str, str] | None,
) -> Itself:
    """What is placed; `labels` are those that the deployment is to have, None: those that it has in the graph."""
    deployment = get_as(reader, Deployment, deployment_id)
    if labels is None:
        labels = {} if deployment is None else deployment.labels
    app_id = app_of(reader, components[0].app_version_id) if components else None
    return Itself(deployment=deployment, app_id=app_id, tenant_id=tenant_id, labels=labels)


def companies(
    ground: Ground, wanted: Sequence[AppAffinity], *, itself: Itself, staying: bool, path: str
) -> tuple[Company, ...]:
    """Where the deployments of each entry are; with `staying` only those that are to stay.

    Raises InvalidInput for an entry that names nothing, and NotFound for a deployment or app that is not the tenant's or
    that the reader does not see. What the deployment's kept policy named and is gone since is nowhere, and no mistake.
    """
    return tuple(
        _company(
            ground,
            _named(ground, one, itself=itself, path=f"{path}[{n}]"),
            scope=one.scope,
            wanted=affinity_words(ground.reader, one),
            staying=staying,
        )
        for n, one in enumerate(wanted)
    )


def keeping_away(ground: Ground, claimants: Iterable[str], *, itself: Itself, uses: Reader) -> tuple[Company, ...]:
    """Where deployments of the same tenant are whose policies want this one away from them.

    `claimants`: ids of deployments whose words bind others; `uses`: sees all of them.
    """
    found = []
    for deployment_id in claimants:
        other = get_as(uses, Deployment, deployment_id)
        if other is None or other.id == itself.id or other.tenant_id != itself.tenant_id:
            continue
        for one in other.policy.anti_affinity:
            if is_named(one, itself):
                seen = ground.reader.get(other.id) is not None
                name = repr(other.name) if seen else UNNAMED
                found.append(
                    _company(
                        ground,
                        [other],
                        scope=one.scope,
                        wanted=name,
                        staying=False,
                        theirs=True,
                        names={other.id: name},
                        uses=uses,
                    )
                )
    return tuple(found)


def _named(ground: Ground, wanted: AppAffinity, *, itself: Itself, path: str) -> list[Deployment]:
    reader, tenant_id = ground.reader, itself.tenant_id
    if not (wanted.deployment_ids or wanted.app_ids or wanted.labels):
        raise InvalidInput(
            "an affinity names deployments by id, by app or by label",
            remedy="give deploymentIds, appIds or labels",
            path=path,
        )
    kept = () if itself.deployment is None else itself.deployment.policy
    for n, one in enumerate(wanted.deployment_ids):
        found = get_as(reader, Deployment, one)
        if (found is None or found.tenant_id != tenant_id) and not _kept(kept, "deployment_ids", one):
            raise NotFound("Deployment", one, path=f"{path}.deploymentIds[{n}]")
    for n, one in enumerate(wanted.app_ids):
        app = get_as(reader, App, one)
        if (app is None or app.tenant_id != tenant_id) and not _kept(kept, "app_ids", one):
            raise NotFound("App", one, path=f"{path}.appIds[{n}]")
    parse_selector(wanted.labels or "", path=f"{path}.labels")
    return named(reader, wanted, itself=itself)


def named(reader: Reader, wanted: AppAffinity, *, itself: Itself) -> list[Deployment]:
    """The tenant's other deployments that an entry names, by id. Raises InvalidInput for labels that cannot be read."""
    ids = dict.fromkeys(wanted.deployment_ids)
    for app_id in wanted.app_ids:
        for version in reader.ids("AppVersion", "app_id", app_id):
            ids.update(dict.fromkeys(reader.ids("Deployment", "app_version_id", version)))
    if wanted.labels:
        ids.update(dict.fromkeys(ids_matching(reader, "Deployment", wanted.labels)))
    deployments = (get_as(reader, Deployment, one) for one in sorted(ids) if one != itself.id)
    return [one for one in deployments if one is not None and one.tenant_id == itself.tenant_id]


def _kept(policy: object, field: str, name: str) -> bool:
    """Whether the policy that a deployment has already names it: then it was there."""
    entries = (*getattr(policy, "affinity", ()), *getattr(policy, "anti_affinity", ()))
    return any(name in getattr(one, field) for one in entries)


def is_named(wanted: AppAffinity, itself: Itself) -> bool:
    """Whether an entry of another's policy names this one."""
    if itself.id is not None and itself.id in wanted.deployment_ids:
        return True
    if itself.app_id is not None and itself.app_id in wanted.app_ids:
        return True
    return bool(wanted.labels) and matches(wanted.labels or "", itself.labels)


def _company(
    ground: Ground,
    deployments: Sequence[Deployment],
    *,
    scope: AffinityScope,
    wanted: str,
    staying: bool,
    theirs: bool = False,
    names: dict[str, str] | None = None,
    uses: Reader | None = None,
) -> Company:
    there = np.zeros(ground.size, dtype=bool)
    listed = []
    for one in deployments:
        rows = _at_or_near(ground, uses or ground.reader, one.id, scope=scope, staying=staying)
        there[rows] = True
        listed.append(((names or {}).get(one.id, repr(one.name)), rows))
    return Company(scope, wanted, tuple(listed), there, theirs)


def _at_or_near(ground: Ground, uses: Reader, deployment_id: str, *, scope: AffinityScope, staying: bool) -> Ints:
    row_of = ground.inventory.sites.row_of
    at = {
        row
        for one in each(uses, Release, "deployment_id", deployment_id)
        if (not staying or one.stays) and (row := row_of.get(one.site_id)) is not None
    }
    here = np.zeros(len(row_of), dtype=bool)
    here[list(at)] = True
    if scope is AffinityScope.REGION:
        region = ground.inventory.sites.region
        regions = np.zeros(len(ground.regions), dtype=bool)
        regions[region[here]] = True
        here = regions[region]
    return np.flatnonzero(here[ground.rows]).astype(np.int64)


def affinity_words(reader: Reader, wanted: AppAffinity) -> str:
    """What an entry names, in words."""
    deployments = [get_as(reader, Deployment, one) for one in wanted.deployment_ids]
    apps = [get_as(reader, App, one) for one in wanted.app_ids]
    parts = [repr(one.name) for one in deployments if one is not None]
    parts += [f"app {one.name!r}" for one in apps if one is not None]
    if wanted.labels:
        parts.append(f"what has labels {wanted.labels}")
    return listed(parts, between=" or ") or "what is gone"


def app_of(reader: Reader, app_version_id: str) -> str | None:
    """The id of the app that a version is of."""
    version = get_as(reader, AppVersion, app_version_id)
    return None if version is None else version.app_id

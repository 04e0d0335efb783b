"""What can be asked of a deployment at single sites: to run at more, at fewer, or with another number of replicas at one.

The policy is edited for it, and decided so that the deployment has no choice at its other sites: there all stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from graph.edit import Edit
from graph.kinds import Deployment, OperationKind, Site, SiteReplicas
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidState, NotFound
from graph.request import Committed, Request
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deadlines import within
from lifecycle.decisions import Deciding, Remember
from lifecycle.deployments import VERB_OF, Started, Visible, update_deployment
from lifecycle.proposing import as_wished
from lifecycle.releases import sites_by_component
from lifecycle.revision_outcomes import newest_number
from lifecycle.site_edits import adjusted_at, with_sites, without_sites
from lifecycle.verbs import check_verb
from lifecycle.wishes import Adjustment, seen_deployment, seen_version
from placement.problem import check_replicas

Here = dict[str, set[str]]
"""The sites of each component, by name."""


class SiteEdit(NamedTuple):
    """What a change of single sites makes of a deployment."""

    policy: PlacementPolicy
    stay_at: dict[str, set[str]]
    """Where each of its components is to be, by name."""
    adjustments: list[SiteReplicas] | None = None


class SiteVerbs(Deciding):
    """The verbs of one lifecycle that are about single sites."""

    async def add_sites(
        self,
        deployment_id: str,
        site_ids: Sequence[str],
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Has a deployment run at more sites; at the others nothing changes. Raises as `rollback`."""

        def edit(reader: Reader, deployment: Deployment, here: Here) -> SiteEdit:
            _check_sites(reader, site_ids)
            return SiteEdit(
                with_sites(deployment.policy, everywhere(here), site_ids),
                {name: sites if _is_apart(deployment, name) else {*sites, *site_ids} for name, sites in here.items()},
            )

        return await self._at_sites(
            deployment_id,
            edit,
            request,
            kind=OperationKind.ADD_SITES,
            visible=visible,
            expected_revision=expected_revision,
            deadline_s=deadline_s,
            remember=remember,
        )

    async def remove_sites(
        self,
        deployment_id: str,
        site_ids: Sequence[str],
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Has a deployment no longer run at some sites; at the others nothing changes. Raises as `rollback`."""

        def edit(reader: Reader, deployment: Deployment, here: Here) -> SiteEdit:
            return SiteEdit(
                without_sites(deployment.policy, everywhere(here), site_ids),
                {name: left for name, sites in here.items() if (left := set(sites) - set(site_ids))},
                [one for one in deployment.adjustments if one.site_id not in site_ids],
            )

        return await self._at_sites(
            deployment_id,
            edit,
            request,
            kind=OperationKind.REMOVE_SITES,
            visible=visible,
            expected_revision=expected_revision,
            deadline_s=deadline_s,
            remember=remember,
        )

    async def adjust_site(
        self,
        deployment_id: str,
        site_id: str,
        replicas: dict[str, int] | None,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Gives components other numbers of replicas at one site than at the others; None: as at the others again.

        They are part of the revision, and stay when the deployment is scaled. Raises as `rollback`.
        """

        def edit(reader: Reader, deployment: Deployment, here: Here) -> SiteEdit:
            if site_id not in everywhere(here):
                raise InvalidState(
                    "it is not at this site", remedy="add the site, or see its releases", path="input.siteId"
                )
            if deployment.policy.division is not None:
                raise InvalidState(
                    "its replicas are totals that are divided over its sites",
                    remedy="change the division's weights",
                    path="input.replicas",
                )
            version = seen_version(reader, deployment.app_version_id, path="input.id")
            components = components_of(reader, version, path="input.id")
            check_replicas(replicas or {}, components, policy=deployment.policy, path="input.replicas")
            return SiteEdit(deployment.policy, here, adjusted_at(deployment.adjustments, site_id, replicas))

        return await self._at_sites(
            deployment_id,
            edit,
            request,
            kind=OperationKind.ADJUST_SITE,
            visible=visible,
            expected_revision=expected_revision,
            deadline_s=deadline_s,
            remember=remember,
        )

    async def _at_sites(
        self,
        deployment_id: str,
        edit: Callable[[Reader, Deployment, Here], SiteEdit],
        request: Request,
        *,
        kind: OperationKind,
        visible: Visible,
        expected_revision: int | None,
        deadline_s: float | None,
        remember: Remember[Started] | None,
    ) -> Committed[Started]:
        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            deployment = seen_deployment(reader, deployment_id)
            check_verb(deployment, VERB_OF[kind])
            deployment = as_wished(deployment)
            edited = edit(reader, deployment, _here(self._ledger.view, deployment.id))
            version = seen_version(reader, deployment.app_version_id, path="input.id")
            chosen = await self._decisions.held(
                reader,
                deployment,
                version,
                edited.policy,
                stay_at=edited.stay_at,
                adjustments=edited.adjustments,
            )
            change = Adjustment(
                deployment_id=deployment_id,
                policy=edited.policy,
                adjustments=edited.adjustments,
                made_from=newest_number(deployment),
                expected_revision=expected_revision,
            )
            made = partial(
                update_deployment, change=change, chosen=chosen, visible=visible, author=request.author, kind=kind
            )
            return within(made, deadline_s)

        return await self._decisions.commit(attempt, request, remember)


def everywhere(here: Here) -> list[str]:
    """All sites of some components, by id."""
    return sorted(set().union(*here.values()))


def _here(reader: Reader, deployment_id: str) -> Here:
    return {name: set(sites) for name, sites in sites_by_component(reader, deployment_id).items()}


def _is_apart(deployment: Deployment, name: str) -> bool:
    """Whether a component has sites of its own choice: where it goes when sites are added is not said by that."""
    return any(one.component == name and one.apart for one in deployment.policy.components)


def _check_sites(reader: Reader, site_ids: Sequence[str]) -> None:
    for at, one in enumerate(site_ids):
        if get_as(reader, Site, one) is None:
            raise NotFound("Site", one, path=f"input.siteIds[{at}]")

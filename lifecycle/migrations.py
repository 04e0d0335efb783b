"""Migrations, as they are asked for: to another version, to other sites, or to where another policy leads.

Everything is checked and decided before the one commit that begins it, so a migration that cannot be has touched nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from graph.edit import Edit
from graph.kinds import Deployment, OperationKind, Site
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidInput, NotFound
from graph.request import Committed, Request
from graph.view import Reader, get_as
from lifecycle.components import components_of
from lifecycle.deadlines import within
from lifecycle.decisions import Deciding, Remember
from lifecycle.deployments import Chosen, Started, Visible, update_deployment
from lifecycle.proposing import as_wished
from lifecycle.revision_outcomes import newest_number
from lifecycle.verbs import Verb, check_verb
from lifecycle.wishes import Adjustment, adjusted, seen_deployment


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment is to go; None leaves that as it is. Sites and a policy are not given together."""

    app_version_id: str | None = None
    site_ids: Sequence[str] | None = None
    policy: PlacementPolicy | None = None


class Migrations(Deciding):
    """Begins the migrations of one lifecycle."""

    async def migrate(
        self,
        deployment_id: str,
        target: Target,
        request: Request,
        *,
        visible: Visible,
        expected_revision: int | None = None,
        deadline_s: float | None = None,
        remember: Remember[Started] | None = None,
    ) -> Committed[Started]:
        """Begins to move a deployment: what runs goes when all that is to run is ready and has been switched to.

        Raises NotFound, Conflict, InvalidInput, InvalidState, Unplaceable, CapacityGone, or what the ledger raises.
        """

        async def attempt() -> Callable[[Edit], Started]:
            reader = visible(self._ledger.view)
            deployment = seen_deployment(reader, deployment_id)
            check_verb(deployment, Verb.MIGRATE)
            deployment = as_wished(deployment)
            change = Adjustment(
                deployment_id=deployment_id,
                app_version_id=target.app_version_id,
                policy=_policy_of(reader, deployment, target),
                made_from=newest_number(deployment),
                expected_revision=expected_revision,
            )
            chosen = await self._chosen(reader, deployment, change, target)
            made = partial(
                update_deployment,
                change=change,
                chosen=chosen,
                visible=visible,
                author=request.author,
                kind=OperationKind.MIGRATE,
            )
            return within(made, deadline_s)

        return await self._decisions.commit(attempt, request, remember)

    async def _chosen(self, reader: Reader, deployment: Deployment, change: Adjustment, target: Target) -> Chosen:
        version, policy, replicas = adjusted(reader, deployment, change)
        if target.site_ids is None:
            return await self._decisions.for_change(reader, deployment, version, policy, replicas)
        components = components_of(reader, version)
        apart = {one.component for one in policy.components if one.apart}
        stay_at = {one.name: set(target.site_ids) for one in components if one.name not in apart}
        return await self._decisions.held(reader, deployment, version, policy, stay_at=stay_at, replicas=replicas)


def _policy_of(reader: Reader, deployment: Deployment, target: Target) -> PlacementPolicy | None:
    if target.app_version_id is None and target.site_ids is None and target.policy is None:
        raise InvalidInput(
            "where to is not said", remedy="give a version, sites or a policy", path="input.appVersionId"
        )
    if target.site_ids is None:
        return target.policy
    if target.policy is not None:
        raise InvalidInput("sites and a policy are two answers", remedy="give one of them", path="input.policy")
    if not target.site_ids:
        raise InvalidInput("it would be at no site", remedy="stop or terminate it", path="input.toSiteIds")
    for at, one in enumerate(target.site_ids):
        if get_as(reader, Site, one) is None:
            raise NotFound("Site", one, path=f"input.toSiteIds[{at}]")
    return at_sites(deployment.policy, target.site_ids)


def at_sites(policy: PlacementPolicy, site_ids: Sequence[str]) -> PlacementPolicy:
    """The policy, at these sites and no others; its other words stay."""
    named = list(dict.fromkeys(site_ids))
    excluded = [one for one in policy.sites.excluded_site_ids if one not in named]
    return msgspec.structs.replace(
        policy,
        sites=msgspec.structs.replace(policy.sites, site_ids=named, excluded_site_ids=excluded),
        pinned_site_ids=named,
        min_sites=min(policy.min_sites, len(named)),
        max_sites=None if policy.max_sites is None else max(policy.max_sites, len(named)),
    )

"""The further verbs of deployments: pause, stop, resume, roll back, and those for single sites.

Each is an input, a payload and a union of its own, so that what a verb takes and how it can be refused is in the schema.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import strawberry

from access.permissions import Permission, declare_root
from graph.change import decode_entity
from graph.kinds import Deployment
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidInput
from graph.request import Committed, Request
from lifecycle.deployments import Started
from lifecycle.migrations import Target
from resolvers.answers import request_of, verb
from resolvers.context import Context
from resolvers.mutations.deployment_inputs import (
    begun_fields,
    deadline_input,
    expected_input,
    id_input,
    key_input,
    optional,
)
from resolvers.mutations.deployments import (
    PLACING,
    begun,
    deadline_of,
    deployment_to_change,
    given_of,
    policy_given,
    remember_begun,
    replicas_given,
    sight,
)
from schema.inputs import fields_from
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type, struct_input

MOST_SITES = 1_000
"""As many as a policy pins."""


class _Asked(NamedTuple):
    """What every verb is handed."""

    deployment_id: str
    request: Request
    also: dict[str, Any]
    """Sight, the expected revision and the deadline, by the names that verbs have for them."""


def _asked(context: Context, action: str, given: Any) -> _Asked:
    deployment = deployment_to_change(context, given.id)
    request = request_of(context, action, given, tenant_id=deployment.tenant_id)
    also = {
        "visible": sight(context),
        "expected_revision": given_of(given, "expected_revision"),
        "deadline_s": deadline_of(given),
    }
    return _Asked(deployment.id, request, also)


async def _pause(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "pauseDeployment", given)
    del also["deadline_s"]
    committed: Committed[Deployment] = await context.services.lifecycle.verbs.pause(
        deployment_id, request, remember=_remember_changed, **also
    )
    return _changed("PauseDeploymentPayload", committed)


async def _relabel(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "relabelDeployment", given)
    del also["deadline_s"]
    names = [Deployment.SPEC.fields[one] for one in ("display_name", "labels")]
    fields = fields_from(Deployment.SPEC, given, names=names, patch=True)
    committed: Committed[Deployment] = await context.services.lifecycle.verbs.relabel(
        deployment_id, fields, request, remember=_remember_changed, **also
    )
    return _changed("RelabelDeploymentPayload", committed)


class _Kept(msgspec.Struct):
    deployment: msgspec.Raw
    revision: int


def _remember_changed(deployment: Deployment, revision: int) -> bytes:
    return msgspec.json.encode({"deployment": deployment, "revision": revision})


def _changed(typename: str, committed: Committed[Deployment]) -> Payload:
    """The payload of a change without an operation, or what was answered when its key came for the first time."""
    if committed.replayed is None:
        return Payload(typename, deployment=committed.value, revision=committed.revision)
    kept = msgspec.json.decode(committed.replayed, type=_Kept)
    return Payload(typename, deployment=decode_entity("Deployment", kept.deployment), revision=kept.revision)


async def _stop(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "stopDeployment", given)
    committed: Committed[Started] = await context.services.lifecycle.verbs.stop(
        deployment_id, request, remember=remember_begun, **also
    )
    return begun("StopDeploymentPayload", committed)


async def _resume(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "resumeDeployment", given)
    committed: Committed[Started] = await context.services.lifecycle.verbs.resume(
        deployment_id, request, remember=remember_begun, **also
    )
    return begun("ResumeDeploymentPayload", committed)


async def _rollback(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "rollbackDeployment", given)
    committed: Committed[Started] = await context.services.lifecycle.verbs.rollback(
        deployment_id, given.revision_number, request, remember=remember_begun, **also
    )
    return begun("RollbackDeploymentPayload", committed)


async def _add_sites(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "addSites", given)
    committed: Committed[Started] = await context.services.lifecycle.site_verbs.add_sites(
        deployment_id, _site_ids(given), request, remember=remember_begun, **also
    )
    return begun("AddSitesPayload", committed)


async def _remove_sites(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "removeSites", given)
    committed: Committed[Started] = await context.services.lifecycle.site_verbs.remove_sites(
        deployment_id, _site_ids(given), request, remember=remember_begun, **also
    )
    return begun("RemoveSitesPayload", committed)


async def _adjust_site(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "adjustSite", given)
    committed: Committed[Started] = await context.services.lifecycle.site_verbs.adjust_site(
        deployment_id, given.site_id, replicas_given(given), request, remember=remember_begun, **also
    )
    return begun("AdjustSitePayload", committed)


async def _migrate(context: Context, given: Any) -> Payload:
    deployment_id, request, also = _asked(context, "migrateDeployment", given)
    target = Target(
        app_version_id=given_of(given, "app_version_id"),
        site_ids=given_of(given, "to_site_ids"),
        policy=policy_given(given),
    )
    committed: Committed[Started] = await context.services.lifecycle.migrations.migrate(
        deployment_id, target, request, remember=remember_begun, **also
    )
    return begun("MigrateDeploymentPayload", committed)


async def _approve(context: Context, given: Any) -> Payload:
    found = context.view.get(given.id)
    if isinstance(found, Deployment):
        # Before what any change takes: who lacks both is told of the roles that have this one.
        context.viewer.require(Permission.APPROVE_WORKLOADS, found.tenant_id, path="input.id")
    deployment_id, request, also = _asked(context, "approveDeployment", given)
    committed: Committed[Started] = await context.services.lifecycle.approvals.approve(
        deployment_id, given.revision_number, request, remember=remember_begun, **also
    )
    return begun("ApproveDeploymentPayload", committed)


def _site_ids(given: Any) -> list[str]:
    site_ids: list[str] = list(given.site_ids)
    if not 1 <= len(site_ids) <= MOST_SITES:
        raise InvalidInput(
            f"1 to {MOST_SITES:,} sites are changed at once, not {len(site_ids):,}",
            remedy="update the policy for more",
            path="input.siteIds",
        )
    return site_ids


class _Field(NamedTuple):
    """A mutation of this module."""

    action: str
    make: Callable[[Context, Any], Awaitable[Payload]]
    text: str
    takes: dict[str, Member] = {}
    """What its input has besides the deployment, the expected revision and the key."""
    has_operation: bool = True
    permission: Permission = Permission.WRITE_WORKLOADS


_NUMBER: dict[str, Member] = {
    "revision_number": ("int", strawberry.field(description="The number of one of the deployment's revisions."))
}
_SITES: dict[str, Member] = {"site_ids": ("list[ID]", strawberry.field(description="The sites, at most 1,000."))}
_ONE_SITE: dict[str, Member] = {
    "site_id": ("ID", strawberry.field(description="One of the deployment's sites.")),
    "replicas": optional(
        "list[CountInput]",
        "Replicas there by component name; components that are left out stay as they are. Without any the site is as "
        "the others again.",
    ),
}
VERBS = (
    _Field(
        "approveDeployment",
        _approve,
        "Approves the very revision of a deployment that waits for it, and begins it. A change that came later is not "
        "approved with it.",
        takes={
            "revision_number": (
                "int",
                strawberry.field(description="The number of what waits, as it was looked at."),
            )
        },
        permission=Permission.APPROVE_WORKLOADS,
    ),
    _Field(
        "pauseDeployment",
        _pause,
        "Has nothing done to a deployment's backends until it is resumed; what runs goes on.",
        has_operation=False,
    ),
    _Field("stopDeployment", _stop, "Has none of a deployment's replicas run; its sites, nodes and names are kept."),
    _Field("resumeDeployment", _resume, "Ends a pause or a stop; what was stopped runs again where it did."),
    _Field(
        "rollbackDeployment",
        _rollback,
        "Makes what a deployment wanted at an earlier revision its newest one; the next change starts from it.",
        takes=_NUMBER,
    ),
    _Field(
        "migrateDeployment",
        _migrate,
        "Moves a deployment to another version, other sites or where another policy leads, made before it is broken: "
        "what ran goes when all that is new is ready and has been switched to.",
        takes={
            "app_version_id": optional("ID", "Another version."),
            "to_site_ids": optional("list[ID]", "The sites to run at from then on, at most 1,000."),
            "policy": optional("PlacementPolicyInput", "Another policy, whole; not with sites."),
        },
    ),
    _Field(
        "addSites",
        _add_sites,
        "Has a deployment run at more sites: its policy names them, and at its other sites nothing changes.",
        takes=_SITES,
    ),
    _Field(
        "removeSites",
        _remove_sites,
        "Has a deployment no longer run at some sites: its policy leaves them out, and at its other sites nothing "
        "changes.",
        takes=_SITES,
    ),
    _Field(
        "adjustSite",
        _adjust_site,
        "Gives components other numbers of replicas at one site than at the others; part of the revision.",
        takes=_ONE_SITE,
    ),
    _Field(
        "relabelDeployment",
        _relabel,
        "Gives a deployment another name for people or other labels. It is no change of what is wanted: nothing is placed "
        "anew, and no backend is told.",
        takes={
            "display_name": optional("str", "Another name for people; null takes it away."),
            "labels": optional("list[LabelInput]", "All its labels from now on."),
        },
        has_operation=False,
    ),
)
"""The mutations of this module."""


def deployment_verb_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    struct_input(PlacementPolicy)
    return {python_name(one.action): _defined(one) for one in VERBS}


def _defined(one: _Field) -> Member:
    name = one.action[0].upper() + one.action[1:]
    timed = deadline_input() if one.has_operation else {}
    input_type(
        f"{name}Input",
        {**id_input(), **expected_input(), **one.takes, **timed, **key_input()},
        description="Which deployment, and how.",
    )
    made = begun_fields()
    if not one.has_operation:
        del made["operation"]
    payload_type(f"{name}Payload", made, description="What was begun." if one.has_operation else "What is so now.")
    result_union(f"{name}Result", f"{name}Payload", PLACING)
    declare_root("Mutation", one.action, one.permission)
    return None, verb(one.action, one.make, description=one.text)


def python_name(action: str) -> str:
    """The name of a mutation as the schema is given it: `pause_many` for `pauseMany`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action)

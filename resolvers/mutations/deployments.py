"""Deployments: deploy, update, scale, terminate; and what the inputs of all verbs have in common.

Sight and rights are those of the caller at head: whoever loses a role while a decision is made is refused by the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import strawberry

from access.permissions import Permission, declare_root
from access.rights import check_write, check_write_of
from access.viewer import at_head
from access.visible import VisibleView
from graph.change import decode_entity
from graph.entity import Entity
from graph.kinds import Deployment, DriftPolicy, FailoverPolicy, Override
from graph.kinds.policy import PlacementPolicy
from graph.ledger import system_clock_ms
from graph.refusal import InvalidInput, NotFound
from graph.request import Committed
from graph.view import Reader
from lifecycle.deadlines import check_deadline
from lifecycle.deployments import Started
from lifecycle.wishes import Adjustment, Wish
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
from schema.inputs import fields_from, value_from
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, enum_type, input_type, struct_input

UNSET = strawberry.UNSET
PLACING = ("AlreadyExists", "Conflict", "InvalidState", "Unplaceable", "CapacityGone")


def sight(context: Context) -> Callable[[Reader], Reader]:
    """What the caller sees of a graph, by the roles that it has in that graph."""

    def visible(reader: Reader) -> Reader:
        return VisibleView(reader, at_head(context.viewer, reader, at_ms=system_clock_ms()))

    return visible


def given_of(source: Any, name: str) -> Any:
    """A field of an input; None when it was left out."""
    value = getattr(source, name, UNSET)
    return None if value is UNSET else value


def deadline_of(given: Any) -> float | None:
    """How long an operation may take, seconds. Raises InvalidInput."""
    value: float | None = given_of(given, "deadline_seconds")
    check_deadline(value)
    return value


def policy_given(given: Any, *, path: str = "input.policy") -> PlacementPolicy | None:
    """The policy of an input, if it has one. Raises InvalidInput."""
    field = Deployment.SPEC.fields["policy"]
    value = given_of(given, "policy")
    return None if value is None else value_from(field, value, path=path)


def failover_given(given: Any, *, path: str = "input.failover") -> FailoverPolicy | None:
    """The failover policy of an input, if it has one. Raises InvalidInput."""
    field = Deployment.SPEC.fields["failover"]
    value = given_of(given, "failover")
    return None if value is None else value_from(field, value, path=path)


def replicas_given(given: Any, *, path: str = "input.replicas") -> dict[str, int] | None:
    """The replicas of an input by component name, if it has any. Raises InvalidInput."""
    value = given_of(given, "replicas")
    if value is None:
        return None
    found: dict[str, int] = {}
    for at, one in enumerate(value):
        if one.name in found:
            raise InvalidInput(f"{one.name!r} is given twice", remedy="name each once", path=f"{path}[{at}].name")
        found[one.name] = one.count
    return found


def overrides_given(given: Any, *, path: str = "input.overrides") -> list[Override] | None:
    """The overrides of an input, if it has any. Raises InvalidInput."""
    value = given_of(given, "overrides")
    if value is None:
        return None
    found: list[Override] = value_from(Deployment.SPEC.fields["overrides"], value, path=path)
    return found


def wish_of(context: Context, given: Any, *, path: str = "input") -> Wish:
    """What a deploy input asks for; its labels and names are checked when it is made. Raises InvalidInput or a refusal."""
    check_write(context.viewer, Deployment.SPEC, given.tenant_id, make=True, path=f"{path}.tenantId")
    fields = fields_from(
        Deployment.SPEC,
        given,
        names=[Deployment.SPEC.fields[one] for one in ("display_name", "labels")],
        patch=False,
        path=path,
    )
    return Wish(
        tenant_id=given.tenant_id,
        name=given.name,
        app_version_id=given.app_version_id,
        policy=policy_given(given, path=f"{path}.policy") or PlacementPolicy(),
        replicas=replicas_given(given, path=f"{path}.replicas") or {},
        profile_id=given_of(given, "profile_id"),
        overrides=overrides_given(given, path=f"{path}.overrides") or [],
        drift_policy=given_of(given, "drift_policy") or DriftPolicy.CORRECT,
        failover=failover_given(given, path=f"{path}.failover") or FailoverPolicy(),
        requires_approval=bool(given_of(given, "requires_approval")),
        display_name=fields.get("display_name"),
        labels=fields.get("labels", {}),
    )


class Kept(msgspec.Struct):
    """What an idempotency key keeps of a change."""

    deployment: msgspec.Raw
    """`null` when the operation worked on none; `Raw | None` would take nothing else."""
    operation: msgspec.Raw
    revision: int

    @property
    def shown(self) -> Entity | None:
        """The deployment as it was answered first."""
        return None if bytes(self.deployment) == b"null" else decode_entity("Deployment", self.deployment)


def remember_begun(started: Started, revision: int) -> bytes:
    """What is answered when the idempotency key of a change comes again."""
    return msgspec.json.encode({"deployment": started.deployment, "operation": started.operation, "revision": revision})


def begun(typename: str, committed: Committed[Started]) -> Payload:
    """The payload of a change, or what was answered when its key came for the first time."""
    if committed.replayed is None:
        made = committed.value
        return Payload(typename, deployment=made.deployment, operation=made.operation, revision=committed.revision)
    kept = msgspec.json.decode(committed.replayed, type=Kept)
    return Payload(
        typename,
        deployment=kept.shown,
        operation=decode_entity("Operation", kept.operation),
        revision=kept.revision,
    )


def deployment_to_change(context: Context, deployment_id: str) -> Deployment:
    """The deployment, if the caller sees it and may change it. Raises NotFound or Forbidden."""
    found = context.view.get(deployment_id)
    if not isinstance(found, Deployment):
        raise NotFound("Deployment", deployment_id, path="input.id")
    check_write_of(context.viewer, found, path="input.id")
    return found


async def deploy_one(context: Context, given: Any) -> Payload:
    """Begins a deployment. Raises a refusal."""
    wish = wish_of(context, given)
    request = request_of(context, "deploy", given, tenant_id=wish.tenant_id)
    committed = await context.services.lifecycle.deploy(
        wish,
        request,
        visible=sight(context),
        wait=given.wait_for_placement,
        deadline_s=deadline_of(given),
        remember=remember_begun,
    )
    return begun("DeployPayload", committed)


async def update_one(context: Context, given: Any) -> Payload:
    """Changes a deployment. Raises a refusal."""
    deployment = deployment_to_change(context, given.id)
    gate = given_of(given, "requires_approval")
    if gate is False and deployment.requires_approval:
        context.viewer.require(Permission.APPROVE_WORKLOADS, deployment.tenant_id, path="input.requiresApproval")
    change = Adjustment(
        deployment_id=deployment.id,
        app_version_id=given_of(given, "app_version_id"),
        policy=policy_given(given),
        replicas=replicas_given(given),
        profile_id=msgspec.UNSET if given.profile_id is UNSET else given.profile_id,
        overrides=overrides_given(given),
        drift_policy=given_of(given, "drift_policy"),
        failover=failover_given(given),
        requires_approval=gate,
        expected_revision=given_of(given, "expected_revision"),
    )
    request = request_of(context, "updateDeployment", given, tenant_id=deployment.tenant_id)
    committed = await context.services.lifecycle.update(
        change, request, visible=sight(context), deadline_s=deadline_of(given), remember=remember_begun
    )
    return begun("UpdateDeploymentPayload", committed)


async def scale_one(context: Context, given: Any) -> Payload:
    """Changes the replicas of a deployment. Raises a refusal."""
    deployment = deployment_to_change(context, given.id)
    request = request_of(context, "scaleDeployment", given, tenant_id=deployment.tenant_id)
    committed = await context.services.lifecycle.scale(
        deployment.id,
        replicas_given(given) or {},
        request,
        visible=sight(context),
        expected_revision=given_of(given, "expected_revision"),
        deadline_s=deadline_of(given),
        remember=remember_begun,
    )
    return begun("ScaleDeploymentPayload", committed)


async def terminate_one(context: Context, given: Any) -> Payload:
    """Begins to remove a deployment from its sites. Raises a refusal."""
    deployment = deployment_to_change(context, given.id)
    request = request_of(context, "terminateDeployment", given, tenant_id=deployment.tenant_id)
    committed = await context.services.lifecycle.terminate(
        deployment.id,
        request,
        visible=sight(context),
        delete=given.delete,
        expected_revision=given_of(given, "expected_revision"),
        deadline_s=deadline_of(given),
        remember=remember_begun,
    )
    return begun("TerminateDeploymentPayload", committed)


def deployment_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    policy, failover = struct_input(PlacementPolicy), struct_input(FailoverPolicy)
    key, deadline, expected, own_id = key_input(), deadline_input(), expected_input(), id_input()
    drift = enum_type(DriftPolicy)
    overrides = f"list[{struct_input(Override)}]"
    input_type(
        "DeployInput",
        {
            "tenant_id": ("ID", strawberry.field(description="The tenant that owns it.")),
            "name": ("str", strawberry.field(description="Its name, unique in the tenant.")),
            "app_version_id": ("ID", strawberry.field(description="What is to run.")),
            "display_name": optional("str", "A name for people."),
            "labels": optional("list[LabelInput]", "Its labels."),
            "policy": optional(policy, "Where it is to run; anywhere when not given."),
            "replicas": optional(
                "list[CountInput]", "Replicas at each site by component name; a component's own number when not given."
            ),
            "failover": optional(failover, "What is done when it cannot stay as it is. Default: nothing by itself."),
            "profile_id": optional("ID", "The profile of the version that it runs with."),
            "overrides": optional(overrides, "Values that override those of its components and profile."),
            "drift_policy": optional(
                drift, "What happens when a backend has something else than was applied to it. Default: CORRECT."
            ),
            "requires_approval": optional(
                "bool", "Whether it and its changes wait to be approved, also where the tenant does not ask for that."
            ),
            **deadline,
            "wait_for_placement": (
                "bool",
                strawberry.field(
                    description="Keep it, PENDING_PLACEMENT, when no site can be chosen yet. Default: it is refused then.",
                    default=False,
                ),
            ),
            **key,
        },
        description="An app version wanted in places.",
    )
    input_type(
        "UpdateDeploymentInput",
        {
            **own_id,
            **expected,
            "app_version_id": optional("ID", "Another version."),
            "policy": optional(policy, "Another policy, whole."),
            "replicas": optional(
                "list[CountInput]", "All replicas; what is left out goes to the component's own number."
            ),
            "failover": optional(failover, "Another failover policy, whole."),
            "profile_id": optional(
                "ID",
                "Another profile; null: none. When it is left out, a new version's profile of the same name is taken.",
            ),
            "overrides": optional(overrides, "All overrides; an empty list takes them away."),
            "drift_policy": optional(
                drift, "Another drift policy; with CORRECT what has drifted is put right at once."
            ),
            "requires_approval": optional(
                "bool",
                "Whether its changes wait to be approved. To ask for that alone is so at once. Doing without takes who may "
                "approve, and waits to be approved itself.",
            ),
            **deadline,
            **key,
        },
        description="What is to change in a deployment; what is absent stays.",
    )
    input_type(
        "ScaleDeploymentInput",
        {
            **own_id,
            **expected,
            "replicas": ("list[CountInput]", strawberry.field(description="Replicas at each site by component name.")),
            **deadline,
            **key,
        },
        description="Replicas of some components; the others keep theirs.",
    )
    input_type(
        "TerminateDeploymentInput",
        {
            **own_id,
            **expected,
            "delete": (
                "bool",
                strawberry.field(
                    description="Delete it once nothing runs any more. Default: kept, TERMINATED.", default=False
                ),
            ),
            **deadline,
            **key,
        },
        description="Which deployment to remove from its sites.",
    )
    for name in ("Deploy", "UpdateDeployment", "ScaleDeployment", "TerminateDeployment"):
        payload_type(f"{name}Payload", begun_fields(), description="What was begun.")
        result_union(f"{name}Result", f"{name}Payload", PLACING)
    verbs: dict[str, tuple[str, Any, str]] = {
        "deploy": ("deploy", deploy_one, "Places an app version and begins to run it there."),
        "update_deployment": (
            "updateDeployment",
            update_one,
            "Changes version, policy or replicas; only what differs is touched.",
        ),
        "scale_deployment": ("scaleDeployment", scale_one, "Changes replicas at each site."),
        "terminate_deployment": ("terminateDeployment", terminate_one, "Removes a deployment from its sites."),
    }
    members: dict[str, Member] = {}
    for field, (action, make, text) in verbs.items():
        members[field] = (None, verb(action, make, description=text))
        declare_root("Mutation", action, Permission.WRITE_WORKLOADS)
    return members

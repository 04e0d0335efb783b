"""`deploy`, `update`, `scale`, `terminate`: an app version in places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json, Refused, until_no_conflict
from server.cli.failing_over import POLICY, FailoverFlags, failover_of
from server.cli.failures import Exit, Failure
from server.cli.lookup import find, tenant_id, version_of
from server.cli.options import (
    DeadlineOption,
    OutputOption,
    TenantOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    api_of,
    call_of,
    confirm,
    seconds_of,
)
from server.cli.output import Output, print_answer, say
from server.cli.plan_output import PLAN, print_plan
from server.cli.policies import PlacementFlags, counts_of, policy_of
from server.cli.rules import RuleFlags, put_rules
from server.cli.targets import DeploymentArgument, NameBehindArgument, deployment_text, is_deployment
from server.cli.values import OVERRIDES, ValueFlags, put_values
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for
from server.flag_groups import takes_flags

UNPLACEABLE = f"... on Unplaceable {{ plan {{ {PLAN} }} }}"
VERSION = "id name app { id name } tenant { name }"
WISHED = f"appVersion {{ {VERSION} }} overrides {{ {OVERRIDES} }} {POLICY}"
CURRENT = f"id revision tenant {{ name }} {WISHED} proposal {{ {WISHED} }}"
STARTED = f"deployment {{ id name phase generation }} operation {{ {OPERATION} }} revision"


@dataclass(frozen=True, kw_only=True)
class WishFlags:
    """What is wanted, and whose it is to be."""

    app: Annotated[
        str | None,
        typer.Argument(
            help="APP/VERSION, TENANT/APP/VERSION, or APP alone for its newest version.", metavar="APP/VERSION"
        ),
    ] = None
    app_version: Annotated[
        str | None, typer.Option("--app-version", help="The same as the argument.", metavar="APP/VERSION")
    ] = None
    tenant: TenantOption = None


@takes_flags
def deploy(
    ctx: typer.Context,
    *,
    wish: WishFlags,
    name: Annotated[str | None, typer.Option("--name", help="The deployment's name; the app's when not given.")] = None,
    where: PlacementFlags,
    lost: FailoverFlags,
    what: ValueFlags,
    rules: RuleFlags,
    later: Annotated[
        bool, typer.Option("--when-possible", help="Keep it pending when it cannot be placed yet.")
    ] = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run an app version in places. When it cannot be placed, the plan says why.

    Example: edgeatlas deploy hello/1.0 --within 8ms --of Vienna --of Lyon --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    values, version = wished_of(api, wish, where, name=name)
    if (failover := failover_of(lost)) is not None:
        values["failover"] = failover
    put_values(api, what, values, version=version, before=[])
    put_rules(rules, values)
    if later:
        values["waitForPlacement"] = True
    started(ctx, api, "deploy", values, output=output, wait=wait, seconds=seconds, deadline=deadline, extra=UNPLACEABLE)


@takes_flags
def update(
    ctx: typer.Context,
    name: DeploymentArgument,
    *,
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    to: Annotated[str | None, typer.Option("--to", help="The version to run from now on.", metavar="VERSION")] = None,
    where: PlacementFlags,
    lost: FailoverFlags,
    what: ValueFlags,
    rules: RuleFlags,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change what a deployment runs, with which values, or where. A policy that is given replaces the one it has;
    values are added to those that it has, and failover flags change what they name. It starts from the change that waits
    for approval, if one does.

    Example: edgeatlas update hello --to 1.1 --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    named = deployment_text(name, behind, tenant=tenant)
    given: Json = {"policy": policy_of(api, where), "replicas": counts_of(where.replicas)}
    put_rules(rules, given)

    def once() -> None:
        current = find(api, KINDS["Deployment"], named, CURRENT)
        values = _updated(api, current, given, to=to, lost=lost, what=what)
        if all(value is None for key, value in values.items() if key not in ("id", "expectedRevision")):
            raise Failure(
                "nothing to change is given",
                remedy="give --to, --replicas, --failover, --drift-policy, --requires-approval, values or a policy",
                code=Exit.USAGE,
            )
        started(
            ctx,
            api,
            "updateDeployment",
            values,
            output=output,
            wait=wait,
            seconds=seconds,
            deadline=deadline,
            extra=UNPLACEABLE,
        )

    until_no_conflict(once)  # what is added is added to what there is then


def _updated(api: Api, current: Json, given: Json, *, to: str | None, lost: FailoverFlags, what: ValueFlags) -> Json:
    """The input of an update of a deployment as it was read; what is not given whole is laid over what it is to be."""
    wished = current["proposal"] or current
    version = wished["appVersion"] or current["appVersion"]
    values: Json = {
        "id": current["id"],
        "expectedRevision": current["revision"],
        **given,
        "failover": failover_of(lost, before=wished["failover"]),
    }
    if to is not None:
        app, owner = version["app"]["name"], current["tenant"]["name"]
        version = version_of(api, to if "/" in to else f"{owner}/{app}/{to}")
        values["appVersionId"] = version["id"]
    put_values(api, what, values, version=version, before=wished["overrides"])
    return values


def scale(
    ctx: typer.Context,
    name: DeploymentArgument,
    replicas: Annotated[list[str], typer.Argument(help="Replicas at each site: `web=3`.", metavar="COMPONENT=N")],
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change how many replicas of a component run at each site.

    Example: edgeatlas scale hello web=3 --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    behind = replicas.pop(0) if is_deployment(name) and "=" not in replicas[0] else None
    named = deployment_text(name, behind, tenant=tenant)
    if not replicas:
        raise Failure("how many replicas?", remedy="write web=3", code=Exit.USAGE)
    counts = counts_of(replicas)
    values = {"id": find(api, KINDS["Deployment"], named)["id"], "replicas": counts}
    started(
        ctx,
        api,
        "scaleDeployment",
        values,
        output=output,
        wait=wait,
        seconds=seconds,
        deadline=deadline,
        extra=UNPLACEABLE,
    )


def terminate(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete it once nothing of it runs any more.")] = False,
    yes: YesOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove a deployment from all its sites.

    Example: edgeatlas terminate hello --delete --yes --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    named = deployment_text(name, behind, tenant=tenant)
    found = find(api, KINDS["Deployment"], named)["id"]
    confirm(f"Remove {named} from all its sites?", yes=yes)
    values = {"id": found, "delete": delete}
    started(ctx, api, "terminateDeployment", values, output=output, wait=wait, seconds=seconds, deadline=deadline)


def wished(api: Api, wish: WishFlags, where: PlacementFlags, *, name: str | None = None) -> Json:
    """The input of a deployment to be. Raises Failure."""
    return wished_of(api, wish, where, name=name)[0]


def wished_of(api: Api, wish: WishFlags, where: PlacementFlags, *, name: str | None = None) -> tuple[Json, Json]:
    """The input of a deployment to be, and the version that it is to run. Raises Failure."""
    app, tenant = wish.app or wish.app_version, wish.tenant
    if app is None:
        raise Failure("which app version?", remedy="give APP/VERSION", code=Exit.USAGE)
    policy, counts = policy_of(api, where), counts_of(where.replicas)
    version = version_of(api, f"{tenant}/{app}" if tenant and app.count("/") < 2 else app)
    owner = tenant_id(api, tenant) if tenant else version["tenant"]["id"]
    values: Json = {"tenantId": owner, "name": name or version["app"]["name"], "appVersionId": version["id"]}
    if policy is not None:
        values["policy"] = policy
    if counts is not None:
        values["replicas"] = counts
    return values, version


def started(
    ctx: typer.Context,
    api: Api,
    mutation: str,
    values: Json,
    *,
    output: Output,
    wait: bool,
    seconds: float,
    deadline: str | None = None,
    extra: str = "",
) -> None:
    """Sends a change of a deployment, tells what it began, and waits when asked to."""
    if deadline is not None:
        values = {**values, "deadlineSeconds": seconds_of(deadline, what="--deadline")}
    try:
        payload: dict[str, Any] = api.mutate(mutation, values, STARTED, extra=extra)
    except Refused as refused:
        if refused.error.get("plan") and output in (Output.TABLE, Output.WIDE):
            print_plan(refused.error["plan"])
        raise
    deployment, operation = payload["deployment"], payload["operation"]
    named = f"deployment/{deployment['name']}"
    words = f"{named} {deployment['phase']}, operation {operation['id']}"
    print_answer(payload, output, name=named, words=words)
    if wait:
        wait_for(call_of(ctx).chosen()[1], operation, timeout_s=seconds)
    elif output is Output.TABLE:
        say(f"follow it with `edgeatlas watch deployment {deployment['name']}`", style="dim")

"""`approve`, `pause`, `stop`, `resume`, `rollback`: a deployment let begin, held, let go, and taken back."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.awaiting import Until, check_reached, waited_for
from server.cli.deploying import UNPLACEABLE, started
from server.cli.failures import Exit, Failure
from server.cli.lookup import find
from server.cli.options import (
    DeadlineOption,
    OutputOption,
    TenantOption,
    TimeoutOption,
    WaitOption,
    YesOption,
    api_of,
    confirm,
    seconds_of,
)
from server.cli.output import Output, print_answer
from server.cli.targets import DeploymentArgument, NameBehindArgument, deployment_id, deployment_text
from server.cli.waiting import DEFAULT_TIMEOUT


def pause(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", "-w", help="Wait until the calls that are under way have ended.")
    ] = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Do nothing for a deployment until it is resumed; what runs goes on.

    Example: edgeatlas pause hello --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    named = deployment_text(name, behind, tenant=tenant)
    found = find(api, KINDS["Deployment"], named)["id"]
    payload = api.mutate("pauseDeployment", {"id": found}, "deployment { id name phase generation } revision")
    made = payload["deployment"]
    paused = f"deployment/{made['name']}"
    print_answer(payload, output, name=paused, words=f"{paused} {made['phase']}")
    if wait:
        try:
            waited = waited_for(api, found, Until.QUIET, seconds=seconds)
        except KeyboardInterrupt:
            raise Failure(
                f"the waiting was interrupted; {named} stays paused",
                remedy=f"wait again: `edgeatlas wait {named} --for quiet`",
                code=Exit.INTERRUPTED,
            ) from None
        check_reached(waited, named, Until.QUIET, seconds=seconds)


def stop(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run none of a deployment's replicas; its sites, nodes and names are kept for it.

    Example: edgeatlas stop hello --yes --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    named = deployment_text(name, behind, tenant=tenant)
    found = find(api, KINDS["Deployment"], named)["id"]
    confirm(f"Stop all replicas of {named}?", yes=yes)
    started(ctx, api, "stopDeployment", {"id": found}, output=output, wait=wait, seconds=seconds, deadline=deadline)


def resume(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """End a pause or a stop; what was stopped runs again where it did.

    Example: edgeatlas resume hello --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    found = deployment_id(api, name, behind, tenant=tenant)
    started(ctx, api, "resumeDeployment", {"id": found}, output=output, wait=wait, seconds=seconds, deadline=deadline)


def rollback(
    ctx: typer.Context,
    name: DeploymentArgument,
    to: Annotated[int, typer.Option("--to", help="The number of the revision to go back to.", metavar="NUMBER")],
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Go back to what a deployment wanted at an earlier revision.

    Example: edgeatlas rollback hello --to 3 --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    found = deployment_id(api, name, behind, tenant=tenant)
    values = {"id": found, "revisionNumber": to}
    started(
        ctx,
        api,
        "rollbackDeployment",
        values,
        output=output,
        wait=wait,
        seconds=seconds,
        deadline=deadline,
        extra=UNPLACEABLE,
    )


def approve(
    ctx: typer.Context,
    name: DeploymentArgument,
    revision: Annotated[
        int, typer.Option("--revision", help="The number of the revision that you have looked at.", metavar="NUMBER")
    ],
    behind: NameBehindArgument = None,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Approve the revision of a deployment that waits for it. A later change is not approved with it.

    Example: edgeatlas approve hello --revision 2 --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    found = deployment_id(api, name, behind, tenant=tenant)
    values = {"id": found, "revisionNumber": revision}
    started(
        ctx,
        api,
        "approveDeployment",
        values,
        output=output,
        wait=wait,
        seconds=seconds,
        deadline=deadline,
        extra=UNPLACEABLE,
    )

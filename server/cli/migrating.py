"""`migrate`: a deployment moved to another version or other sites, made before it is broken."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Json
from server.cli.deploying import UNPLACEABLE, started
from server.cli.failures import Exit, Failure
from server.cli.lookup import find, version_of
from server.cli.options import DeadlineOption, OutputOption, TenantOption, TimeoutOption, WaitOption, api_of, seconds_of
from server.cli.output import Output
from server.cli.targets import DeploymentArgument, NameBehindArgument, deployment_text
from server.cli.waiting import DEFAULT_TIMEOUT


def migrate(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    to: Annotated[str | None, typer.Option("--to", help="The version to run from then on.", metavar="VERSION")] = None,
    sites: Annotated[
        list[str] | None, typer.Option("--site", help="A site to run at from then on; once for each.", metavar="SITE")
    ] = None,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Move a deployment to another version or other sites; what runs goes when all that is new is ready.

    Example: edgeatlas migrate hello --site Vienna --site Lyon --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    if to is None and not sites:
        raise Failure("where to?", remedy="give --to or --site", code=Exit.USAGE)
    named = deployment_text(name, behind, tenant=tenant)
    current = find(api, KINDS["Deployment"], named, "id appVersion { app { name } } tenant { name }")
    values: Json = {"id": current["id"]}
    if to is not None:
        app, owner = current["appVersion"]["app"]["name"], current["tenant"]["name"]
        values["appVersionId"] = version_of(api, to if "/" in to else f"{owner}/{app}/{to}")["id"]
    if sites:
        values["toSiteIds"] = [find(api, KINDS["Site"], one)["id"] for one in sites]
    started(
        ctx,
        api,
        "migrateDeployment",
        values,
        output=output,
        wait=wait,
        seconds=seconds,
        deadline=deadline,
        extra=UNPLACEABLE,
    )

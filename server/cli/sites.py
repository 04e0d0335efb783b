"""`add-sites`, `remove-sites`, `adjust-site`: a deployment changed at single sites."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json
from server.cli.deploying import UNPLACEABLE, started
from server.cli.lookup import find
from server.cli.options import DeadlineOption, OutputOption, TenantOption, TimeoutOption, WaitOption, api_of, seconds_of
from server.cli.output import Output
from server.cli.policies import counts_of
from server.cli.targets import DeploymentArgument, deployment_id
from server.cli.waiting import DEFAULT_TIMEOUT

SitesArgument = Annotated[list[str], typer.Argument(help="Sites, by name or id.", metavar="SITE")]


def add_sites(
    ctx: typer.Context,
    name: DeploymentArgument,
    sites: SitesArgument,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a deployment at more sites; at the others nothing changes.

    Example: edgeatlas add-sites hello Vienna Lyon --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    values = _named(api, name, sites, tenant=tenant)
    started(
        ctx, api, "addSites", values, output=output, wait=wait, seconds=seconds, deadline=deadline, extra=UNPLACEABLE
    )


def remove_sites(
    ctx: typer.Context,
    name: DeploymentArgument,
    sites: SitesArgument,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a deployment no longer at some sites; at the others nothing changes.

    Example: edgeatlas remove-sites hello Vienna --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    values = _named(api, name, sites, tenant=tenant)
    started(
        ctx, api, "removeSites", values, output=output, wait=wait, seconds=seconds, deadline=deadline, extra=UNPLACEABLE
    )


def adjust_site(
    ctx: typer.Context,
    name: DeploymentArgument,
    site: Annotated[str, typer.Argument(help="The site, by name or id.", metavar="SITE")],
    replicas: Annotated[
        list[str] | None, typer.Argument(help="Replicas there: `web=3`; none: as at the others.", metavar="COMPONENT=N")
    ] = None,
    tenant: TenantOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    deadline: DeadlineOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run another number of replicas at one site than at the others.

    Example: edgeatlas adjust-site hello Vienna web=3 --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    counts = counts_of(replicas or [])
    values: Json = {
        "id": deployment_id(api, name, None, tenant=tenant),
        "siteId": find(api, KINDS["Site"], site)["id"],
    }
    if counts:
        values["replicas"] = counts
    started(
        ctx, api, "adjustSite", values, output=output, wait=wait, seconds=seconds, deadline=deadline, extra=UNPLACEABLE
    )


def _named(api: Api, name: str, sites: list[str], *, tenant: str | None) -> Json:
    deployment = deployment_id(api, name, None, tenant=tenant)
    return {"id": deployment, "siteIds": [find(api, KINDS["Site"], one)["id"] for one in sites]}

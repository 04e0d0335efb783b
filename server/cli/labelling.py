"""`label`: a deployment's labels and its name for people, changed without anything of it being placed or told anew."""

from __future__ import annotations

from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Json, until_no_conflict
from server.cli.failures import Exit, Failure
from server.cli.lookup import find
from server.cli.options import OutputOption, TenantOption, api_of
from server.cli.output import Output, print_answer
from server.cli.targets import DeploymentArgument, deployment_text, is_deployment


def label(
    ctx: typer.Context,
    name: DeploymentArgument,
    changes: Annotated[
        list[str] | None, typer.Argument(help="`team=blue` sets a label, `team-` takes it away.", metavar="KEY=VALUE")
    ] = None,
    display_name: Annotated[str | None, typer.Option("--display-name", help="Another name for people.")] = None,
    tenant: TenantOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change a deployment's labels or its name for people. Nothing is placed anew, and no backend is told.

    Example: edgeatlas label hello team=blue stage-
    """
    api = api_of(ctx)
    given = list(changes or [])
    behind = given.pop(0) if given and is_deployment(name) and "=" not in given[0] else None
    named = deployment_text(name, behind, tenant=tenant)

    def once() -> Json:
        current = find(api, KINDS["Deployment"], named, "id revision labels { key value }")
        values: Json = {"id": current["id"], "expectedRevision": current["revision"]}
        if given:
            labels = labelled({one["key"]: one["value"] for one in current["labels"]}, given)
            values["labels"] = [{"key": key, "value": value} for key, value in labels.items()]
        if display_name is not None:
            values["displayName"] = display_name
        if len(values) == 2:
            raise Failure("nothing to change is given", remedy="write team=blue, or --display-name", code=Exit.USAGE)
        return api.mutate("relabelDeployment", values, "deployment { id name labels { key value } } revision")

    payload = until_no_conflict(once)
    name_now = f"deployment/{payload['deployment']['name']}"
    print_answer(payload, output, name=name_now, words=f"{name_now} labelled at revision {payload['revision']}")


def labelled(labels: dict[str, str], changes: list[str]) -> dict[str, str]:
    """Labels with changes laid over them. Raises Failure for what is none."""
    after = dict(labels)
    for one in changes:
        key, equals, value = one.partition("=")
        if equals and key:
            after[key] = value
        elif not equals and len(one) > 1 and one.endswith("-"):
            after.pop(one[:-1], None)
        else:
            raise Failure(f"{one!r} is no label", remedy="write team=blue, or team- to take it away", code=Exit.USAGE)
    return after

"""`plan show`: what a kept plan would do, step by step, so that nobody has to apply one unseen.

A plan of the failover of a deployment is made by itself, so this is where a person first sees it.
"""

from __future__ import annotations

import typer
from rich.text import Text

from graph.entity import KINDS
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import find
from server.cli.move_output import RUNS, STEP, print_moves
from server.cli.output import Output, cell, console, print_data, say, without_typenames
from server.cli.plan_output import PLAN, print_plan

PAGE = 50
"""Steps that are asked for at once; with what would run at each site so many fit into what one query may cost."""
KEPT = "id kind status feasible moves stuck plannedAtRevision expiresAt subject { id __typename ... on Named { name } }"


def show_plan(api: Api, kept: str | None, output: Output) -> None:
    """Prints a kept plan by its id. Raises Failure."""
    if kept is None:
        raise Failure("which plan?", remedy="write `plan show PLAN`; see `edgeatlas get plans`", code=Exit.USAGE)
    found = find(api, KINDS["Plan"], kept.removeprefix("plan/"), KEPT)
    one_app = found["kind"] == "DEPLOYMENT"
    steps = _steps(api, found["id"], PLAN if one_app else RUNS, page=1 if one_app else PAGE)
    shown: Json = {**found, "steps": steps}
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(shown), output)
    elif output is Output.NAME:
        for one in steps["nodes"]:
            if one["outcome"] in ("MOVES", "PLACES"):
                typer.echo(f"deployment/{one['name']}")
    else:
        console().print(_told(found, steps["nodes"]), soft_wrap=True)
        if one_app and steps["nodes"] and steps["nodes"][0]["decision"]:
            print_plan(steps["nodes"][0]["decision"])
        else:
            print_moves({**shown, "revision": found["plannedAtRevision"]})
        if found["status"] == "OPEN":
            say(f"do it with `edgeatlas plan apply {found['id']}`", style="dim")


def _steps(api: Api, plan_id: str, decision: str, *, page: int) -> Json:
    """Every step of a plan, page by page, with what is selected of each decision."""
    document = (
        "query($id: ID!, $first: Int!, $after: String) { entity(id: $id) { ... on Plan { "
        "steps(first: $first, after: $after) { totalCount pageInfo { hasNextPage endCursor } "
        f"nodes {{ {STEP} decision {{ {decision} }} }} }} }} }} }}"
    )
    nodes: list[Json] = []
    after = None
    while True:
        entity = api.query(document, {"id": plan_id, "first": page, "after": after})["entity"]
        if entity is None:
            raise Failure(f"plan {plan_id} is gone", remedy="see `edgeatlas get plans`", code=Exit.NOT_FOUND)
        found = entity["steps"]
        nodes += found["nodes"]
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return {"totalCount": found["totalCount"], "nodes": nodes}


def _told(found: Json, steps: list[Json]) -> Text:
    """`FAILOVER of deployment asks, OPEN, can be applied until …`."""
    subject = found["subject"]
    name = steps[0]["name"] if found["kind"] == "DEPLOYMENT" and steps else None
    whose = f" of {subject['__typename'].lower()} {cell(subject)}" if subject else f" of {cell(name)}" if name else ""
    until = f", can be applied until {found['expiresAt']}" if found["status"] == "OPEN" else ""
    return Text(f"{found['kind']}{whose}, {found['status']}{until}", style="bold")

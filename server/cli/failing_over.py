"""`fence`, `failover`: what is said of places that do not answer; and the flags of a deployment's failover policy."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

import typer

from server.cli.api import Json
from server.cli.lookup import entity_named
from server.cli.options import OutputOption, YesOption, api_of, confirm
from server.cli.output import Output, age, console, plain_table, print_data, say, styled, without_typenames
from server.cli.targets import NameBehindArgument, TargetArgument, target_text

failover = typer.Typer(
    help="Automatic moves that are held since many sites were lost at once.\n\nExample: edgeatlas failover list",
    no_args_is_help=True,
)
HOLD = "id lost sites createdAt resumedAt region { name }"


class Mode(enum.Enum):
    """What is done by itself when a deployment cannot stay as it is."""

    OFF = "off"
    REPORT = "report"
    PROPOSE = "propose"
    APPLY = "apply"


@dataclass(frozen=True, kw_only=True)
class FailoverFlags:
    """What is done when it cannot stay as it is."""

    failover: Annotated[
        Mode | None,
        typer.Option(
            "--failover", help="Lost places: wait (off), show a plan (report), keep one (propose), or move (apply)."
        ),
    ] = None
    toleration: Annotated[
        int | None,
        typer.Option(
            "--toleration",
            help="How long a loss lasts until it counts, seconds; less than 5 counts as 5.",
            metavar="SECONDS",
            min=0,
        ),
    ] = None
    most_moves: Annotated[
        int | None,
        typer.Option("--failover-moves", help="The most moves by one failover.", metavar="NUMBER", min=0),
    ] = None
    single: Annotated[
        bool | None,
        typer.Option("--single/--not-single", help="Start no copy before the one it replaces is known to be gone."),
    ] = None


POLICY = "failover { mode tolerationSeconds maxMoves single }"


def failover_of(flags: FailoverFlags, *, before: Json | None = None) -> Json | None:
    """The failover policy that flags make of the one before; None when none is given."""
    asked: Json = {
        "mode": None if flags.failover is None else flags.failover.name,
        "tolerationSeconds": flags.toleration,
        "maxMoves": flags.most_moves,
        "single": flags.single,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    kept = {key: value for key, value in (before or {}).items() if key in asked}
    return {**kept, **given} if given else None


def fence(ctx: typer.Context, target: TargetArgument, name: NameBehindArgument = None, yes: YesOption = False) -> None:
    """Give your word that nothing runs at a site or node that does not answer: powered off, or cut off for good.

    Example: edgeatlas fence site/Vienna --yes
    """
    api = api_of(ctx)
    found = entity_named(api, target_text(target, name), ("Site", "Node"))
    named = found.get("name") or found["id"]
    confirm(f"Does nothing run at {named} any more?", yes=yes)
    payload = api.mutate("fence", {"id": found["id"]}, "revision")
    say(f"{found['__typename'].lower()}/{named} fenced at revision {payload['revision']}")


@failover.command("list")
def list_(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the holds of automatic moves.

    Example: edgeatlas failover list
    """
    rows = api_of(ctx).query(f"{{ failoverHolds(first: 500) {{ nodes {{ {HOLD} }} }} }}", {})["failoverHolds"]["nodes"]
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(rows), output)
        return
    if output is Output.NAME:
        for one in rows:
            typer.echo(f"failoverhold/{one['id']}")
        return
    table = plain_table(["ID", "WHERE", "LOST", "SITES", "STATUS", "AGE"])
    for one in rows:
        table.add_row(
            one["id"],
            (one["region"] or {}).get("name") or "everywhere",
            str(one["lost"]),
            str(one["sites"]),
            styled("HELD" if one["resumedAt"] is None else "RESUMED"),
            age(one["createdAt"]),
        )
    console().print(table)


@failover.command("resume")
def resume(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(help="The hold's id.", metavar="ID")],
    lost: Annotated[
        int, typer.Option("--lost-sites", help="How many sites you know to be lost.", metavar="NUMBER", min=0)
    ],
) -> None:
    """Have automatic moves go on though many sites were lost at once.

    Example: edgeatlas failover resume failoverhold_01JABCDEFGHJKMNPQRSTVWXYZ0 --lost-sites 12
    """
    given = {"id": id.removeprefix("failoverhold/"), "lostSites": lost}
    made = api_of(ctx).mutate("resumeFailover", given, f"hold {{ {HOLD} }} revision")
    say(f"failoverhold/{made['hold']['id']} resumed at revision {made['revision']}")

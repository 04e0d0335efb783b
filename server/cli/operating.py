"""`operation`: long work; and `cordon`, `uncordon`, `drain`: machines and sites taken out of use."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import entity_named
from server.cli.options import OutputOption, TimeoutOption, WaitOption, YesOption, api_of, call_of, confirm, seconds_of
from server.cli.output import Output, age, cell, console, plain_table, print_data, say, styled, without_typenames
from server.cli.targets import NameBehindArgument, TargetArgument, target_text
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for

operation = typer.Typer(
    help="Long work: list it, follow it, cancel it, try it again.\n\nExample: edgeatlas operation list --running",
    no_args_is_help=True,
)
IdArgument = Annotated[
    str,
    typer.Argument(
        help="The operation's id, or what `-o name` prints.",
        metavar="ID",
        callback=lambda given: given.removeprefix("operation/"),
    ),
]
LISTED = f"{OPERATION} requestedBy {{ id name }} createdAt subject {{ id __typename ... on Named {{ name }} }}"


@operation.command("list")
def list_(
    ctx: typer.Context,
    running: Annotated[bool, typer.Option("--running", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest first.", min=1, max=500)] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List operations, the newest first.

    Example: edgeatlas operation list --running
    """
    document = (
        "query($first: Int, $filter: OperationFilter) { operations(first: $first, filter: $filter) { "
        f"nodes {{ {LISTED} }} }} }}"
    )
    filter = {"status": {"in": ["RUNNING", "CANCELLING"]}} if running else None
    rows = api_of(ctx).query(document, {"first": limit, "filter": filter})["operations"]["nodes"]
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(rows), output)
        return
    if output is Output.NAME:
        for one in rows:
            typer.echo(f"operation/{one['id']}")
        return
    table = plain_table(["ID", "KIND", "OF", "STATUS", "DONE", "AGE", "MESSAGE"])
    for one in rows:
        done = f"{one['progress']['done']}/{one['progress']['total']}"
        message = (one["error"] or {}).get("message")
        table.add_row(
            one["id"],
            one["kind"],
            Text(cell(one["subject"])),
            styled(one["status"]),
            done,
            age(one["createdAt"]),
            cell(message),
        )
    console().print(table)


@operation.command("show")
def show(ctx: typer.Context, id: IdArgument, output: OutputOption = Output.TABLE) -> None:
    """Show an operation with its releases and its error.

    Example: edgeatlas operation show operation_01JABCDEFGHJKMNPQRSTVWXYZ0
    """
    releases = (
        "releases(first: 100) { totalCount nodes { phase attempts error site { id name } component { id name } } }"
    )
    found = _get(api_of(ctx), id, f"{LISTED} {releases}")
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(found), output)
        return
    progress = found["progress"]
    out = console()
    out.print(Text.assemble((f"{found['kind']} {cell(found['subject'])} ", "bold"), styled(found["status"])))
    out.print(
        f"{progress['done']} of {progress['total']} done, {progress['waiting']} waiting, {progress['failed']} failed; "
        f"begun {age(found['createdAt'])} ago by {cell(found['requestedBy'])}"
    )
    if found["error"]:
        out.print(Text(f"{found['error']['code']}: {cell(found['error']['message'])}", style="red"), soft_wrap=True)
        if found["error"]["remedy"]:
            out.print(Text(f"remedy: {cell(found['error']['remedy'])}"), soft_wrap=True)
    if found["releases"]["nodes"]:
        table = plain_table(["SITE", "COMPONENT", "PHASE", "TRIES", "ERROR"])
        for one in found["releases"]["nodes"]:
            table.add_row(
                Text(cell(one["site"]), style="bold"),
                Text(cell(one["component"])),
                styled(one["phase"]),
                str(one["attempts"]),
                Text(cell(one["error"])),
            )
        out.print(table)


@operation.command("wait")
def wait_(ctx: typer.Context, id: IdArgument, timeout: TimeoutOption = DEFAULT_TIMEOUT) -> None:
    """Wait until an operation has ended; exit code 7 when it ended otherwise than well.

    Example: edgeatlas operation wait operation_01JABCDEFGHJKMNPQRSTVWXYZ0 --timeout 5m
    """
    seconds = seconds_of(timeout)
    wait_for(call_of(ctx).chosen()[1], _get(api_of(ctx), id, OPERATION), timeout_s=seconds)


@operation.command("cancel")
def cancel(
    ctx: typer.Context, id: IdArgument, wait: WaitOption = False, timeout: TimeoutOption = DEFAULT_TIMEOUT
) -> None:
    """Take back what an operation does: to the last good state, or to nothing.

    Example: edgeatlas operation cancel operation_01JABCDEFGHJKMNPQRSTVWXYZ0 --wait
    """
    _begin(ctx, api_of(ctx), "cancelOperation", id, wait=wait, seconds=seconds_of(timeout), asked_for="CANCELLED")


@operation.command("retry")
def retry(
    ctx: typer.Context, id: IdArgument, wait: WaitOption = False, timeout: TimeoutOption = DEFAULT_TIMEOUT
) -> None:
    """Start again what an operation gave up on.

    Example: edgeatlas operation retry operation_01JABCDEFGHJKMNPQRSTVWXYZ0 --wait
    """
    _begin(ctx, api_of(ctx), "retryOperation", id, wait=wait, seconds=seconds_of(timeout))


def cordon(ctx: typer.Context, target: TargetArgument, name: NameBehindArgument = None) -> None:
    """Place nothing new on a site, node or cluster; what runs there stays.

    Example: edgeatlas cordon site/Vienna
    """
    _set_cordon(ctx, target_text(target, name), "cordon", "cordoned")


def uncordon(ctx: typer.Context, target: TargetArgument, name: NameBehindArgument = None) -> None:
    """Take the cordon off a site, node or cluster.

    Example: edgeatlas uncordon site/Vienna
    """
    _set_cordon(ctx, target_text(target, name), "uncordon", "uncordoned")


def drain(
    ctx: typer.Context,
    target: TargetArgument,
    name: NameBehindArgument = None,
    yes: YesOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
) -> None:
    """Cordon a site or node and move what runs there elsewhere, made before it is broken.

    Example: edgeatlas drain site/Vienna --yes --wait
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    found = entity_named(api, target_text(target, name), ("Site", "Node"))
    confirm(f"Move everything away from {found.get('name') or found['id']}?", yes=yes)
    _begin(ctx, api, "drain", found["id"], wait=wait, seconds=seconds)


def _begin(
    ctx: typer.Context, api: Api, mutation: str, id: str, *, wait: bool, seconds: float, asked_for: str = "SUCCEEDED"
) -> None:
    """Asks for a change that is an operation, says which, and waits for its end when asked to. Raises Failure.

    `asked_for`: another end than success which is none of failure.
    """
    begun = api.mutate(mutation, {"id": id}, f"operation {{ {OPERATION} }}")["operation"]
    say(f"operation {begun['id']} {begun['status']}")
    if not wait:
        return
    try:
        wait_for(call_of(ctx).chosen()[1], begun, timeout_s=seconds)
    except Failure as failure:
        if asked_for not in failure.message:
            raise


def _set_cordon(ctx: typer.Context, target: str, mutation: str, done: str) -> None:
    api = api_of(ctx)
    found = entity_named(api, target, ("Site", "Node", "Cluster"))
    payload = api.mutate(mutation, {"id": found["id"]}, "revision")
    kind = found["__typename"].lower()
    say(f"{kind}/{found.get('name') or found['id']} {done} at revision {payload['revision']}")


def _get(api: Api, id: str, selection: str) -> Json:
    found: Json | None = api.query(f"query($id: ID!) {{ operation(id: $id) {{ {selection} }} }}", {"id": id})[
        "operation"
    ]
    if found is None:
        raise Failure(f"there is no operation {id!r}", remedy="see `edgeatlas operation list`", code=Exit.NOT_FOUND)
    return found

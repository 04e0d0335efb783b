"""The commands put together."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from server.cli import (
    asking,
    awaiting,
    backups,
    batching,
    deploying,
    doctor,
    failing_over,
    holding,
    importing,
    labelling,
    links,
    migrating,
    operating,
    people,
    planning,
    reading,
    serving,
    signing,
    simulating,
    sites,
    uploading,
    watching,
    web_pages,
)
from server.cli.applying import apply
from server.cli.options import Call, Commands

HELP = """One GraphQL API over one graph of the edge, from the command line.

Begin with `edgeatlas serve --demo` in one terminal, and `edgeatlas login` in another.

Exit codes: 0 done, 1 error, 2 wrong usage, 3 not found, 4 refused, 5 no answer, 6 timed out, 7 an operation that did not
succeed, 130 interrupted.

Example: edgeatlas get sites
"""

app = typer.Typer(
    cls=Commands,
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # a traceback must not show a token
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    try:
        sys.stdout.write(f"edgeatlas {importlib.metadata.version('edgeatlas')}\n")
    except importlib.metadata.PackageNotFoundError:
        sys.stdout.write("edgeatlas, not installed\n")
    raise typer.Exit


@app.callback(help=HELP)
def call(
    ctx: typer.Context,
    context: Annotated[
        str | None,
        typer.Option(
            "--context", help="A server by the name that `login` gave it [EDGEATLAS_CONTEXT].", metavar="NAME"
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="A server by its URL [EDGEATLAS_URL].", metavar="URL")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Takes the flags that come before a command."""
    ctx.obj = Call(context=context, url=url)


_RUN, _GRAPH, _APPS, _ACCESS, _API = "Run", "The graph", "Apps in places", "People and access", "The API"

app.command("serve", rich_help_panel=_RUN)(serving.serve)
app.command("simulate", rich_help_panel=_RUN)(simulating.simulate)
app.command("worker", rich_help_panel=_RUN)(serving.worker)
app.command("doctor", rich_help_panel=_RUN)(doctor.doctor)
app.command("backup", rich_help_panel=_RUN)(backups.backup)
app.command("restore", rich_help_panel=_RUN)(backups.restore)
app.add_typer(web_pages.ui, name="ui", rich_help_panel=_RUN)
app.command("import", rich_help_panel=_GRAPH)(importing.import_)
app.command("apply", rich_help_panel=_GRAPH)(apply)
app.command("get", rich_help_panel=_GRAPH)(reading.get)
app.command("describe", rich_help_panel=_GRAPH)(reading.describe)
app.command("delete", rich_help_panel=_GRAPH)(reading.delete)
app.command("watch", rich_help_panel=_GRAPH)(watching.watch)
app.command("cordon", rich_help_panel=_GRAPH)(operating.cordon)
app.command("uncordon", rich_help_panel=_GRAPH)(operating.uncordon)
app.command("drain", rich_help_panel=_GRAPH)(operating.drain)
app.command("fence", rich_help_panel=_GRAPH)(failing_over.fence)
app.add_typer(failing_over.failover, name="failover", rich_help_panel=_GRAPH)
app.command("upload", rich_help_panel=_APPS)(uploading.upload)
app.command("plan", rich_help_panel=_APPS)(planning.plan)
app.command("deploy", rich_help_panel=_APPS)(deploying.deploy)
app.command("update", rich_help_panel=_APPS)(deploying.update)
app.command("scale", rich_help_panel=_APPS)(deploying.scale)
app.command("terminate", rich_help_panel=_APPS)(deploying.terminate)
for asked in (
    holding.approve,
    holding.pause,
    holding.stop,
    holding.resume,
    holding.rollback,
    migrating.migrate,
    sites.add_sites,
    sites.remove_sites,
    sites.adjust_site,
    labelling.label,
    awaiting.wait,
    batching.batch,
):
    app.command(asked.__name__.replace("_", "-"), rich_help_panel=_APPS)(asked)
app.add_typer(operating.operation, name="operation", rich_help_panel=_APPS)
app.command("login", rich_help_panel=_ACCESS)(signing.login)
app.command("logout", rich_help_panel=_ACCESS)(signing.logout)
app.command("whoami", rich_help_panel=_ACCESS)(signing.whoami)
app.add_typer(signing.context_commands, name="context", rich_help_panel=_ACCESS)
people.user.command("link")(links.sign_in_link)
app.add_typer(people.user, name="user", rich_help_panel=_ACCESS)
app.add_typer(people.token, name="token", rich_help_panel=_ACCESS)
app.add_typer(people.secret, name="secret", rich_help_panel=_ACCESS)
app.command("schema", rich_help_panel=_API)(asking.schema)
app.command("query", rich_help_panel=_API)(asking.query)

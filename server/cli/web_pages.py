"""`ui`: the web pages, built by hand: for a machine that has Node.js on behalf of one that has not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.cli.failures import Exit, Failure
from server.cli.output import say

ui = typer.Typer(
    help="The web pages: build them from the sources of a checkout.\n\nExample: edgeatlas ui build",
    no_args_is_help=True,
)


@ui.callback()
def pages() -> None:
    """Groups the commands; without it a group of one command would be that command."""


@ui.command("build")
def build(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Also copy them into this folder, empty or new, for `serve --ui-dist` elsewhere."),
    ] = None,
) -> None:
    """Build the dashboard and the playground when they are missing or older than their sources, or say why that fails.

    Takes a checkout, npm, and Node.js 20.19 or newer. `serve` does the same when it starts; this tells all that goes wrong.

    Example: edgeatlas ui build --out /srv/edgeatlas-pages
    """
    from server.ui_build import UiBuildFailed, UiMode, copy_built, ensure_built

    try:
        built = ensure_built(UiMode.REQUIRE, say=say)
    except UiBuildFailed as problem:
        raise Failure(str(problem), code=Exit.ERROR) from None
    assert built.directory is not None, "required pages are there, or it was refused"
    say(f"The pages are in {built.directory}")
    if out is None:
        return
    try:
        copy_built(built.directory, out)
    except FileExistsError as problem:
        raise Failure(str(problem), remedy="give a folder that is empty, or not there yet", code=Exit.USAGE) from None
    except OSError as problem:
        raise Failure(f"{out} cannot be written: {problem.strerror}", code=Exit.ERROR) from None
    say(f"and in {out}")

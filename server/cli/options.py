"""What commands share: the options that several take, the group that turns failures into exit codes, and the caller.

`Commands` is the one place in which a Failure ends a command, so that a command only says what is wrong.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from server.cli.api import Api
from server.cli.config import Context, chosen_context
from server.cli.failures import Exit, Failure
from server.cli.output import Output, complain

OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print.", show_default=True, case_sensitive=False)
]
TenantOption = Annotated[
    str | None,
    typer.Option(
        "--tenant", "-t", help="The tenant, by name or id; not needed when you have one only.", metavar="NAME"
    ),
]
SelectorOption = Annotated[
    str | None, typer.Option("--selector", "-l", help="Label selector in Kubernetes syntax: `zone=west,!retired`.")
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", "-w", help="Wait until the operation has ended.")]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", help="The longest wait, such as 90s, 10m or 1h.", metavar="TIME")
]
DeadlineOption = Annotated[
    str | None,
    typer.Option(
        "--deadline",
        help="When the operation ends at the latest, such as 10m, with what is not done told; it is worked on all the same.",
        metavar="TIME",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


class Commands(TyperGroup):
    """The commands, with failures as exit codes, and one way of writing what a value is."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        _write_alike(self)

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; a Failure is told and becomes the exit code, as does an interrupt."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            complain(failure)
            raise typer.Exit(int(failure.code)) from None
        except KeyboardInterrupt:
            raise typer.Exit(int(Exit.INTERRUPTED)) from None
        except BrokenPipeError:
            # Whoever reads had enough; what is still buffered must not be told a second time at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(int(Exit.OK)) from None


def _write_alike(command: Any) -> None:
    """Has the helps of a command and of those below it name what a value is in capitals, as docs/cli.md does."""
    for inner in getattr(command, "commands", {}).values():
        _write_alike(inner)
    for one in command.params:
        described = one.type_descriptor
        if one.metavar is not None or described.is_choice or getattr(one, "is_flag", False):
            continue
        if one.param_type_name == "argument":
            one.metavar = one.name.upper()
        else:
            one.metavar = "N" if described.is_ranged else "FILE" if described.is_path else "TEXT"


class Call:
    """What the global flags say: which server, as whom."""

    def __init__(self, *, context: str | None = None, url: str | None = None) -> None:
        self.context_name = context
        self.url = url

    def chosen(self) -> tuple[str, Context]:
        """The context and its name. Raises Failure."""
        return chosen_context(name=self.context_name, url=self.url)


def call_of(ctx: typer.Context) -> Call:
    """The call that a command belongs to."""
    found = ctx.find_root().obj
    return found if isinstance(found, Call) else Call()


def api_of(ctx: typer.Context) -> Api:
    """A client for the chosen context, closed when the command ends."""
    api = Api(call_of(ctx).chosen()[1])
    ctx.call_on_close(api.http.close)
    return api


def seconds_of(text: str, *, what: str = "--timeout", remedy: str = "write 90s, 10m or 1h") -> float:
    """Seconds of `90s`, `500ms`, `10m`, `1h` or a plain number. Raises Failure."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|)", text.strip())
    if match is None:
        raise Failure(f"{what} {text!r} is no time", remedy=remedy, code=Exit.USAGE)
    return float(match[1]) * _UNITS[match[2]]


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something is lost; without a terminal to ask on, --yes must be given. Raises Failure."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(f"{question} Nobody is there to ask.", remedy="give --yes", code=Exit.USAGE)
    if not typer.confirm(question, err=True):
        raise Failure("nothing was done", code=Exit.ERROR)

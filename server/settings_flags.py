"""The flags of the command line, made from the declared settings.

A command that takes settings is written with one parameter for all of them and decorated; typer, which reads a
function's signature, then sees an option for each setting. So a new setting is a flag without a line here or there.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from server.flag_groups import shown_with
from server.settings import SECTIONS, declarations
from server.settings_sources import load
from server.settings_values import Declaration, SettingWrong, default_text


def takes_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give `command` its keyword parameter `settings` (a Settings) from flags, environment and file.

    The decorated function shows typer all of the command's other parameters, a flag for each setting without a default
    of its own, and `--config FILE`. A wrong setting ends the command with its message (typer.BadParameter, status 2).
    """
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "settings"]
    config = Annotated[
        Path | None, typer.Option("--config", help="The settings file, instead of the default one.", show_default=False)
    ]
    made = [_parameter(declared) for declared in declarations() if declared.flag]
    made.append(inspect.Parameter("config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=config))

    @functools.wraps(command)
    def with_settings(**given: Any) -> Any:
        flags = {declared.name: given.pop(declared.name) for declared in declarations() if declared.flag}
        try:
            settings = load(flags=flags, file=given.pop("config"))
        except SettingWrong as wrong:
            raise typer.BadParameter(str(wrong)) from wrong
        return command(**given, settings=settings)

    return shown_with(with_settings, [*own, *made])


def _parameter(declared: Declaration) -> inspect.Parameter:
    """A flag as typer reads it. Values other than switches are texts: `load` converts them, with one kind of error."""
    switch = declared.plain_type is bool
    name = f"{declared.flag}/--no-{declared.name.replace('_', '-')}" if switch else str(declared.flag)
    option = typer.Option(
        name,
        help=f"{declared.description} [{declared.variable}; default: {default_text(declared)}]",
        metavar=None if switch else _metavar(declared),
        rich_help_panel=SECTIONS[declared.section],
        show_default=False,
    )
    kind: Any = Annotated[bool | None, option] if switch else Annotated[str | None, option]
    return inspect.Parameter(declared.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _metavar(declared: Declaration) -> str:
    plain = declared.plain_type
    if typing.get_origin(plain) is Literal:
        return "|".join(typing.get_args(plain))
    if typing.get_origin(plain) is tuple:
        return "A,B,…"
    return {int: "N", float: "N", str: "TEXT"}.get(plain, "PATH")

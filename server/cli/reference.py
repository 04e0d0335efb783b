"""docs/cli.md, written from the commands themselves: a page written by hand would fall behind them.

`python -m server.cli.reference docs/cli.md` writes it (`make docs`); a test compares it with what is checked in.
"""

from __future__ import annotations

import inspect
import re
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo, OptionInfo

from server.cli import failures
from server.cli.application import app
from server.settings import declarations
from server.written_pages import write_page

_OPENING = """# The command line

*This page is written by `make docs` from the commands themselves.*

`edgeatlas` is a client of the GraphQL API like any other, and the command that runs the server. Sign in once per server with
`edgeatlas login`; the token is kept in `$XDG_CONFIG_HOME/edgeatlas/config.toml`, which only you can read. Scripts may set
`EDGEATLAS_URL` and `EDGEATLAS_TOKEN` instead.

What is asked for goes to standard output, everything else to standard error, so that `-o json`, `-o yaml` and `-o name` can
be piped. A kind may be written in any sensible way (`site`, `Sites`, `app-version`); an entity is named by its name, by a
path of names such as `shop/hello/1.0`, or by its id. `edgeatlas --install-completion` completes commands in your shell.

Changes carry an idempotency key: when the connection breaks they are sent again, and are done once. Waiting (`--wait`) goes
on over a restart of the server.

## Exit codes

"""


def markdown() -> str:
    """The whole page."""
    said = inspect.getdoc(failures) or ""
    table = next(part for part in said.split("\n\n") if part.startswith("|"))
    return _OPENING + table + "\n" + "".join(_command(words, callback) for words, callback in commands())


def commands(group: typer.Typer = app, words: tuple[str, ...] = ("edgeatlas",)) -> list[tuple[tuple[str, ...], Any]]:
    """Every command as it is typed, with its function, in the order of the alphabet."""
    found = [((*words, str(one.name)), one.callback) for one in group.registered_commands]
    for one in group.registered_groups:
        if one.typer_instance is not None:
            found += commands(one.typer_instance, (*words, str(one.name)))
    return sorted(found, key=lambda one: one[0])


def _command(words: tuple[str, ...], callback: Any) -> str:
    text, _, example = (inspect.getdoc(callback) or "").partition("Example:")
    parts = [f"\n## {' '.join(words)}\n\n{_joined(text)}\n\n```console\n{_joined(example)}\n```\n"]
    parameters = inspect.signature(callback, eval_str=True).parameters
    told = set(parameters)
    if has_settings(callback):
        parts.append("\nTakes every setting of [settings.md](settings.md) as a flag.\n")
        told -= {one.name for one in declarations()} | {"config"}
    rows = [row for one in parameters.values() if one.name in told and (row := _row(one))]
    if rows:
        parts.append("\n| | |\n|---|---|\n")
    return "".join([*parts, *rows])


def has_settings(callback: Any) -> bool:
    """Whether a command has a flag for each setting of the server."""
    return {"config", "data_dir"} <= set(inspect.signature(callback).parameters)


def _row(parameter: inspect.Parameter) -> str | None:
    """A parameter as a row of the table; None for what is not of the command line."""
    metadata = getattr(parameter.annotation, "__metadata__", ())
    info = next((one for one in metadata if isinstance(one, OptionInfo | ArgumentInfo)), None)
    if info is None:
        return None
    default = parameter.default
    shown = f" Default: `{getattr(default, 'value', default)}`." if _is_told(default) else ""
    # In an annotation, what would be the default is the first of the names.
    declared = [one for one in (info.default, *(info.param_decls or ())) if isinstance(one, str) and one[:1] == "-"]
    names = ", ".join(declared)
    metavar = info.metavar or (_metavar(parameter) if names else parameter.name.upper())
    what = f"{names} {metavar}".strip()
    return f"| `{what.replace('|', chr(92) + '|')}` | {(info.help or '').replace('|', chr(92) + '|')}{shown} |\n"


def _is_told(default: object) -> bool:
    return isinstance(default, str | int | float) and not isinstance(default, bool) and default not in ("", 0)


def _metavar(parameter: inspect.Parameter) -> str:
    plain = parameter.annotation.__origin__
    for one in typing.get_args(plain) or (plain,):
        if one is bool:
            return ""
        if one in (int, float):
            return "N"
        if one is Path:
            return "FILE"
        if isinstance(one, type) and issubclass(one, Enum):
            return "|".join(each.value for each in one)
    return "TEXT"


def _joined(text: str) -> str:
    return "\n\n".join(re.sub(r"\s+", " ", part).strip() for part in text.strip().split("\n\n"))


if __name__ == "__main__":
    write_page(markdown())

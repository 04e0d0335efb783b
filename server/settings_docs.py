"""docs/settings.md, written from the declarations: a page written by hand would fall behind them.

`python -m server.settings_docs docs/settings.md` writes it (`make docs`); a test compares it with what is checked in.
"""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Literal

from msgspec import Meta

from server.settings import SECTIONS, declarations
from server.settings_sources import DEFAULT_FILE, FILE_VARIABLE
from server.settings_values import PREFIX, Declaration, default_text
from server.written_pages import write_page

_OPENING = f"""# Settings

*This page is written by `make docs` from the declarations in `server/settings.py`.*

A setting is given as a flag of `edgeatlas serve`, as a variable of the environment, or in a TOML file; flags win over
variables, variables over the file, the file over the default. The file is the one that `--config` or `{FILE_VARIABLE}`
names, else `{DEFAULT_FILE}` where it exists; a setting stands in the table of its section (or, in a file
without tables, at the top):

```toml
[listen]
port = 8800

[limits]
max_body_bytes = "256KiB"
```

Sizes may be written with KiB, MiB or GiB. In variables and flags a list is written with commas. `~`, `$XDG_DATA_HOME`,
`$XDG_CONFIG_HOME` and `$XDG_CACHE_HOME` stand for the user's folders in paths. An unknown key or a wrong value stops
the start with a message that names the setting, where its value came from, and the remedy.
"""


def markdown() -> str:
    """The whole page."""
    parts = [_OPENING]
    for section, title in SECTIONS.items():
        parts.append(f"\n## {title}: `[{section}]`\n\n| setting | default | values | what it is |\n|---|---|---|---|\n")
        parts += [_row(declared) for declared in declarations() if declared.section == section]
    return "".join(parts)


def _row(declared: Declaration) -> str:
    ways = f"`{declared.name}`<br>`{PREFIX}{declared.name.upper()}`"
    if declared.flag:
        ways += f"<br>`{declared.flag}`"
    description = declared.description.replace("|", "\\|")
    default = f"`{default_text(declared)}`"
    if declared.demo_default is not None:
        default += f"<br>with `demo`: `{declared.demo_default}`"
    return f"| {ways} | {default} | {_values(declared)} | {description} |\n"


def _values(declared: Declaration) -> str:
    """Type, unit and bounds in words."""
    plain = declared.plain_type
    if typing.get_origin(plain) is Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(plain))
    kinds: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    kind = kinds.get(plain, "list of texts" if typing.get_origin(plain) is tuple else "path")
    bounds = next(each for each in declared.type.__metadata__ if isinstance(each, Meta))
    words = [f"{kind}, {declared.unit}" if declared.unit and declared.unit != "bytes" else kind]
    if declared.unit == "bytes":
        words = ["size in bytes"]
    least, above, most = bounds.ge, bounds.gt, bounds.le
    words += [f"above {above:g}"] if above is not None else [f"from {least:,}"] if least is not None else []
    words += [f"to {most:,}"] if most is not None else []
    return " ".join(words)


if __name__ == "__main__":
    write_page(markdown())

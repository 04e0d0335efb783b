"""One setting: how it is declared, and how what an operator wrote becomes its value.

A flag, a variable and a file write the same thing differently (a list is a TOML array or words between commas, a size
is 262144 or "256KiB"), so each is brought to one form here and then converted by msgspec, which knows the bounds. What
cannot be converted is an error that a person can act on.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

PREFIX = "EDGEATLAS_"
_XDG = {"XDG_DATA_HOME": "~/.local/share", "XDG_CONFIG_HOME": "~/.config", "XDG_CACHE_HOME": "~/.cache"}
_SIZES = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class SettingWrong(Exception):
    """A setting cannot be used. The text names it, where its value came from, what is wrong and what to do."""

    def __init__(self, setting: str, *, problem: str, remedy: str, source: str = "") -> None:
        """`source` is the flag, variable or file that gave the value; the value itself is shown only in `problem`."""
        self.setting = setting
        self.problem = problem
        self.remedy = remedy
        self.source = source
        super().__init__(setting, problem, remedy, source)

    def __str__(self) -> str:
        """One sentence on the problem, one on the remedy."""
        where = f" ({self.source})" if self.source else ""
        return f"{self.setting}{where} {self.problem}. {self.remedy}"


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as declared: what the file, the environment, the flags and the documentation are made from."""

    name: str
    section: str
    description: str
    unit: str
    secret: bool
    type: Any
    """The annotated type, with its bounds; msgspec converts to it."""
    plain_type: Any
    """The type without bounds: str, int, float, bool, Path, Path | None, a Literal or a tuple of str."""
    default: object
    demo_default: object = None
    """The default while the demonstration runs, which changes things all the time; None when it is the same."""

    @property
    def variable(self) -> str:
        """The environment's variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str | None:
        """The command line's flag; None for a secret."""
        return None if self.secret else "--" + self.name.replace("_", "-")


def expanded(path: Path, *, environment: Mapping[str, str]) -> Path:
    """An absolute path, with ~ and the folders of the XDG base directory specification (with its defaults) put in."""
    text = str(path)
    home = environment.get("HOME") or str(Path.home())
    for variable, fallback in _XDG.items():
        if text.startswith("$" + variable):
            given = environment.get(variable, "")
            text = (given if given.startswith("/") else fallback) + text.removeprefix("$" + variable)
    return Path(re.sub(r"^~(?=/|$)", lambda _: home, text)).absolute()


def text_of(path: Path, *, setting: str) -> str:
    """The text of a file that a setting names. Raises SettingWrong."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingWrong(
            setting,
            problem=f"is {path}, which cannot be read: {reason}",
            remedy="Name a file that the server may read.",
        ) from error


def converted(declared: Declaration, value: object, *, source: str, environment: Mapping[str, str]) -> object:
    """`value` as the setting's type, within its bounds. Raises SettingWrong; what is secret in the value is not shown."""
    prepared = value
    if isinstance(value, str):
        if typing.get_origin(declared.plain_type) is tuple:
            prepared = [part.strip() for part in value.split(",") if part.strip()]
        elif declared.unit == "bytes" and (size := re.fullmatch(r"(\d{1,15})\s*([KMG]i?B|B|)", value.strip(), re.I)):
            prepared = int(size[1]) * _SIZES[size[2].upper()]
        elif declared.plain_type == Path | None and not value:
            prepared = None
    elif isinstance(value, bool) and declared.plain_type is not bool:
        prepared = str(value).lower()  # no number: true is not 1
    elif isinstance(value, Path):
        prepared = str(value)
    try:
        result: object = msgspec.convert(prepared, declared.type, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        shown = "***" if declared.secret or declared.name == "store" else repr(value)
        raise SettingWrong(
            declared.name,
            problem=f"is {shown}, which does not fit: {_plainly(str(error))}",
            remedy=f"{declared.description} The default is {default_text(declared)}.",
            source=source,
        ) from error
    return expanded(result, environment=environment) if isinstance(result, Path) else result


def default_text(declared: Declaration) -> str:
    """A setting's default as it is written in a TOML file, or `none`."""
    default = declared.default
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(map(repr, default))}]"
    return f'"{default}"' if isinstance(default, str | Path) else str(default)


def _path(kind: type, value: object) -> Path:
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise ValueError("Expected a path")


def _plainly(message: str) -> str:
    """msgspec's message without its marks and its words for Python's types."""
    text = message.replace("`", "").replace("object of length >= 1", "text")
    return re.sub(r" - at \$(\[[^\]]*\])?", "", text)

"""Where the settings' values come from: flags over the environment over a file over the defaults.

Each value keeps its source until it was checked, so that a wrong one is told with where it was written. What is nearly a
setting's name, in the file or the environment, is told too, for it would else be passed over in silence.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from server.settings import Settings, declarations
from server.settings_values import PREFIX, Declaration, SettingWrong, converted, expanded, text_of

FILE_VARIABLE = "EDGEATLAS_CONFIG"
DEFAULT_FILE = "$XDG_CONFIG_HOME/edgeatlas/settings.toml"


def load(
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> Settings:
    """The settings from flags (by setting name; None is not given), environment, file and defaults. Raises SettingWrong.

    `file` must exist when it is given, here or by the variable EDGEATLAS_CONFIG; the default one need not.
    """
    chosen: dict[str, object] = {}
    sources: dict[str, str] = {}

    def take(name: str, value: object, source: str) -> None:
        chosen[name], sources[name] = converted(_declared(name), value, source=source, environment=environment), source

    for name, value, source in _from_file(file, environment):
        take(name, value, source)
    for declared in declarations():
        if declared.variable in environment:
            take(declared.name, environment[declared.variable], declared.variable)
    for name, value in (flags or {}).items():
        if value is not None:
            take(name, value, _declared(name).flag or name)
    for declared in declarations():
        if isinstance(declared.default, Path):
            chosen.setdefault(declared.name, expanded(declared.default, environment=environment))
        if chosen.get("demo") and declared.demo_default is not None:
            chosen.setdefault(declared.name, declared.demo_default)
    try:
        return Settings(**chosen)  # type: ignore[arg-type]  # each value was converted to its setting's type
    except SettingWrong as wrong:
        source = wrong.source or sources.get(wrong.setting, "")
        raise SettingWrong(wrong.setting, problem=wrong.problem, remedy=wrong.remedy, source=source) from None


def misspelt_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of the environment that are nearly, but not, a setting's, each with the one that may be meant."""
    known = {declared.variable.removeprefix(PREFIX) for declared in declarations()}
    near = {
        name: difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=0.85)
        for name in environment
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known
    }
    return {name: PREFIX + match[0] for name, match in near.items() if match}


def _declared(name: str) -> Declaration:
    for declared in declarations():
        if declared.name == name:
            return declared
    raise KeyError(name)


def _from_file(file: Path | None, environment: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    """The settings of the TOML file: keys in the tables of their sections, or all at the top."""
    named = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    path = expanded(named or Path(DEFAULT_FILE), environment=environment)
    if named is None and not path.exists():
        return
    source = f"file {path}"
    try:
        tables = tomllib.loads(text_of(path, setting="config"))
    except tomllib.TOMLDecodeError as error:
        raise SettingWrong("config", problem=f"is no TOML: {error}", remedy="Mend the file.", source=source) from error
    sections = {declared.section for declared in declarations()}
    for key, value in tables.items():
        inner = value.items() if key in sections and isinstance(value, dict) else [(key, value)]
        for name, each in inner:
            section = key if key in sections and isinstance(value, dict) else None
            found = [one for one in declarations() if one.name == name and section in (None, one.section)]
            if not found:
                raise _unknown(name, section, source)
            yield name, each, source


def _unknown(name: str, section: str | None, source: str) -> SettingWrong:
    where = {declared.name: declared.section for declared in declarations()}
    shown = f"{section}.{name}" if section else name
    if name in where:
        remedy = f"It belongs to the table [{where[name]}]."
    elif near := difflib.get_close_matches(name, where, n=1):
        remedy = f"Did you mean {near[0]} (table [{where[near[0]]}])?"
    else:
        remedy = "See docs/settings.md for all settings."
    return SettingWrong(shown, problem="is no setting", remedy=remedy, source=source)

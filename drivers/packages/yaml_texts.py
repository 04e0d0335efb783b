"""YAML out of a package: read as plain text values, after it was found to be small.

A few lines of aliases can stand for gigabytes, and tags make values that cost more than they are long. So a text is measured
by its events first, with each alias counted as all that it stands for, and then read by the loader that makes nothing but
strings, lists and mappings: what is looked for here are names and versions, and a version that looks like a number is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from drivers.packages.flaws import Flaw, PackageRefused

MAX_TEXT_BYTES = 4 * 2**20
MAX_NODES = 200_000
"""Values and keys of one text, with aliases written out."""
MAX_DEPTH = 64
_Plain: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The loader in C where the library has it: ten times faster."""


def yaml_documents(body: bytes, *, name: str) -> list[Any]:
    """The documents of a YAML text; scalars are strings. Empty ones are left out. Raises PackageRefused."""
    if len(body) > MAX_TEXT_BYTES:
        raise PackageRefused(Flaw.TOO_LARGE, f"a YAML text has at most {MAX_TEXT_BYTES} bytes", member=name)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise PackageRefused(Flaw.NOT_YAML, "it is no UTF-8", member=name) from None
    try:
        _measure(yaml.parse(text, Loader=_Plain), name)
        return [one for one in yaml.load_all(text, Loader=_Plain) if one not in (None, "")]
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise PackageRefused(Flaw.NOT_YAML, f"{where}{problem.problem or problem.context}", member=name) from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise PackageRefused(Flaw.NOT_YAML, "it cannot be read as YAML", member=name) from None


def _measure(events: Iterator[Any], name: str) -> None:
    """Counts what the text stands for. Raises PackageRefused."""
    whole: dict[str | None, int | None] = {}
    """How many nodes each anchor stands for; None while it is still open."""
    open_nodes: list[list[Any]] = [[None, 0]]
    for event in events:
        if isinstance(event, yaml.events.DocumentStartEvent):
            whole.clear()
        elif isinstance(event, yaml.events.CollectionStartEvent):
            open_nodes.append([event.anchor, 1])
            if event.anchor is not None:
                whole[event.anchor] = None
            if len(open_nodes) > MAX_DEPTH:
                raise PackageRefused(Flaw.NOT_YAML, f"values lie more than {MAX_DEPTH} deep in each other", member=name)
        elif isinstance(event, yaml.events.CollectionEndEvent):
            anchor, nodes = open_nodes.pop()
            if anchor is not None:
                whole[anchor] = nodes
            open_nodes[-1][1] += nodes
        elif isinstance(event, yaml.events.ScalarEvent):
            if event.anchor is not None:
                whole[event.anchor] = 1
            open_nodes[-1][1] += 1
        elif isinstance(event, yaml.events.AliasEvent):
            stands_for = whole.get(event.anchor)
            if stands_for is None:
                raise PackageRefused(Flaw.NOT_YAML, "an alias stands for nothing, or for itself", member=name)
            open_nodes[-1][1] += stands_for
        if open_nodes[-1][1] > MAX_NODES:
            raise PackageRefused(Flaw.NOT_YAML, f"it stands for more than {MAX_NODES} values", member=name)

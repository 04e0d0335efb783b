"""Printing: tables for people, JSON and YAML for programs, names for pipes.

What is asked for goes to standard output and nothing else does: progress, notes and errors go to standard error, so every
output can be piped. Texts come from a server that others write to: what would move a terminal's cursor or change its
colours is made visible instead (as CWE-150 asks), and nothing is read as markup.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import yaml
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from graph.entity import KINDS
from graph.spelling import camel
from server.cli.api import Json
from server.cli.failures import Failure
from server.cli.kinds import ApiField, Types

PIPED_WIDTH = 4_000
NARROW_COLUMNS = 9
_HIDDEN = {"__typename", "id", "displayName", "labels", "source", "external", "revision", "createdAt", "updatedAt"}
_TITLES = {
    ("DeploymentStatus", "status"): "READY",
    ("GoodState", "good"): "LAST GOOD",
    ("Int", "newestNumber"): "NEWEST PROPOSAL",
    ("Int", "revisionNumber"): "REVISION",
    ("Int", "stepCount"): "STEPS",
}
"""Of fields, by type and name, what their columns are called where their names do not say it in a word."""
_UNITS = {"Ms": "ms", "Km": "km", "Mbps": "Mbit/s", "Bytes": "B"}
"""By how a field's name ends, the unit that its values are shown with."""
_WIDE_ONLY = {"currentRevision", "newestNumber", "driftPolicy", "observerEpoch", "epoch", "ordinal"}
"""Fields that tell nobody anything at a glance: another column says it too, or they are the same in most rows."""
_GOOD = {"READY", "UP", "RUNNING", "SUCCEEDED", "CREATED", "UNCHANGED"}
_BAD = {"DOWN", "FAILED", "NOT_READY", "QUARANTINED", "REFUSED", "DEGRADED", "PARTIAL", "WARNING", "DELETED"}


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def console() -> Console:
    """Standard output; of any width when it is no terminal, so that nothing is cut in a pipe."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def notes() -> Console:
    """Standard error: for people only."""
    return Console(file=sys.stderr, highlight=False, width=None if sys.stderr.isatty() else 240)


def say(text: str, *, style: str = "") -> None:
    """A line for people."""
    notes().print(Text(printable(text), style=style), soft_wrap=True)


def complain(failure: Failure) -> None:
    """A failure on standard error."""
    out = notes()
    out.print(Text.assemble(("error: ", "bold red"), printable(failure.message)), soft_wrap=True)
    if failure.path:
        out.print(Text(f"  at {printable(failure.path)}", style="dim"), soft_wrap=True)
    for line in failure.details:
        out.print(Text(f"  {printable(line)}"), soft_wrap=True)
    if failure.remedy:
        out.print(Text.assemble(("  remedy: ", "bold"), printable(failure.remedy)), soft_wrap=True)


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters are shown as their escapes."""
    return "".join(
        one if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs") else f"\\u{ord(one):04x}"
        for one in text
    )


def print_data(data: Any, output: Output) -> None:
    """Plain values as JSON or YAML."""
    if output is Output.YAML:
        text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, default_flow_style=False)
        sys.stdout.write(text)
        return
    json.dump(data, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def print_answer(answer: Json, output: Output, *, name: str, words: str) -> None:
    """What came of asking for something: whole for programs, what it is called for pipes, in words for people."""
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(answer), output)
    elif output is Output.NAME:
        sys.stdout.write(f"{name}\n")
    else:
        say(words)


def print_entities(rows: Sequence[Json], type_name: str, types: Types, output: Output, *, single: bool = False) -> None:
    """Entities of one kind in the wanted form."""
    if output in (Output.JSON, Output.YAML):
        plain = [without_typenames(one) for one in rows]
        print_data(plain[0] if single and plain else plain, output)
    elif output is Output.NAME:
        for one in rows:
            sys.stdout.write(f"{type_name.lower()}/{printable(reference_text(one))}\n")
    elif rows:
        out = console()
        out.print(entity_table(rows, type_name, types, wide=output is Output.WIDE, width=out.width))


def entity_table(
    rows: Sequence[Json], type_name: str, types: Types, *, wide: bool = False, width: int = PIPED_WIDTH
) -> Table:
    """A table of entities: their name or id, then what tells them apart best, as much as the width holds."""
    named = any("name" in one for one in rows)
    columns = {"NAME" if named else "ID": [reference_text(one) for one in rows]}
    columns |= {
        _title(one): [_glance(one, row) for row in rows]
        for one in _ordered(types.get(type_name).fields, rows)
        if wide or _rank(one) < 7
    }
    if wide:
        columns["LABELS"] = [cell(row.get("labels")) for row in rows]
        if named:
            columns["ID"] = [str(row["id"]) for row in rows]
    else:
        columns = _fitting(columns, width - 5)
    columns["AGE"] = [age(row.get("createdAt")) for row in rows]
    table = plain_table(columns)
    for texts in zip(*columns.values(), strict=True):
        table.add_row(Text(printable(texts[0]), style="bold"), *map(styled, texts[1:]))
    return table


def _fitting(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """As many of the columns as the width holds, in their order, at least three."""
    kept: dict[str, list[str]] = {}
    for title, texts in columns.items():
        width -= 2 + max(len(title), *map(cell_len, texts)) if texts else 0
        if len(kept) >= NARROW_COLUMNS or (width < 0 and len(kept) >= 3):
            break
        kept[title] = texts
    return kept


def plain_table(titles: Iterable[str]) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title in titles:
        prose = title in ("MESSAGE", "REASON", "ERROR", "SUCH AS")
        table.add_column(title, overflow="fold" if prose else "ellipsis", no_wrap=not prose)
    return table


def entity_tree(row: Json, type_name: str) -> Tree:
    """An entity with everything that was selected of it."""
    tree = Tree(Text(f"{type_name} {printable(reference_text(row))}", style="bold"), guide_style="dim")
    for key, value in _told(row):
        _grow(tree, key, value)
    return tree


def cell(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(one for one in map(cell, value) if one)
    if isinstance(value, dict):
        return _mapping_cell(value)
    return printable(str(value))


def styled(text: str) -> Text:
    """A word of status in its colour."""
    style = "green" if text in _GOOD else "red" if text in _BAD else ""
    return Text(text, style=style)


def age(stamp: str | None, *, now: datetime | None = None) -> str:
    """How long ago a time was: `5s`, `12m`, `3h`, `9d`."""
    if not stamp:
        return ""
    seconds = max(0, int(((now or datetime.now(UTC)) - datetime.fromisoformat(stamp)).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size * (2 if unit == "d" else 1):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def size_text(count: int) -> str:
    """Bytes in binary units: `64 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{count} B"


def reference_text(value: Json) -> str:
    """What an entity is called: its name, after what scopes it but for its tenant; or its id."""
    if not value.get("name"):
        return str(value.get("id", ""))
    kind = KINDS.get(str(value.get("__typename")))
    outer = value.get(camel(kind.scope[0].removesuffix("_id"))) if kind is not None and kind.scope else None
    named = isinstance(outer, dict) and outer.get("__typename") in ("App", "AppVersion", "Component")
    return f"{reference_text(outer)}/{value['name']}" if named and outer else str(value["name"])


def without_typenames(value: Any) -> Any:
    """The value without what only this client asked for."""
    if isinstance(value, dict):
        return {key: without_typenames(one) for key, one in value.items() if key != "__typename"}
    return [without_typenames(one) for one in value] if isinstance(value, list) else value


def _mapping_cell(value: Json) -> str:
    if "id" in value:
        return str(value["number"]) if "number" in value else printable(reference_text(value))
    if "status" in value:
        return str(value["status"])
    if set(value) == {"key", "value"}:
        return f"{value['key']}={value['value']}"
    if set(value) == {"name", "count"}:
        return f"{value['name']}={value['count']}"
    if "longitude" in value:
        return f"{value['latitude']:.2f}, {value['longitude']:.2f}"
    if "cpuMillicores" in value:
        return _resources(value)
    if {"free", "total"} <= set(value):
        return _free(value["free"], value["total"])
    if {"total", "done"} <= set(value):
        return f"{value['done']}/{value['total']}"
    if {"kind", "name"} == set(value):
        return printable(f"{value['kind']}:{value['name']}")
    return " ".join(f"{key}={cell(one)}" for key, one in _told(value) if cell(one))


def _told(value: Json) -> Iterator[tuple[str, Any]]:
    """The fields of a value to tell of: not its type, and no ids beside all of the entities that they are the ids of."""
    for key, one in value.items():
        if key.endswith("Ids"):
            known = value.get(f"{key.removesuffix('Ids')}s")
            if isinstance(known, list) and len(known) == len(one):
                continue
        elif key == "__typename" or (key.endswith("Id") and value.get(key.removesuffix("Id"))):
            continue
        yield key, one


def _resources(value: Json) -> str:
    parts = [f"{value['cpuMillicores'] / 1000:g} cpu"]
    for key in ("memoryBytes", "storageBytes"):
        if value.get(key):
            parts.append(size_text(value[key]))
    parts += [f"{one['count']}×{printable(one['model'])}" for one in value.get("accelerators") or ()]
    return " ".join(parts)


def _free(free: Json | None, total: Json | None) -> str:
    """What is free of what there is: `24/32 cpu 96/128 GiB`."""
    if not free or not total:
        return ""
    text = f"{free['cpuMillicores'] / 1000:g}/{total['cpuMillicores'] / 1000:g} cpu"
    return f"{text} {free['memoryBytes'] / 2**30:.4g}/{total['memoryBytes'] / 2**30:.4g} GiB free"


def _glance(field: ApiField, row: Json) -> str:
    """What a table shows of a field: a number with its unit; of a deployment's status the replicas that are ready, of how
    many; of a subject that is gone the name that it had, or else its id."""
    value = row.get(field.name)
    if field.name == "subject" and value is None:
        return cell(row.get("subjectName") or row.get("subjectId"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _with_unit(field.name, value)
    if field.type_name != "DeploymentStatus" or not isinstance(value, dict):
        return cell(value)
    text = f"{value['replicas']['ready']}/{value['replicas']['desired']}"
    retiring = value.get("retiringReadyReplicas")  # a server that is older than this client has none
    return f"{text} (+{retiring} retiring)" if retiring else text


def _rank(field: ApiField) -> int:
    """How well a field tells entities apart at a glance; less is better, 7 and more are for wide tables."""
    if field.is_list:
        return 9
    if field.name in _WIDE_ONLY:
        return 8
    if field.name == "revisionNumber":
        return 2
    if field.type_name in ("Health", "Progress", "DeploymentStatus"):
        return 2
    if field.type_kind == "ENUM":
        return 1
    if field.type_name in ("Resources", "SiteResources"):
        return 5
    if field.name == "requestedBy":
        return 3
    if field.type_kind in ("OBJECT", "INTERFACE"):
        return 0 if field.type_name in KINDS or field.type_kind == "INTERFACE" else 7
    if field.type_name == "Boolean":
        return 4 if field.name in ("schedulable", "disabled", "wanted") else 8
    if field.type_name in ("Int", "Float", "BigInt"):
        return 6
    return 3 if field.name in ("arch", "driver", "email", "message", "error", "reason") else 8


def _ordered(fields: Sequence[ApiField], rows: Sequence[Json]) -> list[ApiField]:
    shown = [
        one
        for one in fields
        if one.name not in _HIDDEN and one.name != "name" and any(_glance(one, row) for row in rows)
    ]
    return sorted(shown, key=_rank)


def _title(field: ApiField) -> str:
    """What a column is called: a field's name in words, without the unit that its values have."""
    name = field.name
    if (field.type_name, name) in _TITLES:
        return _TITLES[field.type_name, name]
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return "".join(f" {one}" if one.isupper() else one for one in name).upper()


def _with_unit(name: str, value: float) -> str:
    """A number in the unit that its field's name ends with."""
    for suffix, unit in _UNITS.items():
        if name.endswith(suffix):
            return size_text(int(value)) if unit == "B" else f"{cell(value)} {unit}"
    return cell(value)


def _grow(tree: Tree, key: str, value: Any) -> None:
    short = cell(value)
    flat = not isinstance(value, dict | list) or (isinstance(value, dict) and "id" in value) or len(short) <= 60
    if value is None or value in ([], {}):
        return
    if flat:
        tree.add(Text.assemble((f"{key}: ", "cyan"), short))
        return
    branch = tree.add(Text(key, style="cyan"))
    if isinstance(value, dict):
        for inner, one in _told(value):
            _grow(branch, inner, one)
    else:
        for one in value:
            branch.add(Text(cell(one)))

"""`apply`: declarative documents from files, folders or standard input, as one set.

The files are parsed here first, so that an error names the file and line that its author sees; the server is sent one set.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from graph.documents import MAX_TEXT_BYTES, Document, parse_documents
from graph.entity import KINDS
from graph.identifiers import name_problem
from graph.refusal import Refusal
from graph.spelling import camel
from server.cli.api import Api, Json
from server.cli.config import Context
from server.cli.failures import Exit, Failure
from server.cli.lookup import id_of
from server.cli.options import OutputOption, TimeoutOption, api_of, call_of, seconds_of
from server.cli.output import Output, cell, console, plain_table, print_data, printable, say, styled, without_typenames
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for

ENDINGS = (".yaml", ".yml", ".json")
SHOWN_REFUSALS = 50
SHOWN_ALIKE = 3
"""Refusals for one reason that are shown with their place; the others are counted."""
ACTIONS = ("CREATED", "UPDATED", "UNCHANGED", "DELETED", "REFUSED")
MEND = "nothing was applied; mend what is refused and apply again"
_POSITION = re.compile(r"\[(\d+)\]$")
"""Where the server says that a document of a list is."""
SELECTION = (
    "applied created updated unchanged deleted refused revision "
    f"operation {{ {OPERATION} }} "
    "results { kind name where action changed error { code message remedy path } }"
)


def apply(
    ctx: typer.Context,
    files: Annotated[
        list[str],
        typer.Option("--file", "-f", help="A file, a folder of .yaml, .yml and .json files, or - for standard input."),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="The set's name; the first file's without its ending when not given."),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            "--tenant",
            "-t",
            help="The tenant whose set it is, by name or id: its documents belong to it. Without it: the set of the only "
            "tenant that you work in, or of the whole installation.",
            metavar="NAME",
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what this very set made before and names no more.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Take no documents at all: with --prune all that the set made goes.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", "--dry-run", help="Only say what would be done.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until a large set is wholly applied.")] = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Apply declarative documents: create what is missing, change what differs, all of it or nothing.

    Documents that are refused are told with their file and line, and then nothing is applied. A set is known by its name,
    within its tenant or the installation: apply it under the same name again, and --prune deletes what left it.

    Example: edgeatlas apply -f docs/examples/walk.yaml --plan
    """
    chosen = _set_name(files, name, prune=prune)
    documents = read_documents(files, empty=prune and (allow_empty or plan), prune=prune)
    seconds = seconds_of(timeout)
    api = api_of(ctx)
    payload = send(
        api,
        [as_document(one) for one in documents],
        places=[one.where for one in documents],
        name=chosen,
        source="DOCUMENTS",
        tenant_id=None if tenant is None else id_of(api, KINDS["Tenant"], tenant),
        prune=prune,
        allow_empty=allow_empty,
        plan=plan,
    )
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(payload), output)
    else:
        print_results(payload, output=output)
    finish(call_of(ctx).chosen()[1], payload, plan=plan, wait=wait, seconds=seconds, of=f"set {chosen}")


def _set_name(files: Sequence[str], name: str | None, *, prune: bool) -> str:
    """The set's name: the one given, else the first file's. Raises Failure for one that cannot be."""
    if name is None and files[0] == "-" and prune:
        raise Failure("a set from standard input has no name of its own", remedy="give --name", code=Exit.USAGE)
    chosen = name if name is not None else "stdin" if files[0] == "-" else Path(files[0]).resolve().stem
    problem = name_problem(chosen)
    if problem is not None:
        raise Failure(f"the set's name {chosen!r}: {problem}", remedy="give --name", code=Exit.USAGE)
    return chosen


def read_documents(files: Sequence[str], *, empty: bool = False, prune: bool = False) -> list[Document]:
    """The documents of files, folders (not those below them) and standard input. Raises Failure.

    With `empty` there may be none; `prune` is whether they are to be pruned, for the remedy when there may not.
    """
    documents: list[Document] = []
    if len(set(files)) < len(files):
        twice = next(one for one in files if files.count(one) > 1)
        raise Failure(f"{twice} is given twice", remedy="name each file once", code=Exit.USAGE)
    for given in files:
        if given == "-":
            documents += _parsed(sys.stdin.buffer.read(MAX_TEXT_BYTES + 1), name="stdin")
            continue
        path = Path(given)
        paths = _in_folder(path) if path.is_dir() else [path]
        if not paths and not empty:
            raise Failure(
                f"{given} has no file that ends in {', '.join(ENDINGS)}",
                remedy="name the files, or the folder that has them: those below a folder are not read",
                code=Exit.USAGE,
            )
        for one in paths:
            try:
                with one.open("rb") as file:
                    content = file.read(MAX_TEXT_BYTES + 1)
            except (OSError, ValueError) as problem:
                reason = problem.strerror if isinstance(problem, OSError) else str(problem)
                raise Failure(f"{one} cannot be read: {reason}", code=Exit.USAGE) from None
            documents += _parsed(content, name=str(one))
    if not documents and not empty:
        remedy = "write kind, metadata and spec"
        if prune:
            remedy = "give --allow-empty to delete all that the set made; --plan shows what that is"
        raise Failure("there are no documents", remedy=remedy, code=Exit.USAGE)
    return documents


def _in_folder(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if one.suffix in ENDINGS and not one.is_dir())
    except OSError as problem:
        raise Failure(f"{folder} cannot be read: {problem.strerror}", code=Exit.USAGE) from None


def as_document(document: Document) -> Json:
    """A parsed document as plain values again."""
    whole = msgspec.to_builtins(document)
    metadata = {
        camel(key): whole[key] for key in ("name", "tenant", "display_name", "labels", "external") if key in whole
    }
    return {"kind": document.kind, "metadata": metadata, "spec": dict(document.spec)}


def send(
    api: Api,
    documents: Sequence[Json],
    *,
    places: Sequence[str],
    name: str,
    source: str,
    tenant_id: str | None = None,
    prune: bool,
    allow_empty: bool = False,
    plan: bool,
) -> Json:
    """Applies documents; the results name the documents' own places. Raises Failure."""
    content = "[" + ",\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in documents) + "]"
    if tenant_id is None and source == "IMPORT":
        tenant_id = _only_tenant(api, documents)
    values: Json = {"content": content, "name": name, "sourceKind": source, "prune": prune, "dryRun": plan}
    if tenant_id is not None:
        values["tenantId"] = tenant_id
    if allow_empty:
        values["allowEmpty"] = True
    payload = api.mutate("applyDocuments", values, SELECTION)
    for result in payload["results"]:
        match = _POSITION.search(result["where"])
        if match is None or int(match[1]) >= len(places):
            continue
        path = (result["error"] or {}).get("path")
        if path:
            result["error"]["path"] = path.removeprefix(result["where"]).lstrip(": ")
        result["where"] = places[int(match[1])]
    return payload


def _only_tenant(api: Api, documents: Sequence[Json]) -> str | None:
    """The tenant that an import is private to: it is that tenant's, as another tenant's under the same name is another."""
    tenants = {one["metadata"].get("tenant") for one in documents}
    only = tenants.pop() if len(tenants) == 1 else None
    return None if only is None else id_of(api, KINDS["Tenant"], only)


def print_results(payload: Json, *, output: Output = Output.TABLE) -> None:
    """What became of each document: those that stay as they are only `wide`, or by `name`; nothing of a refused set."""
    shown = [one for one in payload["results"] if one["action"] != "REFUSED"] if not payload["refused"] else []
    if output is Output.NAME:
        for one in shown:
            if one["action"] != "DELETED":
                print(printable(f"{one['kind'].lower()}/{one['name']}"))
        shown = []
    wide = output is Output.WIDE
    table = plain_table(["KIND", "NAME", "ACTION", "WHAT", *(["WHERE"] if wide else [])])
    for one in shown:
        if one["action"] == "UNCHANGED" and not wide and one["error"] is None:
            continue
        what = cell(one["changed"]) if one["error"] is None else one["error"]["message"]
        table.add_row(
            one["kind"],
            Text(cell(one["name"]), style="bold"),
            styled(one["action"]),
            Text(cell(what)),
            *([Text(cell(one["where"]))] if wide else []),
        )
    if table.row_count:
        console().print(table)
    told = ACTIONS if output in (Output.NAME, Output.WIDE) else ("CREATED", "UPDATED", "DELETED")
    left = sum(payload[one.lower()] for one in told) - sum(one["action"] in told for one in payload["results"])
    if left > 0 and not payload["refused"]:
        say(f"and {left:,} more that are not listed")
    print_refusals(payload)


def print_refusals(payload: Json) -> None:
    """The documents that were refused, on standard error; of those that have the same reason the first few."""
    refused = [one for one in payload["results"] if one["action"] == "REFUSED"]
    alike = Counter(map(_reason, refused))
    shown: Counter[Reason] = Counter()
    lines = 0
    for one in refused:
        reason = _reason(one)
        shown[reason] += 1
        if alike[reason] > SHOWN_ALIKE + 1 and shown[reason] > SHOWN_ALIKE:
            if shown[reason] == alike[reason]:
                say(
                    f"and {alike[reason] - SHOWN_ALIKE} more of kind {one['kind']} for this reason: {reason[2]}",
                    style="red",
                )
            continue
        lines += 1
        if lines > SHOWN_REFUSALS:
            continue
        error = one["error"] or {}
        place = one["where"] or "no longer named"
        field = f" at {error['path']}" if error.get("path") else ""
        text = f"{place}: {one['kind']} {one['name']}{field}: {error.get('message', 'refused')}"
        say(text + (f" ({error['remedy']})" if error.get("remedy") else ""), style="red")
    if lines > SHOWN_REFUSALS:
        say(f"and {lines - SHOWN_REFUSALS} more")


Reason = tuple[str, str, str]


def _reason(result: Json) -> Reason:
    """What was refused for the same reason has it in common: the kind, the field, and the message but for its own name."""
    error = result["error"] or {}
    message = error.get("message", "refused").replace(f"{result['kind']} {result['name']!r}", "it", 1)
    return result["kind"], error.get("path") or "", message


def finish(
    context: Context,
    payload: Json,
    *,
    plan: bool,
    wait: bool,
    seconds: float,
    remedy: str | None = None,
    of: str = "",
) -> None:
    """Says what was done, waits for an operation, and fails when the set was refused. `of` is what was applied."""
    counts = ", ".join(f"{payload[one.lower()]} {one.lower()}" for one in ACTIONS if payload[one.lower()])
    if payload["refused"]:
        every = sum(payload[one.lower()] for one in ACTIONS)
        raise Failure(
            f"refused: {payload['refused']} of {every}",
            remedy=remedy or (None if plan else MEND),
            code=Exit.REFUSED,
        )
    done = "would be" if plan else "applied" if payload["operation"] is None else "accepted"
    say(
        f"{done}: {counts or 'nothing'}"
        + ("" if plan else f", revision {payload['revision']}")
        + (f" ({of})" if of else "")
    )
    operation = payload["operation"]
    if operation is None:
        return
    if wait:
        wait_for(context, operation, timeout_s=seconds)
    else:
        say(
            f"operation {operation['id']} applies it in several commits; see `edgeatlas operation show {operation['id']}`"
        )


def _parsed(content: bytes, *, name: str) -> list[Document]:
    if len(content) > MAX_TEXT_BYTES:
        raise Failure(f"{name} has more than {MAX_TEXT_BYTES >> 20} MiB", remedy="apply it in parts", code=Exit.USAGE)
    try:
        return parse_documents(content.decode("utf-8-sig"), name=name)
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise Failure(f"{name}:{line} is no UTF-8", remedy="save the file as UTF-8", code=Exit.USAGE) from None
    except Refusal as refusal:
        raise Failure(refusal.message, remedy=refusal.remedy, code=Exit.REFUSED) from None

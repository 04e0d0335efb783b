"""`import`: a real network from a file, read here, applied on the server as one set that belongs to the import.

Repeated with a changed file, it adds, changes and removes what the import itself made, and leaves alone what others
made, and what operators set since.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from graph.identifiers import name_problem
from graph.kinds import Tier
from server.cli.api import Api, Json
from server.cli.applying import ACTIONS, finish, print_refusals, send
from server.cli.failures import Exit, Failure
from server.cli.options import OutputOption, TenantOption, TimeoutOption, api_of, call_of, seconds_of
from server.cli.output import Output, console, plain_table, print_data, say, without_typenames
from server.cli.waiting import DEFAULT_TIMEOUT
from server.importers import FORMATS, CsvFiles, ImportOptions, ImportRefused, documents_of, read_network
from server.importers.documents import TIERS, clean_name
from server.importers.network import Network, RowWrong
from server.importers.rows import byte_count, millicores

SHOWN_NOTES = 20
_REGIONS = 100


def import_(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="topohub:SET/NAME for a topology of the package topohub, or a file: topohub or node-link JSON, "
            "GraphML, or CSV of sites."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The import's name, which a repeated import shares; the file's when not given."),
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help=f"Instead of guessing: {', '.join(FORMATS)}.", metavar="FORMAT")
    ] = None,
    sites_csv: Annotated[Path | None, typer.Option("--sites-csv", help="A CSV file of sites.")] = None,
    nodes_csv: Annotated[Path | None, typer.Option("--nodes-csv", help="A CSV file of nodes.")] = None,
    links_csv: Annotated[Path | None, typer.Option("--links-csv", help="A CSV file of links.")] = None,
    region: Annotated[
        str | None,
        typer.Option(
            "--region", help="The region of the sites, made when there is none; named as the import if not given."
        ),
    ] = None,
    tier: Annotated[
        str,
        typer.Option(
            "--tier",
            help="Tiers of the sites: auto (the file's, else by population or degree), degree, population, or one for all: "
            f"{', '.join(one.name for one in Tier)}.",
        ),
    ] = "auto",
    prefix: Annotated[
        str, typer.Option("--prefix", help="Put before every name, so that two imports can have a Vienna each.")
    ] = "",
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", help="Make a cluster with the driver `simulated` that serves the sites."),
    ] = None,
    nodes: Annotated[
        int,
        typer.Option(
            "--nodes", help="Make so many nodes at each compute site that the input has none for.", min=0, max=64
        ),
    ] = 0,
    node_size: Annotated[
        str, typer.Option("--node-size", help="What each of these has.", metavar="SIZE")
    ] = "cpu=16,memory=64Gi",
    latency: Annotated[
        float | None,
        typer.Option(
            "--latency", help="Milliseconds for links whose latency, length and positions are unknown.", min=0
        ),
    ] = None,
    tenant: TenantOption = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be added, changed and removed.")] = False,
    documents: Annotated[
        bool, typer.Option("--documents", help="Print the documents instead of applying them; asks no server.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until a large import is wholly applied.")] = True,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Import a network: topohub, GraphML (Topology Zoo), node-link JSON, CSV.

    Bad rows are told with their file, line and reason, all of them, and then nothing is imported. The same import again
    changes only what changed in the file.

    Example: edgeatlas import topohub:backbone/europe --cluster lab --nodes 2 --plan
    """
    if format is not None and format not in FORMATS:
        raise Failure(f"there is no format {format!r}", remedy=f"use {', '.join(FORMATS)}", code=Exit.USAGE)
    chosen = tier if tier in TIERS else tier.upper() if tier.upper() in TIERS else None
    if chosen is None:
        raise Failure(f"there is no tier {tier!r}", remedy=f"use {', '.join(TIERS)}", code=Exit.USAGE)
    bad = name_problem(f"{prefix}x") if prefix else None
    if bad is not None:
        raise Failure(f"--prefix {prefix!r}: {bad}", remedy="give one such as emea-", code=Exit.USAGE)
    capacity, arch = _size(node_size)
    seconds = seconds_of(timeout)
    try:
        network = read_network(
            source,
            format=format,  # type: ignore[arg-type]  # one of FORMATS, as was just seen
            files=CsvFiles(sites=sites_csv, nodes=nodes_csv, links=links_csv),
        )
        options = ImportOptions(
            name=name or network.name,
            region=region,
            tier=chosen,
            tenant=tenant,
            prefix=prefix,
            cluster=cluster,
            nodes=nodes,
            node_capacity=capacity,
            node_arch=arch,
            latency_ms=latency,
            taken_regions=frozenset()
            if documents
            else _taken_regions(api_of(ctx), network, name or network.name, region, prefix),
        )
        made = documents_of(network, options)
    except ImportRefused as refused:
        shown = [f"{one.where}: {one.reason}" for one in refused.problems]
        left = refused.total - len(shown)
        raise Failure(
            f"nothing was imported: {refused.total} problem{'s' if refused.total != 1 else ''}",
            code=Exit.REFUSED,
            details=[*shown, *([f"and {left} more"] if left else [])],
        ) from None
    if documents:
        print_data(made, Output.YAML if output is Output.YAML else Output.JSON)
        return
    for note in network.notes[:SHOWN_NOTES]:
        say(note, style="yellow")
    if len(network.notes) > SHOWN_NOTES:
        say(f"and {len(network.notes) - SHOWN_NOTES} more notes")
    places = [network.origins[one["kind"], one["metadata"]["name"]] for one in made]
    payload = send(api_of(ctx), made, places=places, name=options.name, source="IMPORT", prune=True, plan=plan)
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(payload), output)
    else:
        _print_summary(payload, made)
        print_refusals(payload)
    remedy = _remedy(payload, options, plan=plan)
    finish(call_of(ctx).chosen()[1], payload, plan=plan, wait=wait, seconds=seconds, remedy=remedy)


def _remedy(payload: Json, options: ImportOptions, *, plan: bool) -> str | None:
    """What helps against the refusals: names that others have are avoided by options of the import."""
    taken = {
        one["kind"]
        for one in payload["results"]
        if one["action"] == "REFUSED" and (one["error"] or {}).get("path") == "metadata.name"
    }
    steps = []
    if taken - {"Cluster"}:
        other = "another" if options.prefix else "a"
        steps.append(f"give {other} --prefix for names that others have, such as --prefix {_word(options.name)}-")
    if "Cluster" in taken:
        steps.append("give --cluster another name")
    if not taken and not plan:
        steps.append("mend what is refused and import again")
    if not steps:
        return None
    return ("" if plan else "nothing was imported; ") + ", and ".join(steps)


def _word(name: str) -> str:
    """A name as it can be typed in a shell without quotes."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "other"


def _taken_regions(api: Api, network: Network, name: str, region: str | None, prefix: str) -> frozenset[str]:
    """The names of regions that the import would make and that others made."""
    inner = {one.region or one.country for one in network.places.values()} - {None}
    wanted = {clean_name(region or prefix + name), *(prefix + clean_name(str(one)) for one in inner)}
    taken: set[str] = set()
    names = sorted(wanted)
    for start in range(0, len(names), _REGIONS):
        document = (
            "query($filter: RegionFilter, $first: Int) { regions(first: $first, filter: $filter) { "
            "nodes { name source { kind name } } } }"
        )
        variables = {"filter": {"name": {"in": names[start : start + _REGIONS]}}, "first": _REGIONS * 2}
        for one in api.query(document, variables)["regions"]["nodes"]:
            if (one["source"]["kind"], one["source"]["name"]) != ("IMPORT", name):
                taken.add(one["name"])
    return frozenset(taken)


def _print_summary(payload: Json, sent: Sequence[Json]) -> None:
    """How many of each kind are added, changed, left and removed.

    The server lists a limited number of results, those that matter first; the rest have what is left of the totals.
    """
    counts = Counter((one["kind"], one["action"]) for one in payload["results"])
    listed = Counter(one["action"] for one in payload["results"])
    left = [one for one in ACTIONS if payload[one.lower()] > listed[one]]
    kinds = Counter(one["kind"] for one in sent)
    rest = kinds - Counter(one["kind"] for one in payload["results"] if one["action"] != "DELETED")
    if len(left) == 1 and left != ["DELETED"]:
        counts.update({(kind, left[0]): count for kind, count in rest.items()})
        rest = Counter()
    columns = [*ACTIONS, *(["NOT LISTED"] if rest else [])]
    table = plain_table(["KIND", *columns])
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in dict.fromkeys([*kinds, *(one["kind"] for one in payload["results"])]):
        cells = [str(counts[kind, one] or "-") for one in ACTIONS]
        table.add_row(Text(kind, style="bold"), *cells, *([str(rest[kind] or "-")] if rest else []))
    console().print(table)


def _size(text: str) -> tuple[dict[str, object], str]:
    """Resources and processor of `cpu=16,memory=64Gi,storage=1Ti,gpu=2,gpu_model=a100,arch=arm64`."""
    found: dict[str, object] = {}
    arch, gpus, model = "amd64", 0, "gpu"
    for part in text.split(","):
        key, _, value = part.strip().partition("=")
        try:
            match key:
                case "cpu":
                    found["cpuMillicores"] = millicores(value)
                case "memory" | "storage":
                    found[f"{key}Bytes"] = byte_count(value, key)
                case "gpu" if value.isdecimal() and len(value) < 5:
                    gpus = int(value)
                case "gpu_model" if value:
                    model = value
                case "arch" if value:
                    arch = value
                case _:
                    raise RowWrong(f"{part.strip()!r} is not understood")
        except RowWrong as wrong:
            raise Failure(f"--node-size: {wrong}", remedy="write cpu=16,memory=64Gi", code=Exit.USAGE) from None
    if not found.get("cpuMillicores") or not found.get("memoryBytes"):
        raise Failure("--node-size states cpu and memory", remedy="write cpu=16,memory=64Gi", code=Exit.USAGE)
    if gpus:
        found["accelerators"] = [{"model": model, "count": gpus}]
    return found, arch

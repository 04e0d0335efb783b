"""`get`, `describe`, `delete`: entities of any kind."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from graph.entity import KINDS, Kind
from server.cli.api import IN_USE, Api, Json, TooCostly
from server.cli.failures import Exit, Failure
from server.cli.kinds import Types, kind_spelt, query_field
from server.cli.lookup import entity_named, find, id_of, is_id
from server.cli.options import OutputOption, SelectorOption, TenantOption, YesOption, api_of, call_of, confirm
from server.cli.output import (
    Output,
    age,
    cell,
    console,
    entity_tree,
    plain_table,
    print_data,
    print_entities,
    say,
    styled,
    without_typenames,
)
from server.cli.targets import KindArgument, in_tenant, kind_and_names, one_name
from server.cli.watching import watch_kind

PAGE = 200
SUBJECTS = {
    "Event": ("subjectId", ("Deployment", "Site", "Node", "Cluster")),
    "Operation": ("subjectId", ("Deployment", "Site", "Node")),
    "DeploymentRevision": ("deploymentId", ("Deployment",)),
}
"""By what field kinds are filtered that tell of others, and of which kinds those are that have names."""

NOT_DELETED = {
    "Deployment": "end it: edgeatlas terminate NAME --delete",
    "DeploymentRevision": "it is kept with its deployment: edgeatlas terminate NAME --delete",
    "Release": "have its deployment leave the site: edgeatlas remove-sites NAME SITE",
    "Instance": "have its deployment run fewer: edgeatlas scale, or stop",
    "SiteScaling": "delete its policy: edgeatlas delete scaling-policy NAME",
    "Operation": "cancel it: edgeatlas operation cancel ID",
    "FailoverHold": "end it: edgeatlas failover resume ID",
    "Event": "it goes by itself when it is old",
}
"""Kinds that nobody deletes by themselves, and what is done instead."""

NAMES = "Names, paths of names, or ids."


def get(
    ctx: typer.Context,
    kind: KindArgument,
    names: Annotated[list[str] | None, typer.Argument(help=NAMES, metavar="NAME")] = None,
    selector: SelectorOption = None,
    filter: Annotated[
        str | None, typer.Option("--filter", "-f", help="The API's filter of the kind, as JSON.", metavar="JSON")
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="A field to order by; with a minus before it, descending.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many; 0 for all.", min=0)] = 100,
    subject: Annotated[
        str | None,
        typer.Option(
            "--of",
            help="Of events, operations and deploymentRevisions: only those of this deployment, site, node or cluster: "
            "NAME, KIND/NAME or an id.",
            metavar="NAME",
        ),
    ] = None,
    tenant: TenantOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with a live table.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List entities of a kind, or show some by name.

    Example: edgeatlas get sites -l type=city --filter '{"tier": {"eq": "REGIONAL"}}' --sort -updatedAt
    """
    api = api_of(ctx)
    found, given = kind_and_names(kind, names or ())
    if watch:
        if subject:
            raise Failure("a live table takes no --of", remedy="leave out --watch", code=Exit.USAGE)
        owner = id_of(api, KINDS["Tenant"], tenant) if tenant else None
        only = [find(api, found, in_tenant(found, one, tenant))["id"] for one in given] or None
        context = call_of(ctx).chosen()[1]
        watch_kind(context, api, found, selector=selector, filter=_json(filter), only=only, tenant=owner)
        return
    types = Types(api)
    selection = types.selection(found.name)
    if given:
        rows = [find(api, found, in_tenant(found, one, tenant), selection) for one in given]
        print_entities(rows, found.name, types, output, single=len(given) == 1)
        return
    condition = _condition(api, found, selector=selector, filter=_json(filter), tenant=tenant, subject=subject)
    rows, more = page_through(api, found, selection, condition=condition, sort=sort, limit=limit)
    print_entities(rows, found.name, types, output)
    if not rows and output in (Output.TABLE, Output.WIDE):
        say(f"there are no {found.plural} that you may see and that match")
    if more:
        say(f"there are more than these {len(rows)}: --limit 0 shows all")


def describe(
    ctx: typer.Context,
    kind: KindArgument,
    name: Annotated[str | None, typer.Argument(help="Its name, a path of names, or its id.", metavar="NAME")] = None,
    tenant: TenantOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything about one entity: its fields, what belongs to it, and what happened to it.

    Example: edgeatlas describe deployment hello
    """
    found, given = one_name(kind, name)
    api = api_of(ctx)
    types = Types(api)
    selection = types.selection(found.name)
    lists = [one for one in types.connections(found.name) if one != "events"]
    described = {one.name: one for one in types.get(found.name).fields}
    related = " ".join(
        f"{one}(first: 10) {{ totalCount nodes {{ {_line(types, described[one].type_name)} }} }}" for one in lists
    )
    if "events" in described:
        related += " events(first: 10) { nodes { createdAt type reason message } }"
    entity = find(api, found, in_tenant(found, given, tenant), f"{selection} {related}")
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(entity), output)
        return
    pages = {one: entity.pop(one) for one in [*lists, "events"] if one in entity}
    out = console()
    out.print(entity_tree(entity, found.name))
    for one in lists:
        _print_related(one, pages[one])
    _print_events(pages.get("events"))


def delete(
    ctx: typer.Context,
    kind: KindArgument,
    names: Annotated[list[str] | None, typer.Argument(help=NAMES, metavar="NAME")] = None,
    tenant: TenantOption = None,
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Delete also what cannot be without it, in the same commit.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Delete entities. What others depend on is not deleted, and they are named.

    A deployment is ended with `terminate`.

    Example: edgeatlas delete site Brean --cascade --yes
    """
    found, given = kind_and_names(kind, names or ())
    if found.name in NOT_DELETED:
        raise Failure(f"{found.one} is not deleted", remedy=NOT_DELETED[found.name], code=Exit.USAGE)
    if not given:
        raise Failure(f"which {found.plural}?", remedy="give their names", code=Exit.USAGE)
    api = api_of(ctx)
    ids = [id_of(api, found, in_tenant(found, one, tenant)) for one in given]
    confirm(f"Delete {found.name} {', '.join(given)}{' with all that belongs to it' if cascade else ''}?", yes=yes)
    for name, one in zip(given, ids, strict=True):
        values = {"id": one} | ({"cascade": True} if cascade else {})
        payload = api.mutate(f"delete{found.name}", values, "revision", extra=IN_USE)
        say(f"{query_field(found)}/{name} deleted at revision {payload['revision']}")


def page_through(
    api: Api,
    kind: Kind,
    selection: str,
    *,
    condition: Json | None = None,
    sort: str | None = None,
    limit: int = 0,
    page: int = PAGE,
) -> tuple[list[Json], bool]:
    """At most `limit` entities of a kind (0: all), asked for `page` at a time, and whether there are more.

    Pages are smaller where so many would be more than the server answers at once.
    """
    order = None
    if sort:
        order = [{"field": _constant(sort.lstrip("-")), "direction": "DESC" if sort.startswith("-") else "ASC"}]
    document = (
        f"query($first: Int, $after: String, $filter: {kind.name}Filter, $order: [{kind.name}Order!]) {{ "
        f"it: {kind.plural}(first: $first, after: $after, filter: $filter, orderBy: $order) {{ "
        f"nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    rows: list[Json] = []
    after = None
    while True:
        first = page if not limit else min(page, limit - len(rows))
        try:
            found = api.query(document, {"first": first, "after": after, "filter": condition, "order": order})["it"]
        except TooCostly as problem:
            if first <= 1:
                raise
            page = max(1, min(first - 1, int(first * problem.share)))
            continue
        rows.extend(found["nodes"])
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return rows, False
        if limit and len(rows) >= limit:
            return rows, True


def _condition(
    api: Api, kind: Kind, *, selector: str | None, filter: Json | None, tenant: str | None, subject: str | None
) -> Json | None:
    parts = [filter] if filter else []
    if selector:
        parts.append({"labels": selector})
    if tenant:
        parts.append({"tenant": id_of(api, KINDS["Tenant"], tenant)})
    if subject:
        if kind.name not in SUBJECTS:
            raise Failure(f"{kind.plural} are not of something", remedy="leave out --of", code=Exit.USAGE)
        field, kinds = SUBJECTS[kind.name]
        parts.append({field: {"eq": _subject_id(api, subject, kinds, tenant=tenant)}})
    return {"and": parts} if len(parts) > 1 else parts[0] if parts else None


def _subject_id(api: Api, text: str, kinds: tuple[str, ...], *, tenant: str | None) -> str:
    """The id of what a text names, in the tenant; an id is taken as it is, for what is gone has its records still.

    Raises Failure.
    """
    first, slash, rest = text.partition("/")
    name = rest if slash and kind_spelt(first) is not None else text
    return name if is_id(name) else str(entity_named(api, text, kinds, tenant=tenant)["id"])


def _json(text: str | None) -> Json | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as problem:
        raise Failure(f"--filter is no JSON: {problem}", code=Exit.USAGE) from None
    if not isinstance(value, dict):
        raise Failure("--filter is no JSON object", remedy='write {"tier": {"eq": "METRO"}}', code=Exit.USAGE)
    return value


def _constant(name: str) -> str:
    """A field's name as the API's order fields spell it: `updatedAt` gives UPDATED_AT."""
    return "".join(f"_{one}" if one.isupper() else one for one in name).upper()


def _line(types: Types, connection: str) -> str:
    """What to select of a related entity to name it and tell its state."""
    name = connection.removesuffix("Connection")
    fields = {one.name for one in types.get(name).fields}
    leaves = {one.name for one in types.get(name).fields if one.type_kind in ("SCALAR", "ENUM")}
    names = [
        types.reference(name),
        *(one for one in ("number", "kind", "phase", "status", "arch", "state") if one in leaves),
    ]
    if "health" in fields:
        names.append("health { status }")
    kind = KINDS.get(name)
    if kind is not None and not kind.named:
        # What has no name of its own is told by what it refers to.
        references = [one for one in types.get(name).fields if one.type_name in KINDS and not one.arguments]
        shown = [one for one in references if one.type_name not in ("Tenant", "Deployment") and not one.is_list]
        names += [f"{one.name} {{ {types.reference(one.type_name)} }}" for one in shown]
    return " ".join(names)


def _print_related(title: str, page: Any) -> None:
    if not page["totalCount"]:
        return
    out = console()
    out.print(Text(f"\n{title} ({page['totalCount']})", style="bold"))
    table = plain_table(["", "", "", "", ""])
    table.show_header = False
    for one in page["nodes"]:
        words = [
            cell(value) for key, value in one.items() if key not in ("id", "name", "__typename", "app", "appVersion")
        ]
        table.add_row(Text(f"  {cell(one)}"), *(styled(word) for word in words[:4]))
    out.print(table)
    if page["totalCount"] > len(page["nodes"]):
        out.print(Text(f"  and {page['totalCount'] - len(page['nodes'])} more", style="dim"))


def _print_events(page: Any) -> None:
    if not page or not page["nodes"]:
        return
    out = console()
    out.print(Text("\nevents", style="bold"))
    table = plain_table(["  AGE", "TYPE", "REASON", "MESSAGE"])
    for one in page["nodes"]:
        table.add_row(
            Text(f"  {age(one['createdAt'])}"), styled(one["type"]), cell(one["reason"]), Text(cell(one["message"]))
        )
    out.print(table)

"""`watch`: a live table of a kind, or of a deployment's releases, from the feed of changes.

The table is read once, then kept by what the subscription tells; after a break it goes on from the last cursor, and when
the server says that a cursor is too old, the table is read anew. Without a terminal every change is a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from graph.entity import KINDS, Kind
from server.cli.api import Api, Json
from server.cli.config import Context
from server.cli.failures import Exit, Failure
from server.cli.kinds import Types
from server.cli.live import subscribe
from server.cli.lookup import find, id_of
from server.cli.options import SelectorOption, TenantOption, api_of, call_of, seconds_of
from server.cli.output import cell, console, entity_table, plain_table, printable, say, styled
from server.cli.targets import in_tenant, kind_and_names

MAX_ROWS = 2_000
SHOWN_CHANGES = 12
_READ_PAGE = 200

RELEASE = (
    "id revision phase wanted replicas generation appliedGeneration attempts error observed { readyReplicas } "
    "site { id name } component { id name } deployment { id } createdAt"
)


def watch(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(help="A kind; or `deployment`, with a name, for its releases.", metavar="KIND")
    ] = "deployments",
    name: Annotated[
        str | None, typer.Argument(help="Only this entity; of a deployment, its releases.", metavar="NAME")
    ] = None,
    tenant: TenantOption = None,
    selector: SelectorOption = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each change as a line, also on a terminal.")] = False,
    for_: Annotated[str | None, typer.Option("--for", help="End after so long, such as 30s.", metavar="TIME")] = None,
) -> None:
    """Follow a kind, or a deployment's releases, as they change. Ctrl-C ends it.

    Example: edgeatlas watch deployment hello
    """
    api, context = api_of(ctx), call_of(ctx).chosen()[1]
    found, names = kind_and_names(kind, () if name is None else (name,))
    if len(names) > 1:
        raise Failure("one at a time", remedy=f"write {found.name.lower()} NAME", code=Exit.USAGE)
    seconds = seconds_of(for_, what="--for") if for_ else None
    named = [in_tenant(found, one, tenant) for one in names]
    if named and found.name == "Deployment":
        _run(_releases(context, api, find(api, found, named[0], "id name"), lines=lines), seconds)
        return
    only = [find(api, found, one)["id"] for one in named] or None
    owner = id_of(api, KINDS["Tenant"], tenant) if tenant else None
    watch_kind(context, api, found, selector=selector, only=only, tenant=owner, lines=lines, seconds=seconds)


def watch_kind(
    context: Context,
    api: Api,
    kind: Kind,
    *,
    selector: str | None = None,
    filter: Json | None = None,
    only: list[str] | None = None,
    tenant: str | None = None,
    lines: bool = False,
    seconds: float | None = None,
) -> None:
    """Follows a kind until it is interrupted, or for so many seconds; `only` and `tenant` are ids."""
    if kind.filed:
        raise Failure(f"{kind.plural} are not watched", remedy=f"use `edgeatlas get {kind.plural}`", code=Exit.USAGE)
    if filter is not None:
        raise Failure("a live table takes no --filter", remedy="use -l with a label selector", code=Exit.USAGE)
    types = Types(api)
    selection = types.selection(kind.name)
    condition: Json = {}
    changes: Json = {}
    if selector:
        condition["labels"] = changes["labels"] = selector
    if only is not None:
        condition["id"] = changes["ids"] = only
    elif tenant is not None:
        condition["tenant"] = changes["tenant"] = tenant

    def read() -> dict[str, Json]:
        return _read(api, kind, selection, condition or None)

    def table(rows: dict[str, Json]) -> Table:
        return entity_table(list(rows.values()), kind.name, types, width=console().width)

    follower = _Follower(context, kind, selection, changes or None, read=read, table=table, lines=lines)
    _run(follower.run(), seconds)


def _releases(context: Context, api: Api, deployment: Json, *, lines: bool) -> Any:
    release = KINDS["Release"]

    def read() -> dict[str, Json]:
        return _read(api, release, RELEASE, {"deployment": deployment["id"]})

    def table(rows: dict[str, Json]) -> Table:
        out = plain_table(["SITE", "COMPONENT", "PHASE", "READY", "GENERATION", "TRIES", "ERROR"])
        for row in sorted(rows.values(), key=lambda one: (cell(one["site"]), cell(one["component"]))):
            ready = (row["observed"] or {}).get("readyReplicas", 0)
            generation = f"{row['appliedGeneration']}/{row['generation']}"
            out.add_row(
                Text(cell(row["site"]), style="bold"),
                Text(cell(row["component"])),
                styled(row["phase"]),
                f"{ready}/{row['replicas']}",
                generation,
                str(row["attempts"]),
                Text(cell(row["error"])),
            )
        return out

    return _Follower(
        context,
        release,
        RELEASE,
        None,
        read=read,
        table=table,
        lines=lines,
        takes=lambda row: row["deployment"]["id"] == deployment["id"],
    ).run()


def _run(work: Any, seconds: float | None) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await work

    try:
        asyncio.run(bounded())
    except TimeoutError:
        return


def _read(api: Api, kind: Kind, selection: str, condition: Json | None) -> dict[str, Json]:
    """All rows by id, at most MAX_ROWS."""
    document = (
        f"query($after: String, $filter: {kind.name}Filter) {{ it: {kind.plural}(first: {_READ_PAGE}, after: $after, "
        f"filter: $filter) {{ nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    rows: dict[str, Json] = {}
    after = None
    while True:
        page = api.query(document, {"after": after, "filter": condition})["it"]
        rows.update((one["id"], one) for one in page["nodes"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows
        if len(rows) >= MAX_ROWS:
            raise Failure(
                f"there are more than {MAX_ROWS} {kind.plural}", remedy="choose some with -l", code=Exit.USAGE
            )


class _Follower:
    """Rows, kept by the feed of changes."""

    def __init__(
        self,
        context: Context,
        kind: Kind,
        selection: str,
        condition: Json | None,
        *,
        read: Callable[[], dict[str, Json]],
        table: Callable[[dict[str, Json]], Table],
        lines: bool,
        takes: Callable[[Json], bool] = lambda row: True,
    ) -> None:
        self._context = context
        self._kind = kind
        self._condition = condition
        self._read = read
        self._table = table
        self._takes = takes
        self._rows: dict[str, Json] = {}
        self._recent: list[Text] = []
        self._standing = ""
        self._out = console()
        self._lines = lines or not self._out.is_terminal
        self._document = (
            "subscription($kinds: [EntityKind!], $filter: ChangeFilter, $after: String) { changes(kinds: $kinds, "
            "filter: $filter, after: $after, maxRateHz: 5) { __typename ... on ChangeHeartbeat { revision cursor } "
            "... on ChangeResync { revision cursor reason } ... on ChangeSet { revision cursor at "
            f"changes {{ type id entity {{ ... on {kind.name} {{ {selection} }} }} }} }} }} }}"
        )

    async def run(self) -> None:
        """Follows until it is cancelled."""
        live: AbstractContextManager[Any] = nullcontext()
        if not self._lines:
            live = Live(console=self._out, auto_refresh=False)
        events = subscribe(
            self._context,
            self._document,
            {"kinds": [self._kind.name], "filter": self._condition},
            cursor_of=lambda data: data["changes"].get("cursor"),
            reconnecting=self._reconnecting,
        )
        begun = False
        with live as screen:
            async with aclosing(events):
                async for data in events:
                    event = data["changes"]
                    self._standing = f"revision {event['revision']}"
                    if not begun or event["__typename"] == "ChangeResync":
                        # The first event says from where changes are told; what was before is read after it.
                        self._rows = await asyncio.to_thread(self._read)
                        if not begun and self._lines:
                            self._out.print(self._table(self._rows))
                        begun = True
                    if event["__typename"] == "ChangeSet":
                        for change in event["changes"]:
                            self._apply(change, event["at"])
                    if screen is not None:
                        screen.update(self._screen(), refresh=True)

    def _reconnecting(self, reason: str) -> None:
        self._standing = f"{reason}; connecting again"
        if self._lines:
            say(self._standing)

    def _apply(self, change: Json, at: str) -> None:
        before, entity = self._rows.get(change["id"]), change["entity"]
        if entity and not self._takes(entity):
            return
        if entity and before is not None and before["revision"] >= entity["revision"]:
            return  # read after this change was made
        if entity:
            self._rows[change["id"]] = entity
        elif before is not None:
            del self._rows[change["id"]]
        else:
            return
        line = _told(change["type"], before, entity, at)
        if self._lines:
            self._out.print(line, soft_wrap=True)
        self._recent = [*self._recent, line][-SHOWN_CHANGES:]

    def _screen(self) -> RenderableType:
        rows = max(5, self._out.height - len(self._recent) - 6)
        shown = dict(list(self._rows.items())[:rows])
        more = len(self._rows) - len(shown)
        title = f"{len(self._rows)} {self._kind.plural}, {self._standing}" + (f", {more} below" if more else "")
        return Group(Text(printable(title), style="dim"), self._table(shown), Text(""), *self._recent)


def _told(kind: str, before: Json | None, after: Json | None, at: str) -> Text:
    """A change as a line: what it is called, and the fields that are not as before."""
    named: Json = after or before or {}
    clock = datetime.fromisoformat(at).astimezone(UTC).strftime("%H:%M:%S")
    title = cell(named)
    if not named.get("name") and isinstance(named.get("site"), dict):
        title = " ".join(cell(named[one]) for one in ("component", "site") if named.get(one))
    words = {"ADDED": "+", "MODIFIED": "~", "DELETED": "-"}
    text = Text.assemble((f"{clock} ", "dim"), f"{words.get(kind, '?')} {title}")
    if before is not None and after is not None:
        for key, value in after.items():
            if key not in ("revision", "updatedAt") and before.get(key) != value:
                text.append(f"  {key} ", style="cyan")
                text.append(f"{cell(before.get(key)) or '-'} → ")
                text.append_text(styled(cell(value) or "-"))
    return text

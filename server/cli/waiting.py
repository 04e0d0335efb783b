"""Waiting for an operation: its progress as it comes, and its end as an exit code.

The subscription is resumed when the connection breaks, so a server that is restarted in between is waited out. Giving up
waiting, by itself or by Ctrl-C, does not stop the operation, and says so.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from server.cli.api import Json
from server.cli.config import Context
from server.cli.failures import Exit, Failure
from server.cli.live import subscribe
from server.cli.output import notes, printable, say

DEFAULT_TIMEOUT = "10m"
OPERATION = "id kind status progress { total done waiting failed } error { code message remedy } finishedAt"
ENDED = {"SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED", "SUPERSEDED"}


def wait_for(context: Context, operation: Json, *, timeout_s: float) -> Json:
    """The operation as it ended well.

    Raises Failure: FAILED when it ended otherwise, TIMED_OUT or INTERRUPTED when it goes on.
    """
    if operation["status"] in ENDED:
        return ended_well(operation)
    try:
        return ended_well(asyncio.run(_wait(context, operation, timeout_s)))
    except TimeoutError:
        raise Failure(
            f"operation {operation['id']} has not ended within {timeout_s:g} s; it goes on",
            remedy=_again(operation),
            code=Exit.TIMED_OUT,
        ) from None
    except KeyboardInterrupt:
        raise Failure(
            f"the waiting was interrupted; operation {operation['id']} goes on",
            remedy=f"{_again(operation)}, or end it: `edgeatlas operation cancel {operation['id']}`",
            code=Exit.INTERRUPTED,
        ) from None


def _again(operation: Json) -> str:
    return f"wait again: `edgeatlas operation wait {operation['id']}`"


def ended_well(operation: Json) -> Json:
    """An operation that has SUCCEEDED; of any other, Failure with its error."""
    if operation["status"] == "SUCCEEDED":
        return operation
    error = operation.get("error") or {}
    progress = operation.get("progress") or {}
    raise Failure(
        f"operation {operation['id']} ended as {operation['status']}"
        + (f": {error['message']}" if error.get("message") else ""),
        remedy=error.get("remedy") or f"see `edgeatlas operation show {operation['id']}`",
        code=Exit.FAILED,
        details=[f"{progress.get('done', 0)} of {progress.get('total', 0)} done, {progress.get('failed', 0)} failed"],
    )


async def _wait(context: Context, operation: Json, timeout_s: float) -> Json:
    latest = operation
    document = f"subscription($id: ID!) {{ operation(id: $id) {{ {OPERATION} }} }}"
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[standing]}"),
        TimeElapsedColumn(),
    )
    screen = notes()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(operation["kind"].lower().replace("_", " "), total=None, standing="")
        events = subscribe(
            context,
            document,
            {"id": operation["id"]},
            reconnecting=lambda reason: bar.update(task, standing=f"{printable(reason)}; connecting again"),
        )
        async with asyncio.timeout(timeout_s), aclosing(events):
            async for data in events:
                latest = data["operation"]
                progress = latest["progress"]
                standing = " ".join(f"{progress[one]} {one}" for one in ("waiting", "failed") if progress[one])
                bar.update(task, total=progress["total"] or None, completed=progress["done"], standing=standing)
                if latest["status"] in ENDED:
                    break
    say(f"operation {latest['id']} {latest['status']}")
    return latest

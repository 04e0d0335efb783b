"""`wait`: until a deployment is ready, applied or gone.

The server waits for as long as a query may take and is asked again, so the command outlasts a server that is restarted as
long as it answers again in time.
"""

from __future__ import annotations

import enum
import time
from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import find
from server.cli.options import OutputOption, TenantOption, TimeoutOption, api_of, seconds_of
from server.cli.output import Output, print_answer, say
from server.cli.targets import DeploymentArgument, NameBehindArgument, deployment_text
from server.cli.waiting import DEFAULT_TIMEOUT

ASKED_S = 8.0
"""Asked of the server at a time; it answers sooner when it may not take as long."""
WAIT = """query($id: ID!, $until: WaitCondition!, $seconds: Float!) {
  waitFor(id: $id, until: $until, timeoutSeconds: $seconds) { reached over summary missing { code message releases } } }"""


class Until(enum.Enum):
    """What is waited for."""

    READY = "ready"
    APPLIED = "applied"
    GONE = "gone"
    QUIET = "quiet"


def wait(
    ctx: typer.Context,
    name: DeploymentArgument,
    behind: NameBehindArgument = None,
    until: Annotated[Until, typer.Option("--for", help="What is waited for.")] = Until.READY,
    tenant: TenantOption = None,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until a deployment is ready; exit code 6 when it took too long, 7 when it cannot be any more.

    Example: edgeatlas wait hello --for ready --timeout 5m
    """
    api = api_of(ctx)
    seconds = seconds_of(timeout)
    named = deployment_text(name, behind, tenant=tenant)
    try:
        found = find(api, KINDS["Deployment"], named)["id"]
    except Failure as failure:
        if until is Until.GONE and failure.code is Exit.NOT_FOUND:
            say(f"{named} is gone")
            return
        raise
    waited = waited_for(api, found, until, seconds=seconds)
    print_answer(waited, output, name=f"deployment/{found}", words=f"{named}: {waited['summary']}")
    check_reached(waited, named, until, seconds=seconds)


def waited_for(api: Api, deployment_id: str, until: Until, *, seconds: float) -> Json:
    """How a wait for a deployment ended, after at most so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        rest = deadline - time.monotonic()
        asked = {"id": deployment_id, "until": until.name, "seconds": max(0.0, min(rest, ASKED_S))}
        waited: Json = api.query(WAIT, asked)["waitFor"]
        if waited["reached"] or waited["over"] or rest <= 0:
            return waited


def check_reached(waited: Json, named: str, until: Until, *, seconds: float) -> None:
    """Raises Failure unless what was waited for has come: FAILED when it cannot any more, else TIMED_OUT."""
    if waited["reached"]:
        return
    told = [_line(one) for one in waited["missing"]]
    if waited["over"]:
        raise Failure(f"{named} cannot be {until.value} any more", code=Exit.FAILED, details=told)
    raise Failure(
        f"{named} is not {until.value} within {seconds:g} s",
        remedy=f"see `edgeatlas describe deployment {named}`",
        code=Exit.TIMED_OUT,
        details=told,
    )


def _line(missing: Json) -> str:
    count = f" ({missing['releases']} releases)" if missing["releases"] > 1 else ""
    return f"{missing['code']}: {missing['message']}{count}"

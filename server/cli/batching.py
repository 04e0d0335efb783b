"""`batch`: many deployments deployed, changed, held or ended at once, as a file says, with an answer for each.

What the file says is checked whole and its names are looked up (batch_items.py) before anything is asked for. A file that
is wrong is refused whole; an item that names what is not there, or what may be several things, is refused alone, as one that
the API refuses is: it touches no other, and is told with its line. What an item names that an earlier one of the file begins
is looked up when its turn comes, for it is there only then. Items of one sort that follow each other are one request, of a
hundred at most. Those whose turn did not come within the time of a request come when it is sent again under its key.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Container
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from server.cli.api import ERROR_FIELDS, Api, Json
from server.cli.batch_items import Item, called, deployment_named, input_of, items_of
from server.cli.failures import Ambiguous, Exit, Failure
from server.cli.options import OutputOption, TimeoutOption, WaitOption, YesOption, api_of, call_of, confirm, seconds_of
from server.cli.output import Output, cell, console, plain_table, print_data, styled, without_typenames
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for

AT_ONCE = 100
"""Items of one request, as the API takes them."""
TRIES = 50
"""How often a batch is sent again while each time more of it is done."""
DEPLOYMENT = "deployment { id name phase }"
STARTED = f"{DEPLOYMENT} operation {{ {OPERATION} }}"
_MUTATIONS = {
    "deploy": "deploy",
    "addSites": "addSites",
    "removeSites": "removeSites",
    "adjustSite": "adjustSite",
    "cancel": "cancelOperation",
    "retry": "retryOperation",
}
"""Verbs that are mutations of another name than `VERBDeployment`."""
_NO_OPERATION = ("pause", "relabel")
"""Verbs that begin nothing."""
ENDING = ("stop", "terminate")
"""Verbs that take something away that runs, and are asked about first."""
ALONE_LATE = (Exit.NOT_FOUND, Exit.USAGE)
"""What refuses an item alone whose turn has come, for by then others are done."""


def batch(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A YAML or JSON file with a list of items; - reads it.", metavar="FILE")],
    yes: YesOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Deploy, change, hold and terminate many deployments, each with an answer of its own.

    An item is `deploy: APP/VERSION` with name and whenPossible, or `update: NAME` with to, both with policy, replicas,
    profile, values (by component), overrides, failover, driftPolicy and requiresApproval, each of which an update replaces
    whole; `relabel: NAME` with displayName and labels, which deploy takes too; `scale: NAME` with replicas; `migrate: NAME`
    with to and sites; `addSites: NAME` or `removeSites: NAME` with sites; `adjustSite: NAME` with site and replicas;
    `rollback: NAME` with to; `approve: NAME` with revision; `pause`, `stop` or `resume: NAME`; `terminate: NAME` with
    delete; or `cancel: OPERATION` or `retry: OPERATION`, by its id. Those of deployments may have a tenant, and each but
    pause, relabel and cancel a deadline. They are done in the order given, so that one may name what an earlier one
    deploys. Exit code 4 when one was refused, as one is that names what is not there, or what
    may be several things.

    Example: edgeatlas batch rollout.yaml --wait
    """
    seconds = seconds_of(timeout)
    items = items_of(_read(file), file)
    api = api_of(ctx)
    asked = [(item, _asked_or_refused(api, item, file)) for item in items]
    late = _later(asked)
    sent = [(item, given) for item, given in asked if item.number in late or not isinstance(given, Failure)]
    going = [item.name for item, _ in sent if item.verb in ENDING]
    if going:
        confirm(f"Stop or remove {', '.join(going[:5])}{' and others' if len(going) > 5 else ''}?", yes=yes)
    answers = {item.number: _refusal(given) for item, given in asked if isinstance(given, Failure)}
    for verb, some in groupby(sent, key=lambda one: one[0].verb):
        turn = [
            (item, _asked_or_refused(api, item, file, alone=ALONE_LATE) if item.number in late else given)
            for item, given in some
        ]
        now = [(item, given) for item, given in turn if not isinstance(given, Failure)]
        answers |= {item.number: _refusal(given) for item, given in turn if isinstance(given, Failure)}
        answers |= {item.number: found for (item, _), found in zip(now, _ask(api, verb, now), strict=True)}
    results = [answers[item.number] for item, _ in asked]
    _print([(item, found) for (item, _), found in zip(asked, results, strict=True)], output)
    begun = [
        (item.verb, one["operation"]) for (item, _), one in zip(asked, results, strict=True) if one.get("operation")
    ]
    failure = _waited(ctx, begun, seconds) if wait else None
    refused = sum(not one["__typename"].endswith("Payload") for one in results)
    if refused:
        raise Failure(f"{refused} of {len(items)} were refused", remedy="see the table", code=Exit.REFUSED)
    if failure is not None:
        raise failure


def _asked_or_refused(
    api: Api, item: Item, file: Path, *, alone: Container[Exit] = (Exit.NOT_FOUND,)
) -> Json | Failure:
    """What an item asks for, or why it cannot be: what it names is not there or not to be seen, or may be several things.

    Raises Failure for what refuses more than the item: all but `alone`.
    """
    try:
        return input_of(api, item, file)
    except Failure as failure:
        if isinstance(failure, Ambiguous) or failure.code in alone:
            return failure
        raise


def _later(asked: list[tuple[Item, Json | Failure]]) -> frozenset[int]:
    """The numbers of the items that are about a deployment by a name that an earlier one begins."""
    begun: set[str] = set()
    late = []
    for item, given in asked:
        named = deployment_named(item)
        if named is not None and named.rpartition("/")[2] in begun:
            late.append(item.number)
        elif item.verb == "deploy" and not isinstance(given, Failure):
            begun.add(given["name"])
    return frozenset(late)


def _refusal(failure: Failure) -> Json:
    """The answer to an item that was not asked for, as the API would have given it."""
    invalid = failure.code is not Exit.NOT_FOUND or isinstance(failure, Ambiguous)
    return {
        "__typename": "InvalidInput" if invalid else "NotFound",
        "code": "INVALID_INPUT" if invalid else "NOT_FOUND",
        "message": failure.message,
        "remedy": failure.remedy,
        "path": failure.path,
        "retryable": False,
    }


def _read(file: Path) -> Any:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as problem:
        raise Failure(f"{called(file)} cannot be read: {problem}", code=Exit.USAGE) from None


def _ask(api: Api, verb: str, asked: list[tuple[Item, Json]]) -> list[Json]:
    item = _MUTATIONS.get(verb, f"{verb}Deployment")
    begun = DEPLOYMENT if verb in _NO_OPERATION else STARTED
    selection = f"results {{ __typename ... on {item[0].upper()}{item[1:]}Payload {{ {begun} }} {ERROR_FIELDS} }}"
    found: list[Json] = []
    for first in range(0, len(asked), AT_ONCE):
        values = {
            "items": [given for _, given in asked[first : first + AT_ONCE]],
            "idempotencyKey": f"cli-{uuid.uuid4()}",
        }
        results, left = [], AT_ONCE + 1
        for _ in range(TRIES):
            results = api.mutate(f"{verb}Many", values, selection, key=False)["results"]
            before, left = left, sum(bool(one.get("retryable")) for one in results)
            if not left or left >= before:
                break  # all were answered for good, or sending it again does not help
        found += results
    return found


def _print(results: list[tuple[Item, Json]], output: Output) -> None:
    if output in (Output.JSON, Output.YAML):
        print_data([{"item": item.number, **without_typenames(found)} for item, found in results], output)
        return
    if output is Output.NAME:
        for _, found in results:
            if found.get("deployment"):
                typer.echo(f"deployment/{found['deployment']['name']}")
            elif found.get("operation"):
                typer.echo(f"operation/{found['operation']['id']}")
        return
    table = plain_table(["ITEM", "VERB", "OF", "PHASE", "OPERATION", "REFUSED"])
    for item, found in results:
        deployment, operation = found.get("deployment") or {}, found.get("operation") or {}
        table.add_row(
            str(item.number),
            item.verb,
            cell(deployment.get("name") or item.name),
            styled(deployment["phase"]) if deployment else "",
            cell(operation.get("id")),
            cell(found.get("message")),
        )
    console().print(table)


def _waited(ctx: typer.Context, operations: list[tuple[str, Json]], seconds: float) -> Failure | None:
    """Waits for all of them, each with the verb that began it; the first that did not end well, when all have ended."""
    context = call_of(ctx).chosen()[1]
    failure: Failure | None = None
    for verb, one in operations:
        try:
            wait_for(context, one, timeout_s=seconds)
        except Failure as problem:
            if problem.code is not Exit.FAILED:
                raise
            if verb == "cancel" and "CANCELLED" in problem.message:
                continue  # that is what was asked for
            failure = failure or problem
    return failure

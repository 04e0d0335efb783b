"""`batch`: many deployments deployed, updated or terminated at once, as a file says, with an answer for each.

What the file says is checked whole and its names are looked up before anything is asked for. Items of one sort that follow
each other are one request, of a hundred at most; one that is refused touches no other, and is told with its line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from graph.entity import KINDS
from server.cli.api import ERROR_FIELDS, Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import find, tenant_id, version_of
from server.cli.options import OutputOption, TimeoutOption, WaitOption, YesOption, api_of, call_of, confirm, seconds_of
from server.cli.output import Output, cell, console, plain_table, print_data, styled, without_typenames
from server.cli.policy_files import policy_in
from server.cli.targets import deployment_text
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for

AT_ONCE = 100
"""Items of one request, as the API takes them."""
STARTED = f"deployment {{ id name phase }} operation {{ {OPERATION} }}"
WORDS = {
    "deploy": {"deploy", "name", "tenant", "policy", "replicas", "deadline", "whenPossible"},
    "update": {"update", "tenant", "to", "policy", "replicas", "deadline"},
    "terminate": {"terminate", "tenant", "delete", "deadline"},
}
MUTATIONS = {"deploy": "deployMany", "update": "updateMany", "terminate": "terminateMany"}
PAYLOADS = {"deploy": "DeployPayload", "update": "UpdateDeploymentPayload", "terminate": "TerminateDeploymentPayload"}


class Item(NamedTuple):
    """One thing that a file asks for."""

    number: int
    """Its place in the file, from 1."""
    verb: str
    name: str
    given: Json
    """As the file has it."""


def batch(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A YAML or JSON file with a list of items; - reads it.", metavar="FILE")],
    yes: YesOption = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    output: OutputOption = Output.TABLE,
) -> None:
    """Deploy, update and terminate many deployments, each with an answer of its own.

    An item is `deploy: APP/VERSION` with name, tenant, policy, replicas and whenPossible; `update: NAME` with to, policy and
    replicas; or `terminate: NAME` with delete. Each may have a deadline. Exit code 4 when one was refused.

    Example: edgeatlas batch rollout.yaml --wait
    """
    seconds = seconds_of(timeout)
    items = items_of(_read(file), file)
    api = api_of(ctx)
    asked = [(item, _in_file(item, file, _INPUTS[item.verb], api, file)) for item in items]
    going = [item.name for item in items if item.verb == "terminate"]
    if going:
        confirm(f"Remove {', '.join(going[:5])}{' and others' if len(going) > 5 else ''} from all sites?", yes=yes)
    results = [one for verb, some in groupby(asked, key=lambda one: one[0].verb) for one in _ask(api, verb, list(some))]
    _print([(item, found) for (item, _), found in zip(asked, results, strict=True)], output)
    begun = [one["operation"] for one in results if one.get("operation")]
    failure = _waited(ctx, begun, seconds) if wait else None
    refused = sum(one["__typename"] not in PAYLOADS.values() for one in results)
    if refused:
        raise Failure(f"{refused} of {len(items)} were refused", remedy="see the table", code=Exit.REFUSED)
    if failure is not None:
        raise failure


def items_of(whole: Any, file: Path) -> list[Item]:
    """The items of a file. Raises Failure that names the item and the word that is wrong."""
    if not isinstance(whole, list) or not whole:
        raise Failure(f"{file} is no list of items", remedy="write `- deploy: APP/VERSION`", code=Exit.USAGE)
    items = []
    for number, given in enumerate(whole, start=1):
        verbs = [verb for verb in WORDS if isinstance(given, dict) and verb in given]
        where = f"{file}: item {number}"
        if len(verbs) != 1:
            raise Failure(f"{where} is not one of {', '.join(WORDS)}", remedy="write one of them", code=Exit.USAGE)
        strange = sorted(str(word) for word in given if word not in WORDS[verbs[0]])
        if strange:
            known = ", ".join(sorted(WORDS[verbs[0]]))
            raise Failure(f"{where} has {strange[0]!r}", remedy=f"it takes {known}", code=Exit.USAGE)
        name = given[verbs[0]]
        if not isinstance(name, str) or not name:
            raise Failure(f"{where}: {verbs[0]} has no name", remedy="write one behind it", code=Exit.USAGE)
        items.append(Item(number, verbs[0], name, given))
    return items


def _read(file: Path) -> Any:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as problem:
        raise Failure(f"{file} cannot be read: {problem}", code=Exit.USAGE) from None


def _in_file(item: Item, file: Path, make: Callable[[Api, Item, Path], Json], api: Api, path: Path) -> Json:
    """What an item asks the API for; a Failure says which item it is of."""
    try:
        return {key: value for key, value in make(api, item, path).items() if value is not None}
    except Failure as failure:
        at = f"{file}: item {item.number}"
        raise Failure(failure.message, remedy=failure.remedy, path=failure.path or at, code=failure.code) from None


def _deploy(api: Api, item: Item, path: Path) -> Json:
    given, tenant = item.given, item.given.get("tenant")
    version = version_of(api, f"{tenant}/{item.name}" if tenant and item.name.count("/") < 2 else item.name)
    return {
        "tenantId": tenant_id(api, tenant) if tenant else version["tenant"]["id"],
        "name": given.get("name") or version["app"]["name"],
        "appVersionId": version["id"],
        "waitForPlacement": True if given.get("whenPossible") else None,
        **_common(api, item, path),
    }


def _update(api: Api, item: Item, path: Path) -> Json:
    named, to = deployment_text(item.name, None, tenant=item.given.get("tenant")), item.given.get("to")
    current = find(api, KINDS["Deployment"], named, "id appVersion { app { name } } tenant { name }")
    owner, app = current["tenant"]["name"], current["appVersion"]["app"]["name"]
    version = None if to is None else version_of(api, str(to) if "/" in str(to) else f"{owner}/{app}/{to}")["id"]
    return {"id": current["id"], "appVersionId": version, **_common(api, item, path)}


def _terminate(api: Api, item: Item, path: Path) -> Json:
    named = deployment_text(item.name, None, tenant=item.given.get("tenant"))
    found = find(api, KINDS["Deployment"], named)["id"]
    return {"id": found, "delete": bool(item.given.get("delete")), **_common(api, item, path)}


_INPUTS = {"deploy": _deploy, "update": _update, "terminate": _terminate}


def _common(api: Api, item: Item, path: Path) -> Json:
    """The words that several verbs have."""
    policy, replicas, deadline = (item.given.get(word) for word in ("policy", "replicas", "deadline"))
    counts = None
    if replicas is not None:
        if not isinstance(replicas, dict) or any(type(one) is not int or one < 0 for one in replicas.values()):
            raise Failure("replicas are no numbers by component", remedy="write {web: 3}", code=Exit.USAGE)
        counts = [{"name": str(name), "count": count} for name, count in replicas.items()]
    return {
        "policy": None if policy is None else policy_in(api, policy, path),
        "replicas": counts,
        "deadlineSeconds": None if deadline is None else seconds_of(str(deadline), what="deadline"),
    }


def _ask(api: Api, verb: str, asked: list[tuple[Item, Json]]) -> list[Json]:
    selection = f"results {{ __typename ... on {PAYLOADS[verb]} {{ {STARTED} }} {ERROR_FIELDS} }}"
    found: list[Json] = []
    for first in range(0, len(asked), AT_ONCE):
        values = {"items": [given for _, given in asked[first : first + AT_ONCE]]}
        found += api.mutate(MUTATIONS[verb], values, selection)["results"]
    return found


def _print(results: list[tuple[Item, Json]], output: Output) -> None:
    if output in (Output.JSON, Output.YAML):
        print_data([{"item": item.number, **without_typenames(found)} for item, found in results], output)
        return
    if output is Output.NAME:
        for _, found in results:
            if found.get("deployment"):
                typer.echo(f"deployment/{found['deployment']['name']}")
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
            cell(None if deployment else found.get("message")),
        )
    console().print(table)


def _waited(ctx: typer.Context, operations: list[Json], seconds: float) -> Failure | None:
    """Waits for all of them; the first that did not end well, when all have ended."""
    context = call_of(ctx).chosen()[1]
    failure: Failure | None = None
    for one in operations:
        try:
            wait_for(context, one, timeout_s=seconds)
        except Failure as problem:
            if problem.code is not Exit.FAILED:
                raise
            failure = failure or problem
    return failure

"""`batch`: many deployments deployed, changed, held or ended at once, as a file says, with an answer for each.

What the file says is checked whole and its names are looked up before anything is asked for. Items of one sort that follow
each other are one request, of a hundred at most; one that is refused touches no other, and is told with its line. Those
whose turn did not come within the time of a request come when it is sent again under its key.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from graph.entity import KINDS
from server.cli.api import ERROR_FIELDS, Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import find, id_of, tenant_id, version_of
from server.cli.options import OutputOption, TimeoutOption, WaitOption, YesOption, api_of, call_of, confirm, seconds_of
from server.cli.output import Output, cell, console, plain_table, print_data, styled, without_typenames
from server.cli.policy_files import policy_in
from server.cli.targets import deployment_text
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for

AT_ONCE = 100
"""Items of one request, as the API takes them."""
TRIES = 50
"""How often a batch is sent again while each time more of it is done."""
DEPLOYMENT = "deployment { id name phase }"
STARTED = f"{DEPLOYMENT} operation {{ {OPERATION} }}"
WORDS = {
    "deploy": {"name", "tenant", "policy", "replicas", "deadline", "whenPossible"},
    "update": {"tenant", "to", "policy", "replicas", "deadline"},
    "scale": {"tenant", "replicas", "deadline"},
    "migrate": {"tenant", "to", "sites", "deadline"},
    "addSites": {"tenant", "sites", "deadline"},
    "removeSites": {"tenant", "sites", "deadline"},
    "rollback": {"tenant", "to", "deadline"},
    "approve": {"tenant", "revision", "deadline"},
    "pause": {"tenant"},
    "stop": {"tenant", "deadline"},
    "resume": {"tenant", "deadline"},
    "terminate": {"tenant", "delete", "deadline"},
}
"""What an item may have beside its verb, which has the name."""
_SAME = ("addSites", "removeSites", "deploy")
"""Verbs that are mutations of the same name; the others have what they are of behind them."""
ENDING = ("stop", "terminate")
"""Verbs that take something away that runs, and are asked about first."""


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
    """Deploy, change, hold and terminate many deployments, each with an answer of its own.

    An item is `deploy: APP/VERSION` with name, tenant, policy, replicas and whenPossible; `update: NAME` with to, policy and
    replicas; `scale: NAME` with replicas; `migrate: NAME` with to and sites; `addSites: NAME` or `removeSites: NAME` with
    sites; `rollback: NAME` with to; `approve: NAME` with revision; `pause`, `stop` or `resume: NAME`; or `terminate: NAME`
    with delete. Each but pause may have a deadline. Exit code 4 when one was refused.

    Example: edgeatlas batch rollout.yaml --wait
    """
    seconds = seconds_of(timeout)
    items = items_of(_read(file), file)
    api = api_of(ctx)
    asked = [(item, _in_file(item, file, _INPUTS[item.verb], api, file)) for item in items]
    going = [item.name for item in items if item.verb in ENDING]
    if going:
        confirm(f"Stop or remove {', '.join(going[:5])}{' and others' if len(going) > 5 else ''}?", yes=yes)
    results = [one for verb, some in groupby(asked, key=lambda one: one[0].verb) for one in _ask(api, verb, list(some))]
    _print([(item, found) for (item, _), found in zip(asked, results, strict=True)], output)
    begun = [one["operation"] for one in results if one.get("operation")]
    failure = _waited(ctx, begun, seconds) if wait else None
    refused = sum(not one["__typename"].endswith("Payload") for one in results)
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
        strange = sorted(str(word) for word in given if word not in WORDS[verbs[0]] and word != verbs[0])
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


def _named(api: Api, item: Item, path: Path) -> Json:
    """The deployment that an item names, with what verbs have in common."""
    named = deployment_text(item.name, None, tenant=item.given.get("tenant"))
    return {"id": find(api, KINDS["Deployment"], named)["id"], **_common(api, item, path)}


def _scale(api: Api, item: Item, path: Path) -> Json:
    if "replicas" not in item.given:
        raise Failure("how many replicas?", remedy="write `replicas: {web: 3}`", code=Exit.USAGE)
    return _named(api, item, path)


def _terminate(api: Api, item: Item, path: Path) -> Json:
    return {**_named(api, item, path), "delete": bool(item.given.get("delete"))}


def _migrate(api: Api, item: Item, path: Path) -> Json:
    return {**_update(api, item, path), "toSiteIds": _sites(api, item) if "sites" in item.given else None}


def _at_sites(api: Api, item: Item, path: Path) -> Json:
    return {**_named(api, item, path), "siteIds": _sites(api, item)}


def _numbered(word: str) -> Callable[[Api, Item, Path], Json]:
    """What makes the input of a verb that names a revision."""

    def make(api: Api, item: Item, path: Path) -> Json:
        number = item.given.get(word)
        if type(number) is not int or number < 1:
            raise Failure(f"which revision? {word} is no number", remedy=f"write `{word}: 3`", code=Exit.USAGE)
        return {**_named(api, item, path), "revisionNumber": number}

    return make


def _sites(api: Api, item: Item) -> list[str]:
    sites = item.given.get("sites")
    if not isinstance(sites, list) or not sites or not all(isinstance(one, str) for one in sites):
        raise Failure("sites are no list of names", remedy="write [Vienna, Lyon]", code=Exit.USAGE)
    return [id_of(api, KINDS["Site"], one) for one in sites]


_INPUTS: dict[str, Callable[[Api, Item, Path], Json]] = {
    **dict.fromkeys(WORDS, _named),
    "deploy": _deploy,
    "update": _update,
    "scale": _scale,
    "migrate": _migrate,
    "addSites": _at_sites,
    "removeSites": _at_sites,
    "rollback": _numbered("to"),
    "approve": _numbered("revision"),
    "terminate": _terminate,
}


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
    item = verb if verb in _SAME else f"{verb}Deployment"
    begun = DEPLOYMENT if verb == "pause" else STARTED
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

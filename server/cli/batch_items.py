"""What the items of a `batch` file are, and what each asks the API for.

An item says one thing, in the words of the API with names where the API takes ids. What is given whole replaces what there
is whole, as it does in the API: a file says what is to be, so that it means the same however often it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from graph.document_values import plain_value
from graph.entity import KINDS
from graph.kinds.failover import FailoverPolicy
from graph.kinds.overrides import Override
from graph.refusal import InvalidInput
from server.cli.api import Api, Json
from server.cli.failures import Ambiguous, Exit, Failure
from server.cli.lookup import find, id_of, is_id, tenant_id, version_of
from server.cli.options import seconds_of
from server.cli.policy_files import policy_in
from server.cli.rules import Drift
from server.cli.targets import deployment_text
from server.cli.values import profile_id

_WISH = frozenset(
    {"policy", "replicas", "profile", "values", "overrides", "failover", "driftPolicy", "requiresApproval"}
)
"""What a deployment can be wished to have, when it is begun and when it is changed."""
_SHOWN = frozenset({"displayName", "labels"})
WORDS: dict[str, frozenset[str]] = {
    "deploy": frozenset({"name", "tenant", "whenPossible", "deadline"}) | _WISH | _SHOWN,
    "update": frozenset({"tenant", "to", "deadline"}) | _WISH,
    "relabel": frozenset({"tenant"}) | _SHOWN,
    "scale": frozenset({"tenant", "replicas", "deadline"}),
    "migrate": frozenset({"tenant", "to", "sites", "deadline"}),
    "addSites": frozenset({"tenant", "sites", "deadline"}),
    "removeSites": frozenset({"tenant", "sites", "deadline"}),
    "adjustSite": frozenset({"tenant", "site", "replicas", "deadline"}),
    "rollback": frozenset({"tenant", "to", "deadline"}),
    "approve": frozenset({"tenant", "revision", "deadline"}),
    "pause": frozenset({"tenant"}),
    "stop": frozenset({"tenant", "deadline"}),
    "resume": frozenset({"tenant", "deadline"}),
    "terminate": frozenset({"tenant", "delete", "deadline"}),
    "cancel": frozenset(),
    "retry": frozenset({"deadline"}),
}
"""What an item may have beside its verb, which has the name."""
_OF_VERSION = "id name app { id name } tenant { name }"


class Item(NamedTuple):
    """One thing that a file asks for."""

    number: int
    """Its place in the file, from 1."""
    verb: str
    name: str
    given: Json
    """As the file has it."""


def items_of(whole: Any, file: Path) -> list[Item]:
    """The items of a file. Raises Failure that names the item and the word that is wrong."""
    remedy = "write `- deploy: APP/VERSION`"
    if not isinstance(whole, list):
        raise Failure(f"{called(file)} is no list of items", remedy=remedy, code=Exit.USAGE)
    if not whole:
        raise Failure(f"{called(file)} has no items: the list is empty", remedy=remedy, code=Exit.USAGE)
    items = []
    for number, given in enumerate(whole, start=1):
        verbs = [verb for verb in WORDS if isinstance(given, dict) and verb in given]
        where = f"{called(file)}: item {number}"
        if len(verbs) != 1:
            raise Failure(f"{where} is not one of {', '.join(WORDS)}", remedy="write one of them", code=Exit.USAGE)
        strange = sorted(str(word) for word in given if word not in WORDS[verbs[0]] and word != verbs[0])
        if strange:
            known = ", ".join(sorted(WORDS[verbs[0]])) or "nothing beside its id"
            raise Failure(f"{where} has {strange[0]!r}", remedy=f"it takes {known}", code=Exit.USAGE)
        name = given[verbs[0]]
        if not isinstance(name, str) or not name:
            raise Failure(f"{where}: {verbs[0]} has no name", remedy="write one behind it", code=Exit.USAGE)
        items.append(Item(number, verbs[0], name, given))
    return items


def called(file: Path) -> str:
    """What a file is called in a message."""
    return "standard input" if str(file) == "-" else str(file)


def input_of(api: Api, item: Item, file: Path) -> Json:
    """What an item asks the API for; a Failure says which item it is of."""
    try:
        return _INPUTS[item.verb](api, item, file)
    except Failure as failure:
        at = f"{called(file)}: item {item.number}"
        sort = Ambiguous if isinstance(failure, Ambiguous) else Failure
        raise sort(failure.message, remedy=failure.remedy, path=failure.path or at, code=failure.code) from None


def _deploy(api: Api, item: Item, path: Path) -> Json:
    given, tenant = item.given, item.given.get("tenant")
    version = version_of(api, f"{tenant}/{item.name}" if tenant and item.name.count("/") < 2 else item.name)
    return {
        "tenantId": tenant_id(api, tenant) if tenant else version["tenant"]["id"],
        "name": given.get("name") or version["app"]["name"],
        "appVersionId": version["id"],
        **({"waitForPlacement": True} if _truth(given, "whenPossible") else {}),
        **_shown(given),
        **_wished(api, given, path, version=version),
        **_deadline(given),
    }


def _update(api: Api, item: Item, path: Path) -> Json:
    given = item.given
    selection = f"id appVersion {{ {_OF_VERSION} }} proposal {{ appVersion {{ {_OF_VERSION} }} }}"
    current = find(api, KINDS["Deployment"], _of(item), selection)
    version = (current["proposal"] or {}).get("appVersion") or current["appVersion"]
    to: Json = {}
    if (named := given.get("to")) is not None:
        version = _version_to(api, version, str(named))
        to = {"appVersionId": version["id"]}
    return {"id": current["id"], **to, **_wished(api, given, path, version=version), **_deadline(given)}


def _migrate(api: Api, item: Item, path: Path) -> Json:
    values = _update(api, item, path)
    return {**values, "toSiteIds": _sites(api, item)} if "sites" in item.given else values


def _version_to(api: Api, version: Json, named: str) -> Json:
    """The version of the same app that a text names, or any by its path."""
    if "/" in named or is_id(named):
        return version_of(api, named)
    return version_of(api, f"{version['tenant']['name']}/{version['app']['name']}/{named}")


def deployment_named(item: Item) -> str | None:
    """The deployment that an item is about, as it names it; None where it begins one, or is about an operation."""
    return None if item.verb in ("deploy", "cancel", "retry") else _of(item)


def _of(item: Item) -> str:
    return deployment_text(item.name, None, tenant=item.given.get("tenant"))


def _named(api: Api, item: Item, path: Path) -> Json:
    """The deployment that an item names, and how long it may take."""
    return {"id": find(api, KINDS["Deployment"], _of(item))["id"], **_deadline(item.given)}


def _scale(api: Api, item: Item, path: Path) -> Json:
    counts = _counts(item.given)
    if not counts:
        raise Failure("how many replicas?", remedy="write `replicas: {web: 3}`", code=Exit.USAGE)
    return {**_named(api, item, path), **counts}


def _relabel(api: Api, item: Item, path: Path) -> Json:
    shown = _shown(item.given)
    if not shown:
        raise Failure("nothing to change is given", remedy="write displayName or labels", code=Exit.USAGE)
    return {**_named(api, item, path), **shown}


def _terminate(api: Api, item: Item, path: Path) -> Json:
    return {**_named(api, item, path), "delete": _truth(item.given, "delete")}


def _at_sites(api: Api, item: Item, path: Path) -> Json:
    return {**_named(api, item, path), "siteIds": _sites(api, item)}


def _at_site(api: Api, item: Item, path: Path) -> Json:
    site = item.given.get("site")
    if not isinstance(site, str) or not site:
        raise Failure("which site?", remedy="write `site: Vienna`", code=Exit.USAGE)
    return {**_named(api, item, path), "siteId": id_of(api, KINDS["Site"], site), **_counts(item.given)}


def _operation(api: Api, item: Item, path: Path) -> Json:
    name = item.name.removeprefix("operation/")
    if not is_id(name):
        raise Failure(f"{name!r} is no operation's id", remedy="see `edgeatlas operation list`", code=Exit.USAGE)
    return {"id": name, **_deadline(item.given)}


def _numbered(word: str) -> Callable[[Api, Item, Path], Json]:
    """What makes the input of a verb that names a revision."""

    def make(api: Api, item: Item, path: Path) -> Json:
        number = item.given.get(word)
        if type(number) is not int or number < 1:
            raise Failure(f"which revision? {word} is no number", remedy=f"write `{word}: 3`", code=Exit.USAGE)
        return {**_named(api, item, path), "revisionNumber": number}

    return make


_INPUTS: dict[str, Callable[[Api, Item, Path], Json]] = {
    **dict.fromkeys(WORDS, _named),
    "deploy": _deploy,
    "update": _update,
    "relabel": _relabel,
    "scale": _scale,
    "migrate": _migrate,
    "addSites": _at_sites,
    "removeSites": _at_sites,
    "adjustSite": _at_site,
    "rollback": _numbered("to"),
    "approve": _numbered("revision"),
    "terminate": _terminate,
    "cancel": _operation,
    "retry": _operation,
}


def _sites(api: Api, item: Item) -> list[str]:
    sites = item.given.get("sites")
    if not isinstance(sites, list) or not sites or not all(isinstance(one, str) for one in sites):
        raise Failure("sites are no list of names", remedy="write [Vienna, Lyon]", code=Exit.USAGE)
    return [id_of(api, KINDS["Site"], one) for one in sites]


def _deadline(given: Json) -> Json:
    deadline = given.get("deadline")
    return {} if deadline is None else {"deadlineSeconds": seconds_of(str(deadline), what="deadline")}


def _counts(given: Json) -> Json:
    replicas = given.get("replicas")
    if replicas is None:
        return {}
    if not isinstance(replicas, dict) or any(type(one) is not int or one < 0 for one in replicas.values()):
        raise Failure("replicas are no numbers by component", remedy="write {web: 3}", code=Exit.USAGE)
    return {"replicas": [{"name": str(name), "count": count} for name, count in replicas.items()]}


def _truth(given: Json, word: str) -> bool:
    """Whether a word is given as true. Raises Failure for what is neither true nor false."""
    value = given.get(word)
    if value is not None and not isinstance(value, bool):
        raise Failure(f"{word} is neither true nor false", remedy=f"write `{word}: true`", code=Exit.USAGE)
    return bool(value)


def _shown(given: Json) -> Json:
    """The name for people and the labels; a name that is given as null is taken away."""
    values: Json = {"displayName": given["displayName"]} if "displayName" in given else {}
    if not isinstance(values.get("displayName"), str | None):
        raise Failure("displayName is no text", remedy='write "1.0" in quotes', code=Exit.USAGE)
    labels = given.get("labels")
    if labels is None:
        return values
    if not isinstance(labels, dict) or not all(isinstance(one, str) for pair in labels.items() for one in pair):
        raise Failure("labels are no texts by key", remedy='write {team: blue}, and "1" for a number', code=Exit.USAGE)
    return {**values, "labels": [{"key": key, "value": value} for key, value in labels.items()]}


def _wished(api: Api, given: Json, path: Path, *, version: Json) -> Json:
    """How a deployment is to be: where, how many, with which values, and by which rules. Raises Failure."""
    values = _counts(given)
    if given.get("policy") is not None:
        values["policy"] = policy_in(api, given["policy"], path)
    if "profile" in given:
        named = given["profile"]
        if named is not None and (not isinstance(named, str) or not named):
            raise Failure("profile is no name", remedy="write `profile: small`, or null for none", code=Exit.USAGE)
        values["profileId"] = None if named is None else profile_id(api, named, version)
    if given.get("values") is not None or given.get("overrides") is not None:
        values["overrides"] = _overrides(api, given)
    if given.get("failover") is not None:
        values["failover"] = _failover(given["failover"])
    if given.get("driftPolicy") is not None:
        values["driftPolicy"] = _word(given, "driftPolicy", [one.name for one in Drift])
    if given.get("requiresApproval") is not None:
        values["requiresApproval"] = _truth(given, "requiresApproval")
    return values


def _overrides(api: Api, given: Json) -> list[Json]:
    """All overrides: `values` by component, for everywhere, and then the list of `overrides`. Raises Failure."""
    by_component, listed = given.get("values") or {}, given.get("overrides") or []
    if not isinstance(by_component, dict) or not all(isinstance(one, dict) for one in by_component.values()):
        raise Failure("values are no mappings by component", remedy="write {web: {image: {tag: x}}}", code=Exit.USAGE)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        remedy = "write [{component: web, path: image.tag, value: x}]"
        raise Failure("overrides are no list of overrides", remedy=remedy, code=Exit.USAGE)
    made = [{"component": str(name), "value": value} for name, value in by_component.items()]
    for one in listed:
        override = {key: value for key, value in one.items() if key != "sites"}
        if "sites" in one:
            override["siteIds"] = _sites(api, Item(0, "", "", {"sites": one["sites"]}))
        made.append(override)
    try:
        json.dumps(made, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as problem:
        raise Failure(f"values cannot be sent: {problem}", remedy="write dates in quotes", code=Exit.USAGE) from None
    _checked(list[Override], made, "overrides")
    return made


def _failover(given: Any) -> Json:
    if not isinstance(given, dict):
        raise Failure("failover is no policy", remedy="write {mode: APPLY, tolerationSeconds: 60}", code=Exit.USAGE)
    policy = dict(given)
    if "mode" in policy:  # `off` without quotes is false in YAML
        policy["mode"] = "OFF" if policy["mode"] is False else str(policy["mode"]).upper()
    _checked(FailoverPolicy, policy, "failover")
    return policy


def _word(given: Json, word: str, known: list[str]) -> str:
    value = str(given[word]).upper()
    if value not in known:
        raise Failure(f"{word} is none of {', '.join(known)}", remedy="write one of them", code=Exit.USAGE)
    return value


def _checked(declared: Any, value: Any, word: str) -> None:
    """Raises Failure that says which of its words is wrong."""
    try:
        plain_value(declared, value, (), word)
    except InvalidInput as refusal:
        raise Failure(f"{refusal.path}: {refusal.message}", remedy=refusal.remedy, code=Exit.USAGE) from None

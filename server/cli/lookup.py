"""Entities by what a person types: an id, a name, or a path of names such as `shop/hello/1.0`.

A path names what scopes a name before it, as documents do: the tenant of an app, the app of a version, the cluster or
site of a node. What is left out is found when only one thing can be meant, and is said when several can.
"""

from __future__ import annotations

import re

from graph.entity import KINDS, Kind
from server.cli.api import Api, Json
from server.cli.failures import Ambiguous, Exit, Failure
from server.cli.kinds import kind_spelt, query_field

_NAMED = "id name __typename"
_ID = re.compile(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}")


def is_id(text: str) -> bool:
    """Whether a text is an id rather than a name."""
    return _ID.fullmatch(text) is not None


def find(api: Api, kind: Kind, text: str, selection: str = "id") -> Json:
    """The entity of a kind that a text names. Raises Failure."""
    found = find_or_none(api, kind, text, selection)
    if found is None:
        raise Failure(
            f"there is no {kind.name} {text!r}",
            remedy=f"see `edgeatlas get {kind.plural.lower()}` for those that you may see",
            code=Exit.NOT_FOUND,
        )
    return found


def find_or_none(api: Api, kind: Kind, text: str, selection: str = "id") -> Json | None:
    """The entity of a kind that a text names, or None. Raises Failure when several are meant."""
    if is_id(text):
        found = api.query(
            f"query($id: ID!) {{ entity(id: $id) {{ __typename ... on {kind.name} {{ {selection} }} }} }}", {"id": text}
        )["entity"]
        return found if found is not None and found["__typename"] == kind.name else None
    if not kind.named:
        raise Failure(f"a {kind.name} has no name", remedy="give its id", code=Exit.USAGE)
    *outer, name = text.split("/")
    if not outer or not kind.scope:
        return _by_name(api, kind, name, None, selection) if not outer else None
    for scope in kind.scope:
        ref = kind.fields[scope].ref
        parent = find_or_none(api, KINDS[ref.kinds[0]], "/".join(outer)) if ref is not None else None
        if parent is not None:
            found = _by_name(api, kind, name, parent["id"], selection)
            if found is not None:
                return found
    return None


def id_of(api: Api, kind: Kind, text: str) -> str:
    """The id of what a text names; an id is taken as it is. Raises Failure."""
    return text if is_id(text) else str(find(api, kind, text)["id"])


def tenant_id(api: Api, text: str | None) -> str:
    """The tenant that a text names; the only one that the caller has when nothing is given. Raises Failure."""
    if text is not None:
        return id_of(api, KINDS["Tenant"], text)
    tenants = api.query("{ tenants(first: 10) { nodes { id name } } }")["tenants"]["nodes"]
    if len(tenants) == 1:
        return str(tenants[0]["id"])
    names = ", ".join(one["name"] for one in tenants) or "none that you may see"
    raise Failure(f"say which tenant it is for: {names}", remedy="give --tenant NAME", code=Exit.USAGE)


def version_of(api: Api, text: str) -> Json:
    """The app version that a text names: `app/version`, `tenant/app/version`, or an app alone for its newest version.

    Gives its id, name, app and tenant. Raises Failure.
    """
    selection = "id name app { id name } tenant { id name }"
    version, app = KINDS["AppVersion"], KINDS["App"]
    if is_id(text):
        return find(api, version, text, selection)
    found = find_or_none(api, version, text, selection) if "/" in text else None
    if found is None and text.count("/") < 2:
        owner = find_or_none(api, app, text, f"id latestVersion {{ {selection} }}")
        if owner is not None and owner["latestVersion"] is not None:
            found = owner["latestVersion"]
        elif owner is not None:
            raise Failure(f"app {text!r} has no version", remedy="apply one", code=Exit.NOT_FOUND)
    if found is None:
        raise Failure(
            f"there is no app version {text!r}",
            remedy="write APP/VERSION, or TENANT/APP/VERSION; see `edgeatlas get appversions`",
            code=Exit.NOT_FOUND,
        )
    return found


def entity_named(api: Api, text: str, kinds: tuple[str, ...], *, tenant: str | None = None) -> Json:
    """The one entity of several kinds that a text names: an id, `site/NAME`, or a name that only one has.

    With a `tenant`, what always has one is looked for there alone, and what may be everybody's there first.

    Gives its id, name and __typename. Raises Failure.
    """
    if is_id(text):
        found = api.query("query($id: ID!) { entity(id: $id) { id __typename ... on Named { name } } }", {"id": text})
        if found["entity"] is not None and found["entity"]["__typename"] in kinds:
            return dict(found["entity"])
        raise _none_of(kinds, text)
    first, slash, rest = text.partition("/")
    spelt = kind_spelt(first) if slash else None
    chosen = [spelt.name] if spelt is not None and spelt.name in kinds else []
    matches = []
    for kind_name in chosen or kinds:
        kind, name = KINDS[kind_name], rest if chosen else text
        there = (
            tenant is not None and "tenant_id" in kind.scope and not is_id(name) and not name.startswith(f"{tenant}/")
        )
        match = find_or_none(api, kind, f"{tenant}/{name}", _NAMED) if there else None
        if match is None and (not there or kind.fields["tenant_id"].optional):
            match = find_or_none(api, kind, name, _NAMED)
        if match is not None:
            matches.append(match)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise _none_of(kinds, text)
    options = ", ".join(f"{one['__typename'].lower()}/{text}" for one in matches)
    raise Failure(f"{text!r} may be {options}", remedy="write it so", code=Exit.USAGE)


def _none_of(kinds: tuple[str, ...], text: str) -> Failure:
    lists = " and ".join(f"`edgeatlas get {KINDS[one].plural.lower()}`" for one in kinds)
    return Failure(
        f"there is no {' or '.join(kinds)} {text!r}",
        remedy=f"see {lists} for those that you may see",
        code=Exit.NOT_FOUND,
    )


def _by_name(api: Api, kind: Kind, name: str, within: str | None, selection: str) -> Json | None:
    try:
        return _asked(api, kind, name, within, selection)
    except Failure as failure:
        if failure.path != "within":
            raise
        # The API's argument is none of the command line's: what it is in is written before the name.
        remedy = "write what it is in before it, such as TENANT/NAME, or give its id"
        raise Ambiguous(failure.message, remedy=remedy, code=failure.code) from None


def _asked(api: Api, kind: Kind, name: str, within: str | None, selection: str) -> Json | None:
    field = query_field(kind)
    if within is not None:
        document = f"query($n: String!, $w: ID!) {{ it: {field}(name: $n, within: $w) {{ {selection} }} }}"
        return _entity(api.query(document, {"n": name, "w": within}))
    return _entity(api.query(f"query($n: String!) {{ it: {field}(name: $n) {{ {selection} }} }}", {"n": name}))


def _entity(data: Json) -> Json | None:
    found: Json | None = data["it"]
    return found

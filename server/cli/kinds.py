"""Kinds as a person names them and as the server describes them.

Which kinds there are is read from the graph's own declarations; what fields a kind has is asked of the server
(introspection), so a client shows the fields of a server that is newer or older than itself. A selection is made from
that: every leaf, every value down to four levels, and of related entities their id and name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import graph.kinds  # noqa: F401 - declares the kinds
from graph.entity import KINDS, Kind
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure

MAX_DEPTH = 4
_BATCH = 20
"""Types asked for at once; the server bounds aliases and cost."""
ANY = "id __typename ... on Named { name }"
"""What to select of an entity of any kind to name it."""
_SHORT = {
    "version": "AppVersion",
    "versions": "AppVersion",
    "token": "ApiToken",
    "tokens": "ApiToken",
    "sa": "ServiceAccount",
    "op": "Operation",
    "ops": "Operation",
    "deploy": "Deployment",
    "role": "RoleBinding",
    "roles": "RoleBinding",
}
_TYPE = "kind name " + "ofType { kind name " * 5 + "}" * 5
_FRAGMENT = (
    f"fragment T on __Type {{ name kind interfaces {{ name }} "
    f"fields {{ name description args {{ name type {{ kind }} }} type {{ {_TYPE} }} }} }}"
)


def kind_named(text: str) -> Kind:
    """The kind that a person means: `site`, `Sites`, `app-version`, `deploy`. Raises Failure."""
    spelt = kind_spelt(text)
    if spelt is not None:
        return spelt
    word, spellings = _plain(text), _spellings()
    begun = {kind.name: kind for name, kind in spellings.items() if word and name.startswith(word)}
    shortest = min(begun, key=len, default=None)
    if shortest is not None and all(name.startswith(shortest) for name in begun):
        return begun[shortest]
    if begun:
        raise Failure(f"{text!r} may be {', '.join(sorted(begun))}", remedy="write more of it", code=Exit.USAGE)
    raise Failure(
        f"there is no kind {text!r}",
        remedy=f"the kinds are {', '.join(sorted(kind.plural for kind in KINDS.values()))}",
        code=Exit.USAGE,
    )


def kind_spelt(text: str) -> Kind | None:
    """The kind that a word is the name of, in singular, plural or short; None for what only begins as one."""
    word = _plain(text)
    return KINDS[_SHORT[word]] if word in _SHORT else _spellings().get(word)


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]", "", text).lower()


def _spellings() -> dict[str, Kind]:
    return {name.lower(): kind for kind in KINDS.values() for name in (kind.name, kind.plural)}


def query_field(kind: Kind) -> str:
    """The root field that gives one entity of a kind."""
    return kind.name[0].lower() + kind.name[1:]


@dataclass(frozen=True, kw_only=True)
class ApiField:
    """A field of a type, as the server describes it."""

    name: str
    type_name: str
    """The named type inside lists and non-nulls."""
    type_kind: str
    """SCALAR, ENUM, OBJECT, INTERFACE or UNION."""
    is_list: bool
    arguments: tuple[str, ...] = ()
    required_arguments: bool = False


@dataclass(frozen=True, kw_only=True)
class ApiType:
    """An object type of the server's."""

    name: str
    interfaces: tuple[str, ...]
    fields: tuple[ApiField, ...] = field(default=())

    @property
    def is_entity(self) -> bool:
        """Whether it is a kind of the graph."""
        return "Entity" in self.interfaces


class Types:
    """The server's types, asked for when needed and kept for the command."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, ApiType] = {}

    def get(self, name: str) -> ApiType:
        """A type by its name. Raises Failure when the server has none such."""
        self._load([name])
        if name not in self._known:
            raise Failure(f"this server has no type {name}", remedy="it may be older than this client; see `doctor`")
        return self._known[name]

    def load_for(self, name: str) -> ApiType:
        """A type with all types that its selection needs, in few requests."""
        found = self.get(name)
        waiting, depth = [found], 0
        while waiting and depth < MAX_DEPTH + 1:
            names = {
                one.type_name
                for each in waiting
                for one in each.fields
                if one.type_kind == "OBJECT" and not one.type_name.endswith("Connection")
            }
            new = [one for one in sorted(names) if one not in self._known]
            self._load(new)
            waiting = [self._known[one] for one in new if one in self._known and not self._known[one].is_entity]
            depth += 1
        return found

    def _load(self, names: list[str]) -> None:
        missing = [one for one in dict.fromkeys(names) if one not in self._known]
        for start in range(0, len(missing), _BATCH):
            part = missing[start : start + _BATCH]
            aliases = " ".join(f't{at}: __type(name: "{one}") {{ ...T }}' for at, one in enumerate(part))
            for described in self._api.query(f"{{ {aliases} }} {_FRAGMENT}").values():
                if described is not None and described["fields"] is not None:
                    self._known[described["name"]] = _type(described)

    # Selections

    def selection(self, name: str) -> str:
        """What to select of an entity to show it whole: leaves, values, and related entities by id and name."""
        self.load_for(name)
        return " ".join(["__typename", *self._fields(self.get(name), depth=0)])

    def connections(self, name: str) -> list[str]:
        """The fields of an entity that are lists of others; pages of values, which have no id, are not among them."""
        return [
            one.name
            for one in self.get(name).fields
            if one.type_name.endswith("Connection")
            and "first" in one.arguments
            and self._is_entity(one.type_name.removesuffix("Connection"))
        ]

    def _fields(self, described: ApiType, *, depth: int) -> Iterator[str]:
        for one in described.fields:
            if one.arguments:
                continue
            if one.is_list and depth == 0 and one.type_kind == "OBJECT" and self._is_entity(one.type_name):
                continue
            if one.type_kind in ("SCALAR", "ENUM"):
                yield one.name
            elif one.type_kind == "INTERFACE":
                yield f"{one.name} {{ {ANY} }}"
            elif one.type_kind == "OBJECT" and self._is_entity(one.type_name):
                yield f"{one.name} {{ {self.reference(one.type_name)} }}"
            elif one.type_kind == "OBJECT" and depth < MAX_DEPTH and self._is_value(one.type_name):
                inner = " ".join(self._fields(self._known[one.type_name], depth=depth + 1))
                if inner:
                    yield f"{one.name} {{ {inner} }}"

    def reference(self, name: str) -> str:
        """What to select of a related entity to name it: with what scopes its name, but for its tenant."""
        kind = KINDS.get(name)
        if kind is None or not kind.named:
            return "id number" if name == "DeploymentRevision" else "id"
        outer = ""
        for scope in kind.scope[:1]:
            ref = kind.fields[scope].ref
            if ref is not None and ref.kinds[0] != "Tenant" and not kind.fields[scope].optional:
                outer = f" {_camel(scope.removesuffix('_id'))} {{ {self.reference(ref.kinds[0])} }}"
        return f"id name __typename{outer}"

    def _is_entity(self, name: str) -> bool:
        return name in KINDS or (name in self._known and self._known[name].is_entity)

    def _is_value(self, name: str) -> bool:
        """Whether an object is a plain value: no page of a list, and nothing in it that takes arguments."""
        if name.endswith(("Connection", "Edge")) or name not in self._known:
            return False
        return not any(one.arguments for one in self._known[name].fields)


def _type(described: Json) -> ApiType:
    return ApiType(
        name=described["name"],
        interfaces=tuple(one["name"] for one in described["interfaces"] or ()),
        fields=tuple(_field(one) for one in described["fields"]),
    )


def _field(described: Json) -> ApiField:
    inner, is_list = described["type"], False
    while inner.get("ofType"):
        is_list = is_list or inner["kind"] == "LIST"
        inner = inner["ofType"]
    return ApiField(
        name=described["name"],
        type_name=inner["name"],
        type_kind=inner["kind"],
        is_list=is_list,
        arguments=tuple(one["name"] for one in described["args"]),
        required_arguments=any(one["type"]["kind"] == "NON_NULL" for one in described["args"]),
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)

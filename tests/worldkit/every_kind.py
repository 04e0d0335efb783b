"""An application with two of each kind that users edit, made by inputs that derive from the schema itself.

`OWN` and `OTHER` have what a kind's own rules ask for; everything else holds for a kind that is added tomorrow.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
)

from graph.entity import KINDS, Kind
from graph.kinds import Component
from graph.spelling import camel
from resolvers.mutations.entities import EDITABLE
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.running import application_in, data

EDITED = [one.SPEC for one in EDITABLE]
FRAME = {"idempotencyKey", "expectedRevision", "id", "cascade"}
ARTIFACT = {"type": "CONTAINER_IMAGE", "reference": "example.org/x:1", "digest": "sha256:00"}
OBSERVED = {"health", "observerEpoch", "status", "statusReason", "foreignUse", "lostAt", "fence"}
"""What a cluster's observer writes while a test looks."""
WATCHED = {"Cluster", "Node", "Site"}
"""Kinds that it writes."""
RING = [[{"longitude": x, "latitude": y} for x, y in ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0))]]

OWN: dict[str, dict[str, Any]] = {
    "Region": {"boundary": RING},
    "Link": {"bandwidthMbps": 100.0, "reservedMbps": 7.0},
    "Cluster": {"driver": "simulated", "configuration": {"observeEveryMs": 500}},
    "Component": {
        "artifact": ARTIFACT,
        "resources": {
            "cpuMillicores": 250,
            "memoryBytes": 2**40,
            "storageBytes": 7,
            "accelerators": [{"model": "a100", "count": 2}],
        },
        "nodeSelector": "zone=west,!retired",
        "dependsOn": [],
        "configuration": {"a": [1, {"b": None}]},
    },
    "Profile": {"values": {}},
}
"""Values that a kind's own rules ask for."""
OTHER: dict[str, dict[str, Any]] = {
    "Link": {"reservedMbps": 8.0, "bandwidthMbps": 200.0},
    "Cluster": {"configuration": {"observeEveryMs": 900}},
    "Component": {
        "artifact": {"type": "HELM_CHART", "reference": "example.org/y", "digest": None},
        "nodeSelector": "zone=east",
        "resources": {"cpuMillicores": 1, "memoryBytes": 1, "storageBytes": 0, "accelerators": []},
        "dependsOn": ["another"],
        "configuration": {},
    },
    "Region": {"boundary": []},
}
"""The same for values to change to."""
PARTS = {"Service": ("siteId", "componentId")}
"""Fields of which only one makes sense."""


SECRET = """mutation($name: String!) { createSecret(input: {name: $name, values: [{key: "k", value: "v"}]}) {
  ... on CreateSecretPayload { secret { id } } } }"""


class World:
    """An application, and something of each kind to refer to."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.ids: dict[str, list[str]] = {}
        self.number = 0

    async def ask(self, text: str, **variables: Any) -> Any:
        return await data(self.application, text, variables)

    async def mutate(self, verb: str, kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
        """The result of a derived mutation: the payload or the error."""
        name = f"{verb}{kind.name}"
        payload = "deletedIds" if verb == "delete" else f"{one(kind)} {{ {selection(kind)} }}"
        text = f"""mutation($input: {name[0].upper()}{name[1:]}Input!) {{ done: {name}(input: $input) {{
            __typename
            ... on {name[0].upper()}{name[1:]}Payload {{ revision {payload} }}
            ... on Error {{ code message remedy path retryable }}
            ... on Conflict {{ currentRevision current {{ id revision }} }}
            ... on AlreadyExists {{ existing {{ id }} }}
            ... on InUse {{ dependentCount dependents {{ id __typename }} }}
        }} }}"""
        if verb != "delete":
            text = text.replace("            ... on InUse { dependentCount dependents { id __typename } }\n", "")
        else:
            text = text.replace("            ... on AlreadyExists { existing { id } }\n", "")
        answer: dict[str, Any] = (await self.ask(text, input=given))["done"]
        return answer

    async def made(self, kind: Kind, given: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = await self.mutate("create", kind, given if given is not None else self.whole(kind))
        assert answer["__typename"] == f"Create{kind.name}Payload", answer
        entity: dict[str, Any] = answer[one(kind)]
        self.ids.setdefault(kind.name, []).append(entity["id"])
        return entity

    async def settle(self) -> None:
        """Makes two of each kind, parents first."""
        for name in "ab":
            made = await self.ask(SECRET, name=name)
            self.ids.setdefault("Secret", []).append(made["createSecret"]["secret"]["id"])
        for kind in EDITED_IN_ORDER:
            for _ in range(2):
                await self.made(kind, self.required(kind))

    def required(self, kind: Kind) -> dict[str, Any]:
        """The least that makes one."""
        return self._input(f"Create{kind.name}Input", kind, only_required=True)

    def whole(self, kind: Kind) -> dict[str, Any]:
        """Every field of the create input with a value of its own."""
        return self._input(f"Create{kind.name}Input", kind, only_required=False)

    def _input(self, name: str, kind: Kind, *, only_required: bool) -> dict[str, Any]:
        self.number += 1
        found = graphql_schema().type_map[name]
        assert isinstance(found, GraphQLInputObjectType)
        given: dict[str, Any] = {}
        for key, field in found.fields.items():
            if key in FRAME or key in PARTS.get(kind.name, ())[1:]:
                continue
            if only_required and not isinstance(field.type, GraphQLNonNull):
                continue
            given[key] = self.value(kind, key, field.type)
        return given

    def value(self, kind: Kind, key: str, declared: GraphQLInputType, *, other: bool = False) -> Any:
        """A value for a field of an input; another one than before with `other`."""
        own = {**OWN.get(kind.name, {}), **(OTHER.get(kind.name, {}) if other else {})}
        if kind.name == "Profile" and key == "values" and other:
            component = self.application.ledger.view.get(self.ids["Component"][0])
            assert isinstance(component, Component)
            return {component.name: {"x": 1}}
        if key in own:
            return own[key]
        field = next(one for one in kind.fields.values() if camel(one.name) == key)
        if field.ref is not None:
            known = self.ids[field.ref.kinds[0]]
            second = other or key == "toSiteId"
            if isinstance(get_nullable_type(declared), GraphQLList):
                return known[:1] if other else known[:2]
            if key == "tenantId" and not isinstance(declared, GraphQLNonNull):
                return None  # what is private cannot be referred to by what is shared; tenants have tests of their own
            return known[1 if second else 0]
        return self._plain(key, declared, other=other)

    def _plain(self, key: str, declared: Any, *, other: bool) -> Any:
        declared = get_nullable_type(declared)
        if isinstance(declared, GraphQLList):
            return [self._plain(key, declared.of_type, other=other)]
        if isinstance(declared, GraphQLEnumType):
            return list(declared.values)[-2 if other else -1]
        if isinstance(declared, GraphQLInputObjectType):
            return {name: self._plain(name, field.type, other=other) for name, field in declared.fields.items()}
        if declared.name in ("String", "ID"):
            return f"{key}-{self.number}{'-other' if other else ''}"
        plain: dict[str, tuple[Any, Any]] = {
            "Int": (5, 6),
            "BigInt": (2**40, 2**41),
            "Float": (1.5, 2.5),
            "Boolean": (False, True),
            "JSON": ({"x": 1}, {"x": 2}),
        }
        return plain[declared.name][other]


def one(kind: Kind) -> str:
    return kind.name[0].lower() + kind.name[1:]


def in_order() -> list[Kind]:
    order = list(KINDS)
    return sorted(EDITED, key=lambda kind: order.index(kind.name))


EDITED_IN_ORDER = in_order()


def selection(kind: Kind) -> str:
    """Everything of a kind that is its own: plain fields, values to their depth, the ids of what it refers to."""
    found = graphql_schema().type_map[kind.name]
    assert isinstance(found, GraphQLObjectType)
    parts = []
    own = {camel(field.name) for field in kind.fields.values()}
    refs = {
        camel(field.name.removesuffix("_ids").removesuffix("_id")) + ("s" if field.name.endswith("_ids") else "")
        for field in kind.refs
    }
    for name, field in found.fields.items():
        named = get_named_type(field.type)
        if name in refs:
            parts.append(f"{name} {{ id }}")
        elif name in own and isinstance(named, GraphQLObjectType):
            parts.append(f"{name} {_deep(named)}")
        elif name in own:
            parts.append(name)
    return " ".join(parts)


def _deep(kind: GraphQLObjectType) -> str:
    inner = []
    for name, field in kind.fields.items():
        named = get_named_type(field.type)
        whole = _deep(named) if isinstance(named, GraphQLObjectType) else ""
        inner.append(f"{name} {'{ id }' if isinstance(named, GraphQLInterfaceType) else whole}")
    return f"{{ {' '.join(inner)} }}"


def read_back(kind: Kind, entity: dict[str, Any], key: str) -> Any:
    """What an input field has become in the entity, in the input's own form."""
    field = next(one for one in kind.fields.values() if camel(one.name) == key)
    if field.ref is None:
        return entity[key]
    if field.name.endswith("_ids"):
        return [one["id"] for one in entity[camel(field.name.removesuffix("_ids")) + "s"]]
    target = entity[camel(field.name.removesuffix("_id"))]
    return None if target is None else target["id"]


@contextlib.asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    async with application_in(folder) as application:
        world = World(application)
        await world.settle()
        yield world

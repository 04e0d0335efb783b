"""The schema as it is checked in: current, described throughout, declared for access, and broken only knowingly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
    find_breaking_changes,
    get_named_type,
)

from access.permissions import undeclared
from graph.entity import HIDDEN, KINDS, Kind
from graph.spelling import camel
from resolvers.schema import graphql_schema, schema_text
from schema.inputs import changeable

ROOT = Path(__file__).resolve().parents[2]
CURRENT = ROOT / "schema" / "schema.graphql"
RELEASED = ROOT / "schema" / "released.graphql"
DECLARED = ROOT / "docs" / "api-changes.md"


def test_the_checked_in_schema_is_what_the_server_serves() -> None:
    assert CURRENT.read_text() == schema_text(), "run `make schema` and commit schema/schema.graphql"


def test_the_checked_in_schema_is_valid_and_in_current_syntax() -> None:
    assert build_schema(CURRENT.read_text()).query_type is not None


def test_a_breaking_change_since_the_release_is_declared() -> None:
    released, current = build_schema(RELEASED.read_text()), build_schema(CURRENT.read_text())
    declared = DECLARED.read_text()
    missing = [
        change.description
        for change in find_breaking_changes(released, current)
        if f"- {change.description}" not in declared
    ]
    assert not missing, "declare these in docs/api-changes.md under Unreleased, or take them back"


def test_the_gate_sees_a_breaking_change() -> None:
    without_sites = CURRENT.read_text().replace("sitesNear(", "sitesClose(")
    changes = find_breaking_changes(build_schema(RELEASED.read_text()), build_schema(without_sites))
    assert [one.description for one in changes] == ["Field Query.sitesNear was removed."]


def test_every_type_field_argument_and_input_is_described() -> None:
    bare: list[str] = []
    for name, kind in graphql_schema().type_map.items():
        if name.startswith("__"):
            continue
        if not kind.description:
            bare.append(name)
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for field_name, field in kind.fields.items():
                if not field.description:
                    bare.append(f"{name}.{field_name}")
                bare.extend(f"{name}.{field_name}({one})" for one, arg in field.args.items() if not arg.description)
        if isinstance(kind, GraphQLInputObjectType):
            bare.extend(f"{name}.{one}" for one, field in kind.fields.items() if not field.description)
        if isinstance(kind, GraphQLEnumType):
            bare.extend(f"{name}.{one}" for one, value in kind.values.items() if not value.description)
    assert not bare


def test_every_root_field_and_type_says_who_may_ask_for_it() -> None:
    assert undeclared(graphql_schema()) == []


def test_every_kind_has_its_own_fields_and_none_that_are_hidden() -> None:
    schema = graphql_schema()
    for kind in KINDS.values():
        api_type = schema.type_map[kind.name]
        assert isinstance(api_type, GraphQLObjectType)
        for field in kind.fields.values():
            name = camel(field.name.removesuffix("_ids").removesuffix("_id"))
            shown = {name, f"{name}s", camel(field.name)} & set(api_type.fields)
            assert bool(shown) is not (HIDDEN in field.marks), f"{kind.name}.{field.name}"


@pytest.mark.parametrize(
    "kind", [one for one in KINDS.values() if f"Update{one.name}Input" in graphql_schema().type_map]
)
def test_an_update_takes_every_field_that_may_change(kind: Kind) -> None:
    update = graphql_schema().type_map[f"Update{kind.name}Input"]
    assert isinstance(update, GraphQLInputObjectType)
    if kind.name == "Deployment":
        pytest.skip("a deployment is changed by its own verbs")
    taken = {field.extensions["strawberry-definition"].python_name for field in update.fields.values()}
    assert {field.name for field in changeable(kind)} <= taken


def test_a_number_that_32_bits_hold_is_an_int_and_what_may_outgrow_them_is_none() -> None:
    schema = graphql_schema()
    counted = {
        "Deployment": ["revisionNumber"],
        "DeploymentRevision": ["number"],
        "GoodState": ["revisionNumber"],
        "PlacementPolicy": ["minSites", "maxSites"],
        "Progress": ["total", "done", "waiting", "failed"],
        "Release": ["attempts", "failures", "replicas"],
        "ReleaseObserved": ["replicas", "readyReplicas"],
        "Site": ["ordinal"],
        "Node": ["ordinal"],
    }
    grows = {
        "Release": ["generation", "epoch", "revision"],
        "Resources": ["cpuMillicores", "memoryBytes", "storageBytes"],
    }
    for scalar, fields in (("Int", counted), ("BigInt", grows)):
        for name, those in fields.items():
            kind = schema.type_map[name]
            assert isinstance(kind, GraphQLObjectType)
            assert {get_named_type(kind.fields[one].type).name for one in those} == {scalar}, name


def test_an_id_is_of_the_type_of_ids() -> None:
    for name, kind in graphql_schema().type_map.items():
        if isinstance(kind, (GraphQLObjectType, GraphQLInputObjectType)) and not name.endswith("Filter"):
            for field_name, field in kind.fields.items():
                if field_name.endswith(("Id", "Ids")) and field_name not in ("correlationId",):
                    assert get_named_type(field.type).name == "ID", f"{name}.{field_name}"


def test_descriptions_name_fields_as_the_api_spells_them() -> None:
    spelt = {name for kind in KINDS.values() for name in kind.fields if "_" in name} | {"max_sites", "min_sites"}
    rules = {"PlacementReason.rule"}
    for name, kind in graphql_schema().type_map.items():
        fields = kind.fields if isinstance(kind, (GraphQLObjectType, GraphQLInputObjectType)) else {}
        for field_name, field in fields.items():
            words = set(re.findall(r"`([a-z_]+)`", field.description or ""))
            assert not words & spelt or f"{name}.{field_name}" in rules, f"{name}.{field_name}"


def test_enums_are_spelled_as_the_standards_spell_them() -> None:
    for name, kind in graphql_schema().type_map.items():
        if isinstance(kind, GraphQLEnumType) and name not in ("EntityKind",) and not name.startswith("__"):
            assert all(value == value.upper() for value in kind.values), name

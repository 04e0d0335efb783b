"""Inputs become fields: what is absent, what is null, what is given twice, and where what is wrong was written."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLNonNull

from graph.entity import HIDDEN, IMMUTABLE, KINDS, MANAGED
from graph.kinds import Component, Region, Release, Site, Tier
from graph.refusal import InvalidInput
from graph.values import Accelerator, Position, Resources
from resolvers.mutations.entities import EDITABLE
from resolvers.schema import build_schema
from schema.inputs import changeable, fields_from, plain_input, settable, value_from
from schema.vocabulary import NAMES


@pytest.fixture(autouse=True)
def schema() -> Any:
    """The schema is built, so that its inputs are there by name."""
    return build_schema()._schema


def given(name: str, /, **fields: Any) -> Any:
    """An input object as the schema hands it to a resolver."""
    return NAMES[name](**fields)


def test_what_a_user_sets_is_neither_managed_nor_hidden_and_what_he_changes_not_immutable() -> None:
    for kind in KINDS.values():
        assert not any({MANAGED, HIDDEN} & one.marks for one in settable(kind))
        assert not any(IMMUTABLE in one.marks for one in changeable(kind))
        assert "id" not in {one.name for one in settable(kind)}
    assert settable(KINDS["Release"]) == [Release.SPEC.fields[one] for one in ("display_name", "labels", "external")]


def test_create_leaves_out_what_is_absent_and_what_is_null() -> None:
    made = given("CreateRegionInput", name="r", display_name=None, demand=2.0)
    fields = fields_from(Region.SPEC, made, names=settable(Region.SPEC), patch=False)
    assert fields == {"name": "r", "demand": 2.0}


def test_a_patch_clears_what_is_null_to_what_it_was_made_with() -> None:
    made = given("UpdateSiteInput", id="x", display_name=None, tier=None, capacity=None, labels=None, schedulable=None)
    fields = fields_from(Site.SPEC, made, names=changeable(Site.SPEC), patch=True)
    assert fields == {"display_name": None, "tier": Tier.DISTRICT, "capacity": None, "labels": {}, "schedulable": True}


def test_what_is_required_cannot_be_cleared() -> None:
    made = given("UpdateSiteInput", id="x", region_id=None)
    with pytest.raises(InvalidInput) as problem:
        fields_from(Site.SPEC, made, names=changeable(Site.SPEC), patch=True)
    assert problem.value.path == "input.regionId"


def test_values_are_made_of_their_types() -> None:
    position = given("PositionInput", longitude=1.0, latitude=2)
    assert value_from(Site.SPEC.fields["position"], position, path="p") == Position(1.0, 2.0)
    cards = [given("AcceleratorInput", model="a", count=1)]
    resources = given("ResourcesInput", cpu_millicores=5, accelerators=cards)
    assert value_from(Component.SPEC.fields["resources"], resources, path="p") == Resources(
        cpu_millicores=5, accelerators=[Accelerator("a", 1)]
    )
    assert value_from(Site.SPEC.fields["tier"], Tier.METRO, path="p") is Tier.METRO
    labels = [given("LabelInput", key="a", value="1"), given("LabelInput", key="b", value="")]
    assert value_from(Site.SPEC.fields["labels"], labels, path="p") == {"a": "1", "b": ""}
    assert value_from(Component.SPEC.fields["configuration"], {"snake_case": {"camelCase": None}}, path="p") == {
        "snake_case": {"camelCase": None}
    }


def test_a_key_that_is_given_twice_is_refused_where_it_comes_again() -> None:
    labels = [given("LabelInput", key=key, value="") for key in ("a", "b", "a")]
    with pytest.raises(InvalidInput) as problem:
        value_from(Site.SPEC.fields["labels"], labels, path="input.labels")
    assert problem.value.path == "input.labels[2].key"


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("capacity", {"cpu_millicores": -1}, "input.capacity.cpuMillicores"),
        ("capacity", {"accelerators": [{"model": "x" * 64, "count": 1}]}, "input.capacity.accelerators[0].model"),
        ("position", {"longitude": 0.0, "latitude": 100.0}, "input.position.latitude"),
        ("price_per_core_hour", -1.0, "input.pricePerCoreHour"),
    ],
)
def test_what_is_wrong_is_told_as_the_api_spells_it(field: str, value: Any, path: str) -> None:
    shape = {"capacity": "ResourcesInput", "position": "PositionInput"}.get(field)
    if shape is not None:
        if "accelerators" in value:
            value = {"accelerators": [given("AcceleratorInput", **one) for one in value["accelerators"]]}
        value = given(shape, **value)
    with pytest.raises(InvalidInput) as problem:
        value_from(
            Site.SPEC.fields[field],
            value,
            path="input." + {"price_per_core_hour": "pricePerCoreHour"}.get(field, field),
        )
    assert problem.value.path == path
    assert problem.value.remedy


def test_an_input_object_is_plain_without_what_was_not_given() -> None:
    made = given("CreateRegionInput", name="r", labels=[given("LabelInput", key="a", value="1")], display_name=None)
    assert plain_input(made) == {"name": "r", "labels": [{"key": "a", "value": "1"}]}


@pytest.mark.parametrize("cls", EDITABLE, ids=lambda one: one.__name__)
def test_an_update_requires_nothing_but_the_id_and_a_create_just_what_the_kind_requires(schema: Any, cls: type) -> None:
    kind = KINDS[cls.__name__]
    update, create = (schema.type_map[f"{word}{kind.name}Input"] for word in ("Update", "Create"))
    assert isinstance(update, GraphQLInputObjectType)
    assert [name for name, one in update.fields.items() if isinstance(one.type, GraphQLNonNull)] == ["id"]
    required = {
        one.extensions["strawberry-definition"].python_name
        for one in create.fields.values()
        if isinstance(one.type, GraphQLNonNull)
    }
    assert required == {one.name for one in settable(kind) if one.required} - (
        {"tenant_id"} if "tenantId" not in create.fields else set()
    )

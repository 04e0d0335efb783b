"""What a policy shows: every list in it has a size by which answers are counted, and what it names is beside its id."""

from __future__ import annotations

from graphql import GraphQLObjectType, get_named_type, is_list_type, is_non_null_type, is_object_type

from resolvers.schema import graphql_schema
from schema.types.policies import list_sizes

SCHEMA = graphql_schema()


def policy_types() -> dict[str, GraphQLObjectType]:
    """The types of a policy's words, without the entities that they name."""
    found: dict[str, GraphQLObjectType] = {}
    waiting = ["PlacementPolicy"]
    while waiting:
        name = waiting.pop()
        described = SCHEMA.type_map[name]
        if name in found or not isinstance(described, GraphQLObjectType) or described.interfaces:
            continue
        found[name] = described
        waiting += [get_named_type(one.type).name for one in described.fields.values()]
    return found


def test_every_list_of_objects_in_a_policy_has_a_size() -> None:
    sizes = list_sizes()
    for name, described in policy_types().items():
        for key, field in described.fields.items():
            inner = field.type.of_type if is_non_null_type(field.type) else field.type
            if is_list_type(inner) and is_object_type(get_named_type(inner)):
                assert sizes[f"{name}.{key}"] > 0


def test_every_id_in_a_policy_has_what_it_names_beside_it() -> None:
    for name, described in policy_types().items():
        for key in described.fields:
            if key.endswith("Ids"):
                assert key.removesuffix("Ids") + "s" in described.fields, f"{name}.{key}"
            elif key.endswith("Id"):
                assert key.removesuffix("Id") in described.fields, f"{name}.{key}"


def test_every_word_has_an_input_with_a_description() -> None:
    for name, described in policy_types().items():
        given = SCHEMA.type_map[f"{name}Input"]
        for key, field in given.fields.items():  # type: ignore[attr-defined]  # an input object
            assert field.description, f"{name}Input.{key}"
            assert key in described.fields

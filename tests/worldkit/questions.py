"""Questions made from the schema itself, so that a field that is added is asked too, and what an answer must not hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    NoUnusedFragmentsRule,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    execute,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_required_argument,
    parse,
    specified_rules,
    validate,
)

from access.viewer import Viewer
from graph.kinds import Role
from resolvers.context import Context
from resolvers.schema import graphql_schema
from server.app import Application
from worldkit.two_tenants import World

OTHER = {"a": "b", "b": "a"}
MEMBERS = [(tenant, role) for tenant in "ab" for role in Role]
DEPTH = 3


def selection(kind: Any, depth: int) -> str:
    """All fields of a type that need no argument, down to a depth; every concrete type of an abstract one."""
    if isinstance(kind, GraphQLUnionType):
        return " ".join(["__typename", *(f"... on {one.name} {{ {selection(one, depth)} }}" for one in kind.types)])
    if isinstance(kind, GraphQLInterfaceType):
        concrete = graphql_schema().get_possible_types(kind) if depth > 1 else ()
        own = fields_of(kind, depth)
        return " ".join(
            ["__typename", *own, *(f"... on {one.name} {{ {selection(one, depth - 1)} }}" for one in concrete)]
        )
    return " ".join(["__typename", *fields_of(kind, depth)])


def fields_of(kind: GraphQLObjectType | GraphQLInterfaceType, depth: int) -> Iterator[str]:
    for name, field in kind.fields.items():
        arguments = required_arguments(field)
        if arguments is None:
            continue
        alias = f"{kind.name}_{name}: {name}{arguments}"
        named = get_named_type(field.type)
        if is_leaf_type(named):
            yield alias
        elif depth > 0:
            # A page costs no depth: what is wanted is what is on it.
            wrapper = named.name.endswith(("Connection", "Edge", "PageInfo"))
            yield f"{alias} {{ {selection(named, depth if wrapper and depth > 0 else depth - 1)} }}"


SAMPLES = {"withinLatencyMs": "50", "first": "20", "input": None}


def required_arguments(field: GraphQLField) -> str | None:
    """Sample values for what a field must be given; None when there is no sample."""
    given = []
    for name, argument in field.args.items():
        if not is_required_argument(argument):
            continue
        if SAMPLES.get(name) is None:
            return None
        given.append(f"{name}: {SAMPLES[name]}")
    return f"({', '.join(given)})" if given else ""


@cache
def document(name: str, arguments: tuple[str, ...]) -> DocumentNode:
    """The question for a root field with these arguments as variables: parsed and validated once."""
    field = graphql_schema().query_type.fields[name]
    named = get_named_type(field.type)
    body = f"{{ {selection(named, DEPTH - 1)} }}" if not is_leaf_type(named) else ""
    return prepared("query", name, arguments, body)


@cache
def prepared(operation: str, name: str, arguments: tuple[str, ...], body: str) -> DocumentNode:
    """A root field with these arguments as variables and this selection: parsed and validated once."""
    root = {"query": graphql_schema().query_type, "mutation": graphql_schema().mutation_type}[operation]
    field = root.fields[name]
    declared = ", ".join(f"${one}: {field.args[one].type}" for one in arguments)
    passed = ", ".join(f"{one}: ${one}" for one in arguments)
    head = f"{operation}({declared}) {{ {name}({passed})" if arguments else f"{operation} {{ {name}"
    if not body:
        return _valid(f"{head} }}")
    return _with(_selected(get_named_type(field.type), body), _valid(f"{head} {{ __typename }} }}"))


@cache
def _selected(kind: Any, body: str) -> SelectionSetNode:
    """A selection of a type's fields: parsed and validated once, whichever fields give the type and with which arguments.

    It holds no variables and no named fragments, so whether it is valid follows from the type alone.
    """
    parsed = parse(f"fragment Whole on {kind.name} {body}", no_location=True)
    alone = [rule for rule in specified_rules if rule is not NoUnusedFragmentsRule]
    assert validate(graphql_schema(), parsed, alone) == [], kind.name
    whole = parsed.definitions[0]
    assert isinstance(whole, FragmentDefinitionNode)
    return whole.selection_set


def _valid(text: str) -> DocumentNode:
    parsed = parse(text, no_location=True)
    assert validate(graphql_schema(), parsed) == [], text
    return parsed


def _with(selected: SelectionSetNode, asked: DocumentNode) -> DocumentNode:
    """A question of one root field, with this selection of what it gives."""
    operation = asked.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    field = operation.selection_set.selections[0]
    assert isinstance(field, FieldNode)
    whole = replace(operation.selection_set, selections=(replace(field, selection_set=selected),))
    return replace(asked, definitions=(replace(operation, selection_set=whole),))


async def told(
    application: Application, viewer: Viewer, asked: DocumentNode, given: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """The data and the errors of a prepared question's answer."""
    context = Context(viewer=viewer, services=application.services, correlation_id="test")
    found = execute(graphql_schema(), asked, context_value=context, variable_values=given)
    answer = found if isinstance(found, ExecutionResult) else await found
    return answer.data, answer.errors or []


async def answer_to(
    application: Application, viewer: Viewer, name: str, given: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """What a root query answers with everything selected."""
    return await told(application, viewer, document(name, tuple(given)), given)


async def answer_of(
    application: Application, viewer: Viewer, name: str, given: dict[str, Any]
) -> tuple[Any, list[Any]]:
    """What a mutation answers to an input with everything selected."""
    named = get_named_type(graphql_schema().mutation_type.fields[name].type)
    return await told(application, viewer, mutation(name, named), {"input": given})


@cache
def mutation(name: str, named: Any) -> DocumentNode:
    """A mutation with everything selected, parsed and validated once."""
    return prepared("mutation", name, ("input",), f"{{ {selection(named, 2)} }}")


def changes_asked(ids: dict[str, list[str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mutation with its input, of each of the entities that it may be about; `ids` are those entities', by kind."""
    for name, field in graphql_schema().mutation_type.fields.items():
        kind = get_named_type(field.args["input"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        subject = next((one for one in ids if name.endswith(one)), None)
        for entity_id in (ids[subject] if subject else []) or [ids["Deployment"][0]]:
            given = sample_input(kind, ids)
            yield name, given | ({"id": entity_id} if "id" in kind.fields else {})


def sample_input(kind: GraphQLInputObjectType, ids: dict[str, list[str]]) -> dict[str, Any]:
    """An input that is filled in wherever it must be, with these ids, by kind, wherever an id goes."""
    return {
        name: sample(name, get_nullable_type(field.type), ids)
        for name, field in kind.fields.items()
        if (isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined) or name.endswith("Id")
    }


def sample(name: str, kind: Any, ids: dict[str, list[str]]) -> Any:
    if isinstance(kind, GraphQLList):
        return [sample(name, get_nullable_type(kind.of_type), ids)]
    if isinstance(kind, GraphQLInputObjectType):
        return sample_input(kind, ids)
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if kind.name == "ID":
        wanted = name.removesuffix("Id").removesuffix("Ids")
        known = {"fromSite": "Site", "toSite": "Site", "subject": "User", "owner": "ServiceAccount", "parent": "Region"}
        by_name = known.get(wanted, wanted[:1].upper() + wanted[1:])
        return (ids.get(by_name) or ids["Site"])[0]
    return {"String": "sample-name", "Int": 1, "Float": 1.0, "Boolean": False, "BigInt": 1, "JSON": {}}[kind.name]


def echoed_by(world: World, given: dict[str, Any]) -> set[bytes]:
    """The words that a question itself names: an answer may repeat them."""
    text = orjson.dumps(given)
    return {word for tenant in "ab" for word in world.words_of(tenant) if word in text}


def text_of(found: Any, errors: list[Any]) -> bytes:
    """All that an answer tells."""
    return orjson.dumps([found, [error.formatted for error in errors]], default=str)


def leaks(answer: bytes, world: World, tenant: str, echoed: set[bytes]) -> list[bytes]:
    """What of the other tenant an answer holds that the question did not."""
    return [word for word in world.words_of(OTHER[tenant]) - echoed if word in answer]

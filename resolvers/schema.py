"""The schema, put together: the kinds' types, the root fields, and what the executor is told about them."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

import schema.types  # noqa: F401 - declares what the kinds' types have beyond their own fields
from resolvers.mutations.deployment_batches import deployment_batch_mutations
from resolvers.mutations.deployment_verbs import deployment_verb_mutations
from resolvers.mutations.deployments import deployment_mutations
from resolvers.mutations.documents import document_mutations
from resolvers.mutations.entities import entity_mutations
from resolvers.mutations.failover import failover_mutations
from resolvers.mutations.infrastructure import infrastructure_mutations
from resolvers.mutations.operations import operation_mutations
from resolvers.mutations.packages import package_mutations
from resolvers.mutations.people import people_mutations
from resolvers.mutations.plans import plan_mutations
from resolvers.mutations.scaling import scaling_mutations
from resolvers.queries.audit import audit_queries
from resolvers.queries.entities import entity_queries
from resolvers.queries.network import network_queries
from resolvers.queries.plans import plan_queries
from resolvers.queries.records import record_queries
from resolvers.queries.server import server_queries
from resolvers.queries.waiting import wait_queries
from resolvers.subscriptions.changes import changes_field
from resolvers.subscriptions.operation import operation_field
from resolvers.subscriptions.topology import topology_fields
from schema.entities import define_entities
from schema.errors import define_errors
from schema.finish import finish
from schema.inputs import define_common_inputs
from schema.scalars import SCALARS
from schema.types.placement import define_plans
from schema.types.plans import define_kept_plans
from schema.vocabulary import NAMES, Member, object_type


@lru_cache(maxsize=1)
def build_schema() -> strawberry.Schema:
    """The strawberry schema, built once a process."""
    define_common_inputs()
    define_errors()
    define_plans()
    define_kept_plans()
    topology_query, topology_subscription = topology_fields()
    mutations = {
        **entity_mutations(),
        **people_mutations(),
        **infrastructure_mutations(),
        **failover_mutations(),
        **deployment_mutations(),
        **operation_mutations(),
        **deployment_verb_mutations(),
        **deployment_batch_mutations(),
        **document_mutations(),
        **plan_mutations(),
        **package_mutations(),
        **scaling_mutations(),
    }
    # What adds fields to kinds comes before the kinds' types are made.
    queries: dict[str, Member] = {
        **entity_queries(),
        **network_queries(),
        **record_queries(),
        **audit_queries(),
        **server_queries(),
        **wait_queries(),
        "topology": topology_query,
        **plan_queries(),
    }
    subscriptions: dict[str, Member] = {
        "topology": topology_subscription,
        "changes": changes_field(),
        "operation": operation_field(),
    }
    define_entities()
    query = object_type("Query", queries, description="Reads of the graph, as far as you may see it.")
    mutation = object_type("Mutation", mutations, description="Changes; each answers with a payload or a typed error.")
    subscription = object_type("Subscription", subscriptions, description="What happens, as it happens.")
    kinds = [
        value
        for value in NAMES.values()
        if getattr(getattr(value, "__strawberry_definition__", None), "interfaces", None)
    ]
    built = strawberry.Schema(
        query,
        mutation,
        subscription,
        types=kinds,
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=True),
    )
    finish(built._schema)
    return built


def graphql_schema() -> GraphQLSchema:
    """The executable schema."""
    return build_schema()._schema


def schema_text() -> str:
    """The schema in its definition language, as it is checked in."""
    return build_schema().as_str() + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text())

import itertools

import pytest
import strawberry
from graphql import build_schema

from access.permissions import (
    KIND_ACCESS,
    ROLE_PERMISSIONS,
    Permission,
    declare_root,
    meet,
    permission_of,
    requires,
    undeclared,
    undeclared_kinds,
    value_type,
)
from graph.entity import KINDS
from graph.kinds import Role

P = Permission

TABLE = {
    #                        admin oper  t-adm devel viewr guest
    P.SIGNED_IN:            (True, True, True, True, True, True),
    P.READ_INFRASTRUCTURE:  (True, True, True, True, True, True),
    P.WRITE_INFRASTRUCTURE: (True, True, False, False, False, False),
    P.READ_WORKLOADS:       (True, True, True, True, True, False),
    P.WRITE_WORKLOADS:      (True, True, True, True, False, False),
    P.APPROVE_WORKLOADS:    (True, True, True, False, False, False),
    P.READ_SECRETS:         (True, True, True, True, False, False),
    P.WRITE_SECRETS:        (True, False, True, False, False, False),
    P.READ_PEOPLE:          (True, False, True, False, False, False),
    P.MANAGE_TENANT:        (True, False, True, False, False, False),
    P.READ_AUDIT:           (True, True, True, False, False, False),
    P.MANAGE_INSTALLATION:  (True, False, False, False, False, False),
}  # fmt: skip


@pytest.mark.parametrize(("permission", "role"), list(itertools.product(Permission, Role)))
def test_a_role_has_the_permissions_that_the_table_says(permission, role):
    assert (permission in ROLE_PERMISSIONS[role]) == TABLE[permission][list(Role).index(role)]


def test_every_kind_says_what_reading_and_writing_it_takes():
    assert undeclared_kinds() == []


def test_a_new_kind_without_access_is_found(monkeypatch):
    monkeypatch.delitem(KIND_ACCESS, "Site")
    assert undeclared_kinds() == ["Site"]


def test_no_kind_is_written_with_a_permission_that_only_reads():
    reading = {P.SIGNED_IN, P.READ_INFRASTRUCTURE, P.READ_WORKLOADS, P.READ_SECRETS, P.READ_PEOPLE, P.READ_AUDIT}
    for name in KINDS:
        access = KIND_ACCESS[name]
        assert not reading & {access.write, access.make, access.unowned_write}, name


@pytest.mark.parametrize(("one", "other"), list(itertools.product(Role, Role)))
def test_two_roles_meet_in_one_that_may_nothing_but_what_both_may(one, other):
    assert ROLE_PERMISSIONS[meet(one, other)] <= ROLE_PERMISSIONS[one] & ROLE_PERMISSIONS[other]
    assert meet(one, other) is meet(other, one)
    assert meet(one, Role.ADMIN) is one
    assert meet(one, one) is one


SCHEMA = """
interface Error { code: String! }
type Query { sites: SiteConnection newThing: Thing }
type Mutation { createSite(name: String!): CreateSiteResult }
type Subscription { changes: String }
type SiteConnection { edges: [SiteEdge!]! pageInfo: Page }
type SiteEdge { node: Site }
type Site { id: ID! position: Position }
type Position { longitude: Float }
type Page { hasNextPage: Boolean }
type Thing { secret: String }
type Taken implements Error { code: String! }
type CreateSitePayload { site: Site }
union CreateSiteResult = CreateSitePayload | Taken
"""


def test_what_was_not_declared_in_a_schema_is_found_and_nothing_else(monkeypatch):
    # The product's own declarations are there as well once its schema was built, in whatever order tests are collected.
    monkeypatch.setattr("access.permissions._roots", {})
    monkeypatch.setattr("access.permissions._value_types", set())
    schema = build_schema(SCHEMA)
    assert undeclared(schema) == [
        "Query.sites",
        "Query.newThing",
        "Mutation.createSite",
        "Subscription.changes",
        "Page",
        "Thing",
    ]


def test_a_declared_field_is_found_by_its_name_or_by_its_resolver(monkeypatch):
    monkeypatch.setattr("access.permissions._roots", {})
    schema = build_schema(SCHEMA)
    declare_root("Query", "newThing", P.READ_AUDIT)
    schema.query_type.fields["sites"].resolve = requires(P.READ_INFRASTRUCTURE)(lambda source, info: None)
    assert permission_of("Query", "newThing", schema.query_type.fields["newThing"]) is P.READ_AUDIT
    assert permission_of("Query", "sites", schema.query_type.fields["sites"]) is P.READ_INFRASTRUCTURE
    assert not {"Query.newThing", "Query.sites"} & set(undeclared(schema))
    with pytest.raises(ValueError, match="declared twice"):
        declare_root("Query", "newThing", P.SIGNED_IN)


def test_a_strawberry_field_carries_the_declaration_of_its_resolver(monkeypatch):
    monkeypatch.setattr("access.permissions._value_types", set())

    @value_type
    @strawberry.type
    class Facts:
        version: str

    @strawberry.type
    class Query:
        @strawberry.field
        @requires(P.SIGNED_IN)
        def facts(self) -> Facts:
            return Facts(version="1")

        @strawberry.field
        def forgotten(self) -> int:
            return 1

    schema = strawberry.Schema(Query)
    assert undeclared(schema._schema) == ["Query.forgotten"]

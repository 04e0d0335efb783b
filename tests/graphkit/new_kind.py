"""A kind that the product does not have, added in a process of its own by the steps of CONTRIBUTING.

What follows the marks STEP is all that a new kind needs; everything else here looks at what came of it. Run by
`tests/graph/test_new_kind.py` with a folder as its argument; what is found is printed as one line of JSON.
"""

from __future__ import annotations

import asyncio
import enum
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec

import graph.kinds  # noqa: F401 - the kinds that it refers to
from graph.entity import HIDDEN, IMMUTABLE, INDEXED, KINDS, Area, Named, Ref, doc, kind
from graph.refusal import InvalidInput
from graph.values import Resources
from graph.view import Reader


class Grade(enum.Enum):
    """How much of a flavour there is."""

    BASIC = "BASIC"
    GOLD = "GOLD"


# STEP 1: the class.
@kind(prefix="flavor", area=Area.WORKLOAD, scope=("tenant_id",))
class Flavor(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A shape that replicas can have."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    app_id: Annotated[str | None, doc("The app that it is for."), Ref("App", relation="FOR_APP", owner=True)] = None
    resources: Annotated[Resources, doc("What one replica gets.")]
    grade: Annotated[Grade, doc("Its grade."), INDEXED] = Grade.BASIC
    price_per_hour: Annotated[float, msgspec.Meta(ge=0, description="Price units an hour.")] = 0.0
    notes: Annotated[dict[str, Any], doc("Anything else.")] = {}
    key_hash: Annotated[str, doc("Known to the server alone."), HIDDEN] = ""

    def check(self, reader: Reader, *, path: str) -> None:
        """It gives something."""
        if not self.resources.cpu_millicores:
            raise InvalidInput("a flavour has some CPU", remedy="give it some", path=f"{path}.resources.cpuMillicores")


# STEP 2: who may read and write it.
from access import permissions  # noqa: E402 - after the kind, as in the product

permissions.KIND_ACCESS["Flavor"] = permissions.KIND_ACCESS["App"]

# STEP 3: what it may be: applied by documents, edited by users.
from graph import documents  # noqa: E402 - before who reads the tuple

documents.APPLICABLE = (*documents.APPLICABLE, "Flavor")
from resolvers.mutations import entities  # noqa: E402 - once the kind is there

entities.EDITABLE[Flavor] = entities.Editing()

# That is all.
from access.viewer import SYSTEM, Grant, Viewer  # noqa: E402 - from here on it is used
from graph.kinds import Role  # noqa: E402
from graph.stores.neo4j_mapping import CODECS  # noqa: E402
from resolvers.schema import graphql_schema, schema_text  # noqa: E402
from worldkit.running import application_in, data  # noqa: E402

FIELDS = "id name grade pricePerHour notes resources { cpuMillicores } app { name } tenant { name } source { kind }"
CREATE = f"""mutation($input: CreateFlavorInput!) {{ createFlavor(input: $input) {{ __typename
  ... on CreateFlavorPayload {{ revision flavor {{ {FIELDS} }} }} ... on Error {{ code path }} }} }}"""
UPDATE = f"""mutation($input: UpdateFlavorInput!) {{ updateFlavor(input: $input) {{ __typename
  ... on UpdateFlavorPayload {{ flavor {{ {FIELDS} }} }} ... on Error {{ code path }} }} }}"""
DELETE = """mutation($input: DeleteFlavorInput!) { deleteFlavor(input: $input) { __typename
  ... on DeleteFlavorPayload { deletedIds } ... on Error { code path } } }"""
LIST = """query($f: FlavorFilter, $o: [FlavorOrder!]) {
  flavors(filter: $f, orderBy: $o) { totalCount nodes { name } } }"""
APPLY = """mutation { applyDocuments(input: {name: "set", content: "kind: Flavor\\nmetadata: {name: applied, tenant: t}\\nspec: {app: shop, resources: {cpuMillicores: 5}}"}) {
  ... on ApplyDocumentsPayload { applied created results { error { message } } } } }"""  # noqa: E501 - one text


async def made(folder: Path) -> dict[str, Any]:
    """What the API makes of it."""
    found: dict[str, Any] = {}
    async with application_in(folder) as application:

        async def ask(text: str, **variables: Any) -> Any:
            return await data(application, text, variables)

        tenant = (
            await ask('mutation { createTenant(input: {name: "t"}) { ... on CreateTenantPayload { tenant { id } } } }')
        )["createTenant"]["tenant"]["id"]
        app = (
            await ask(
                'mutation($t: ID!) { createApp(input: {name: "shop", tenantId: $t}) '
                "{ ... on CreateAppPayload { app { id } } } }",
                t=tenant,
            )
        )["createApp"]["app"]["id"]
        given = {
            "name": "small",
            "tenantId": tenant,
            "appId": app,
            "resources": {"cpuMillicores": 100},
            "notes": {"a": [1]},
        }
        first = (await ask(CREATE, input=given))["createFlavor"]
        flavor_id = first["flavor"]["id"]
        found["created"] = first["flavor"]
        found["taken"] = (await ask(CREATE, input=given))["createFlavor"]
        found["empty"] = (await ask(CREATE, input={**given, "name": "e", "resources": {}}))["createFlavor"]
        found["negative"] = (await ask(CREATE, input={**given, "name": "n", "pricePerHour": -1.0}))["createFlavor"]
        found["dangling"] = (await ask(CREATE, input={**given, "name": "d", "appId": "app_gone"}))["createFlavor"]
        await ask(CREATE, input={**given, "name": "large", "grade": "GOLD", "appId": None, "pricePerHour": 3.5})
        found["updated"] = (await ask(UPDATE, input={"id": flavor_id, "grade": "GOLD", "notes": None}))["updateFlavor"]
        found["gold"] = (
            await ask(LIST, f={"grade": {"eq": "GOLD"}}, o=[{"field": "PRICE_PER_HOUR", "direction": "DESC"}])
        )["flavors"]
        found["of app"] = (await ask(LIST, f={"app": app}))["flavors"]
        found["by name"] = (await ask('query($t: ID!) { flavor(name: "small", within: $t) { name } }', t=tenant))[
            "flavor"
        ]
        found["entity"] = (await ask("query($id: ID!) { entity(id: $id) { __typename } }", id=flavor_id))["entity"]
        found["of tenant"] = (
            await ask(
                "query($t: ID!) { tenant(id: $t) { flavors { nodes { name } } apps { nodes { flavors { totalCount } } } } }",
                t=tenant,
            )
        )["tenant"]
        found["applied"] = (await ask(APPLY))["applyDocuments"]
        other = Viewer(id="user_1", name="ann", grants=frozenset({Grant(Role.VIEWER, "tenant_other")}))
        found["unseen"] = await data(application, "{ flavors { totalCount } }", viewer=other)
        found["seen"] = await data(application, "{ flavors { totalCount } }", viewer=SYSTEM)
        view = application.ledger.view
        found["indexed"] = list(view.ids("Flavor", "grade", "GOLD"))
        kept = {key: view.get(key) for key in view.ids("Flavor")}
    async with application_in(folder) as application:
        view = application.ledger.view
        found["same after a restart"] = {key: view.get(key) for key in view.ids("Flavor")} == kept
        deleted = await data(application, DELETE, {"input": {"id": flavor_id}})
        found["deleted"] = deleted["deleteFlavor"]["deletedIds"] == [flavor_id]
        whole = await data(
            application,
            "mutation($id: ID!) { deleteTenant(input: {id: $id, cascade: true}) "
            "{ ... on DeleteTenantPayload { deletedIds } } }",
            {"id": tenant},
        )
        found["gone with its tenant"] = len(whole["deleteTenant"]["deletedIds"]), view.count("Flavor")
    codec = CODECS["Flavor"]
    one = next(iter(kept.values()))
    assert one is not None
    found["properties"] = codec.properties(one)
    found["same as a vertex"] = codec.entity(codec.row(codec.properties(one))) == one
    return found


def main(folder: Path) -> None:
    """Prints what was found."""
    schema = graphql_schema()
    found = asyncio.run(made(folder))
    found["undeclared"] = permissions.undeclared(schema)
    found["kind without access"] = permissions.undeclared_kinds()
    found["hidden"] = "keyHash" in schema_text()
    found["schema"] = sorted(
        name for name in schema.type_map if "Flavor" in name or name == "Grade" or name == "GradeFilter"
    )
    found["kinds"] = "Flavor" in KINDS
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

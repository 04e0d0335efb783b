"""Create, update and delete of every kind that a user edits, with inputs made from the schema itself.

What is tested here holds for a kind that is added tomorrow: the inputs, the patches and what is read back derive from the
schema.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
)

from graph.entity import HIDDEN, KINDS, MANAGED, Kind
from graph.spelling import camel
from resolvers.schema import graphql_schema
from worldkit.every_kind import (
    EDITED,
    EDITED_IN_ORDER,
    FRAME,
    OBSERVED,
    PARTS,
    RING,
    WATCHED,
    World,
    one,
    read_back,
    selection,
    world_in,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


def test_every_kind_that_a_user_owns_has_its_three_mutations() -> None:
    mutations = graphql_schema().mutation_type
    assert mutations is not None
    owned = {one.name for one in KINDS.values() if not one.filed} - {
        "Operation",
        "Release",
        "Instance",
        "FailoverHold",
        "SiteScaling",  # the loop's
    }
    for name in owned:
        verbs = {"create", "update", "delete"}
        if name == "Deployment":
            verbs = {"update"}  # deployed and terminated by verbs of its own
        elif name == "Package":
            verbs = {"delete"}  # made by an upload
            assert "requestUpload" in mutations.fields
        elif name in ("RoleBinding", "ApiToken", "Plan"):
            verbs -= {"update"}  # what they grant, or say, never changes
        for verb in verbs:
            assert f"{verb}{name}" in mutations.fields, f"{verb}{name}"


async def test_what_is_created_is_what_was_given(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        given = world.whole(kind)
        entity = await world.made(kind, given)
        for key, value in given.items():
            assert read_back(kind, entity, key) == value, f"{kind.name}.{key}"
        assert entity["source"] == {"kind": "SYSTEM", "name": "edgeatlas"}
        assert entity["createdAt"] == entity["updatedAt"]
        again = await world.ask(
            f"query($id: ID!) {{ found: {one(kind)}(id: $id) {{ {selection(kind)} }} }}", id=entity["id"]
        )
        if kind.name not in WATCHED:  # its observer writes it too
            assert again["found"] == entity


async def test_what_is_left_out_has_its_default(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        entity = await world.made(kind, world.required(kind))
        stored = world.application.ledger.view.get(entity["id"])
        assert stored is not None
        for field in kind.fields.values():
            if field.required or MANAGED in field.marks or field.name == "tenant_id":
                continue
            assert getattr(stored, field.name) == kind.default_of(field.name), f"{kind.name}.{field.name}"


async def test_a_patch_changes_what_it_names_and_nothing_else(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        entity = await world.made(kind)
        update = graphql_schema().type_map[f"Update{kind.name}Input"]
        assert isinstance(update, GraphQLInputObjectType)
        for key, field in update.fields.items():
            if key in FRAME or key in PARTS.get(kind.name, ())[1:]:
                continue
            value = world.value(kind, key, field.type, other=True)
            answer = await world.mutate("update", kind, {"id": entity["id"], key: value})
            assert answer["__typename"] == f"Update{kind.name}Payload", (kind.name, key, answer)
            after = answer[one(kind)]
            assert read_back(kind, after, key) == value, f"{kind.name}.{key}"
            moving = {"revision", "updatedAt", "ordinal", *OBSERVED}
            differing = {name for name in after if after[name] != entity[name]} - moving
            assert differing == {_shown_as(kind, key)}, f"{kind.name}.{key}"
            assert after["revision"] == answer["revision"] > entity["revision"]
            entity = after


def _shown_as(kind: Kind, key: str) -> str:
    field = next(one for one in kind.fields.values() if camel(one.name) == key)
    if field.ref is None:
        return key
    if field.name.endswith("_ids"):
        return camel(field.name.removesuffix("_ids")) + "s"
    return camel(field.name.removesuffix("_id"))


async def test_null_clears_and_what_is_absent_stays(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        entity = await world.made(kind)
        before = world.application.ledger.view.get(entity["id"])
        update = graphql_schema().type_map[f"Update{kind.name}Input"]
        assert isinstance(update, GraphQLInputObjectType)
        nothing = await world.mutate("update", kind, {"id": entity["id"]})
        if kind.name not in WATCHED:
            assert nothing[one(kind)] == entity, "a patch of nothing is no change"
            assert world.application.ledger.view.get(entity["id"]) == before
        for key in update.fields:
            if key in FRAME:
                continue
            field = next(one for one in kind.fields.values() if camel(one.name) == key)
            answer = await world.mutate("update", kind, {"id": entity["id"], key: None})
            if field.required:
                assert (answer["__typename"], answer["path"]) == ("InvalidInput", f"input.{key}"), answer
                continue
            assert answer["__typename"] == f"Update{kind.name}Payload", (key, answer)
            stored = world.application.ledger.view.get(entity["id"])
            assert getattr(stored, field.name) == kind.default_of(field.name), f"{kind.name}.{key}"


async def test_a_change_of_what_has_moved_on_is_a_conflict_with_what_it_is_now(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        entity = await world.made(kind)
        change = {"id": entity["id"], "displayName": "changed", "expectedRevision": entity["revision"]}
        done = await world.mutate("update", kind, change)
        assert done["__typename"] == f"Update{kind.name}Payload"
        for verb, given in (("update", change | {"displayName": "again"}), ("delete", {"id": entity["id"]})):
            stale = {**given, "expectedRevision": entity["revision"]}
            answer = await world.mutate(verb, kind, stale)
            assert answer["__typename"] == "Conflict"
            assert answer["code"] == "CONFLICT"
            assert answer["path"] == "input.expectedRevision"
            assert answer["current"]["id"] == entity["id"]
            assert answer["remedy"]
            if kind.name in WATCHED:
                continue  # its observer writes it too
            assert answer["current"]["revision"] == answer["currentRevision"]
            assert answer["currentRevision"] == done["revision"]
        if kind.name not in WATCHED:
            gone = await world.mutate("delete", kind, {"id": entity["id"], "expectedRevision": done["revision"]})
            assert gone["deletedIds"] == [entity["id"]]


async def test_the_same_key_gives_the_first_answer_and_another_body_is_refused(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        key = f"key-{kind.name}"
        given = world.whole(kind) | {"idempotencyKey": f"{key}-create"}
        first = await world.mutate("create", kind, given)
        entity_id = first[one(kind)]["id"]
        changed = await world.mutate(
            "update", kind, {"id": entity_id, "displayName": "later", "idempotencyKey": f"{key}-update"}
        )
        assert await world.mutate("create", kind, given) == first
        other = await world.mutate("create", kind, given | {"displayName": "another"})
        assert (other["__typename"], other["path"]) == ("IdempotencyMismatch", "input.idempotencyKey")
        # A patch without a field, one with null and one with a value are three requests.
        for body in ({}, {"displayName": None}):
            answer = await world.mutate("update", kind, {"id": entity_id, "idempotencyKey": f"{key}-update", **body})
            assert answer["__typename"] == "IdempotencyMismatch", body
        wanted = {"id": entity_id, "displayName": "later", "idempotencyKey": f"{key}-update"}
        assert await world.mutate("update", kind, wanted) == changed
        gone = await world.mutate("delete", kind, {"id": entity_id, "idempotencyKey": f"{key}-delete"})
        assert gone["deletedIds"] == [entity_id]
        assert await world.mutate("delete", kind, {"id": entity_id, "idempotencyKey": f"{key}-delete"}) == gone
        assert (await world.mutate("create", kind, given)) == first, "also when it has been deleted since"


async def test_what_is_not_there_is_not_found_whatever_is_asked_of_it(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        other = next(name for name in world.ids if name != kind.name)
        for entity_id in (f"{kind.prefix}_01ARZ3NDEKTSV4RRFFQ69G5FAV", world.ids[other][0], "", "nonsense"):
            for verb in ("update", "delete"):
                answer = await world.mutate(verb, kind, {"id": entity_id})
                assert (answer["__typename"], answer["code"], answer["path"]) == ("NotFound", "NOT_FOUND", "input.id")


async def test_a_name_that_is_taken_is_refused_with_its_holder(world: World) -> None:
    for kind in EDITED_IN_ORDER:
        if not kind.named:
            continue
        given = world.whole(kind)
        entity = await world.made(kind, given)
        answer = await world.mutate("create", kind, given | {"external": None})
        assert (answer["__typename"], answer["path"]) == ("AlreadyExists", "input.name"), kind.name
        assert answer["existing"] == {"id": entity["id"]}
        assert answer["retryable"] is False


async def test_what_is_depended_on_is_in_use_and_a_cascade_takes_what_cannot_be_without_it(world: World) -> None:
    create = KINDS["Site"], KINDS["Node"], KINDS["Link"], KINDS["Region"]
    site, node, link, region = create
    made = [await world.made(site) for _ in range(2)]
    for _ in range(23):
        await world.made(node, {"name": f"n{world.number}-{_}", "siteId": made[0]["id"]})
    await world.made(link, {"fromSiteId": made[0]["id"], "toSiteId": made[1]["id"], "latencyMs": 1.0})
    answer = await world.mutate("delete", site, {"id": made[0]["id"]})
    assert (answer["__typename"], answer["code"], answer["path"]) == ("InUse", "IN_USE", "input.id")
    assert answer["dependentCount"] == 24
    assert len(answer["dependents"]) == 20
    assert "24" in answer["message"]
    gone = await world.mutate("delete", site, {"id": made[0]["id"], "cascade": True})
    assert len(gone["deletedIds"]) == 25
    assert gone["deletedIds"][0] == made[0]["id"]
    # What only refers, and could be without it, is never taken.
    kept = await world.mutate("delete", region, {"id": made[1]["region"]["id"], "cascade": True})
    assert kept["__typename"] == "InUse"


async def test_everything_that_was_made_can_be_deleted_again(world: World) -> None:
    for kind in reversed(EDITED_IN_ORDER):
        for entity_id in world.ids[kind.name]:
            answer = await world.mutate("delete", kind, {"id": entity_id, "cascade": True})
            assert answer["__typename"] in (f"Delete{kind.name}Payload", "NotFound"), answer
    view = world.application.ledger.view
    assert {kind.name: view.count(kind.name) for kind in EDITED} == {kind.name: 0 for kind in EDITED}


def pair(key: str) -> dict[str, str]:
    return {"key": key, "value": ""}


def cards(model: str, count: int) -> dict[str, Any]:
    return {"model": model, "count": count}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("Region", {"labels": [pair("a"), pair("b"), pair("no way")]}, "labels[2].key"),
    ("Region", {"labels": [{"key": "a", "value": "no way"}]}, "labels[0].value"),
    ("Region", {"labels": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "labels[1].key"),
    ("Region", {"labels": [{"key": f"k{n}", "value": ""} for n in range(65)]}, "labels"),
    ("Region", {"name": "a/b"}, "name"),
    ("Region", {"name": ""}, "name"),
    ("Region", {"parentId": "region_gone"}, "parentId"),
    ("Region", {"parentId": ""}, "parentId"),
    ("Region", {"demand": -1.0}, "demand"),
    ("Region", {"centre": {"longitude": 0, "latitude": 91}}, "centre.latitude"),
    ("Region", {"boundary": [*RING, RING[0][:3]]}, "boundary[1]"),
    ("Region", {"boundary": [[*RING[0][:2], {"longitude": -181, "latitude": 0}]]}, "boundary[0][2].longitude"),
    ("Region", {"tenantId": "tenant_gone"}, "tenantId"),
    ("Site", {"regionId": "site_gone"}, "regionId"),
    ("Site", {"capacity": {"cpuMillicores": -1}}, "capacity.cpuMillicores"),
    ("Site", {"capacity": {"accelerators": [{"model": "", "count": 1}]}}, "capacity.accelerators[0].model"),
    ("Node", {"capacity": {"accelerators": [cards("a", 1), cards("b", 2000)]}}, "capacity.accelerators[1].count"),
    ("Node", {"arch": ""}, "arch"),
    ("Cluster", {"driver": "nobody"}, "driver"),
    ("Cluster", {"siteIds": ["site_gone"]}, "siteIds"),
    ("Component", {"resources": {"cpuMillicores": 0, "memoryBytes": 1}}, "resources"),
    ("Component", {"nodeSelector": "a in ("}, "nodeSelector"),
    ("Component", {"replicas": 0}, "replicas"),
    ("Component", {"artifact": {"type": "CONTAINER_IMAGE", "reference": ""}}, "artifact.reference"),
    ("Component", {"configuration": {"a": 2**70}}, "configuration.a"),
    ("Component", {"dependsOn": ["itself"], "name": "itself"}, "dependsOn[0]"),
    ("Component", {"dependencies": [{"component": "itself"}], "name": "itself"}, "dependencies[0].component"),
    ("Component", {"dependsOn": ["b"], "dependencies": [{"component": "b"}]}, "dependencies[0].component"),
    ("Component", {"dependencies": [{"component": "b", "waitSeconds": 4097}]}, "dependencies[0].waitSeconds"),
    ("Service", {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 65536}]}, "ports[1].port"),
    ("Region", {"idempotencyKey": ""}, "idempotencyKey"),
    ("Region", {"idempotencyKey": "x" * 256}, "idempotencyKey"),
]


async def test_an_error_names_the_input_field(world: World) -> None:
    view = world.application.ledger.view
    for kind, given, path in WRONG:
        spec = KINDS[kind]
        answer = await world.mutate("create", spec, world.required(spec) | given)
        assert answer["__typename"] in ("InvalidInput", "NotFound", "LimitExceeded", "UnknownDriver"), (path, answer)
        assert answer["path"] == f"input.{path}"
        assert answer["message"]
        assert view.count(kind) == len(world.ids[kind]), path
        if path in ("idempotencyKey", "tenantId", "driver"):
            continue
        entity = await world.made(spec, world.required(spec))
        answer = await world.mutate("update", spec, {"id": entity["id"], **given})
        assert answer["path"] == f"input.{path}", answer


def test_no_input_takes_what_is_managed_or_hidden() -> None:
    for kind in EDITED:
        for word in ("Create", "Update"):
            found = graphql_schema().type_map[f"{word}{kind.name}Input"]
            assert isinstance(found, GraphQLInputObjectType)
            for field in kind.fields.values():
                if {MANAGED, HIDDEN} & field.marks:
                    assert camel(field.name) not in found.fields

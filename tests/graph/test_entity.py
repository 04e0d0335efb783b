"""A kind is declared once: what is read from its class, and what a wrong declaration ends in."""

from __future__ import annotations

import typing
from typing import Annotated, Any

import msgspec
import pytest

import graph.kinds  # noqa: F401 - declares the kinds
from graph.change import decode_entity, encode_entity
from graph.entity import (
    BASE_FIELDS,
    HIDDEN,
    IMMUTABLE,
    INDEXED,
    KINDS,
    MANAGED,
    Area,
    Entity,
    Named,
    Ref,
    Timestamp,
    doc,
    kind,
    kind_by_id,
    without_none,
)
from graph.filing import is_filed
from storekit.graphs import filed_entities, sample_graph

EXPECTED = {
    "workloads": [
        "App",
        "AppVersion",
        "Component",
        "Service",
        "Deployment",
        "DeploymentRevision",
        "Release",
        "Instance",
    ],
    "infrastructure": ["Region", "Site", "Link", "Cluster", "Node"],
    "people": ["Tenant", "User", "ServiceAccount", "ApiToken", "RoleBinding", "Secret"],
    "records": ["Operation", "Event"],
}


def test_every_kind_of_the_product_is_declared() -> None:
    assert {one for names in EXPECTED.values() for one in names} <= set(KINDS)


def test_prefixes_are_distinct_and_none_hides_in_another() -> None:
    prefixes = [one.prefix for one in KINDS.values()]
    assert len(set(prefixes)) == len(prefixes)
    assert all(kind_by_id(f"{one.prefix}_X") is one for one in KINDS.values())


@pytest.mark.parametrize("spec", KINDS.values(), ids=lambda one: one.name)
def test_a_kind_is_wholly_described(spec: Any) -> None:
    assert spec.description
    assert set(spec.fields) == set(spec.type.__struct_fields__)
    assert set(spec.fields) >= BASE_FIELDS
    for field in spec.fields.values():
        assert field.description.strip(), field.name
        assert field.description[-1] in ".…`", f"{field.name}: {field.description}"


@pytest.mark.parametrize("spec", KINDS.values(), ids=lambda one: one.name)
def test_references_lead_to_kinds_that_are_declared_before_or_to_itself(spec: Any) -> None:
    order = list(KINDS)
    for field in spec.refs:
        assert field.ref is not None
        for target in field.ref.kinds:
            assert target in KINDS
            # Stores write in this order: what is referred to is there when its referrer comes.
            assert order.index(target) <= order.index(spec.name)
        assert field.ref.relation == field.ref.relation.upper()


@pytest.mark.parametrize("spec", KINDS.values(), ids=lambda one: one.name)
def test_scopes_and_ordinals_are_references_that_keep_names_apart(spec: Any) -> None:
    for name in spec.scope:
        assert spec.fields[name].ref is not None
    if spec.ordinal_scope is not None:
        assert spec.fields[spec.ordinal_scope].required
        assert MANAGED in spec.fields["ordinal"].marks
    assert spec.named == ("name" in spec.fields)


@pytest.mark.parametrize("spec", KINDS.values(), ids=lambda one: one.name)
def test_a_tenant_never_changes(spec: Any) -> None:
    if "tenant_id" in spec.fields:
        assert IMMUTABLE in spec.fields["tenant_id"].marks


def test_the_marks_of_the_base_are_the_same_for_all() -> None:
    for spec in KINDS.values():
        for name in ("source", "revision", "created_at", "updated_at"):
            assert MANAGED in spec.fields[name].marks
        for name in ("created_at", "updated_at"):
            assert Timestamp in typing.get_args(spec.fields[name].type)


@pytest.mark.parametrize("entity", [*sample_graph(3), *filed_entities(3)], ids=lambda one: one.id.rpartition("_")[0])
def test_an_entity_is_the_same_after_it_was_written_and_read(entity: Entity) -> None:
    assert decode_entity(entity.SPEC.name, encode_entity(entity)) == entity


def test_values_are_immutable() -> None:
    (region, *_) = (one for one in sample_graph(1) if one.SPEC.name == "Region")
    with pytest.raises(AttributeError):
        region.name = "other"  # type: ignore[attr-defined,misc]  # that it cannot be done is what is tested


def test_what_is_filed_is_told_by_its_kind_or_by_its_end() -> None:
    assert not any(is_filed(one) for one in sample_graph(2))
    assert all(is_filed(one) for one in filed_entities(2))


def test_the_scope_is_the_first_that_is_set() -> None:
    spec = KINDS["Node"]
    node = spec.type(id="node_1", name="n", site_id="site_1")  # type: ignore[call-arg]  # a Node's own fields
    assert spec.scope_of(node) == "site_1"
    assert spec.scope_of(msgspec.structs.replace(node, cluster_id="cluster_1")) == "cluster_1"
    assert KINDS["Region"].scope_of(KINDS["Region"].type(id="region_1", name="r")) == ""  # type: ignore[call-arg]  # the kind's own fields


def test_targets_are_those_of_every_form_of_reference() -> None:
    release = next(one for one in sample_graph(1, of_each=5) if one.SPEC.name == "Release" and one.assignments)  # type: ignore[attr-defined]  # a Release
    fields = release.SPEC.fields
    assert fields["assignments"].targets(release) == tuple(release.assignments)  # type: ignore[attr-defined]  # a Release
    assert fields["site_id"].targets(release) == (release.site_id,)  # type: ignore[attr-defined]  # a Release
    assert fields["epoch"].targets(release) == ()
    cluster = KINDS["Cluster"].type(id="c", name="c", driver="d", site_ids=["a", "b"])  # type: ignore[call-arg]  # the kind's own fields
    assert cluster.SPEC.fields["site_ids"].targets(cluster) == ("a", "b")
    assert cluster.SPEC.fields["credentials_id"].targets(cluster) == ()


def declare(body: dict[str, Any], *, name: str = "Wrong", base: type = Named, **how: Any) -> None:
    how = {"prefix": "wrong", "area": Area.INFRASTRUCTURE, **how}
    cls = msgspec.defstruct(
        name,
        [(key, *value) if isinstance(value, tuple) else (key, value) for key, value in body.items()],
        bases=(base,),
        frozen=True,
        kw_only=True,
        gc=False,
        module=__name__,
        namespace={"__doc__": "A kind that is wrong."},
    )
    kind(**how)(cls)


@pytest.mark.parametrize(
    ("body", "how", "told"),
    [
        ({"size": (int, 0)}, {}, "no description"),
        ({"size": (Annotated[int, doc("How big.")], 0)}, {"scope": ("colour",)}, "no field colour"),
        ({"size": (Annotated[int, doc("How big.")], 0)}, {"ordinal_scope": "colour"}, "no field colour"),
        ({"size": (Annotated[int, doc("How big.")], 0)}, {"prefix": "site"}, "twice"),
        ({"size": (Annotated[str | None, msgspec.Meta(max_length=3, description="x.")], None)}, {}, "max_length"),
    ],
)
def test_a_declaration_that_contradicts_itself_ends_the_import(body: Any, how: Any, told: str) -> None:
    before = dict(KINDS)
    with pytest.raises(TypeError, match=told):
        declare(body, **how)
    assert before == KINDS


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(TypeError, match="twice"):
        declare({"size": (Annotated[int, doc("How big.")], 0)}, name="Site")


@pytest.mark.parametrize(
    ("given", "bare"), [(str | None, str), (int, int), (list[str] | None, list[str]), (int | str | None, int | str)]
)
def test_null_is_taken_out_of_a_type(given: Any, bare: Any) -> None:
    assert without_none(given) == bare


def test_a_reference_may_be_called_otherwise_or_not_at_all_from_the_other_side() -> None:
    assert Ref("Site", relation="R").reverse is None
    assert Ref("Site", relation="R", reverse="").reverse == ""
    assert {INDEXED, HIDDEN} <= set(KINDS["ApiToken"].fields["token_hash"].marks)

"""Entities of every kind, built from their annotations, come back from flat properties exactly as they were."""

from __future__ import annotations

import enum
import functools
import math
import types
import typing
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graph.kinds
from graph.entity import KINDS, Area, Entity, Kind, Named, doc, kind
from graph.kinds import Cluster, Link, Node, Region, Release, Site
from graph.stores.neo4j_mapping import CODECS, Codec
from graph.stores.neo4j_statements import INTERNAL_LABELS, STATEMENTS
from graph.values import Accelerator, Position, Resources

assert graph.kinds

HOSTILE = [
    "",
    " ",
    "=",
    "a=b=c",
    "%",
    "%3D",
    "Zürich 東京 🏔",
    "'}) DETACH DELETE n //",
    "\\",
    "`",
    "$rows",
    "\u0000",
    "\u2028",
]
text = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=("Cs",)), max_size=12))
whole = st.integers(-(2**53) + 1, 2**53 - 1)
real = st.floats(allow_nan=False, allow_infinity=False, width=64)
free = st.recursive(
    st.none() | st.booleans() | whole | real | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
SCALARS: dict[Any, st.SearchStrategy[Any]] = {str: text, int: whole, float: real, bool: st.booleans(), Any: free}


def within(bounds: msgspec.Meta, annotation: Any) -> st.SearchStrategy[Any]:
    """Values that keep a field's bounds, which reading JSON insists on."""
    if annotation is float:
        low, high = bounds.ge if bounds.ge is not None else bounds.gt, bounds.le
        return st.floats(low, high, exclude_min=bounds.gt is not None, allow_nan=False, allow_infinity=False)
    if annotation is int:
        return st.integers(bounds.ge if bounds.ge is not None else -9, bounds.le if bounds.le is not None else 9)
    if annotation is str and (bounds.min_length or bounds.max_length):
        return st.text("aé=%'`", min_size=bounds.min_length or 0, max_size=12)
    return values(annotation)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of an annotated type."""
    if typing.get_origin(annotation) is Annotated:
        bounds = [one for one in annotation.__metadata__ if isinstance(one, msgspec.Meta)]
        return within(bounds[0], annotation.__origin__) if bounds else values(annotation.__origin__)
    if annotation in SCALARS:
        return SCALARS[annotation]
    if annotation is type(None):
        return st.none()
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return st.sampled_from(list(annotation))
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return lazily(annotation)
    raise AssertionError(f"no values of {annotation} are made here")


@functools.cache
def lazily(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Of a struct that may hold its own type: one strategy that refers to itself."""
    return st.deferred(lambda: structs(cls))


def structs(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls, include_extras=True)
    required, optional = {}, {}
    for info in msgspec.structs.fields(cls):
        (required if info.required else optional)[info.name] = values(hints[info.name])
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))


def is_property(value: object) -> bool:
    """Whether Neo4j can keep it: a scalar, or a list of scalars of one type without null."""
    if isinstance(value, list):
        return len({type(one) for one in value}) <= 1 and all(
            isinstance(one, str | int | float | bool) for one in value
        )
    return isinstance(value, str | int | float | bool)


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_comes_back_exactly(name: str) -> None:
    codec = CODECS[name]

    @settings(max_examples=60, deadline=None, database=None)
    @given(structs(KINDS[name].type))
    def comes_back(entity: Entity) -> None:
        properties = codec.properties(entity)
        back = codec.entity(codec.row(properties))
        assert back == entity
        assert repr(back) == repr(entity), "equality takes 1 for 1.0 and True, and is blind to the order of keys"
        assert all(is_property(value) for value in properties.values())
        assert {*properties} <= {*codec.columns, "name_scope"}

    comes_back()


def test_properties_are_those_that_an_operator_would_write() -> None:
    node = Node(
        id="node_1",
        name="edge-7",
        labels={"zone": "a", "topology.kubernetes.io/region": "south"},
        site_id="site_1",
        capacity=Resources(cpu_millicores=64_000, accelerators=[Accelerator("nvidia-a100", 2)]),
    )
    found = CODECS["Node"].properties(node)
    assert found["labels"] == ["zone=a", "topology.kubernetes.io/region=south"]
    assert found["capacity_cpu_millicores"] == 64_000
    assert found["capacity_accelerators"] == ["nvidia-a100=2"]
    assert found["foreign_use_memory_bytes"] == 0, "defaults are there to be asked for"
    assert found["schedulable"] is True
    assert found["status"] == "UNKNOWN"
    assert found["source_kind"] == "SYSTEM"
    assert found["name_scope"] == "site_1"
    assert not {"allocatable_cpu_millicores", "taints_json", "display_name", "cluster_id"} & {*found}, (
        "null, empty: absent"
    )


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (Site(id="site_1", name="s", region_id="region_1", position=Position(8.5, 47)), {"position_latitude": 47.0}),
        (
            Release(
                id="release_1",
                tenant_id="tenant_1",
                deployment_id="deployment_1",
                component_id="component_1",
                site_id="site_1",
                assignments={"node_1": 2, "node_2": 1},
            ),
            {"assignments": ["node_1=2", "node_2=1"]},
        ),
        (
            Cluster(id="cluster_1", name="c", driver="simulated", configuration={"b": [1, {"a": None}]}),
            {"configuration_json": '{"b":[1,{"a":null}]}'},
        ),
        (
            Region(id="region_1", name="r", boundary=[[Position(0, 0), Position(1, 0)]]),
            {"boundary_json": '[[{"longitude":0,"latitude":0},{"longitude":1,"latitude":0}]]'},
        ),
    ],
)
def test_nested_values_are_flat_where_they_can_be(entity: Entity, expected: dict[str, object]) -> None:
    found = CODECS[entity.SPEC.name].properties(entity)
    assert {name: found[name] for name in expected} == expected


def test_a_whole_number_given_for_a_real_one_is_stored_as_real() -> None:
    found = CODECS["Link"].properties(Link(id="link_1", from_site_id="a", to_site_id="b", latency_ms=3))
    assert isinstance(found["latency_ms"], float)


def test_none_is_told_from_a_value_of_defaults() -> None:
    codec = CODECS["Site"]
    for capacity in (None, Resources()):
        site = Site(id="site_1", name="s", region_id="region_1", capacity=capacity)
        back = codec.entity(codec.row(codec.properties(site)))
        assert isinstance(back, Site)
        assert back.capacity == capacity


def test_equal_capacities_are_one_object_in_memory() -> None:
    codec = CODECS["Node"]
    both = [
        codec.entity(
            codec.row(codec.properties(Node(id=one, name=one, site_id="s", capacity=Resources(cpu_millicores=7))))
        )
        for one in ("node_1", "node_2")
    ]
    assert typing.cast(Node, both[0]).capacity is typing.cast(Node, both[1]).capacity


def test_signed_zeros_and_numbers_that_are_none_are_not_mixed_up() -> None:
    codec = CODECS["Site"]
    for longitude in (0.0, -0.0):
        site = Site(id="site_1", name="s", region_id="r", position=Position(longitude, 1.0))
        back = codec.entity(codec.row(codec.properties(site)))
        assert isinstance(back, Site)
        assert back.position is not None
        assert math.copysign(1, back.position.longitude) == math.copysign(1, longitude)


def test_a_default_comes_back_as_the_default_that_the_log_leaves_out() -> None:
    site = Site(id="site_1", name="s", region_id="region_1")
    codec = CODECS["Site"]
    assert msgspec.json.encode(codec.entity(codec.row(codec.properties(site)))) == msgspec.json.encode(site)


class _Point(msgspec.Struct, frozen=True, omit_defaults=True):
    note: str | None = None


def declared(**fields: Any) -> Kind:
    """A kind with these fields that is known to no one else."""
    before = dict(KINDS)
    try:
        cls = types.new_class(
            f"Trial{abs(hash(tuple(fields)))}",
            (Entity,),
            {"frozen": True, "kw_only": True},
            lambda body: body.update({"__annotations__": fields, "__module__": __name__, "__doc__": "A trial."}),
        )
        return kind(prefix=cls.__name__.lower(), area=Area.RECORD)(cls).SPEC
    finally:
        KINDS.clear()
        KINDS.update(before)


def test_a_struct_of_nothing_but_nulls_is_told_from_none_by_a_mark() -> None:
    codec = Codec(declared(point=Annotated[_Point | None, doc("A point.")]))
    for point in (None, _Point(), _Point("x")):
        entity = codec.kind.type(id="trial_1", point=point)  # type: ignore[call-arg]  # made a moment ago
        assert codec.entity(codec.row(codec.properties(entity))) == entity
    assert "point_present" in codec.columns


def test_two_fields_that_would_share_a_property_end_the_import() -> None:
    with pytest.raises(TypeError, match="kept as the property external_id"):
        Codec(declared(external_id=Annotated[str, doc("The same name as a flattened one.")]))


def test_a_property_that_is_missing_is_an_error_and_not_a_guess() -> None:
    codec = CODECS["Site"]
    row = codec.row(codec.properties(Site(id="site_1", name="s", region_id="region_1")))
    row[codec.columns.index("region_id")] = None
    with pytest.raises(TypeError, match="region_id"):
        codec.entity(row)


def test_every_reference_is_a_relationship_and_links_are_edges() -> None:
    assert STATEMENTS["Link"].ends == ("from_site_id", "to_site_id")
    for name, statements in STATEMENTS.items():
        if statements.ends is None:
            related = {(one.field, one.type, one.target) for one in statements.relations}
            expected = {
                (one.name, one.ref.relation, kind) for one in KINDS[name].refs if one.ref for kind in one.ref.kinds
            }
            assert related == expected
    assert not set(INTERNAL_LABELS) & set(KINDS)


def test_names_are_unique_within_a_scope_that_is_never_null() -> None:
    for name, spec in KINDS.items():
        if issubclass(spec.type, Named) and spec.scope:
            assert CODECS[name].derived or spec.fields[spec.scope[0]].required

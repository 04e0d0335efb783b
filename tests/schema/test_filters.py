"""Filters of every kind, asked through the schema: each operator on each field says what a look at every entity says."""

from __future__ import annotations

import datetime
import enum
import inspect
import math
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, get_named_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.entity import KINDS, Entity, Kind
from graph.kinds import (
    Counted,
    Deployment,
    DeploymentStatus,
    Displacement,
    DisplacementState,
    FailoverMode,
    FailoverPolicy,
    Loss,
    LossKind,
    Operation,
    Region,
    Site,
    StatusReason,
    Tier,
)
from graph.kinds.statuses import STATUS_CODES
from graph.refusal import InvalidInput, LimitExceeded, NotFound
from graph.selectors import matches
from graph.values import Health, Position
from graph.view import View
from lifecycle import missed_sites, standings
from resolvers.schema import graphql_schema
from schema.filters import MAX_FILTER_TERMS, MAX_VALUES
from schemakit.asking import data, refusal
from storekit.graphs import sample_graph
from tests.placement.placement_graphs import Builder

LISTED = [one for one in KINDS.values() if not one.filed and one.type is not Operation]
WITHIN = {"failoverMode", "single", "displacementState", "allReady", "statusReason"}
"""Filters of deployments by what is within their values."""
SPECIAL = {"and", "or", "not", "near", "inRegion", "atSite", "withinRegion", *WITHIN}

Meaning = Callable[[Entity], bool]
Case = tuple[dict[str, Any], Meaning]


@pytest.fixture(scope="module")
def view() -> View:
    made = View()
    made.load(sample_graph(5, of_each=14))
    made.loaded(revision=1, at=1, epoch="e", counters={})
    return made


def filter_of(kind: Kind) -> dict[str, Any]:
    found = graphql_schema().type_map[f"{kind.name}Filter"]
    assert isinstance(found, GraphQLInputObjectType)
    return found.fields


def snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


def field_of(kind: Kind, name: str) -> str:
    """The entity's field that a filter's field asks about."""
    plain = snake(name)
    return next(one for one in (plain, f"{plain}_id", f"{plain}_ids") if one in kind.fields)


def entities(view: View, kind: Kind) -> list[Entity]:
    return [one for one in map(view.get, view.ids(kind.name)) if one is not None]


def plain(value: Any) -> Any:
    """A value as the schema takes it."""
    if isinstance(value, Health):
        value = value.status
    return value.name if isinstance(value, enum.Enum) else value


def moment(value: int) -> str:
    return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC).isoformat(timespec="milliseconds")


RANGES: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda have, wanted: have == wanted,
    "gt": lambda have, wanted: have > wanted,
    "gte": lambda have, wanted: have >= wanted,
    "lt": lambda have, wanted: have < wanted,
    "lte": lambda have, wanted: have <= wanted,
}
TEXTS: dict[str, Callable[[str | None, Any], bool]] = {
    "eq": lambda have, wanted: have == wanted,
    "ne": lambda have, wanted: have != wanted,
    "contains": lambda have, wanted: have is not None and wanted.casefold() in have.casefold(),
    "startsWith": lambda have, wanted: have is not None and have.casefold().startswith(wanted.casefold()),
    "endsWith": lambda have, wanted: have is not None and have.casefold().endswith(wanted.casefold()),
    "in": lambda have, wanted: have in wanted,
    "isNull": lambda have, wanted: (have in (None, "")) is wanted,
}


def cases(view: View, kind: Kind) -> Iterator[tuple[str, Case]]:
    """For every field and operator of a kind's filter some values, and what they mean."""
    there = entities(view, kind)
    for name, declared in filter_of(kind).items():
        if name in SPECIAL:
            continue
        wanted = get_named_type(declared.type)
        if name == "id":
            ids = [one.id for one in there[::2]]
            yield name, ({name: [*ids, "nobody"]}, lambda one, ids=ids: one.id in ids)  # type: ignore[misc]  # a lambda's defaults have no types
            yield name, ({name: []}, lambda one: False)
        elif name == "labels":
            for text in ("tier=edge", "a.b/c-d", "!n1", "n1=1,tier", "n2 in (2,3)", "tier notin (edge)", "nobody"):
                yield name, ({name: text}, lambda one, text=text: matches(text, one.labels))  # type: ignore[misc]  # a lambda's defaults have no types
        elif name == "source":
            yield from ((name, one) for one in _sources(there))
        elif name == "external":
            yield from ((name, one) for one in _externals(there))
        elif name.endswith("IsNull"):
            read = _reader(field_of(kind, name.removesuffix("IsNull")))
            yield from ((name, one) for one in _nulls(name, read))
        else:
            read = _reader(field_of(kind, name))
            values = [read(one) for one in there]
            yield from ((name, one) for one in _of_type(name, wanted, values, read))


def _reader(field: str) -> Callable[[Entity], Any]:
    return lambda one: getattr(one, field)


def _nulls(name: str, read: Callable[[Entity], Any]) -> Iterator[Case]:
    for flag in (True, False):
        yield {name: flag}, lambda one, flag=flag: (read(one) is None) is flag  # type: ignore[misc]  # a lambda's defaults have no types


def _sources(there: list[Entity]) -> Iterator[Case]:
    for source in {one.source for one in there[:4]}:
        kind, name = source.kind, source.name
        yield {"source": {"kind": kind.name}}, lambda one, kind=kind: one.source.kind is kind  # type: ignore[misc]  # a lambda's defaults have no types
        yield {"source": {"name": name}}, lambda one, name=name: one.source.name == name  # type: ignore[misc]  # a lambda's defaults have no types
        yield (
            {"source": {"kind": kind.name, "name": name}},
            lambda one, source=source: one.source == source,  # type: ignore[misc]  # a lambda's defaults have no types
        )
    yield {"source": {}}, lambda one: True


def _externals(there: list[Entity]) -> Iterator[Case]:
    for external in [one.external for one in there if one.external is not None][:2]:
        system, key = external.system, external.id
        yield (
            {"external": {"system": system}},
            lambda one, system=system: one.external is not None and one.external.system == system,  # type: ignore[misc]  # a lambda's defaults have no types
        )
        yield (
            {"external": {"system": system, "id": key}},
            lambda one, external=external: one.external == external,  # type: ignore[misc]  # a lambda's defaults have no types
        )
    yield {"external": {"id": "nobody"}}, lambda one: False
    for flag in (True, False):
        yield {"external": {"isNull": flag}}, lambda one, flag=flag: (one.external is None) is flag  # type: ignore[misc]  # a lambda's defaults have no types


def _of_type(name: str, wanted: Any, values: list[Any], read: Callable[[Entity], Any]) -> Iterator[Case]:
    type_name = wanted.name
    if type_name == "ID":
        for target in {key for value in values for key in ([value] if isinstance(value, str) else value or [])} | {
            "gone"
        }:
            yield {name: target}, lambda one, target=target: _refers(read(one), target)  # type: ignore[misc]  # a lambda's defaults have no types
    elif type_name == "Boolean":
        for flag in (True, False):
            yield {name: flag}, lambda one, flag=flag: read(one) is flag  # type: ignore[misc]  # a lambda's defaults have no types
    elif type_name == "StringFilter":
        yield from _texts(name, values, read)
    elif isinstance(wanted, GraphQLInputObjectType) and isinstance(
        get_named_type(wanted.fields["eq"].type), GraphQLEnumType
    ):
        yield from _enums(name, wanted, read)
    else:
        time = type_name == "DateTimeFilter"
        known = sorted({value for value in values if value is not None})
        if type_name == "IntFilter":
            known = [one for one in known if one < 2**31]  # an Int of GraphQL is no larger
        if time:
            known = [one for one in known if one < 2**47]
        for value in (*known[:3], *known[-2:]):
            for op, holds in RANGES.items():
                yield (
                    {name: {op: moment(value) if time else value}},
                    lambda one, holds=holds, value=value: (  # type: ignore[misc]  # a lambda's defaults have no types
                        read(one) is not None and holds(read(one), value)
                    ),
                )
        if len(known) > 1:
            low, high = known[0], known[-1]
            shown = (moment(low), moment(high)) if time else (low, high)
            yield (
                {name: {"gt": shown[0], "lte": shown[1]}},
                lambda one: read(one) is not None and low < read(one) <= high,
            )
        for flag in (True, False):
            yield {name: {"isNull": flag}}, lambda one, flag=flag: (read(one) is None) is flag  # type: ignore[misc]  # a lambda's defaults have no types


def _refers(value: Any, target: str) -> bool:
    return value == target if isinstance(value, str) or value is None else target in value


def _texts(name: str, values: list[Any], read: Callable[[Entity], Any]) -> Iterator[Case]:
    known = sorted({value for value in values if value})[:6]
    wanted: dict[str, list[Any]] = {
        "eq": [*known, "nobody", ""],
        "ne": [*known, ""],
        "contains": [*(value[1:3] for value in known), "", "ß", "É"],
        "startsWith": [*(value[:2].swapcase() for value in known), ""],
        "endsWith": [*(value[-2:].swapcase() for value in known), ""],
        "in": [known[:2], [], [*known, "nobody"]],
        "isNull": [True, False],
    }
    for op, holds in TEXTS.items():
        for value in wanted[op]:
            yield {name: {op: value}}, lambda one, holds=holds, value=value: holds(read(one), value)  # type: ignore[misc]  # a lambda's defaults have no types
    if known:
        first = known[0]
        yield (
            {name: {"ne": first, "contains": first[:1]}},
            lambda one: read(one) != first and read(one) is not None and first[:1].casefold() in read(one).casefold(),
        )


def _enums(name: str, wanted: GraphQLInputObjectType, read: Callable[[Entity], Any]) -> Iterator[Case]:
    enumeration = get_named_type(wanted.fields["eq"].type)
    assert isinstance(enumeration, GraphQLEnumType)
    members = list(enumeration.values)
    for member in members:
        yield {name: {"eq": member}}, lambda one, member=member: plain(read(one)) == member  # type: ignore[misc]  # a lambda's defaults have no types
    some = members[::2]
    yield {name: {"in": some}}, lambda one: plain(read(one)) in some
    yield {name: {"notIn": some}}, lambda one: plain(read(one)) not in some
    yield {name: {"in": []}}, lambda one: False
    yield {name: {"notIn": []}}, lambda one: True
    for flag in (True, False):
        yield {name: {"isNull": flag}}, lambda one, flag=flag: (read(one) is None) is flag  # type: ignore[misc]  # a lambda's defaults have no types


async def found(view: View, kind: Kind, wanted: dict[str, Any]) -> tuple[list[str], int]:
    text = f"query($f: {kind.name}Filter) {{ found: {kind.plural}(filter: $f, first: 500) {{ nodes {{ id }} totalCount }} }}"
    answer = (await data(view, text, f=wanted))["found"]
    return sorted(one["id"] for one in answer["nodes"]), answer["totalCount"]


@pytest.mark.parametrize("kind", LISTED, ids=lambda one: one.name)
async def test_every_operator_of_every_field_says_what_a_look_at_all_says(view: View, kind: Kind) -> None:
    asked: set[str] = set()
    told_apart = 0
    for name, (wanted, holds) in cases(view, kind):
        asked.add(name)
        expected = sorted(one.id for one in entities(view, kind) if holds(one))
        assert await found(view, kind, wanted) == (expected, len(expected)), wanted
        told_apart += 0 < len(expected) < view.count(kind.name)
    assert asked == set(filter_of(kind)) - SPECIAL, "every field of the filter was asked"
    assert told_apart > 5, "the cases tell entities apart"


@pytest.mark.parametrize("kind", LISTED, ids=lambda one: one.name)
def test_every_filter_has_the_same_frame(kind: Kind) -> None:
    fields = filter_of(kind)
    for name in ("and", "or"):
        assert str(fields[name].type) == f"[{kind.name}Filter!]"
    assert str(fields["not"].type) == f"{kind.name}Filter"
    for name, declared in fields.items():
        assert declared.description, name
        assert not isinstance(declared.type, GraphQLNonNull), name
        if isinstance(declared.type, GraphQLList):
            assert name in ("and", "or", "id")


nested = st.recursive(
    st.integers(0, 10_000).map(lambda number: ("case", number)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: ("and", parts)),
        st.lists(inner, max_size=3).map(lambda parts: ("or", parts)),
        inner.map(lambda part: ("not", part)),
        st.tuples(inner, inner).map(lambda parts: ("beside", parts)),
    ),
    max_leaves=6,
)


def built(tree: Any, of: list[Case]) -> Case:
    kind, value = tree
    if kind == "case":
        return of[value % len(of)]
    if kind == "not":
        wanted, holds = built(value, of)
        return {"not": wanted}, lambda one: not holds(one)
    parts = [built(one, of) for one in value]
    filters, meanings = [one for one, _ in parts], [holds for _, holds in parts]
    if kind == "or":
        return {"or": filters}, lambda one: any(holds(one) for holds in meanings)
    if kind == "beside":
        # Given beside each other in one filter: both hold. Where they ask about the same they are told apart by `and`.
        (one, other) = filters
        beside = {**one, **other} if not set(one) & set(other) else {"and": [one, other]}
        return beside, lambda entity: all(holds(entity) for holds in meanings)
    return {"and": filters}, lambda one: all(holds(one) for holds in meanings)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(nested, st.sampled_from(["Site", "Node", "Region", "Release", "Cluster"]))
async def test_filters_nest(view: View, tree: Any, name: str) -> None:
    kind = KINDS[name]
    wanted, holds = built(tree, [case for _, case in cases(view, kind)])
    expected = sorted(one.id for one in entities(view, kind) if holds(one))
    assert await found(view, kind, wanted) == (expected, len(expected)), wanted


async def test_an_empty_filter_is_everything_and_what_is_null_is_not_asked(view: View) -> None:
    every = sorted(view.ids("Site"))
    for wanted in ({}, {"and": []}, {"tier": None}, {"tier": {}}, {"name": {"eq": None}}, {"not": None}, {"and": [{}]}):
        assert (await found(view, KINDS["Site"], wanted))[0] == every, wanted
    assert (await found(view, KINDS["Site"], {"or": []}))[0] == []
    assert (await found(view, KINDS["Site"], {"not": {}}))[0] == []


# Filters that no single field answers


def places() -> View:
    random_ = random.Random(3)
    view = View()
    regions = [Region(id="region_0", name="top")]
    for n in range(1, 8):
        regions.append(Region(id=f"region_{n}", name=f"r{n}", parent_id=f"region_{random_.randrange(n)}"))
    view.load(regions)
    view.load(
        Site(
            id=f"site_{n:03}",
            name=f"s{n}",
            region_id=f"region_{random_.randrange(8)}",
            tier=random_.choice(list(Tier)),
            position=Position(random_.uniform(-180, 180), random_.uniform(-90, 90)) if n % 5 else None,
        )
        for n in range(120)
    )
    view.loaded(revision=1, at=1, epoch="e", counters={})
    return view


def kilometres(one: Position, other: Position) -> float:
    """By the spherical law of cosines: not the formula of the code."""
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(other.longitude - one.longitude)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


@pytest.mark.parametrize("within", [0, 500, 3_000, 12_000, 20_100])
async def test_near_is_within_a_great_circle(within: float) -> None:
    view = places()
    for centre in (Position(0.0, 0.0), Position(179.9, 10.0), Position(-20.0, 89.0)):
        wanted = {
            "near": {"position": {"longitude": centre.longitude, "latitude": centre.latitude}, "withinKm": within}
        }
        sites = [one for one in entities(view, KINDS["Site"]) if isinstance(one, Site)]
        expected = sorted(
            one.id for one in sites if one.position is not None and kilometres(centre, one.position) <= within
        )
        assert (await found(view, KINDS["Site"], wanted))[0] == expected
        rest = sorted({one.id for one in sites} - set(expected))
        assert (await found(view, KINDS["Site"], {"not": wanted}))[0] == rest


async def test_in_region_is_in_it_or_anywhere_below() -> None:
    view = places()

    def lies_in(site: Any, region_id: str) -> bool:
        at = site.region_id
        while at is not None and at != region_id:
            region = view.get(at)
            assert isinstance(region, Region)
            at = region.parent_id
        return at == region_id

    for region_id in view.ids("Region"):
        sites = entities(view, KINDS["Site"])
        expected = sorted(one.id for one in sites if lies_in(one, region_id))
        assert (await found(view, KINDS["Site"], {"inRegion": region_id}))[0] == expected
        metro = sorted(one.id for one in sites if lies_in(one, region_id) and one.tier is Tier.METRO)  # type: ignore[attr-defined]  # Sites
        assert (await found(view, KINDS["Site"], {"inRegion": region_id, "tier": {"eq": "METRO"}}))[0] == metro
        rest = sorted({one.id for one in sites} - set(expected))
        assert (await found(view, KINDS["Site"], {"not": {"inRegion": region_id}}))[0] == rest


async def test_what_is_at_a_site_is_found_by_what_is_asked_of_the_site(view: View) -> None:
    sites = {one.id: one for one in entities(view, KINDS["Site"])}
    some = sorted(sites)[::3]
    asked: list[tuple[dict[str, Any], Meaning]] = [
        ({"name": {"contains": "1"}}, lambda one: "1" in getattr(one, "name", "")),
        ({"id": some}, lambda one: one.id in some),
        ({"labels": "tier=edge"}, lambda one: matches("tier=edge", one.labels)),
        ({"id": []}, lambda one: False),
    ]
    several = 0
    for kind in LISTED:
        fields = [name for name in ("site_id", "from_site_id", "to_site_id", "site_ids") if name in kind.fields]
        assert ("atSite" in filter_of(kind)) == bool(fields)
        for wanted, meaning in asked if fields else ():
            at = {id for id, site in sites.items() if meaning(site)}
            there = entities(view, kind)
            expected = sorted(one.id for one in there if at & sites_of(one, fields))
            several += len(expected)
            assert (await found(view, kind, {"atSite": wanted}))[0] == expected
            rest = sorted({one.id for one in there} - set(expected))
            assert (await found(view, kind, {"not": {"atSite": wanted}}))[0] == rest
    assert several > 20


def sites_of(one: Any, fields: list[str]) -> set[str]:
    values = [getattr(one, name) for name in fields]
    return {at for value in values for at in (value if isinstance(value, list) else [value])}


@pytest.mark.parametrize("kind", ["Site", "Region"])
async def test_within_a_region_is_in_one_that_is_found_or_anywhere_below(kind: str) -> None:
    view = places()

    def lies_in(one: Any, part: str) -> bool:
        at = one.id if isinstance(one, Region) else one.region_id
        while at is not None:
            region = view.get(at)
            assert isinstance(region, Region)
            if part in region.name:
                return True
            at = region.parent_id
        return False

    there = entities(view, KINDS[kind])
    names = [one.name for one in entities(view, KINDS["Region"]) if isinstance(one, Region)]
    for part in [*names, names[0][0], "nowhere"]:
        expected = sorted(one.id for one in there if lies_in(one, part))
        wanted = {"withinRegion": {"name": {"contains": part}}}
        assert (await found(view, KINDS[kind], wanted))[0] == expected
        rest = sorted({one.id for one in there} - set(expected))
        assert (await found(view, KINDS[kind], {"not": wanted}))[0] == rest


SITES = "query($f: SiteFilter) { sites(filter: $f) { nodes { id } } }"


@pytest.mark.parametrize(
    ("wanted", "kind", "path"),
    [
        ({"labels": "a in ("}, InvalidInput, "filter.labels"),
        ({"not": {"labels": "a=b=c"}}, InvalidInput, "filter.not.labels"),
        ({"and": [{}, {"or": [{"labels": "-"}]}]}, InvalidInput, "filter.and[1].or[0].labels"),
        ({"inRegion": "region_gone"}, NotFound, "filter.inRegion"),
        ({"withinRegion": {"labels": "a in ("}}, InvalidInput, "filter.withinRegion.labels"),
        ({"near": {"position": {"longitude": 0, "latitude": 0}, "withinKm": -1}}, InvalidInput, "filter.near.withinKm"),
        (
            {"near": {"position": {"longitude": 0, "latitude": 0}, "withinKm": 1e9}},
            InvalidInput,
            "filter.near.withinKm",
        ),
        (
            {"near": {"position": {"longitude": 181, "latitude": 0}, "withinKm": 1}},
            InvalidInput,
            "filter.near.position.longitude",
        ),
        (
            {"near": {"position": {"longitude": 0, "latitude": -91}, "withinKm": 1}},
            InvalidInput,
            "filter.near.position.latitude",
        ),
        ({"id": [str(n) for n in range(MAX_VALUES + 1)]}, LimitExceeded, "filter.id"),
        ({"name": {"in": [str(n) for n in range(MAX_VALUES + 1)]}}, LimitExceeded, "filter.name.in"),
        ({"tier": {"notIn": ["METRO"] * (MAX_VALUES + 1)}}, LimitExceeded, "filter.tier.notIn"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_its_place(wanted: Any, kind: type[Exception], path: str) -> None:
    problem = await refusal(places(), SITES, f=wanted)
    assert type(problem) is kind
    assert problem.path == path
    assert problem.remedy


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"statusReason": "XX"}, "filter.statusReason"),
        ({"not": {"statusReason": "site_away"}}, "filter.not.statusReason"),
    ],
)
async def test_a_status_reason_that_there_is_not_is_refused_and_those_that_there_are_are_named(
    wanted: Any, path: str
) -> None:
    text = "query($f: DeploymentFilter) { deployments(filter: $f) { nodes { id } } }"
    problem = await refusal(places(), text, f=wanted)
    assert isinstance(problem, InvalidInput)
    assert problem.path == path
    for code in STATUS_CODES:
        assert code in (problem.remedy or "")
        await data(places(), text, f={"statusReason": code})


def test_every_code_that_a_status_is_given_is_one_that_can_be_asked_for() -> None:
    """Were one left out, deployments that have it could not be found by it."""
    written = {
        one.group(1)
        for module in (standings, missed_sites)
        for one in re.finditer(r'(?:code=|: |else |if )"([A-Z]+(?:_[A-Z]+)*)"', inspect.getsource(module))
    }
    assert {"SITE_AWAY", "UNDER_WAY", "QUARANTINED", "SITE_MISSED", "PENDING_APPROVAL"} <= written
    assert written == set(STATUS_CODES)
    described = graphql_schema().type_map["StatusReason"].fields["code"].description  # type: ignore[attr-defined]  # an object type
    assert all(code in described for code in STATUS_CODES)


@pytest.mark.parametrize("part", [{}, {"tier": {"eq": "METRO"}}, {"not": {}}])
@pytest.mark.parametrize("word", ["and", "or"])
async def test_a_filter_has_so_many_terms_and_no_more(part: dict[str, Any], word: str) -> None:
    view = places()
    assert (await found(view, KINDS["Site"], {word: [part] * 20})) is not None
    problem = await refusal(view, SITES, f={word: [part] * (MAX_FILTER_TERMS + 1)})
    assert isinstance(problem, LimitExceeded)
    assert problem.path is not None
    assert problem.path.startswith("filter")


async def test_a_filter_is_not_deeper_than_its_terms_go() -> None:
    wanted: dict[str, Any] = {"tier": {"eq": "METRO"}}
    for _ in range(MAX_FILTER_TERMS):
        wanted = {"not": wanted}
    assert isinstance(await refusal(places(), SITES, f=wanted), LimitExceeded)


async def test_case_is_nothing_to_what_a_text_contains() -> None:
    view = View()
    view.load(
        [
            Region(id=f"region_{n}", name=name)
            for n, name in enumerate(["Straße", "STRASSE", "ÉCOLE", "école", "İ", "ﬁx"])
        ]
    )
    view.loaded(revision=1, at=1, epoch="", counters={})
    region = KINDS["Region"]
    assert (await found(view, region, {"name": {"startsWith": "strass"}}))[0] == ["region_0", "region_1"]
    assert (await found(view, region, {"name": {"contains": "ÉC"}}))[0] == ["region_2", "region_3"]
    assert (await found(view, region, {"name": {"eq": "école"}}))[0] == ["region_3"]
    assert (await found(view, region, {"name": {"startsWith": "FI"}}))[0] == ["region_5"]


async def test_deployments_are_found_by_their_failover_what_they_have_lost_and_what_is_not_ready() -> None:
    build = Builder()
    build.component()
    lost = Displacement(state=DisplacementState.HELD, losses=[Loss(kind=LossKind.LACKING, since=1, due_at=2)])
    away = DeploymentStatus(
        releases=Counted(desired=2, ready=1), reasons=[StatusReason(code="SITE_AWAY", message="away", releases=1)]
    )
    quiet = build.deployment()
    moves = build.change(build.deployment(), failover=FailoverPolicy(mode=FailoverMode.APPLY, single=True))
    held = build.change(
        build.deployment(), failover=FailoverPolicy(mode=FailoverMode.APPLY), displacement=lost, status=away
    )
    asked: dict[str, tuple[dict[str, Any], list[Deployment]]] = {
        "off": ({"failoverMode": {"eq": "OFF"}}, [quiet]),
        "on": ({"failoverMode": {"notIn": ["OFF"]}}, [moves, held]),
        "single": ({"single": True}, [moves]),
        "not single": ({"single": False}, [quiet, held]),
        "held": ({"displacementState": {"in": ["HELD", "STUCK"]}}, [held]),
        "stuck": ({"displacementState": {"eq": "STUCK"}}, []),
        "in order": ({"displacementState": {"isNull": True}}, [quiet, moves]),
        "lost": ({"displacementState": {"isNull": False}}, [held]),
        "ready": ({"allReady": True}, [quiet, moves]),
        "not ready": ({"allReady": False, "failoverMode": {"eq": "APPLY"}}, [held]),
        "why": ({"statusReason": "SITE_AWAY"}, [held]),
        "why not": ({"statusReason": "QUARANTINED"}, []),
    }
    for told, (wanted, expected) in asked.items():
        answer = await found(build.view, KINDS["Deployment"], wanted)
        assert answer == (sorted(one.id for one in expected), len(expected)), told

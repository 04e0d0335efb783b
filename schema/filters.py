"""Filters of every kind, derived from its fields, and what they ask as conditions on entities.

A reference is filtered by id, an enum and a name by equality or membership, numbers and times by range, labels by a selector
in Kubernetes syntax. What may be null is asked by `isNull` among its operators, or by `<field>IsNull` where it has none.
Filters nest with `and`, `or` and `not`, up to a depth that bounds their cost.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import strawberry

from graph import selectors, spatial
from graph.beginnings import NameBegins
from graph.conditions import EVERYTHING, All, Among, AnyOf, Condition, Equals, Labelled, NameIs, Not, Test
from graph.entity import HIDDEN, KINDS, Entity, Field, Kind, SourceKind, Timestamp, without_none
from graph.kinds import Deployment, DisplacementState, FailoverMode, Region, Site
from graph.kinds.statuses import STATUS_CODES
from graph.refusal import InvalidInput, LimitExceeded
from graph.spelling import camel
from graph.values import Health, HealthStatus, Position
from graph.view import Reader, get_as
from schema.nulls import SUFFIX, HasNone
from schema.vocabulary import NAMES, Member, enum_type, given, input_type, is_big, peel
from schema.work import Metered, Searched, Work

OWNER = "tenant_id"
"""The field that names an entity's tenant: a filed record has it as a plain id, for it may outlive its tenant."""
MAX_FILTER_TERMS = 128
"""Terms of a filter, the filters within `and`, `or` and `not` counted."""
WEIGHTS = {"near": 10, "within_region": 4}
"""Terms that take so many times as long as the others do."""
SITE_FIELDS = ("site_id", "from_site_id", "to_site_id", "site_ids")
"""The references that say at which site something is: its own, the ends of a link, or all that a control plane has."""
NESTED = {
    "at_site": ("Site", "At a site that this finds."),
    "within_region": ("Region", "In a region that this finds, or in one below it; a region is in itself."),
}
"""Filters by what another filter finds: the kind that it is of, and the description."""
MAX_VALUES = 1_000
"""Values of one list: of ids, of `in`, of `notIn`."""
UNSET = strawberry.UNSET

STRING_OPERATORS = {
    "eq": "Equal, case and all.",
    "ne": "Not equal.",
    "contains": "Contains this, whatever the case.",
    "starts_with": "Begins with this, whatever the case.",
    "ends_with": "Ends with this, whatever the case.",
}
RANGE_OPERATORS = {"eq": "Equal.", "gt": "Greater.", "gte": "Greater or equal.", "lt": "Less.", "lte": "Less or equal."}
IS_NULL = "Whether it has no value."


def _optional(kind: str, text: str) -> Member:
    return f"Optional[{kind}]", strawberry.field(description=text, default=UNSET)


def _range_filter(name: str, kind: str, description: str) -> str:
    if name not in NAMES:
        members = {op: _optional(kind, text) for op, text in RANGE_OPERATORS.items()}
        members["is_null"] = _optional("bool", IS_NULL)
        input_type(name, members, description=description)
    return name


def _string_filter() -> str:
    if "StringFilter" not in NAMES:
        members = {op: _optional("str", text) for op, text in STRING_OPERATORS.items()}
        members["in_"] = (
            "Optional[list[str]]",
            strawberry.field(name="in", description="One of these.", default=UNSET),
        )
        members["is_null"] = _optional("bool", IS_NULL)
        input_type("StringFilter", members, description="All of the operators that are given must hold.")
    return "StringFilter"


def _enum_filter(cls: type[enum.Enum]) -> str:
    name = f"{enum_type(cls)}Filter"
    if name not in NAMES:
        members = {
            "eq": _optional(cls.__name__, "Equal."),
            "in_": (
                f"Optional[list[{cls.__name__}]]",
                strawberry.field(name="in", description="One of these.", default=UNSET),
            ),
            "not_in": _optional(f"list[{cls.__name__}]", "None of these."),
            "is_null": _optional("bool", IS_NULL),
        }
        input_type(name, members, description=f"A filter on {cls.__name__}.")
    return name


def _source_filter() -> str:
    if "SourceFilter" not in NAMES:
        members = {
            "kind": _optional(enum_type(SourceKind), "The sort of maker."),
            "name": _optional("str", "The maker's name."),
        }
        input_type("SourceFilter", members, description="A filter on who made an entity.")
        members = {
            "system": _optional("str", "The other system."),
            "id": _optional("str", "The identifier there."),
            "is_null": _optional("bool", "Whether it has none."),
        }
        input_type("ExternalIdFilter", members, description="A filter on the name in another system.")
        near = {
            "position": (given(Position), strawberry.field(description="Around this point.")),
            "within_km": ("float", strawberry.field(description="At most so many kilometres away, by geodesic.")),
        }
        input_type("NearFilter", near, description="Close to a point.")
    return "SourceFilter"


def filter_type(kind: Kind) -> str:
    """The GraphQL name of a kind's filter, derived at its first use."""
    name = f"{kind.name}Filter"
    if name in NAMES:
        return name
    NAMES[name] = None
    _source_filter()
    listed = f"Optional[list[{name}]]"
    members: dict[str, Member] = {
        "and_": (listed, strawberry.field(name="and", description="All of these hold.", default=UNSET)),
        "or_": (listed, strawberry.field(name="or", description="At least one of these holds.", default=UNSET)),
        "not_": (f"Optional[{name}]", strawberry.field(name="not", description="This does not hold.", default=UNSET)),
        "id": _optional("list[ID]", "One of these ids."),
    }
    common = {
        "labels": _optional("str", "Selector in Kubernetes syntax: `zone=west,gpu in (a100,h100),!retired`."),
        "source": _optional("SourceFilter", "Who made it."),
        "external": _optional("ExternalIdFilter", "Its name in another system."),
    }
    members |= {name: member for name, member in common.items() if name in kind.fields}
    for field in kind.fields.values():
        if field.name in ("id", "labels", "source", "external") or HIDDEN in field.marks:
            continue
        wanted = _field_filter(field)
        if wanted is not None:
            members[filter_name(field)] = _optional(wanted, field.description)
        if field.optional and wanted in (None, "ID", "bool"):
            called = filter_name(field)
            members[called + SUFFIX] = _optional("bool", f"Whether `{camel(called)}` is null. {field.description}")
    for key, (of, text, _) in SPECIAL.get(kind.name, {}).items():
        members[key] = _optional(of if isinstance(of, str) else _enum_filter(of), text)
    for key in ("at_site",) if site_fields(kind) else ("within_region",) if kind.name in ("Site", "Region") else ():
        of, text = NESTED[key]
        members[key] = _optional(filter_type(KINDS[of]), text)
    del NAMES[name]
    input_type(name, members, description=f"Which {kind.spoken}: all of what is given must hold.")
    return name


def site_fields(kind: Kind) -> tuple[str, ...]:
    """The fields that say at which site an entity of the kind is; both ends of a link."""
    return tuple(name for name in SITE_FIELDS if name in kind.fields)


def filter_name(field: Field) -> str:
    """What a field is called in filters and relations: a reference, and the tenant, without its `_id`."""
    if field.ref is None and field.name != OWNER:
        return field.name
    return field.name.removesuffix("_ids").removesuffix("_id")


def _field_filter(field: Field) -> str | None:
    if field.ref is not None or field.name == OWNER:
        return "ID"
    kind, _ = peel(field.type)
    if kind is not field.type and Timestamp in typing.get_args(field.type):
        return _range_filter("DateTimeFilter", "DateTime", "A range of moments; all that is given must hold.")
    inner = without_none(kind)
    if typing.get_origin(inner) is Annotated:
        if Timestamp in inner.__metadata__:
            return _range_filter("DateTimeFilter", "DateTime", "A range of moments; all that is given must hold.")
        inner, _ = peel(inner)
    if inner is str:
        return _string_filter()
    if inner is bool:
        return "bool"
    if inner is int:
        if is_big(field.meta):
            return _range_filter("BigIntFilter", "BigInt", "A range of whole numbers; all that is given must hold.")
        return _range_filter("IntFilter", "int", "A range of whole numbers; all that is given must hold.")
    if inner is float:
        return _range_filter("FloatFilter", "float", "A range of numbers; all that is given must hold.")
    if isinstance(inner, type) and issubclass(inner, enum.Enum):
        return _enum_filter(inner)
    if inner is Health:
        return _enum_filter(HealthStatus)
    return None


def condition_of(
    kind: Kind, wanted: Any, *, reader: Reader, path: str = "filter", work: Work | None = None
) -> Condition:
    """What a filter input asks of entities as `reader` shows them; with `work` each that is asked is paid from it.

    Raises InvalidInput or LimitExceeded, the latter also when the condition is asked and the work is used up.
    """
    if wanted is None or wanted is UNSET:
        return EVERYTHING
    terms = _Terms(work)
    found = _condition(kind, wanted, path, terms, reader)
    if work is None or found is EVERYTHING or (isinstance(found, Equals) and found.exact):
        return found
    return Metered(found, terms=terms.weight, work=work, path=path)


class _Terms:
    """The terms of one filter: how many it may have, and what asking all of them costs."""

    __slots__ = ("left", "weight", "work")

    def __init__(self, work: Work | None) -> None:
        self.left = MAX_FILTER_TERMS
        self.weight = 0
        self.work = work

    def spend(self, path: str, *, weight: int = 1) -> None:
        self.left -= 1
        self.weight += weight
        if self.left < 0:
            raise LimitExceeded(f"a filter has at most {MAX_FILTER_TERMS} terms", remedy="ask in parts", path=path)


def _condition(kind: Kind, wanted: Any, path: str, terms: _Terms, reader: Reader) -> Condition:
    parts: list[Condition] = []
    terms.spend(path)  # an empty one costs something too, for there may be many
    for name, value in vars(wanted).items():
        if value is UNSET or value is None:
            continue
        terms.spend(path, weight=WEIGHTS.get(name, 1))
        where = f"{path}.{camel(name.rstrip('_'))}"
        if name in ("and_", "or_"):
            inner = [_condition(kind, one, f"{where}[{at}]", terms, reader) for at, one in enumerate(value)]
            parts.append(All(inner) if name == "and_" else AnyOf(inner))
        elif name == "not_":
            parts.append(Not(_condition(kind, value, where, terms, reader)))
        elif name in NESTED:
            inside = _condition(KINDS[NESTED[name][0]], value, where, terms, reader)
            part = _at_site(inside, site_fields(kind), reader) if name == "at_site" else _within_region(inside, reader)
            parts.append(part if terms.work is None else Searched(part, work=terms.work, path=where))
        else:
            part = _term(kind, name, value, where, reader)
            if terms.work is not None and name != "id" and isinstance(part, (Labelled, Among)):
                part = Searched(part, work=terms.work, path=where)
            parts.append(part)
    return parts[0] if len(parts) == 1 else All(parts)


def _few(values: Sequence[Any], path: str) -> frozenset[Any]:
    if len(values) > MAX_VALUES:
        raise LimitExceeded(
            f"a list in a filter has at most {MAX_VALUES:,} values, this one {len(values):,}",
            remedy="ask in parts",
            path=path,
        )
    return frozenset(values)


def _term(kind: Kind, name: str, value: Any, path: str, reader: Reader) -> Condition:
    special = SPECIAL.get(kind.name, {}).get(name)
    if special is not None:
        return special[2](value, path, reader)
    if name == "id":
        ids = _few(value, path)
        ordered = sorted(ids)
        return Among(lambda reader, _: [one for one in ordered if reader.get(one)], lambda entity: entity.id in ids)
    if name == "labels":
        return label_condition(value, path=path)
    if name == "source":
        return _source_condition(value)
    if name == "external":
        return _external_condition(value)
    field = next((one for one in kind.fields.values() if filter_name(one) == name), None)
    if field is None:
        asked = next(one for one in kind.fields.values() if filter_name(one) + SUFFIX == name)
        return HasNone(asked, wanted=value, reader=reader)
    return _field_condition(field, value, path)


def label_condition(selector_text: str, *, path: str) -> Condition:
    """What a label selector asks. Raises InvalidInput with the place of the mistake."""
    return Labelled(selectors.parse_selector(selector_text, path=path))


def _source_condition(value: Any) -> Condition:
    parts: list[Condition] = []
    if value.kind is not UNSET and value.kind is not None:
        parts.append(Test(lambda entity: entity.source.kind is value.kind))
    if value.name is not UNSET and value.name is not None:
        parts.append(Test(lambda entity: entity.source.name == value.name))
    if len(parts) == 2:
        key = f"{value.kind.name}:{value.name}"
        return Among(
            lambda reader, kind: reader.ids(kind, "source", key),
            lambda entity: entity.source.kind is value.kind and entity.source.name == value.name,
            entries=lambda reader, kind: [("source", key)],
        )
    return All(parts)


def _external_condition(value: Any) -> Condition:
    parts: list[Condition] = []
    for name in ("system", "id"):
        wanted = getattr(value, name)
        if wanted is not UNSET and wanted is not None:
            parts.append(_external_part(name, wanted))
    if value.is_null is not UNSET and value.is_null is not None:
        parts.append(Test(lambda entity: (entity.external is None) is value.is_null))
    return All(parts)


def _external_part(name: str, wanted: str) -> Condition:
    return Test(lambda entity: entity.external is not None and getattr(entity.external, name) == wanted)


def _field_condition(field: Field, value: Any, path: str) -> Condition:
    name = field.name
    indexed = field.ref is not None or "INDEXED" in {mark.name for mark in field.marks}
    if isinstance(value, (str, bool)):
        return Equals(name, [value], indexed=indexed)
    operators = {key: one for key, one in vars(value).items() if one is not UNSET and one is not None}
    kind, _ = peel(field.type)
    inner = without_none(kind)
    read: Callable[[Entity], Any] = (lambda entity: getattr(entity, name)) if inner is not Health else _health_status
    return All(
        [
            _operator(name, op, wanted, read, indexed and inner is not Health, f"{path}.{camel(op.rstrip('_'))}")
            for op, wanted in operators.items()
        ]
    )


def _health_status(entity: Entity) -> Any:
    health = getattr(entity, "health", None)
    return health.status if isinstance(health, Health) else None


def _operator(name: str, op: str, wanted: Any, read: Callable[[Entity], Any], indexed: bool, path: str) -> Condition:
    if op in ("eq", "in_"):
        values = frozenset([wanted]) if op == "eq" else _few(wanted, path)
        if name == "name" and all(isinstance(one, str) for one in values):
            return NameIs(sorted(values))
        return Equals(name, list(values), indexed=True) if indexed else Test(lambda entity: read(entity) in values)
    if op == "not_in":
        unwanted = _few(wanted, path)
        return Test(lambda entity: read(entity) not in unwanted)
    if op == "ne":
        return Test(lambda entity: read(entity) != wanted)
    if op == "is_null":
        return Test(lambda entity: (read(entity) in (None, "")) == wanted)
    if op == "starts_with" and name == "name":
        return NameBegins(wanted)
    if op in ("contains", "starts_with", "ends_with"):
        folded = wanted.casefold()
        compare: Mapping[str, Callable[[str], bool]] = {
            "contains": lambda text: folded in text,
            "starts_with": lambda text: text.startswith(folded),
            "ends_with": lambda text: text.endswith(folded),
        }
        test = compare[op]
        return Test(lambda entity: (text := read(entity)) is not None and test(str(text).casefold()))
    ranges: Mapping[str, Callable[[Any], bool]] = {
        "gt": lambda have: bool(have > wanted),
        "gte": lambda have: bool(have >= wanted),
        "lt": lambda have: bool(have < wanted),
        "lte": lambda have: bool(have <= wanted),
    }
    within = ranges[op]
    return Test(lambda entity: (have := read(entity)) is not None and within(have))


def _near(value: Any, path: str, reader: Reader) -> Condition:
    if not 0 <= value.within_km <= 20_100:
        raise InvalidInput(
            "withinKm is a distance on the earth, 0 to 20100", remedy="give kilometres", path=f"{path}.withinKm"
        )
    centre = Position(longitude=value.position.longitude, latitude=value.position.latitude)
    for name, most in (("longitude", 180), ("latitude", 90)):
        if not abs(getattr(centre, name)) <= most:
            raise InvalidInput(
                f"a {name} is within {most} degrees of zero",
                remedy="give WGS84 degrees",
                path=f"{path}.position.{name}",
            )

    def close(entity: Entity) -> bool:
        position = getattr(entity, "position", None)
        return position is not None and spatial.distance_km(centre, position) <= value.within_km

    return Test(close)


def _in_region(value: str, path: str, reader: Reader) -> Condition:
    def below(_: Reader, kind: str) -> Sequence[str]:
        return spatial.sites_in_region(reader, value, path=path)

    def lies_below(entity: Entity) -> bool:
        at = getattr(entity, "region_id", None)
        while at is not None and at != value:
            region = get_as(reader, Region, at)
            at = region.parent_id if region is not None else None
        return at is not None

    def entries(_: Reader, kind: str) -> Sequence[tuple[str, str]]:
        return [("region_id", one) for one in spatial.regions_below(reader, value, path=path)]

    return Among(below, lies_below, entries=entries)


def _at_site(site: Condition, fields: Sequence[str], reader: Reader) -> Condition:
    def at_such(entity: Entity) -> bool:
        for field in fields:
            value = getattr(entity, field)
            for at in [value] if isinstance(value, str) else value or ():
                found = get_as(reader, Site, at)
                if found is not None and site.holds(found):
                    return True
        return False

    def at_those(view: Reader, kind: str) -> Sequence[str] | None:
        sites = site.candidates(view, "Site")
        if sites is None:
            return None
        such = [one for one in sites if (found := get_as(view, Site, one)) is not None and site.holds(found)]
        return sorted({one for at in such for field in fields for one in view.ids(kind, field, at)})

    return Among(at_those, at_such)


def _within_region(region: Condition, reader: Reader) -> Condition:
    def lies_within(entity: Entity) -> bool:
        at = entity.id if isinstance(entity, Region) else getattr(entity, "region_id", None)
        while at is not None:
            found = get_as(reader, Region, at)
            if found is None:
                return False
            if region.holds(found):
                return True
            at = found.parent_id
        return False

    return Test(lies_within)


def _of_enum(read: Callable[[Any], Any]) -> Callable[[Any, str, Reader], Condition]:
    """What is asked of an enum that is within another value of an entity."""

    def condition(value: Any, path: str, reader: Reader) -> Condition:
        operators = {key: one for key, one in vars(value).items() if one is not UNSET and one is not None}
        return All([_operator("", op, wanted, read, False, path) for op, wanted in operators.items()])

    return condition


def _of_bool(read: Callable[[Any], bool]) -> Callable[[Any, str, Reader], Condition]:
    return lambda value, path, reader: Test(lambda entity: read(entity) is value)


def _for_reason(value: str, path: str, reader: Reader) -> Condition:
    if value not in STATUS_CODES:
        raise InvalidInput(
            f"there is no status reason {value!r}", remedy=f"ask for one of {', '.join(STATUS_CODES)}", path=path
        )
    return Test(lambda entity: isinstance(entity, Deployment) and any(r.code == value for r in entity.status.reasons))


def _all_ready(deployment: Deployment) -> bool:
    counted = deployment.status.releases
    return counted.ready == counted.desired


SPECIAL: dict[str, dict[str, tuple[str | type[enum.Enum], str, Callable[[Any, str, Reader], Condition]]]] = {
    "Deployment": {
        "failover_mode": (
            FailoverMode,
            "What is done by itself when it cannot stay as it is.",
            _of_enum(lambda one: one.failover.mode),
        ),
        "single": ("bool", "Whether a copy of it must never run twice.", _of_bool(lambda one: one.failover.single)),
        "displacement_state": (
            DisplacementState,
            "What is done about what it has lost; `isNull` asks for those that can stay as they are.",
            _of_enum(lambda one: None if one.displacement is None else one.displacement.state),
        ),
        "all_ready": ("bool", "Whether as many of its releases are ready as it wants.", _of_bool(_all_ready)),
        "status_reason": (
            "str",
            "This is a code of its `status.reasons`: SITE_AWAY finds those with releases whose site or cluster is away.",
            _for_reason,
        ),
    },
    "Site": {
        "near": ("NearFilter", "Close to a point.", _near),
        "in_region": ("ID", "In this region or in one below it.", _in_region),
    },
}
"""Filters that no single field answers: by kind and name, the input type or the enum that is filtered, the description, and
the condition.
"""

"""Random programs of changes, and a model of the graph that knows no index.

A program is a list of small integers, so that a failing one shrinks to something short. Each step asks an `Edit` for one
change on whatever entities there are; a refusal is a legitimate outcome and must leave nothing. `Model` answers every
question of a `Reader` by looking at all entities, from their attributes alone: it shares no code with the indexes.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from graph.change import Commit
from graph.edit import Edit
from graph.entity import INDEXED, KINDS, Entity, ExternalId, Named
from graph.kinds import (
    App,
    AppVersion,
    Cluster,
    Link,
    LinkState,
    Node,
    Region,
    RegionLevel,
    Service,
    Site,
    SiteRole,
    Tenant,
    Tier,
)
from graph.refusal import Refusal
from graph.view import Reader, View

Step = tuple[int, int, int]
NAMES = ("alpha", "beta", "gamma", "ágora", "東京")
LABELS: tuple[dict[str, str], ...] = (
    {},
    {"zone": "west"},
    {"zone": "east", "gpu": ""},
    {"gpu": "a100"},
    {"example.org/rack": "r1", "zone": "west"},
)
USED = ("Tenant", "Region", "Site", "Link", "Cluster", "Node", "App", "AppVersion", "Service")
"""The kinds that programs make."""


def programs(*, longest: int = 24) -> st.SearchStrategy[list[Step]]:
    """Programs of at most so many steps."""
    number = st.integers(0, 63)
    return st.lists(st.tuples(st.integers(0, 13), number, number), max_size=longest)


class Model:
    """The entities of a graph and nothing else."""

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        self.entities = {one.id: one for one in entities}
        self.ever: dict[str, Entity] = dict(self.entities)
        """The newest value of each id that there ever was, for questions about what is gone."""
        self.values: list[Entity] = list(self.entities.values())
        """Every value that there ever was."""

    def put(self, entity: Entity) -> None:
        self.entities[entity.id] = self.ever[entity.id] = entity
        self.values.append(entity)

    def copy(self) -> Model:
        other = Model(self.entities.values())
        other.ever, other.values = dict(self.ever), list(self.values)
        return other

    def of(self, kind: str) -> list[Entity]:
        return sorted((one for one in self.entities.values() if one.SPEC.name == kind), key=lambda one: one.id)

    def ids(self, kind: str, field: str | None, value: str | None) -> list[str]:
        return [one.id for one in self.of(kind) if field is None or value in found_under(one).get(field, ())]

    def referrers(self, target: str) -> set[tuple[str, str, str]]:
        return {
            (one.SPEC.name, field.name, one.id)
            for one in self.entities.values()
            for field in one.SPEC.fields.values()
            if field.ref is not None and target in under(getattr(one, field.name))
        }


def under(value: Any) -> Sequence[str]:
    """The ids that a reference's value holds."""
    if value is None or value == "":
        return ()
    return (value,) if isinstance(value, str) else list(value)


def found_under(entity: Entity) -> dict[str, set[str]]:
    """By which fields and values an entity can be looked up."""
    found: dict[str, set[str]] = {}
    for field in entity.SPEC.fields.values():
        value = getattr(entity, field.name)
        if field.ref is not None:
            found[field.name] = set(under(value))
        elif INDEXED in field.marks and value not in (None, ""):
            text = {True: "true", False: "false"}[value] if isinstance(value, bool) else getattr(value, "name", value)
            found[field.name] = {str(text)}
    for key, value in entity.labels.items():
        found[f"label:{key}"] = {value, ""}
    found["source"] = {f"{entity.source.kind.name}:{entity.source.name}"}
    return found


def scope(entity: Entity) -> str:
    """The id that an entity's name is unique under."""
    for name in entity.SPEC.scope:
        if getattr(entity, name):
            return str(getattr(entity, name))
    return ""


def check_reads(reader: Reader, model: Model, *, dependents: bool = True) -> None:
    """Every answer of the reader is the model's."""
    for kind in USED:
        expected = [one.id for one in model.of(kind)]
        assert list(reader.ids(kind)) == expected
        assert reader.count(kind) == len(expected)
        if KINDS[kind].named:
            by_name = sorted(model.of(kind), key=lambda one: (typing.cast("Named", one).name, one.id))
            assert list(reader.ids_by_name(kind)) == [one.id for one in by_name]
    asked: set[tuple[str, str, str]] = set()
    for one in model.values:
        for field, values in found_under(one).items():
            asked.update((one.SPEC.name, field, value) for value in values)
    for kind, field, value in asked:
        wanted = model.ids(kind, field, value)
        assert list(reader.ids(kind, field, value)) == wanted, (kind, field, value)
        assert reader.count(kind, field, value) == len(wanted), (kind, field, value)
        if field.startswith("label:") and value == "":
            assert list(reader.ids(kind, field)) == wanted
    _check_singles(reader, model)
    if dependents:
        for target in model.ever:
            listed = list(typing.cast("View", reader).dependents(target))
            assert len(listed) == len(set(listed))
            assert set(listed) == model.referrers(target), target


def _check_singles(reader: Reader, model: Model) -> None:
    names: dict[tuple[str, str, str], Entity] = {}
    externals: dict[tuple[str, str, str], Entity] = {}
    for one in model.entities.values():
        if isinstance(one, Named):
            key = (one.SPEC.name, scope(one), one.name)
            assert key not in names, f"two entities are named {key}"
            names[key] = one
        if one.external is not None:
            key = (getattr(one, "tenant_id", None) or "", one.external.system, one.external.id)
            assert key not in externals, f"two entities have the external id {key}"
            externals[key] = one
    for key in model.ever:
        assert reader.get(key) == model.entities.get(key)
    for one in model.values:
        if isinstance(one, Named):
            key = (one.SPEC.name, scope(one), one.name)
            assert reader.find(key[0], one.name, key[1]) == names.get(key), key
        if one.external is not None:
            tenant = getattr(one, "tenant_id", None)
            key = (tenant or "", one.external.system, one.external.id)
            assert reader.find_external(one.external.system, one.external.id, tenant) == externals.get(key), key


def run(edit: Edit, model: Model, program: Iterable[Step]) -> int:
    """Runs a program on an edit and keeps the model in step; says how many steps were refused."""
    refused = 0
    for step in program:
        changes_before = list(edit.changes)
        try:
            _step(edit, model, *step)
        except Refusal:
            refused += 1
            assert edit.changes == changes_before, "a refused change leaves nothing"
    return refused


def _step(edit: Edit, model: Model, op: int, a: int, b: int) -> None:
    if op < 6:
        maker = MAKERS[a % len(MAKERS)]
        kind, fields = maker(model, b)
        model.put(edit.create(kind, **fields))
        return
    there = sorted(model.entities)
    if not there:
        return
    entity = model.entities[there[a % len(there)]]
    if op in (12, 13):
        for gone in edit.delete(entity, cascade=op == 13):
            del model.entities[gone.id]
        return
    fields = _change(model, entity, op, b)
    changed = edit.replace(entity, **fields)
    if changed is not entity:
        model.put(changed)


def _change(model: Model, entity: Entity, op: int, b: int) -> dict[str, Any]:
    if op == 6 and isinstance(entity, Named):
        return {"name": NAMES[b % len(NAMES)]}
    if op == 7:
        return {"labels": LABELS[b % len(LABELS)]}
    if op == 8:
        return {"external": _external(b)}
    if op == 9:
        return _moved(model, entity, b)
    if isinstance(entity, Site):
        return {"tier": list(Tier)[b % 4], "role": list(SiteRole)[b % 2], "schedulable": b % 3 == 0}
    if isinstance(entity, Link):
        return {"state": list(LinkState)[b % 2], "latency_ms": float(b)}
    return {"display_name": f"no {b}" if b % 4 else None}


def _moved(model: Model, entity: Entity, b: int) -> dict[str, Any]:
    if isinstance(entity, Region):
        return {"parent_id": _one(model, "Region", b, optional=True)}
    if isinstance(entity, Site):
        return {"region_id": _one(model, "Region", b)}
    if isinstance(entity, Node):
        return {"site_id": _one(model, "Site", b), "cluster_id": _one(model, "Cluster", b // 2, optional=True)}
    if isinstance(entity, Cluster):
        return {"site_ids": list({_one(model, "Site", b), _one(model, "Site", b // 3)})}
    return {"display_name": "stayed"}


def _one(model: Model, kind: str, number: int, *, optional: bool = False) -> str | None:
    there = [one.id for one in model.of(kind)]
    if optional and number % 3 == 0:
        return None
    return there[number % len(there)] if there else f"{KINDS[kind].prefix}_gone"


def _external(number: int) -> ExternalId | None:
    return None if number % 3 == 0 else ExternalId(f"system-{number % 2}", str(number % 4))


def _tenant(model: Model, number: int) -> str | None:
    return _one(model, "Tenant", number, optional=True) if model.of("Tenant") else None


def _common(number: int) -> dict[str, Any]:
    return {"labels": LABELS[number % len(LABELS)], "external": _external(number // 5)}


def _name(number: int) -> str:
    return NAMES[number % len(NAMES)]


Maker = Callable[[Model, int], tuple[type[Entity], dict[str, Any]]]
MAKERS: tuple[Maker, ...] = (
    lambda model, n: (Tenant, {"name": _name(n)}),
    lambda model, n: (
        Region,
        {
            "name": _name(n),
            "parent_id": _one(model, "Region", n // 2, optional=True),
            "level": list(RegionLevel)[n % 6],
            "tenant_id": _tenant(model, n // 7),
            **_common(n),
        },
    ),
    lambda model, n: (
        Site,
        {"name": _name(n), "region_id": _one(model, "Region", n), "tenant_id": _tenant(model, n // 5), **_common(n)},
    ),
    lambda model, n: (
        Link,
        {
            "from_site_id": _one(model, "Site", n),
            "to_site_id": _one(model, "Site", n // 3),
            "latency_ms": 1.0,
            **_common(n),
        },
    ),
    lambda model, n: (
        Cluster,
        {
            "name": _name(n),
            "driver": "simulated",
            "site_ids": list({_one(model, "Site", n), _one(model, "Site", n // 2)}),
            **_common(n),
        },
    ),
    lambda model, n: (
        Node,
        {
            "name": _name(n),
            "site_id": _one(model, "Site", n),
            "cluster_id": _one(model, "Cluster", n // 2, optional=True),
            "arch": ("amd64", "arm64")[n % 2],
        },
    ),
    lambda model, n: (App, {"name": _name(n), "tenant_id": _one(model, "Tenant", n), **_common(n)}),
    lambda model, n: _version(model, n),
    lambda model, n: (
        Service,
        {
            "name": _name(n),
            "site_id": _one(model, "Site", n, optional=True),
            "tenant_id": _tenant(model, n // 3),
            **_common(n),
        },
    ),
)


def _version(model: Model, number: int) -> tuple[type[Entity], dict[str, Any]]:
    app_id = _one(model, "App", number)
    app = model.entities.get(app_id or "")
    tenant_id = getattr(app, "tenant_id", "tenant_gone")
    return AppVersion, {"name": _name(number), "app_id": app_id, "tenant_id": tenant_id}


def commit_of(edit: Edit, *, revision: int | None = None, draft_id: str = "draft") -> Commit:
    """What the ledger would make of an edit."""
    number = edit.next_revision if revision is None else revision
    return Commit(
        revision=number,
        draft_id=f"{draft_id}-{number}",
        at=edit.at,
        author="test",
        action="test",
        changes=edit.changes,
        counters=edit.raised_counters,
    )


def history(program: Sequence[Step], *, commits: int = 4) -> tuple[View, Model, list[Commit]]:
    """A view after a program that was cut into some commits, the model of the same, and the commits."""
    view, model, made = View(), Model(), list[Commit]()
    for part in cut(program, commits):
        edit = Edit(view, at=1_000 + view.revision)
        run(edit, model, part)
        if edit.changes:
            made.append(commit_of(edit))
            view.apply(made[-1])
    return view, model, made


def cut(program: Sequence[Step], parts: int) -> Iterator[Sequence[Step]]:
    """The program in so many parts, in order."""
    size = max(1, -(-len(program) // parts))
    for at in range(0, len(program), size):
        yield program[at : at + size]

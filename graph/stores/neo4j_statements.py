"""The Cypher of every kind, built once at import from the kinds' declarations.

Labels, relationship types and property names come from that table alone and every value is a parameter, so that no text of
a user is ever part of a statement. What usually goes together, an entity's node and its relationships, is one statement of
subqueries over lists, for a round trip costs more than an empty subquery; what is rare is apart, for planning costs some
50 ms a subquery. What nearly every change of the lifecycle writes, of whatever kinds, is one statement as well (`USUAL`).
Each says how many rows it wrote; whoever runs it compares, for a MATCH that finds nothing writes nothing and says nothing.

Plans are kept (`replan=skip`): each looks up by a unique index, which is the best plan of an empty and of a full graph, and
planning anew while the graph grows would make all writers wait.

A kind whose two required references share one relation, as Link's ends do, is an edge: it is kept as a relationship and
not as a node. Every other reference is a relationship from its entity's node besides being a property of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from graph.entity import KINDS, Entity, Field, Kind
from graph.stores.neo4j_mapping import CODECS, Codec

INTERNAL_LABELS = ("Meta", "Commit", "Record", "Idempotency", "Counter", "Private", "Ephemeral")
"""Labels of what the store keeps beside the entities; no kind may have such a name."""
PLANNED_ONCE = "CYPHER replan=skip"


class Lists(msgspec.Struct, frozen=True):
    """A statement over named lists of rows; it answers how many rows of each it wrote, in their order."""

    text: str
    names: tuple[str, ...]


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """One reference field of a kind, as relationships to one kind of what it refers to."""

    field: str
    type: str
    target: str
    counted: bool
    """Whether the field is an object of whole numbers by id: each is the relationship's `count`."""
    add: str
    """The list of rows {from, to, count} of new ones, and so on."""
    count: str
    cut: str

    def targets(self, entity: Entity | None) -> Mapping[str, int | None]:
        """The ids that the field refers to, of any kind, each once, with their counts."""
        value = None if entity is None else getattr(entity, self.field)
        if not value:
            return {}
        if isinstance(value, str):
            return {value: None}
        return value if self.counted else dict.fromkeys(value)


class KindStatements(msgspec.Struct, frozen=True, kw_only=True):
    """How entities of one kind are written and read."""

    kind: Kind
    codec: Codec
    ends: tuple[str, str] | None
    """The fields of an edge's two ends."""
    relations: tuple[Relation, ...]
    create: Lists
    """`create` property maps, and the relationships `add_<n>` of any entities of the kind."""
    take: tuple[Lists, ...]
    """Each of one list: `cut_<n>` relationships, then `delete` {id, was}, then `unname` {id}, which frees names that are
    exchanged. `was` is the revision that is replaced."""
    parts: Mapping[str, str]
    """What `create` is made of, by list, and `update`."""
    put: tuple[Lists, ...]
    """Each of one list: `update` {id, was, set}, where `set` has the changed properties, null for removed ones; then
    `add_<n>`, which `create` has as well, and `count_<n>`."""
    any: str
    """A pattern that every entity of the kind fits; how many do, the database knows without looking."""
    page: str
    """The rows of the next `$size` entities by id after `$after`, in one record."""


def lists(parts: Mapping[str, str], *, before: str = "") -> Lists:
    """One statement of subqueries, each over the list `$<name>` with its rows as `row`."""
    calls = [
        f"CALL () {{ UNWIND ${name} AS row {part} RETURN count(*) AS written_{name} }}" for name, part in parts.items()
    ]
    answer = ", ".join(f"written_{name}" for name in parts)
    parts_of_text = [PLANNED_ONCE, *([before] if before else []), *calls, f"RETURN [{answer}] AS written"]
    return Lists("\n".join(parts_of_text), tuple(parts))


def apart(parts: Mapping[str, str]) -> tuple[Lists, ...]:
    """A statement of its own for each list."""
    return tuple(
        Lists(f"{PLANNED_ONCE} UNWIND ${name} AS row {part} RETURN [count(*)] AS written", (name,))
        for name, part in parts.items()
    )


def _quoted(name: str) -> str:
    if not name.isidentifier():
        raise TypeError(f"{name!r} cannot be a name in the graph")
    return f"`{name}`"


def _ends(kind: Kind) -> tuple[str, str] | None:
    single = [(one.name, one.ref) for one in kind.refs if one.required and one.type is str and one.ref is not None]
    for first, ref in single:
        for second, other in single:
            if first != second and ref.relation == other.relation:
                if len(ref.kinds) != 1 or ref.kinds != other.kinds:
                    raise TypeError(f"the ends of {kind.name} are of several kinds: it cannot be a relationship")
                return first, second
    return None


_ENDS = {name: _ends(kind) for name, kind in KINDS.items() if not kind.filed}
_ORDER = list(KINDS)


def _relations(kind: Kind) -> tuple[Relation, ...]:
    found: list[Relation] = []
    for field in kind.refs:
        assert field.ref is not None
        for target in field.ref.kinds:
            _check_target(kind, field, target)
            number = len(found)
            found.append(
                Relation(
                    field=field.name,
                    type=field.ref.relation,
                    target=target,
                    counted=field.type == dict[str, int],
                    add=f"add_{number}",
                    count=f"count_{number}",
                    cut=f"cut_{number}",
                )
            )
    types = [field.ref.relation for field in kind.refs if field.ref is not None]
    if len(set(types)) != len(types):
        raise TypeError(f"two references of {kind.name} have the same relation: one could not be told from the other")
    return tuple(found)


def _check_target(kind: Kind, field: Field, target: str) -> None:
    if target not in KINDS or KINDS[target].filed or _ENDS[target] is not None:
        raise TypeError(f"{kind.name}.{field.name} refers to {target}, which is no node")
    if _ORDER.index(target) > _ORDER.index(kind.name):
        raise TypeError(f"{kind.name}.{field.name} refers to {target}, which is declared after it: parents come first")


def _node(kind: Kind) -> KindStatements:
    codec, label, relations = CODECS[kind.name], _quoted(kind.name), _relations(kind)
    take: dict[str, str] = {}
    create = {"create": f"CREATE (n:{label}) SET n = row"}
    put = {"update": f"MATCH (n:{label} {{id: row.id}}) WHERE n.revision = row.was SET n += row.set"}
    for one in relations:
        relation, target = _quoted(one.type), _quoted(one.target)
        found = f"MATCH (n:{label} {{id: row.from}})-[r:{relation}]->(t:{target}) WHERE t.id = row.to"
        take[one.cut] = f"{found} DELETE r"
        count = " {count: row.count}" if one.counted else ""
        put[one.add] = create[one.add] = (
            f"MATCH (n:{label} {{id: row.from}}) MATCH (t:{target} {{id: row.to}}) CREATE (n)-[:{relation}{count}]->(t)"
        )
        if one.counted:
            put[one.count] = f"{found} SET r.count = row.count"
    types = "|".join(sorted({_quoted(one.type) for one in relations}))
    own = f" OPTIONAL MATCH (n)-[r:{types}]->() DELETE r WITH DISTINCT n" if types else ""
    take["delete"] = f"MATCH (n:{label} {{id: row.id}}) WHERE n.revision = row.was{own} DELETE n"
    if kind.named:
        take["unname"] = f"MATCH (n:{label} {{id: row.id}}) REMOVE n.name"
    return KindStatements(
        kind=kind,
        codec=codec,
        ends=None,
        relations=relations,
        create=lists(create),
        take=apart(take),
        parts={**create, "update": put["update"]},
        put=apart(put),
        any=f"(:{label})",
        page=(
            f"MATCH (n:{label}) WHERE n.id > $after WITH n ORDER BY n.id LIMIT $size"
            f" RETURN collect([{_columns(codec)}]) AS page"
        ),
    )


def _edge(kind: Kind, ends: tuple[str, str]) -> KindStatements:
    if kind.named:
        raise TypeError(f"{kind.name} is an edge: it cannot have a unique name")
    codec = CODECS[kind.name]
    first = kind.fields[ends[0]].ref
    assert first is not None
    relation, label = _quoted(first.relation), _quoted(first.kinds[0])
    found = f"MATCH ()-[n:{relation} {{id: row.id}}]->() WHERE n.revision = row.was"
    create = {
        "create": (
            f"MATCH (a:{label} {{id: row.{ends[0]}}}) MATCH (b:{label} {{id: row.{ends[1]}}})"
            f" CREATE (a)-[n:{relation}]->(b) SET n = row"
        )
    }
    update = {"update": f"{found} SET n += row.set"}
    return KindStatements(
        kind=kind,
        codec=codec,
        ends=ends,
        relations=(),
        create=lists(create),
        take=apart({"delete": f"{found} DELETE n"}),
        parts=create | update,
        put=apart(update),
        any=f"()-[:{relation}]->()",
        page=(
            f"MATCH ()-[n:{relation}]->() WHERE n.id > $after WITH n ORDER BY n.id LIMIT $size"
            f" RETURN collect([{_columns(codec)}]) AS page"
        ),
    )


def _columns(codec: Codec) -> str:
    return ", ".join(f"n.{_quoted(name)}" for name in codec.columns)


def _statements(kind: Kind) -> KindStatements:
    if kind.name in INTERNAL_LABELS:
        raise TypeError(f"kind {kind.name} has the name of a label that the store keeps for itself")
    ends = _ENDS[kind.name]
    return _node(kind) if ends is None else _edge(kind, ends)


STATEMENTS: dict[str, KindStatements] = {name: _statements(kind) for name, kind in KINDS.items() if not kind.filed}
"""By kind, parents before children; filed kinds are records."""

_UPDATED = ("Release", "Deployment", "Operation", "Instance", "Site", "Node", "Cluster")
"""Kinds of which nearly every transaction of the lifecycle updates some."""
_CREATED = ("Instance",)
"""Kinds that it creates as often; none of another kind refers to them, so that they may come last."""


def usual_name(kind: str, name: str) -> str:
    """What a list of a kind is called in `USUAL`."""
    return f"{kind}_{name}"


def _usual() -> dict[str, str]:
    for kind in _CREATED:
        if any(kind in (relation.target for relation in one.relations) for one in STATEMENTS.values()):
            raise TypeError(f"{kind} cannot be created last: another kind refers to it")
    found = {usual_name(kind, "update"): STATEMENTS[kind].parts["update"] for kind in _UPDATED}
    for kind in _CREATED:
        statements = STATEMENTS[kind]
        found |= {usual_name(kind, name): statements.parts[name] for name in statements.create.names}
    return found


USUAL: dict[str, str] = _usual()
"""Parts of one statement, by list: what nearly every transaction of the lifecycle writes, after all else but the log."""

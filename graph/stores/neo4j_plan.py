"""From commits to the statements that carry them out, in an order that never breaks the graph in between.

The group's commits are taken together: each entity is written once, as the last of them leaves it, and only what differs
from before is sent. What is taken away goes first, children before parents; then nodes are made with their relationships,
parents before children, and edges last. What nearly every transaction of the lifecycle writes is put off to the very end,
where one statement takes all of it with the log: each statement is a round trip, for all of which other writers wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from graph.change import Commit
from graph.entity import Entity, Named, kind_by_id
from graph.filing import is_filed
from graph.stores.neo4j_statements import STATEMENTS, USUAL, KindStatements, Lists, Relation, usual_name

ROWS_A_STEP = 5_000
BYTES_A_ROW = 8 * 1024
"""A row with a longer body counts as several."""

Row = dict[str, Any]


class Step(msgspec.Struct, frozen=True):
    """A statement and its lists of rows; it writes each of them or the transaction is not committed."""

    text: str
    lists: dict[str, Sequence[Row]]

    @property
    def expected(self) -> list[int]:
        """What the statement answers when it wrote every row."""
        return [len(rows) for rows in self.lists.values()]


class _Work:
    """What is done to the entities of one kind."""

    def __init__(self, statements: KindStatements) -> None:
        self.statements = statements
        self.rows: dict[str, list[Row]] = {}

    def change(self, before: Entity | None, after: Entity | None) -> None:
        """Adds one entity's change; both are live values."""
        codec, ends = self.statements.codec, self.statements.ends
        if before is not None and (
            after is None or (ends is not None and any(getattr(before, one) != getattr(after, one) for one in ends))
        ):
            self._add("delete", {"id": before.id, "was": before.revision})
            before = None
        if after is None:
            return
        properties = codec.properties(after)
        if before is None:
            self._add("create", properties)
        else:
            old = codec.properties(before)
            changed: Row = {name: value for name, value in properties.items() if old.get(name) != value}
            changed.update(dict.fromkeys(name for name in old if name not in properties))
            if isinstance(after, Named) and self._renamed(before, after):
                self._add("unname", {"id": before.id})
                changed["name"] = after.name
            self._add("update", {"id": after.id, "was": before.revision, "set": changed})
        for relation in self.statements.relations:
            self._relate(relation, after.id, relation.targets(before), relation.targets(after))

    def _renamed(self, before: Entity, after: Named) -> bool:
        kind = self.statements.kind
        return getattr(before, "name", None) != after.name or kind.scope_of(before) != kind.scope_of(after)

    def _relate(
        self, relation: Relation, source: str, before: Mapping[str, int | None], after: Mapping[str, int | None]
    ) -> None:
        if before == after:
            return
        for target in before:
            if target not in after and _is_of(target, relation.target):
                self._add(relation.cut, {"from": source, "to": target})
        for target, count in after.items():
            if _is_of(target, relation.target) and (target not in before or before[target] != count):
                name = relation.count if target in before else relation.add
                self._add(name, {"from": source, "to": target, "count": count})

    def _add(self, name: str, row: Row) -> None:
        self.rows.setdefault(name, []).append(row)


def _is_of(entity_id: str, kind: str) -> bool:
    found = kind_by_id(entity_id)
    if found is None:
        raise ValueError(f"{entity_id!r} is no id of any kind")
    return found.name == kind


class Plan(msgspec.Struct, frozen=True):
    """What brings the live graph from before some commits to after them."""

    steps: list[Step]
    usual: dict[str, list[Row]]
    """The rows of the lists of `USUAL`, which come after the steps; lists without any are left out."""


def plan_of(commits: Iterable[Commit]) -> Plan:
    """The statements that bring the live graph from before the commits to after them."""
    works: dict[str, _Work] = {}
    for kind, before, after in _net(commits):
        if before is not None or after is not None:
            work = works.get(kind)
            if work is None:
                work = works[kind] = _Work(STATEMENTS[kind])
            work.change(before, after)
    usual = {name: rows for kind, work in works.items() for name, rows in _put_off(kind, work)}
    return Plan(list(_steps(works)), usual)


def _put_off(kind: str, work: _Work) -> Iterator[tuple[str, list[Row]]]:
    """Takes out of the work what comes at the end."""
    if usual_name(kind, "create") in USUAL and "create" in work.rows:
        for name in work.statements.create.names:
            if name in work.rows:
                yield usual_name(kind, name), work.rows.pop(name)
    if usual_name(kind, "update") in USUAL and "update" in work.rows:
        yield usual_name(kind, "update"), work.rows.pop("update")


def _steps(works: Mapping[str, _Work]) -> Iterator[Step]:
    ordered = [works[kind] for kind in STATEMENTS if kind in works]
    ordered.sort(key=lambda work: work.statements.ends is not None)  # edges after all that they may connect
    for work in reversed(ordered):
        for statement in work.statements.take:
            yield from packed(statement, work.rows)
    for work in ordered:
        done: tuple[str, ...] = ()
        if "create" in work.rows:
            yield from packed(work.statements.create, work.rows)
            done = work.statements.create.names
        for statement in work.statements.put:
            if statement.names[0] not in done:
                yield from packed(statement, work.rows)


def _net(commits: Iterable[Commit]) -> Iterator[tuple[str, Entity | None, Entity | None]]:
    """Each entity's kind and its live values before the first and after the last of the commits."""
    net: dict[str, tuple[str, Entity | None, Entity | None]] = {}
    for commit in commits:
        for change in commit.changes:
            known = net.get(change.id)
            net[change.id] = (change.kind, change.before if known is None else known[1], change.after)
    for kind, before, after in net.values():
        yield kind, _live(before), _live(after)


def _live(entity: Entity | None) -> Entity | None:
    return None if entity is None or is_filed(entity) else entity


def packed(statement: Lists, rows: Mapping[str, Sequence[Row]]) -> Iterator[Step]:
    """The steps that run a statement over all rows of its lists, in their order, each of a bounded size; none for none."""
    step: dict[str, Sequence[Row]] = dict.fromkeys(statement.names, ())
    weight = 0
    for name in statement.names:
        part: list[Row] = []
        for row in rows.get(name, ()):
            if weight >= ROWS_A_STEP:
                step[name] = part
                yield Step(statement.text, step)
                step, part, weight = dict.fromkeys(statement.names, ()), [], 0
            part.append(row)
            weight += 1 + len(row.get("body", "")) // BYTES_A_ROW
        step[name] = part
    if weight:
        yield Step(statement.text, step)

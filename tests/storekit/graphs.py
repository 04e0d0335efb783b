"""Graphs, commits and records for the suite, made from the kinds' own declarations.

`sample_graph` fills every field of every kind with values that are hard to keep: other scripts, quotes, extreme numbers,
nested lists and dicts. References always lead to an entity that is there, as the ledger would have it.
"""

from __future__ import annotations

import enum
import random
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Union

import msgspec

import graph.kinds  # noqa: F401 - declares the kinds
from graph.change import Change, Commit, IdempotencyRecord, Record
from graph.entity import KINDS, Entity, Field, Kind
from graph.identifiers import new_id, new_ulid
from graph.kinds import Region, RegionLevel
from graph.store import Head, Store, WriteBatch

TEXTS = (
    "a",
    "München",
    "東京-1",
    "q'uo\"te\\`",
    "x" * 200,
    "emoji 🛰",
    "tab\tnew\nline",
    "$1 {} [x] %s ?",
    "-1e5",
    "null",
)
NUMBERS = (0, 1, 7, 4_294_967_296, 2**53 - 1)
FLOATS = (0.0, 0.1, 1e-9, 12345.678, 3.0)


def sample_graph(seed: int, *, of_each: int = 3) -> list[Entity]:
    """Entities of every live kind, parents before children, every field filled somewhere."""
    random_ = random.Random(seed)
    made: dict[str, list[str]] = {name: [] for name in KINDS}
    entities: list[Entity] = []
    for kind in KINDS.values():
        if kind.filed:
            continue
        for number in range(of_each):
            entity = _entity(kind, made, random_, number)
            made[kind.name].append(entity.id)
            entities.append(entity)
    return entities


def filed_entities(seed: int, *, of_each: int = 3) -> list[Entity]:
    """Entities of every filed kind."""
    random_ = random.Random(seed)
    return [_entity(kind, {}, random_, number) for kind in KINDS.values() if kind.filed for number in range(of_each)]


def _entity(kind: Kind, made: dict[str, list[str]], random_: random.Random, number: int) -> Entity:
    values: dict[str, Any] = {"id": new_id(kind.prefix), "revision": 1, "created_at": 5, "updated_at": 6}
    infos = {info.name: info.type for info in msgspec.structs.fields(kind.type)}
    for field in kind.fields.values():
        if field.name in values:
            continue
        if field.name == "name":
            values["name"] = f"{kind.name}-{number}-{random_.choice(TEXTS[:3])}"
        elif field.name == "labels":
            values["labels"] = {"tier": "edge", "a.b/c-d": "", f"n{number}": str(number)}
        elif field.name == "external":
            values["external"] = {"system": "other", "id": f"{kind.name}:{number}"} if number else None
        elif kind.name == "Operation" and field.name == "status":
            values["status"] = "RUNNING"
        elif field.ref is not None:
            values[field.name] = _reference(field, made, random_)
        else:
            values[field.name] = _value(infos[field.name], random_, full=number > 0)
    return msgspec.convert(values, kind.type)


def _reference(field: Field, made: dict[str, list[str]], random_: random.Random) -> Any:
    assert field.ref is not None
    targets = [one for name in field.ref.kinds for one in made[name]]
    origin = typing.get_origin(field.type)
    if origin is list:
        return random_.sample(targets, min(2, len(targets)))
    if origin is dict:
        return {one: random_.randrange(1, 9) for one in random_.sample(targets, min(2, len(targets)))}
    if not targets:
        return None
    return random_.choice(targets)


def _value(annotation: Any, random_: random.Random, *, full: bool, inside: tuple[type, ...] = ()) -> Any:
    """A value of the type as plain data, within its limits; what holds its own type (`inside`) ends after two of them."""
    limits: dict[str, Any] = {}
    while typing.get_origin(annotation) is typing.Annotated:
        for meta in annotation.__metadata__:
            if isinstance(meta, msgspec.Meta):
                limits |= {
                    name: getattr(meta, name)
                    for name in ("ge", "gt", "le", "lt", "min_length", "max_length")
                    if getattr(meta, name) is not None
                }
        annotation = annotation.__origin__
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return (
            _value(
                random_.choice([one for one in arguments if one is not type(None)]), random_, full=full, inside=inside
            )
            if (full)
            else None
        )
    if origin is list:
        return [_value(arguments[0], random_, full=full, inside=inside) for _ in range(2 if full else 0)]
    if origin is dict:
        return {
            random_.choice(TEXTS): _value(arguments[1], random_, full=full, inside=inside)
            for _ in range(2 if full else 0)
        }
    if annotation is Any:
        return random_.choice([1, "two", None, [3.5, {"four": True}]])
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return random_.choice([one.value for one in annotation])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        full, inside = full and inside.count(annotation) < 2, (*inside, annotation)
        return {
            info.encode_name: _value(info.type, random_, full=full, inside=inside)
            for info in msgspec.structs.fields(annotation)
        }
    if annotation is bool:
        return random_.random() < 0.5
    if annotation is int:
        low, high = limits.get("ge", 0), limits.get("le", 2**53 - 1)
        return random_.choice([one for one in (*NUMBERS, low, high) if low <= one <= high])
    if annotation is float:
        low, high = limits.get("ge", limits.get("gt", 0.0)), limits.get("le", 1e12)
        return random_.choice([one for one in (*FLOATS, high) if low <= one <= high and one != limits.get("gt")])
    if annotation is str:
        return random_.choice(TEXTS)[: limits.get("max_length", 100)]
    raise AssertionError(f"no sample of {annotation}")


class Chain:
    """Makes the batches that follow each other in one store, as a ledger would number them."""

    def __init__(self, head: Head) -> None:
        self.revision = head.revision
        self.at = max(head.at, 1_000)

    def commit(
        self,
        *changes: tuple[Entity | None, Entity | None],
        draft_id: str | None = None,
        counters: dict[str, int] | None = None,
    ) -> Commit:
        """The next commit, of (before, after) pairs."""
        self.revision += 1
        self.at += 1
        made = []
        for before, after in changes:
            value = after or before
            assert value is not None
            made.append(Change(value.SPEC.name, value.id, before, after))
        return Commit(
            revision=self.revision,
            draft_id=draft_id or new_ulid(),
            at=self.at,
            author="user_1",
            action="test",
            changes=made,
            counters=counters or {},
        )


async def write(
    store: Store,
    commits: Sequence[Commit] = (),
    *,
    records: Sequence[Record] = (),
    idempotency: Sequence[IdempotencyRecord] = (),
    private: dict[str, bytes | None] | None = None,
) -> None:
    """One transaction with one batch."""
    async with store.begin() as transaction:
        await transaction.head()
        await transaction.write(
            WriteBatch(commits=commits, records=records, idempotency=idempotency, private=private or {})
        )


async def head_of(store: Store) -> Head:
    """Where the store stands."""
    async with store.begin() as transaction:
        return await transaction.head()


def region(name: str, **fields: Any) -> Region:
    """A region, with an id of its own unless one is given."""
    fields.setdefault("id", new_id("region"))
    return Region(name=name, level=RegionLevel.CITY, **fields)


def created(*entities: Entity) -> Iterable[tuple[Entity | None, Entity | None]]:
    """The changes that make these."""
    return [(None, one) for one in entities]


def audit(number: int, *, tenant_id: str | None = None, subject_id: str | None = None, at: int | None = None) -> Record:
    """An audit record."""
    when = 1_000 + number if at is None else at
    return Record(
        collection="audit",
        id=new_id("audit", at_ms=when),
        tenant_id=tenant_id,
        subject_id=subject_id,
        at=when,
        body=msgspec.Raw(msgspec.json.encode({"number": number, "text": "q'uo\"te 東京"})),
    )


def idempotency_record(key: str, *, digest: str = "d", at: int = 5) -> IdempotencyRecord:
    """What a key made."""
    return IdempotencyRecord(key=key, body_digest=digest, result=msgspec.Raw(b'{"id":"site_1"}'), revision=3, at=at)

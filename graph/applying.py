"""Applying documents: what they name is created or changed, and what their source no longer names is deleted.

References are given by name (a scoped one by path: `shop/1.4.2`) or by id. A set of documents has a source; what that
source made before and the set no longer names is deleted when the set is pruned, and what another source made is
never touched. What a document leaves out stays as it is: a repeated import must not uncordon what an operator
cordoned. What it says is null is cleared. An external id is who an entity is, so that a renamed one is found again.

Everything is checked on an `Edit`, so a dry run, one commit and the commits of an operation are the same code. A bad
document refuses the whole set, and every bad one is told, not only the first.
"""

from __future__ import annotations

import enum
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from graph.documents import APPLICABLE, Document
from graph.edit import Edit, camel
from graph.entity import HIDDEN, KINDS, MANAGED, Entity, ExternalId, Field, Kind, Named, Source, without_none
from graph.refusal import AlreadyExists, InvalidInput, LimitExceeded, NotFound, Refusal
from graph.view import Reader

_ID = re.compile(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}")


class Action(enum.Enum):
    """What a document comes to."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"
    DELETED = "DELETED"
    REFUSED = "REFUSED"


class Outcome(msgspec.Struct, kw_only=True):
    """What became of one document, or of one entity that the set no longer names."""

    kind: str
    name: str
    where: str
    action: Action
    id: str | None = None
    changed: list[str] = []
    """The fields that changed, as documents spell them."""
    error: Refusal | None = None


class Rights(typing.Protocol):
    """What the applier asks of whoever applies: what it sees, and whether it may write."""

    def reader(self, edit: Reader) -> Reader:
        """The part of the graph that it sees."""
        ...

    def check(self, entity: Entity, *, make: bool) -> None:
        """Returns when it may make (or delete), or change, this entity; else raises Forbidden."""
        ...


class Deployments(typing.Protocol):
    """How deployments are made, changed and removed: the lifecycle's, since a deployment is more than its entity."""

    def declare(self, edit: Edit, fields: Mapping[str, Any], existing: Entity | None) -> Entity:
        """Makes a deployment from its fields, or brings the one that exists to them."""
        ...

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Begins to take a deployment from its sites; it is deleted when nothing of it runs any more."""
        ...


class Applier:
    """Applies documents of one source to an Edit, parents before children."""

    def __init__(self, edit: Edit, *, source: Source, rights: Rights, deployments: Deployments | None = None) -> None:
        self._edit = edit
        self._source = source
        self._rights = rights
        self._reader = rights.reader(edit)
        self._deployments = deployments
        self._named_at: dict[str, str] = {}
        """Where the set has named each entity: one that is named twice would change with every repetition."""

    def apply(self, documents: Sequence[Document]) -> list[Outcome]:
        """Applies each; an outcome each, in the order of the documents. A refused one leaves nothing of itself."""
        outcomes = dict(self.steps(documents))
        return [outcomes[index] for index in range(len(documents))]

    def steps(self, documents: Sequence[Document]) -> Iterator[tuple[int, Outcome]]:
        """Applies them one by one, parents before children: positions and outcomes as they come.

        Where a name or external id is taken it is tried again after the others of its kind, for its holder may give it up;
        before those that may refer to it, lest they find its holder under the name.
        """
        for group in _groups(documents):
            waiting = group
            while waiting:
                taken: list[tuple[int, Outcome]] = []
                for index in waiting:
                    outcome = self._tried(documents[index])
                    if isinstance(outcome.error, AlreadyExists):
                        taken.append((index, outcome))
                    else:
                        yield index, outcome
                if len(taken) == len(waiting):
                    yield from taken
                    break
                waiting = [index for index, _ in taken]

    def _tried(self, document: Document) -> Outcome:
        try:
            return self._one(document)
        except LimitExceeded:
            raise
        except Refusal as refusal:
            return Outcome(
                kind=document.kind,
                name=document.name,
                where=document.where,
                action=Action.REFUSED,
                error=_placed(refusal, document),
            )

    def prune(self, kept: set[str]) -> list[Outcome]:
        """Deletes what the source made and is not among the kept ids, children before parents."""
        doomed: list[str] = []
        key = f"{self._source.kind.name}:{self._source.name}"
        for name in reversed(APPLICABLE):
            doomed.extend(one for one in self._edit.ids(name, "source", key) if one not in kept)
        return self.remove(doomed)

    def remove(self, entity_ids: Sequence[str]) -> list[Outcome]:
        """Deletes entities that the applier may see; those that are gone already are passed over.

        What is in use is tried again after the others: a region goes after those below it whatever the order of the ids.
        """
        doomed = [
            found
            for one in entity_ids
            if self._reader.get(one) is not None and (found := self._edit.get(one)) is not None
        ]
        outcomes: list[Outcome] = []
        while doomed:
            tried = [(entity, self._gone(entity)) for entity in doomed]
            outcomes.extend(outcome for _, outcome in tried if outcome.error is None)
            left = [entity for entity, outcome in tried if outcome.error is not None]
            if len(left) == len(doomed):
                return [*outcomes, *(outcome for _, outcome in tried)]
            doomed = left
        return outcomes

    def _gone(self, entity: Entity) -> Outcome:
        name = entity.name if isinstance(entity, Named) else entity.id
        outcome = Outcome(kind=entity.SPEC.name, name=name, where="", action=Action.DELETED, id=entity.id)
        try:
            self._rights.check(entity, make=True)
            if entity.SPEC.name == "Deployment" and self._deployments is not None:
                self._deployments.remove(self._edit, entity)
            else:
                self._edit.delete(entity)
        except LimitExceeded:
            raise
        except Refusal as refusal:
            outcome.action, outcome.error = Action.REFUSED, refusal
        return outcome

    def _one(self, document: Document) -> Outcome:
        kind = KINDS[document.kind]
        fields = self._fields(kind, document)
        existing = self._existing(kind, document, fields)
        outcome = Outcome(kind=kind.name, name=document.name, where=document.where, action=Action.UNCHANGED)
        if existing is None:
            self._rights.check(kind.type(id="", **fields), make=True)
            if kind.name == "Deployment" and self._deployments is not None:
                made = self._deployments.declare(self._edit, fields, None)
            else:
                made = self._edit.create(kind.type, path="spec", **{**fields, "source": self._source})
            outcome.action, outcome.id = Action.CREATED, made.id
            self._named_at[made.id] = document.where
            return outcome
        outcome.id = existing.id
        if existing.id in self._named_at:
            raise InvalidInput(
                f"{kind.name} {document.name!r} is in the set already, at {self._named_at[existing.id]}",
                remedy="describe it once",
                path="metadata.name",
            )
        if existing.source != self._source:
            raise InvalidInput(
                f"{kind.name} {document.name!r} was made by {existing.source.kind.name} {existing.source.name!r}",
                remedy="use another name, or apply it under that source",
                path="metadata.name",
            )
        changed = {name: value for name, value in fields.items() if getattr(existing, name) != value}
        if not changed:
            self._named_at[existing.id] = document.where
            return outcome
        self._rights.check(existing, make=False)
        if kind.name == "Deployment" and self._deployments is not None:
            self._deployments.declare(self._edit, fields, existing)
        else:
            self._edit.replace(existing, path="spec", **changed)
        self._named_at[existing.id] = document.where
        outcome.action = Action.UPDATED
        outcome.changed = sorted(document_name(kind.fields[name]) for name in changed)
        return outcome

    def _existing(self, kind: Kind, document: Document, fields: Mapping[str, Any]) -> Entity | None:
        external: ExternalId | None = fields.get("external")
        if external is not None:
            found = self._edit.find_external(external.system, external.id, fields.get("tenant_id"))
            if found is not None and found.SPEC is kind:
                return found
        if not kind.named:
            return None
        scope = next((str(fields[one]) for one in kind.scope if fields.get(one)), "")
        return self._edit.find(kind.name, document.name, scope)

    def _fields(self, kind: Kind, document: Document) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if document.labels is not None:
            fields["labels"] = document.labels
        if document.display_name is not None:
            fields["display_name"] = document.display_name
        if document.external is not None:
            fields["external"] = document.external
        if kind.named:
            fields["name"] = document.name
        elif document.external is None:
            fields["external"] = ExternalId(f"{self._source.kind.name}:{self._source.name}", document.name)
        if document.tenant is not None and "tenant_id" in kind.fields:
            fields["tenant_id"] = self._named("Tenant", document.tenant, None, "metadata.tenant")
        names = spelled(kind)
        for key, value in document.spec.items():
            field = names.get(key)
            if field is None:
                raise InvalidInput(
                    f"a {kind.name} has no {key!r}",
                    remedy=f"it has {', '.join(sorted(one for one in names if not one.endswith(('Id', 'Ids'))))}",
                    path=f"spec.{key}",
                )
            where = f"spec.{key}"
            if value is None:
                if field.required:
                    raise InvalidInput(f"{key} cannot be null", remedy="give a value", path=where)
                fields[field.name] = kind.default_of(field.name)
                continue
            fields[field.name] = (
                self._reference(field, value, fields.get("tenant_id"), where)
                if field.ref is not None
                else plain_value(field.type, value, field.meta, where)
            )
        self._inherit_tenant(kind, fields)
        for field in kind.fields.values():
            if field.required and field.name not in fields and field.name != "id":
                raise InvalidInput(
                    f"{document_name(field)} is missing", remedy="give it", path=f"spec.{document_name(field)}"
                )
        return fields

    def _inherit_tenant(self, kind: Kind, fields: dict[str, Any]) -> None:
        field = kind.fields.get("tenant_id")
        if field is None or field.optional or "tenant_id" in fields:
            return
        for ref in kind.refs:
            parent = self._edit.get(str(fields.get(ref.name, "")))
            tenant_id = getattr(parent, "tenant_id", None)
            if tenant_id is not None:
                fields["tenant_id"] = tenant_id
                return

    def _reference(self, field: Field, value: Any, tenant_id: str | None, path: str) -> Any:
        assert field.ref is not None
        if typing.get_origin(field.type) is list:
            if not isinstance(value, list):
                raise InvalidInput("a list of names or ids", remedy="write a list", path=path)
            return [self._named(field.ref.kinds[0], one, tenant_id, f"{path}[{at}]") for at, one in enumerate(value)]
        return self._named(field.ref.kinds[0], value, tenant_id, path)

    def _named(self, kind_name: str, value: Any, tenant_id: str | None, path: str) -> str:
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"the name or id of a {kind_name}", remedy="give text", path=path)
        kind = KINDS[kind_name]
        if _ID.fullmatch(value):
            found = self._reader.get(value)
        else:
            found = self._by_path(kind, value.split("/"), tenant_id)
        if found is None or found.SPEC is not kind:
            raise NotFound(kind_name, value, path=path, remedy="name one that exists or is in the same set")
        return found.id

    def _by_path(self, kind: Kind, path: Sequence[str], tenant_id: str | None) -> Entity | None:
        *outer, name = path
        scope_kind = _scope_kind(kind)
        if outer and scope_kind is not None:
            parent = self._by_path(scope_kind, outer, tenant_id)
            return None if parent is None else self._reader.find(kind.name, name, parent.id)
        if outer:
            return None
        scopes = [tenant_id, ""] if tenant_id is not None else [""]
        for scope in scopes:
            found = self._reader.find(kind.name, name, scope or "")
            if found is not None:
                return found
        return None


def in_order(documents: Sequence[Document]) -> list[int]:
    """The positions of the documents, parents before children: by kind, regions by their depth in the set."""
    return [index for group in _groups(documents) for index in group]


def _groups(documents: Sequence[Document]) -> list[list[int]]:
    """The positions of documents that do not refer to each other, group after group, parents before children."""
    rank = {name: at for at, name in enumerate(APPLICABLE)}
    depths = _region_depths(documents)
    groups: dict[tuple[int, int], list[int]] = {}
    for index, one in enumerate(documents):
        depth = depths[_path_of(one)] if one.kind == "Region" else 0
        groups.setdefault((rank[one.kind], depth), []).append(index)
    return [groups[key] for key in sorted(groups)]


def _path_of(document: Document) -> tuple[str | None, str]:
    return document.tenant, document.name


def _region_depths(documents: Sequence[Document]) -> dict[tuple[str | None, str], int]:
    """How many regions of the set are above each of the set's; of those in a circle, some number."""
    regions = {_path_of(one): one for one in documents if one.kind == "Region"}

    def above(path: tuple[str | None, str]) -> tuple[str | None, str] | None:
        tenant = regions[path].tenant
        parent = regions[path].spec.get("parent", regions[path].spec.get("parentId"))
        if not isinstance(parent, str):
            return None
        outer, _, name = parent.rpartition("/")
        wanted = [(outer, name)] if outer else [(tenant, name), (None, name)]
        return next((one for one in wanted if one in regions), None)

    depths: dict[tuple[str | None, str], int] = {}
    for start in regions:
        line: list[tuple[str | None, str]] = []
        at: tuple[str | None, str] | None = start
        while at is not None and at not in depths:
            depths[at] = 0  # until it is known; whoever comes round to it again stops here
            line.append(at)
            at = above(at)
        depth = -1 if at is None else depths[at]
        for one in reversed(line):
            depth += 1
            depths[one] = depth
    return depths


def spelled(kind: Kind) -> dict[str, Field]:
    """A kind's fields as a document's spec spells them: camel case, a reference by name without its `Id`."""
    names: dict[str, Field] = {}
    for field in kind.fields.values():
        if field.name in ("id", "labels", "display_name", "external", "name", "tenant_id"):
            continue
        if MANAGED in field.marks or HIDDEN in field.marks:
            continue
        names[document_name(field)] = field
        if field.ref is not None:
            names[camel(field.name)] = field
    return names


def document_name(field: Field) -> str:
    """A field as documents spell it."""
    if field.ref is not None and field.name.endswith("_ids"):
        return camel(field.name.removesuffix("_ids")) + "s"
    return camel(field.name.removesuffix("_id") if field.ref is not None else field.name)


def plain_value(declared: Any, value: Any, meta: Sequence[msgspec.Meta], path: str) -> Any:
    """A field's value from a document's. Raises InvalidInput."""
    snake = _snake_keys(declared, value, path)
    annotated = typing.Annotated[(declared, *meta)] if meta else declared
    try:
        return msgspec.convert(snake, annotated)
    except msgspec.ValidationError as problem:
        text, _, inner = str(problem).partition(" - at `$")
        raise InvalidInput(
            text, remedy="give a value of the stated type and range", path=path + inner.rstrip("`")
        ) from None


def _snake_keys(declared: Any, value: Any, path: str) -> Any:
    """Keys of what becomes a struct in snake case; keys of mappings are data and stay."""
    while typing.get_origin(declared) is typing.Annotated:
        declared = declared.__origin__
    declared = without_none(declared)
    while typing.get_origin(declared) is typing.Annotated:
        declared = declared.__origin__
    if isinstance(value, list):
        inner = typing.get_args(declared)
        return [_snake_keys(inner[0], one, f"{path}[{at}]") for at, one in enumerate(value)] if inner else value
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct) and isinstance(value, dict):
        names = {camel(info.name): info for info in msgspec.structs.fields(declared)}
        out = {}
        for key, one in value.items():
            if key not in names:
                raise InvalidInput(
                    f"{declared.__name__} has no {key!r}",
                    remedy=f"it has {', '.join(sorted(names))}",
                    path=f"{path}.{key}",
                )
            out[names[key].name] = _snake_keys(names[key].type, one, f"{path}.{key}")
        return out
    return value


def _scope_kind(kind: Kind) -> Kind | None:
    for name in kind.scope:
        ref = kind.fields[name].ref
        if ref is not None and ref.kinds[0] != "Tenant":
            return KINDS[ref.kinds[0]]
        if ref is not None:
            return KINDS["Tenant"]
    return None


def _placed(refusal: Refusal, document: Document) -> Refusal:
    """The refusal with the document's place before its own path."""
    refusal.path = f"{document.where}: {refusal.path}" if refusal.path else document.where
    return refusal

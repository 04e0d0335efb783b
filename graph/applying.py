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

from graph.document_order import in_groups
from graph.document_values import document_name, plain_value, spelled
from graph.documents import APPLICABLE, Document
from graph.edit import Edit
from graph.entity import KINDS, Entity, ExternalId, Field, Kind, Named, Source
from graph.refusal import AlreadyExists, InUse, InvalidInput, LimitExceeded, NotFound, Refusal
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
        self._leaving: set[str] = set()
        """Deployments that were removed, and are there until nothing of them runs any more."""

    def apply(self, documents: Sequence[Document]) -> list[Outcome]:
        """Applies each; an outcome each, in the order of the documents. A refused one leaves nothing of itself."""
        outcomes = dict(self.steps(documents))
        return [outcomes[index] for index in range(len(documents))]

    def steps(self, documents: Sequence[Document]) -> Iterator[tuple[int, Outcome]]:
        """Applies them one by one, parents before children: positions and outcomes as they come.

        Where a name or external id is taken it is tried again after the others of its kind, for its holder may give it up;
        before those that may refer to it, lest they find its holder under the name.
        """
        for group in in_groups(documents):
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
        What only a deployment on its way out still uses is left for the next time, unchanged, and told so.
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
                self._leave_for_later([outcome for _, outcome in tried])
                return [*outcomes, *(outcome for _, outcome in tried)]
            doomed = left
        return outcomes

    def _leave_for_later(self, stuck: Sequence[Outcome]) -> None:
        """Makes unchanged what nothing depends on but what leaves by itself, or what is stuck for the same reason."""
        waiting = {one.id: one.error for one in stuck if isinstance(one.error, InUse)}
        while True:
            held = [
                key
                for key, error in waiting.items()
                if any(one not in waiting and not self._leaves(one) for one in error.dependents)
            ]
            if not held:
                break
            for key in held:
                del waiting[key]
        for one in stuck:
            if one.id in waiting:
                one.action = Action.UNCHANGED
                one.error = InUse(
                    f"{one.kind} {one.name!r} is used until a deployment is gone; the next set without it deletes it",
                    dependents=waiting[one.id].dependents,
                )

    def _leaves(self, entity_id: str) -> bool:
        """Whether it is, is part of, or works on a deployment that is being removed."""
        entity = self._edit.get(entity_id)
        if entity is None or entity_id in self._leaving or getattr(entity, "subject_id", None) in self._leaving:
            return True
        owners = (field for field in entity.SPEC.refs if field.ref is not None and field.ref.owner)
        return any(
            self._leaves(target)
            for field in owners
            for target in field.targets(entity)
            if field.name != "tenant_id" and target != entity_id
        )

    def _gone(self, entity: Entity) -> Outcome:
        name = entity.name if isinstance(entity, Named) else entity.id
        outcome = Outcome(kind=entity.SPEC.name, name=name, where="", action=Action.DELETED, id=entity.id)
        try:
            self._rights.check(entity, make=True)
            if entity.SPEC.name == "Deployment" and self._deployments is not None:
                self._deployments.remove(self._edit, entity)
                self._leaving.add(entity.id)
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

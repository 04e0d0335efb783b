"""Applying documents: what they name is created or changed, and what their set no longer names is deleted.

References are given by name (a scoped one by path: `shop/1.4.2`) or by id. A set has a name within its scope
(graph/document_sets.py); what it made before and no longer names is deleted when it is pruned, and what anybody else made
is never touched. What a document leaves out stays as it is: a repeated import must not uncordon what an operator
cordoned. What it says is null is cleared. An external id is who an entity is, so that a renamed one is found again.

Everything is checked on an `Edit`, so a dry run, one commit and the commits of an operation are the same code. A bad
document refuses the whole set, and every bad one is told, not only the first.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from graph.document_order import in_groups
from graph.document_references import References
from graph.document_sets import SetName, maker
from graph.document_values import MAX_REFERENCE, document_name, like, plain_value, spelled
from graph.documents import APPLICABLE, Document
from graph.edit import Edit
from graph.entity import KINDS, Entity, ExternalId, Kind, Named
from graph.kinds import Deployment
from graph.refusal import AlreadyExists, CapacityGone, InUse, InvalidInput, LimitExceeded, Refusal
from graph.view import Reader


class Action(enum.Enum):
    """What a document comes to."""

    CREATED = "CREATED"
    """What it describes was made."""
    UPDATED = "UPDATED"
    """What it describes was changed."""
    UNCHANGED = "UNCHANGED"
    """All is as it says already."""
    DELETED = "DELETED"
    """What it described before is not in the set any more, and was deleted."""
    REFUSED = "REFUSED"
    """It was refused, and nothing of it was done."""


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

    def changes(self, fields: Mapping[str, Any], existing: Entity) -> Collection[str]:
        """The fields that would change of what is asked for, whether or not that is so already."""
        ...

    def remove(self, edit: Edit, existing: Entity) -> None:
        """Begins to take a deployment from its sites; it is deleted when nothing of it runs any more."""
        ...


Check = Callable[[Kind, Mapping[str, Any]], None]
"""Raises a refusal when an entity of a kind may not be made with these fields, such as one that no driver knows."""


class Coming(typing.NamedTuple):
    """A deployment that is about to be made, or brought to its document: where it may run can be looked at now."""

    fields: Mapping[str, Any]
    existing: Entity | None
    """None: it is new."""
    again: bool
    """Whether what was decided for it has no room any more."""


Step = tuple[int, Outcome | Coming]
"""A document's position, and what became of it or is about to."""


class Applier:
    """Applies documents of one set to an Edit, parents before children."""

    def __init__(
        self,
        edit: Edit,
        *,
        of: SetName,
        rights: Rights,
        deployments: Deployments | None = None,
        check: Check | None = None,
    ) -> None:
        """`check` is what is checked of a kind's fields beside the graph's own rules."""
        self._edit = edit
        self._of = of
        self._check = check
        self._rights = rights
        self._reader = rights.reader(edit)
        self._references = References(self._reader)
        self._deployments = deployments
        self._named_at: dict[str, str] = {}
        """Where the set has named each entity: one that is named twice would change with every repetition."""
        self._leaving: set[str] = set()
        """Deployments that were removed, and are there until nothing of them runs any more."""

    def apply(self, documents: Sequence[Document]) -> list[Outcome]:
        """Applies each; an outcome each, in the order of the documents. A refused one leaves nothing of itself."""
        outcomes = {index: step for index, step in self.steps(documents) if isinstance(step, Outcome)}
        return [outcomes[index] for index in range(len(documents))]

    def steps(self, documents: Sequence[Document]) -> Iterator[Step]:
        """Applies them one by one, parents before children: positions and outcomes as they come.

        Before a deployment it says so, and once more when what was decided for it has no room. Where a name or
        external id is taken it is tried again after the others of its kind, for its holder may give it up; before those that
        may refer to it, lest they find its holder under the name.
        """
        for group in in_groups(documents):
            waiting = group
            while waiting:
                taken: list[tuple[int, Outcome]] = []
                for index in waiting:
                    document = documents[index]
                    coming = self._coming(document)
                    if coming is not None:
                        yield index, coming
                    outcome = self._tried(document)
                    if coming is not None and isinstance(outcome.error, CapacityGone):
                        yield index, coming._replace(again=True)
                        outcome = self._tried(document)
                    if isinstance(outcome.error, AlreadyExists):
                        taken.append((index, outcome))
                    else:
                        yield index, outcome
                if len(taken) == len(waiting):
                    yield from taken
                    break
                waiting = [index for index, _ in taken]

    def _coming(self, document: Document) -> Coming | None:
        if document.kind != "Deployment" or self._deployments is None:
            return None
        kind = KINDS[document.kind]
        try:
            fields = self._fields(kind, document)
        except Refusal:  # told when it is tried
            return None
        existing = self._existing(kind, document, fields)
        if existing is not None and not self._of.made(existing):
            return None
        return Coming(fields, existing, False)

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
        """Deletes what the set made and is not among the kept ids, children before parents."""
        return list(self.remove_steps(self.left_out(kept)))

    def left_out(self, kept: Collection[str]) -> list[str]:
        """What the set made and is not among the kept ids, children before parents."""
        return [one for name in reversed(APPLICABLE) for one in list(self._of.ids(self._edit, name)) if one not in kept]

    def remove(self, entity_ids: Sequence[str]) -> list[Outcome]:
        """Deletes entities of the set that the applier may see; those that are gone already are passed over."""
        return list(self.remove_steps(entity_ids))

    def remove_steps(self, entity_ids: Sequence[str]) -> Iterator[Outcome]:
        """Deletes them one by one, as `remove`.

        What is in use is tried again after the others: a region goes after those below it whatever the order of the ids.
        What only a deployment on its way out still uses is left for the next time, unchanged, and told so.
        """
        doomed = list(entity_ids)
        while doomed:
            left: list[tuple[str, Outcome]] = []
            for one in doomed:
                found = self._edit.get(one)
                if found is None or self._reader.get(one) is None or not self._of.made(found):
                    continue
                outcome = self._gone(found)
                if outcome.error is None:
                    yield outcome
                else:
                    left.append((one, outcome))
            if len(left) == len(doomed):
                stuck = [outcome for _, outcome in left]
                self._leave_for_later(stuck)
                yield from stuck
                return
            doomed = [one for one, _ in left]

    def _leave_for_later(self, stuck: Sequence[Outcome]) -> None:
        """Makes unchanged what nothing depends on but what leaves by itself, or what is stuck for the same reason."""
        waiting = {one.id: one.error for one in stuck if isinstance(one.error, InUse)}
        while True:
            held = [
                key
                for key, error in waiting.items()
                if any(
                    one not in waiting and not self._leaves(one) and not self._only_goes_back(one, key or "")
                    for one in error.dependents
                )
            ]
            if not held:
                break
            for key in held:
                del waiting[key]
        for one in stuck:
            if one.id in waiting:
                one.action = Action.UNCHANGED
                one.error = InUse(
                    f"{one.kind} {one.name!r} is used until a deployment is gone, or no longer goes back to it; then the"
                    " next set without it deletes it",
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

    def _only_goes_back(self, dependent_id: str, entity_id: str) -> bool:
        """Whether what depends on a version, or a part of one, is a deployment that runs another by now."""
        deployment, entity = self._edit.get(dependent_id), self._edit.get(entity_id)
        version_id = getattr(entity, "app_version_id", entity_id)
        return isinstance(deployment, Deployment) and deployment.app_version_id != version_id

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
        source = self._of.source_for(fields.get("tenant_id"))
        outcome = Outcome(kind=kind.name, name=document.name, where=document.where, action=Action.UNCHANGED)
        if existing is None:
            self._rights.check(kind.type(id="", **fields), make=True)
            if self._check is not None:
                self._check(kind, fields)
            if kind.name == "Deployment" and self._deployments is not None:
                made = self._deployments.declare(self._edit, fields, None)
            else:
                made = self._edit.create(kind.type, path="spec", **{**fields, "source": source})
            if made.source != source:
                made = self._edit.replace(made, path="spec", source=source)
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
        if not self._of.made(existing):
            raise InvalidInput(
                f"{kind.name} {document.name!r} was made by {maker(existing)}",
                remedy=self._of.remedy(existing),
                path="metadata.name",
            )
        changed = self._changed(kind, fields, existing)
        if not changed:
            self._named_at[existing.id] = document.where
            return outcome
        self._rights.check(existing, make=False)
        if self._check is not None:
            self._check(kind, {name: getattr(existing, name) for name in kind.fields} | fields)
        if kind.name == "Deployment" and self._deployments is not None:
            self._deployments.declare(self._edit, fields, existing)
        else:
            self._edit.replace(existing, path="spec", **changed)
        self._named_at[existing.id] = document.where
        outcome.action = Action.UPDATED
        outcome.changed = sorted(document_name(kind.fields[name]) for name in changed)
        return outcome

    def _changed(self, kind: Kind, fields: Mapping[str, Any], existing: Entity) -> dict[str, Any]:
        """What a document would change, by field."""
        if kind.name == "Deployment" and self._deployments is not None:
            names = self._deployments.changes(fields, existing)
            return {name: value for name, value in fields.items() if name in names}
        return {name: value for name, value in fields.items() if getattr(existing, name) != value}

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
        if document.labels is not msgspec.UNSET:
            fields["labels"] = document.labels or {}
        if document.display_name is not msgspec.UNSET:
            fields["display_name"] = document.display_name
        if document.external is not msgspec.UNSET:
            fields["external"] = document.external
        if "tenant_id" in kind.fields:
            if document.tenant is not None:
                fields["tenant_id"] = self._references.named("Tenant", document.tenant, None, "metadata.tenant")
            elif self._of.tenant_id is not None:
                fields["tenant_id"] = self._of.tenant_id
        elif document.tenant is not None:
            raise InvalidInput(f"a {kind.name} belongs to no tenant", remedy="leave it out", path="metadata.tenant")
        if self._of.tenant_id is not None and fields.get("tenant_id") != self._of.tenant_id:
            raise InvalidInput(
                f"this {kind.name} belongs to {'another tenant' if document.tenant else 'the installation'}, "
                "and the set to a tenant",
                remedy="put it into a set of its own scope",
                path="metadata.tenant" if document.tenant else "kind",
            )
        if kind.named:
            fields["name"] = document.name
        names = spelled(kind)
        for key, value in document.spec.items():
            field = names.get(key)
            if field is None:
                raise InvalidInput(
                    f"a {kind.name} has no {key[:MAX_REFERENCE]!r}",
                    remedy=like(key, [one for one in names if not one.endswith(("Id", "Ids"))], has="it has"),
                    path=f"spec.{key[:MAX_REFERENCE]}",
                )
            where = f"spec.{key}"
            if value is None:
                if field.required:
                    raise InvalidInput(f"{key} cannot be null", remedy="give a value", path=where)
                fields[field.name] = kind.default_of(field.name)
                continue
            fields[field.name] = (
                self._references.of_field(field, value, fields.get("tenant_id"), where)
                if field.ref is not None
                else plain_value(
                    field.type,
                    self._references.in_value(field, value, fields.get("tenant_id"), where),
                    field.meta,
                    where,
                )
            )
        self._inherit_tenant(kind, fields)
        if not kind.named and fields.get("external") is None:
            source = self._of.source_for(fields.get("tenant_id"))
            fields["external"] = ExternalId(f"{source.kind.name}:{source.name}", document.name)
        for field in kind.fields.values():
            if field.required and field.name not in fields and field.name != "id":
                if field.name == "tenant_id":
                    raise InvalidInput(
                        f"whose {kind.name} is it?",
                        remedy="name its tenant, or apply the set as a tenant's (on the command line --tenant)",
                        path="metadata.tenant",
                    )
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


def _placed(refusal: Refusal, document: Document) -> Refusal:
    """The refusal with the document's place before its own path."""
    path = refusal.path or ""
    if not path.startswith(document.where):  # one that was made beforehand may be told twice
        inner = f"spec.{path.removeprefix('input.')}" if path.startswith("input.") else path
        refusal.path = f"{document.where}: {inner}" if inner else document.where
    return refusal

"""Whose a set of documents is, and what it made: a set's name counts within its scope.

A scope is a tenant, or the installation. Two tenants may use one name for their sets, and so may the installation: none of
them touches what another made. A tenant's set makes what belongs to that tenant and nothing else; a set of the installation
makes what belongs to none, and whatever its documents put into tenants.

The source of an entity tells which set made it. Within a tenant a plain name is the tenant's own set; the installation's
is `installation/NAME`, which nobody else can use, for the names of sets have no slash.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from graph.entity import Entity, Source, SourceKind
from graph.identifiers import name_problem
from graph.refusal import InvalidInput
from graph.view import Reader

INSTALLATION = "installation"


class SetName(msgspec.Struct, frozen=True, kw_only=True):
    """A set's name within its scope."""

    kind: SourceKind
    name: str
    tenant_id: str | None = None
    """The tenant whose set it is; None: the installation's."""

    @property
    def source(self) -> Source:
        """The source of what belongs to the set's own scope."""
        return Source(self.kind, self.name)

    def source_for(self, tenant_id: str | None) -> Source:
        """The source of what the set makes for a tenant, or (None) for nobody."""
        if self.tenant_id is None and tenant_id is not None:
            return Source(self.kind, f"{INSTALLATION}/{self.name}")
        return self.source

    def made(self, entity: Entity) -> bool:
        """Whether this very set made the entity."""
        tenant_id = getattr(entity, "tenant_id", None)
        if self.tenant_id is not None and tenant_id != self.tenant_id:
            return False
        return entity.source == self.source_for(tenant_id)

    def ids(self, reader: Reader, kind: str) -> Iterator[str]:
        """The entities of a kind that this very set made, by id; O(those of sets of its name)."""
        names = [self.name] if self.tenant_id is not None else [self.name, f"{INSTALLATION}/{self.name}"]
        for name in names:
            for one in reader.ids(kind, "source", f"{self.kind.name}:{name}"):
                found = reader.get(one)
                if found is not None and self.made(found):
                    yield one

    def check(self, *, path: str = "input.name") -> None:
        """Raises InvalidInput for what cannot be a set's name."""
        problem = name_problem(self.name)
        if problem is not None:
            raise InvalidInput(
                f"the name of a set: {problem}", remedy="name it as you would name an entity: shop", path=path
            )

    def remedy(self, entity: Entity) -> str:
        """What to do when a document of the set names what this very set did not make."""
        set_of = made_by(entity)
        if set_of is None:
            return "use another name, or delete what has it"
        name, of_tenant = set_of
        if of_tenant == (self.tenant_id is not None) and entity.source.kind is self.kind:
            return f"apply it under the set's name {name!r} (on the command line --name), or use another name"
        if of_tenant:
            return "use another name, or apply it as part of that set: give its tenantId (on the command line --tenant)"
        return "use another name, or have it applied as part of that set"


def made_by(entity: Entity) -> tuple[str, bool] | None:
    """The set that made an entity, and whether it is the entity's tenant's (else the installation's); None: no set."""
    if entity.source.kind not in (SourceKind.DOCUMENTS, SourceKind.IMPORT):
        return None
    outer, _, name = entity.source.name.rpartition("/")
    return name, getattr(entity, "tenant_id", None) is not None and outer != INSTALLATION


def maker(entity: Entity) -> str:
    """Who made an entity, for people: `DOCUMENTS 'shop' of the installation`."""
    set_of = made_by(entity)
    if set_of is None:
        return f"{entity.source.kind.name} {entity.source.name!r}"
    return f"{entity.source.kind.name} {set_of[0]!r} of {'its tenant' if set_of[1] else 'the installation'}"

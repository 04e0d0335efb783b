"""What an entity is, and how a kind is declared once for everything that derives from it.

A kind is one frozen msgspec Struct. Its annotations carry all that storage, indexes, the API's types and inputs and the
documents of `apply` need to know: descriptions (`doc`), references (`Ref`) and marks (`INDEXED`, `IMMUTABLE`, `MANAGED`,
`HIDDEN`). `kind_of` reads them into a `Kind`, once, at import. A second list of a kind's fields anywhere would drift
from this one; there is none.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, Union

import msgspec

if TYPE_CHECKING:
    from graph.view import Reader


class Timestamp:
    """Marks an integer as UTC milliseconds since 1970; the API shows it as a date and time."""


TimestampMs = Annotated[int, Timestamp]


class Area(enum.Enum):
    """Who may see a kind at all; `access` turns it into permissions."""

    INFRASTRUCTURE = "infrastructure"
    """Read by every member unless it is private to a tenant."""
    TENANCY = "tenancy"
    """Who may do what: tenants, users, tokens, role bindings."""
    WORKLOAD = "workload"
    """Belongs to one tenant and is seen by it alone."""
    RECORD = "record"
    """What happened: operations and events; seen by the tenant they concern."""


class Mark(enum.Enum):
    """Marks on a field that change how it is kept or shown."""

    INDEXED = "indexed"
    """Equality lookups on it are answered from an index; it can be filtered and ordered on cheaply."""
    IMMUTABLE = "immutable"
    """Given at creation, never changed."""
    MANAGED = "managed"
    """Written by the server or by observers, never by a user's create or update."""
    HIDDEN = "hidden"
    """Never shown by the API, in any role."""


INDEXED = Mark.INDEXED
IMMUTABLE = Mark.IMMUTABLE
MANAGED = Mark.MANAGED
HIDDEN = Mark.HIDDEN


class Ref:
    """A field that names another entity by id: `str`, `str | None`, `list[str]`, or the keys of a `dict[str, …]`.

    `relation` is the relationship's type in the property graph. `owner=True` says that the entity cannot outlive what it
    refers to: a cascade deletes it with its target, where any other reference only blocks the deletion.
    `goes_along=True` says that it is deleted with what it refers to also without a cascade: nobody made it.
    """

    __slots__ = ("goes_along", "kinds", "owner", "relation", "reverse")

    def __init__(
        self,
        *kinds: str,
        relation: str,
        owner: bool = False,
        goes_along: bool = False,
        reverse: str | None = None,
    ) -> None:
        self.kinds = kinds
        self.relation = relation
        self.owner = owner or goes_along
        self.goes_along = goes_along
        self.reverse = reverse
        """What the list of those that refer to an entity is called on it; by default the referring kind's plural,
        and none when empty."""


def doc(text: str) -> msgspec.Meta:
    """A field's description: printed in the API's schema and in the documentation."""
    return msgspec.Meta(description=text)


class SourceKind(enum.Enum):
    """Who makes an entity."""

    USER = "USER"
    """A person, or a program with a token."""
    IMPORT = "IMPORT"
    """An import of a topology."""
    CLUSTER = "CLUSTER"
    """Whoever observes a cluster."""
    DOCUMENTS = "DOCUMENTS"
    """A set of documents that is applied."""
    SYSTEM = "SYSTEM"
    """EdgeAtlas itself."""


class Source(msgspec.Struct, frozen=True, gc=False):
    """Who made an entity: a user, an import's name, a cluster, a document set, or the system itself.

    An import or a document set that is repeated removes only what its own source made.
    """

    kind: Annotated[SourceKind, doc("What sort of maker it is.")]
    name: Annotated[str, doc("The user's, import's, cluster's or document set's name.")]


class ExternalId(msgspec.Struct, frozen=True, gc=False):
    """The entity's name in another system, unique there."""

    system: Annotated[str, doc("The other system, such as an import's name or a cluster's id.")]
    id: Annotated[str, doc("The identifier in that system.")]


SYSTEM_SOURCE = Source(SourceKind.SYSTEM, "edgeatlas")


class Entity(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The fields that every entity has. Values are immutable: a change is a whole new value."""

    SPEC: ClassVar[Kind]

    id: Annotated[str, doc("Opaque, prefixed with the kind: `site_01J…`. Never reused.")]
    display_name: Annotated[str | None, doc("A name for people; any characters.")] = None
    labels: Annotated[dict[str, str], doc("Labels by the Kubernetes rules for keys and values.")] = {}
    source: Annotated[Source, doc("Who made it: a user, an import, a cluster, a document set."), MANAGED] = (
        SYSTEM_SOURCE
    )
    external: Annotated[ExternalId | None, doc("Its name in another system, unique there.")] = None
    revision: Annotated[int, doc("Revision of the graph at which this entity last changed."), MANAGED] = 0
    created_at: Annotated[TimestampMs, doc("When it was made."), MANAGED] = 0
    updated_at: Annotated[TimestampMs, doc("When it last changed."), MANAGED] = 0

    def derived(self, reader: Reader, *, path: str) -> dict[str, Any]:
        """Managed fields that follow from the entity's others; asked before its checks whenever it is made or changed.

        Raises a `graph.refusal.Refusal` that names the field below `path` when there is nothing that they could be.
        """
        return {}

    def check(self, reader: Reader, *, path: str) -> None:
        """Checks what types and references alone do not say; runs whenever an entity is made or changed.

        `reader` shows the graph with the change. Raises a `graph.refusal.Refusal` that names the field below `path`.
        """

    def check_step(self, before: Entity | None, reader: Reader, *, path: str) -> None:
        """Checks whether it may become this, from what it was `before`; None: it is new. Runs after `check`, likewise."""

    def restamped(self, **stamps: int) -> Self:
        """The entity as if it had been changed at another revision and time: `revision`, `updated_at`, `created_at`."""
        return msgspec.structs.replace(self, **stamps)

    def is_as_at(self, revision: int) -> bool:
        """Whether nothing of it that somebody would want to know of has changed since a revision of the graph."""
        return self.revision == revision

    def check_deletion(self, reader: Reader, *, path: str) -> None:
        """Checks whether it may be deleted by itself, beside what refers to it; not asked of what a cascade takes along."""


class Named(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An entity whose name is unique within its kind's scope."""

    name: Annotated[str, doc("Unique within its kind's scope. 1-253 characters.")]


BASE_FIELDS = frozenset(Entity.__struct_fields__)


class Field(msgspec.Struct, frozen=True):
    """One field of a kind, read from its annotation."""

    name: str
    type: Any
    """The annotated type without its metadata but for `Timestamp`, for example `str | None`."""
    meta: tuple[msgspec.Meta, ...]
    """The limits that the annotation states."""
    description: str
    required: bool
    marks: frozenset[Mark]
    ref: Ref | None

    @property
    def optional(self) -> bool:
        """Whether null is one of its values."""
        return type(None) in typing.get_args(self.type)

    def targets(self, entity: Entity) -> tuple[str, ...]:
        """The ids that the field of this entity refers to; empty when the field is no reference."""
        if self.ref is None:
            return ()
        value = getattr(entity, self.name)
        if not value:
            return ()
        return (value,) if isinstance(value, str) else tuple(value)


class Kind(msgspec.Struct, frozen=True):
    """A kind of entity: its class and what was read from the class's annotations."""

    name: str
    prefix: str
    area: Area
    type: type[Entity]
    fields: dict[str, Field]
    scope: tuple[str, ...]
    """Fields of which the first that is set scopes the name; empty: the name is unique in the whole graph."""
    named: bool
    refs: tuple[Field, ...]
    indexed: tuple[Field, ...]
    ordinal_scope: str | None
    """The reference within which `ordinal` is counted, when the kind has ordinals."""
    filed: bool
    """Whether its entities are filed records, never resident in the view."""
    plural: str
    description: str

    def default_of(self, name: str) -> Any:
        """The value of a field that is not given, which is what clearing it gives. Raises KeyError for a required field."""
        for info in msgspec.structs.fields(self.type):
            if info.name == name and not info.required:
                return info.default_factory() if info.default is msgspec.NODEFAULT else info.default
        raise KeyError(name)

    @property
    def spoken(self) -> str:
        """Several of them, as prose says it: `service accounts`."""
        return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in self.plural)

    @property
    def one(self) -> str:
        """One of them, as prose says it: `an ApiToken`."""
        return f"{'an' if self.name[0] in 'AEIO' else 'a'} {self.name}"

    @property
    def one_first(self) -> str:
        """The same at the beginning of a sentence: `An ApiToken`."""
        return self.one[0].upper() + self.one[1:]

    def scope_of(self, entity: Entity) -> str:
        """The id that the entity's name is unique under, or an empty string for the whole graph."""
        for name in self.scope:
            value = getattr(entity, name)
            if value:
                return str(value)
        return ""


KINDS: dict[str, Kind] = {}
"""Every kind by its name, in the order of declaration: parents before children."""
_BY_PREFIX: dict[str, Kind] = {}

E = TypeVar("E", bound=Entity)


def kind(
    *,
    prefix: str,
    area: Area,
    scope: tuple[str, ...] = (),
    ordinal_scope: str | None = None,
    filed: bool = False,
    plural: str | None = None,
) -> typing.Callable[[type[E]], type[E]]:
    """Declares an Entity class as a kind and registers it.

    Raises TypeError when the declaration contradicts itself, so that a mistake ends the import and not a request.
    """

    def declare(cls: type[E]) -> type[E]:
        name = cls.__name__
        if name in KINDS or prefix in _BY_PREFIX:
            raise TypeError(f"kind {name} or prefix {prefix} is declared twice")
        fields = {field.name: field for field in _fields_of(cls)}
        missing = [one for one in (*scope, *([ordinal_scope] if ordinal_scope else ())) if one not in fields]
        if missing:
            raise TypeError(f"kind {name} has no field {missing[0]}")
        spec = Kind(
            name=name,
            prefix=prefix,
            area=area,
            type=cls,
            fields=fields,
            scope=scope,
            named=issubclass(cls, Named),
            refs=tuple(field for field in fields.values() if field.ref is not None),
            indexed=tuple(field for field in fields.values() if INDEXED in field.marks and field.ref is None),
            ordinal_scope=ordinal_scope,
            filed=filed,
            plural=plural or _plural(name),
            description=(cls.__doc__ or "").strip(),
        )
        msgspec.json.Decoder(cls)  # raises TypeError for limits that its type cannot have
        cls.SPEC = spec
        KINDS[name] = spec
        _BY_PREFIX[prefix] = spec
        return cls

    return declare


def kind_by_id(entity_id: str) -> Kind | None:
    """The kind that an id's prefix names, or None when no kind has it."""
    return _BY_PREFIX.get(entity_id.rpartition("_")[0])


def _fields_of(cls: type[Entity]) -> Iterator[Field]:
    hints = typing.get_type_hints(cls, include_extras=True)
    defaults = {info.name: info for info in msgspec.structs.fields(cls)}
    for name in cls.__struct_fields__:
        hint = hints[name]
        metadata: tuple[Any, ...] = ()
        while typing.get_origin(hint) is Annotated:
            metadata = (*metadata, *hint.__metadata__)
            hint = hint.__origin__
        description = next(
            (one.description for one in metadata if isinstance(one, msgspec.Meta) and one.description), ""
        )
        if not description:
            raise TypeError(f"{cls.__name__}.{name} has no description")
        yield Field(
            name=name,
            type=Annotated[hint, Timestamp] if Timestamp in metadata else hint,
            meta=tuple(one for one in metadata if isinstance(one, msgspec.Meta)),
            description=description,
            required=defaults[name].required,
            marks=frozenset(one for one in metadata if isinstance(one, Mark)),
            ref=next((one for one in metadata if isinstance(one, Ref)), None),
        )


def without_none(annotation: Any) -> Any:
    """The type with null taken out of it: `str | None` gives `str`."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        rest = [one for one in typing.get_args(annotation) if one is not type(None)]
        return rest[0] if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007 - made at run time
    return annotation


def _plural(name: str) -> str:
    stem = name[0].lower() + name[1:]
    if stem.endswith("y"):
        return f"{stem[:-1]}ies"
    return f"{stem}s"

"""Packages: what components are run from where it is kept here, uploaded as a file.

A package belongs to one tenant, also where another has the same bytes: a digest is no capability, and what one tenant
deletes is gone whatever others keep. Its bytes lie outside the graph, under its digest and its id together, so that they go
with this very entity and never with a later one of the same content.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Annotated

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Ref, TimestampMs, doc, kind
from graph.refusal import AlreadyExists, InvalidInput
from graph.values import Count, NonNegativeInt

if TYPE_CHECKING:
    from graph.view import Reader

SCHEME = "package:"
"""How the reference of an artifact begins that is a package kept here."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class ArtifactType(enum.Enum):
    """What sort of package a component comes as; a driver says which it takes."""

    CONTAINER_IMAGE = "CONTAINER_IMAGE"
    """An image of a container (OCI)."""
    HELM_CHART = "HELM_CHART"
    """A Helm chart."""
    MANIFESTS = "MANIFESTS"
    """Kubernetes manifests."""
    HEAT_TEMPLATE = "HEAT_TEMPLATE"
    """A template of OpenStack Heat (HOT)."""
    CSAR = "CSAR"
    """A cloud service archive (TOSCA, ETSI NFV)."""
    VM_IMAGE = "VM_IMAGE"
    """The disk image of a virtual machine."""


class PackageContents(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What was found in a package when it was opened."""

    name: Annotated[str | None, doc("What it calls itself: a chart's or a service template's name.")] = None
    version: Annotated[str | None, doc("Its own version.")] = None
    app_version: Annotated[str | None, doc("The version of what it runs, as a chart states it.")] = None
    description: Annotated[str | None, doc("What it says of itself.")] = None
    values_schema: Annotated[bool, doc("Whether it has a JSON Schema of its values (`values.schema.json`).")] = False
    values_checked: Annotated[
        bool,
        doc(
            "Whether the values of components are checked against that schema here, before anything runs; those of a "
            "chart's subcharts are not."
        ),
    ] = False
    unchecked_subchart_schemas: Annotated[
        Count,
        doc("Subcharts in folders of it that have a JSON Schema of their values, against which nothing is checked."),
    ] = 0
    document_count: Annotated[Count, doc("Manifests in it, when it is a package of manifests.")] = 0
    file_count: Annotated[Count, doc("Files in it; 1 for what is no archive.")] = 1
    unpacked_bytes: Annotated[NonNegativeInt, doc("Bytes of those files.")] = 0


@kind(prefix="package", area=Area.WORKLOAD)
class Package(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A file that components are run from, kept by its digest and removed when nothing refers to it for long."""

    tenant_id: Annotated[
        str,
        doc("The tenant that owns it."),
        IMMUTABLE,
        MANAGED,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ]
    digest: Annotated[
        str,
        doc("`sha256:…` of its bytes; once in a tenant. Components name it by `package:` and this."),
        IMMUTABLE,
        MANAGED,
        INDEXED,
    ]
    size_bytes: Annotated[NonNegativeInt, doc("Its bytes."), IMMUTABLE, MANAGED]
    file_name: Annotated[
        str, msgspec.Meta(min_length=1, max_length=255, description="What the file was called."), IMMUTABLE, MANAGED
    ]
    media_type: Annotated[
        str, msgspec.Meta(max_length=127, description="Its media type, as found in it."), IMMUTABLE, MANAGED
    ]
    type: Annotated[ArtifactType, doc("What it was opened as."), IMMUTABLE, MANAGED, INDEXED]
    contents: Annotated[PackageContents, doc("What was found in it."), IMMUTABLE, MANAGED] = PackageContents()
    schema_text: Annotated[
        str | None,
        doc("The JSON Schema of its values, when they are checked against it; at most 256 KiB."),
        IMMUTABLE,
        MANAGED,
        HIDDEN,
    ] = None
    defaults_text: Annotated[
        str | None, doc("The values that it has of its own, as JSON; at most 256 KiB."), IMMUTABLE, MANAGED, HIDDEN
    ] = None
    unused_since: Annotated[
        TimestampMs | None,
        doc(
            "When it was first found that no component refers to it: it is removed some days after that. It has no value "
            "while a component refers to it."
        ),
        MANAGED,
    ] = None

    def check(self, reader: Reader, *, path: str) -> None:
        """Its digest is one, and no other package of the tenant has it."""
        if not is_digest(self.digest):
            raise InvalidInput("a digest is sha256: and 64 hexadecimal digits", path=f"{path}.digest")
        existing = package_of(reader, self.tenant_id, self.digest)
        if existing is not None and existing.id != self.id:
            raise AlreadyExists(f"the tenant has {self.digest} already", existing_id=existing.id, path=f"{path}.digest")


def is_digest(text: str) -> bool:
    """Whether a text is `sha256:` and 64 lower-case hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(reference: str) -> str | None:
    """The digest that an artifact's reference names a package kept here by; None for a reference to elsewhere."""
    return reference.removeprefix(SCHEME) if reference.startswith(SCHEME) else None


def package_of(reader: Reader, tenant_id: str, digest: str) -> Package | None:
    """A tenant's package by its digest."""
    for one in reader.ids("Package", "digest", digest):
        found = reader.get(one)
        if isinstance(found, Package) and found.tenant_id == tenant_id:
            return found
    return None

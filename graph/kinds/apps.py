"""What can be deployed, and what it offers once it runs.

An app has versions, a version has components, a component states what one replica needs. A component without stated
resources is refused when it is made: unknown is never taken as zero, for zero fits everywhere.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from graph.entity import BASE_FIELDS, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.json_schema_form import REMEDY, form_problem
from graph.kinds.dependencies import MAX_DEPENDENCIES, Dependency, circle_through
from graph.kinds.overrides import check_size
from graph.kinds.packages import SCHEME, ArtifactType, digest_of, is_digest, package_of
from graph.refusal import InUse, InvalidInput, InvalidState, NotFound
from graph.secret_checks import check_secrets, secret_ids_in
from graph.selectors import parse_selector
from graph.spelling import camel
from graph.values import Resources

if TYPE_CHECKING:
    from graph.view import Reader


LongText = Annotated[str, msgspec.Meta(max_length=16_384)]


class Artifact(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a component is run from."""

    type: Annotated[ArtifactType, doc("What sort of package it is.")]
    reference: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=2048,
            description="Image reference, chart or template URL, or `package:sha256:…` for a package kept here.",
        ),
    ]
    digest: Annotated[str | None, doc("`sha256:…`; pins what the reference means.")] = None


class Protocol(enum.Enum):
    """Transport protocols of a port."""

    TCP = "TCP"
    """Transmission Control Protocol (RFC 9293)."""
    UDP = "UDP"
    """User Datagram Protocol (RFC 768)."""
    SCTP = "SCTP"
    """Stream Control Transmission Protocol (RFC 9260)."""


class Port(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A port that a service listens on."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=63, description="Unique within the service.")]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="1-65535.")]
    protocol: Annotated[Protocol, doc("Its transport.")] = Protocol.TCP


class ServiceScope(enum.Enum):
    """From where a service can be used."""

    SITE = "SITE"
    """From the site where it runs."""
    CROSS_SITE = "CROSS_SITE"
    """From other sites too."""


@kind(prefix="app", area=Area.WORKLOAD, scope=("tenant_id",))
class App(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something that can be deployed, in versions."""

    tenant_id: Annotated[
        str, doc("The tenant that owns it."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    description: Annotated[LongText | None, doc("What it is for.")] = None


@kind(prefix="appversion", area=Area.WORKLOAD, scope=("app_id",))
class AppVersion(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A version of an app: its name is the version, such as `1.4.2`."""

    app_id: Annotated[
        str, doc("The app that it is a version of."), IMMUTABLE, Ref("App", relation="VERSION_OF", owner=True)
    ]
    tenant_id: Annotated[
        str, doc("The tenant that owns it; its app's."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    release_notes: Annotated[LongText | None, doc("What changed.")] = None
    used_at: Annotated[
        TimestampMs | None,
        doc("When a deployment's revision first named it: from then on its components stay as they are."),
        MANAGED,
    ] = None


@kind(prefix="component", area=Area.WORKLOAD, scope=("app_version_id",))
class Component(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One part of an app version, run as replicas at each site of a deployment."""

    app_version_id: Annotated[
        str, doc("The version that it is part of."), IMMUTABLE, Ref("AppVersion", relation="PART_OF", owner=True)
    ]
    tenant_id: Annotated[
        str, doc("The tenant that owns it; its app's."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    artifact: Annotated[Artifact, doc("What it is run from.")]
    resources: Annotated[Resources, doc("What one replica needs; at least CPU and memory.")]
    replicas: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="Replicas at each site when the deployment does not say.")
    ] = 1
    architectures: Annotated[list[str], doc("The processors that it runs on; empty: any.")] = []
    node_selector: Annotated[str | None, doc("Label selector that its nodes match, in Kubernetes syntax.")] = None
    depends_on: Annotated[
        list[str],
        msgspec.Meta(
            max_length=MAX_DEPENDENCIES,
            description="Names of components of the same version that are ready before it starts, at its site or, where "
            "that has none, wherever they run: the short form of `dependencies`.",
        ),
    ] = []
    dependencies: Annotated[
        list[Dependency],
        msgspec.Meta(
            max_length=MAX_DEPENDENCIES,
            description="Components of the same version that come first: how far, where, and for how long.",
        ),
    ] = []
    configuration: Annotated[dict[str, Any], doc("Values for its package, as the driver takes them.")] = {}
    values_schema: Annotated[
        dict[str, Any] | None,
        doc(
            "A JSON Schema (drafts 4 to 2020-12) that its values must keep to, at most 256 KiB; none: the one in its "
            "package, if it has one. One that is not valid is refused. Nothing that it refers to elsewhere is fetched."
        ),
    ] = None
    secret_ids: Annotated[
        list[str],
        doc("The secrets that its configuration refers to."),
        MANAGED,
        Ref("Secret", relation="READS_SECRET", reverse=""),
    ] = []
    package_id: Annotated[
        str | None,
        doc("The package that `artifact` names by `package:sha256:…`; none: it is run from elsewhere."),
        MANAGED,
        Ref("Package", relation="UNPACKED_FROM"),
    ] = None

    def derived(self, reader: Reader, *, path: str) -> dict[str, Any]:
        """The tenant's package that the artifact names, and the secrets that its values do."""
        found = self._package(reader, path=path)
        secret_ids = secret_ids_in(self.configuration)
        if secret_ids != self.secret_ids:
            check_secrets(reader, self.configuration, tenant_id=self.tenant_id, path=f"{path}.configuration")
            found["secret_ids"] = secret_ids
        return found

    def _package(self, reader: Reader, *, path: str) -> dict[str, Any]:
        digest = digest_of(self.artifact.reference)
        if digest is None:
            return {"package_id": None}
        where = f"{path}.artifact.reference"
        if not is_digest(digest):
            raise InvalidInput(
                f"{SCHEME} is followed by sha256: and 64 hexadecimal digits",
                remedy="give a package's digest",
                path=where,
            )
        package = package_of(reader, self.tenant_id, digest)
        if package is None:
            raise NotFound("Package", digest, remedy="upload it first: requestUpload", path=where)
        if package.type is not self.artifact.type:
            raise InvalidInput(
                f"the package is a {package.type.name} and not a {self.artifact.type.name}",
                remedy=f"give the type {package.type.name}",
                path=f"{path}.artifact.type",
            )
        if self.artifact.digest not in (None, digest):
            raise InvalidInput(
                "the digest is another than the reference's", remedy="leave it out", path=f"{path}.artifact.digest"
            )
        return {"package_id": package.id}

    def check(self, reader: Reader, *, path: str) -> None:
        """What a replica needs is known, the selector can be read, and it does not wait for itself."""
        for name in ("cpu_millicores", "memory_bytes"):
            if not getattr(self.resources, name):
                raise InvalidInput(
                    f"{name} of one replica is not stated",
                    remedy="state what a replica needs: unknown is never taken as zero",
                    path=f"{path}.resources",
                )
        if self.values_schema is not None:
            check_size(msgspec.json.encode(self.values_schema), path=f"{path}.valuesSchema")
        if self.node_selector:
            parse_selector(self.node_selector, path=f"{path}.nodeSelector")
        self._check_dependencies(reader, path=path)

    def check_step(self, before: Entity | None, reader: Reader, *, path: str) -> None:
        """What a version that was used is made of stays so: its revisions would otherwise name something else."""
        if self.values_schema is not None and (
            not isinstance(before, Component) or before.values_schema != self.values_schema
        ):
            problem = form_problem(self.values_schema)
            if problem is not None:
                raise InvalidInput(f"it is no JSON Schema: {problem}", remedy=REMEDY, path=f"{path}.valuesSchema")
        if not isinstance(before, Component) or before.configuration != self.configuration:
            check_secrets(reader, self.configuration, tenant_id=self.tenant_id, path=f"{path}.configuration")
        changed = (
            ""
            if before is None
            else next((one for one in self._content() if getattr(self, one) != getattr(before, one)), None)
        )
        if changed is None:
            return
        version = reader.get(self.app_version_id)
        if isinstance(version, AppVersion) and is_used(reader, version):
            raise InvalidState(
                f"version {version.name!r} has been deployed: what it is made of stays as it is",
                remedy="make a new version, and update the deployment to it",
                path=f"{path}.{camel(changed)}" if changed else f"{path}.appVersionId",
            )

    def check_deletion(self, reader: Reader, *, path: str) -> None:
        """Revisions that name its version may be gone back to."""
        naming = deployments_naming(reader, self.app_version_id)
        if naming:
            raise InUse(
                f"Component {self.name!r} is part of a version that deployments run, or may go back to",
                dependents=naming,
                remedy="make a new version without it, and update the deployments to that",
                path=f"{path}.id",
            )

    def _content(self) -> list[str]:
        return [one for one in self.SPEC.fields if one not in _ABOUT]

    @property
    def waits_for(self) -> list[Dependency]:
        """All that comes before it, in whichever form it was given."""
        if not self.depends_on:
            return self.dependencies
        return [*(Dependency(component=name) for name in self.depends_on), *self.dependencies]

    def _check_dependencies(self, reader: Reader, *, path: str) -> None:
        named: set[str] = set()
        short = [(name, f"dependsOn[{at}]") for at, name in enumerate(self.depends_on)]
        for name, where in [
            *short,
            *((one.component, f"dependencies[{at}].component") for at, one in enumerate(self.dependencies)),
        ]:
            if name == self.name:
                raise InvalidInput("a component cannot wait for itself", remedy="take it out", path=f"{path}.{where}")
            if name in named:
                raise InvalidInput(f"{name!r} is named twice", remedy="name each once", path=f"{path}.{where}")
            named.add(name)
        if not named:
            return
        waits = {self.name: list(named)}
        for one in reader.ids("Component", "app_version_id", self.app_version_id):
            other = reader.get(one)
            if isinstance(other, Component) and other.id != self.id:
                waits[other.name] = [each.component for each in other.waits_for]
        circle = circle_through(self.name, waits)
        if circle is not None:
            raise InvalidInput(
                f"{self.name!r} would wait for itself: {' waits for '.join(circle)}",
                remedy="break the circle",
                path=f"{path}.dependencies" if self.dependencies else f"{path}.dependsOn",
            )


_ABOUT = BASE_FIELDS
"""What is said about a component, beside what it is."""


def deployments_naming(reader: Reader, version_id: str) -> list[str]:
    """The ids of the deployments whose revisions name a version, or that run it."""
    return sorted(
        {*reader.ids("Deployment", "version_ids", version_id), *reader.ids("Deployment", "app_version_id", version_id)}
    )


def is_used(reader: Reader, version: AppVersion) -> bool:
    """Whether a deployment's revision has ever named a version."""
    return version.used_at is not None or bool(deployments_naming(reader, version.id))


@kind(prefix="service", area=Area.WORKLOAD, scope=("component_id", "site_id", "tenant_id"))
class Service(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What a component or a site's platform offers to others."""

    tenant_id: Annotated[
        str | None,
        doc("The tenant that owns it; none: the platform's."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    component_id: Annotated[
        str | None, doc("The component that offers it."), IMMUTABLE, Ref("Component", relation="OFFERED_BY", owner=True)
    ] = None
    site_id: Annotated[
        str | None, doc("The site whose platform offers it."), IMMUTABLE, Ref("Site", relation="OFFERED_AT", owner=True)
    ] = None
    ports: Annotated[list[Port], doc("Where it listens.")] = []
    scope: Annotated[ServiceScope, doc("From where it can be used."), INDEXED] = ServiceScope.SITE

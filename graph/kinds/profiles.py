"""Profiles: named sets of values that an app version can run with, such as `small` and `large`.

A profile is part of its version. Once a deployment's revision has named it, it stays as it is: whoever goes back to that
revision is to get what ran then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from graph.entity import BASE_FIELDS, IMMUTABLE, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.kinds.apps import Component, LongText, deployments_naming
from graph.kinds.overrides import check_values
from graph.refusal import InUse, InvalidState, NotFound
from graph.secret_checks import check_secrets, secret_ids_in
from graph.spelling import camel

if TYPE_CHECKING:
    from graph.view import Reader


@kind(prefix="profile", area=Area.WORKLOAD, scope=("app_version_id",))
class Profile(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Values that an app version can run with, under a name."""

    app_version_id: Annotated[
        str, doc("The version that it is for."), IMMUTABLE, Ref("AppVersion", relation="PROFILE_OF", owner=True)
    ]
    tenant_id: Annotated[
        str, doc("The tenant that owns it; its app's."), IMMUTABLE, Ref("Tenant", relation="BELONGS_TO", owner=True)
    ]
    description: Annotated[LongText | None, doc("What it is for.")] = None
    values: Annotated[
        dict[str, Any],
        doc(
            "Values by component name, laid over those that the components have of their own. At most 256 KiB of JSON."
        ),
    ] = {}
    secret_ids: Annotated[
        list[str],
        doc("The secrets that its values refer to."),
        MANAGED,
        Ref("Secret", relation="READS_SECRET", reverse=""),
    ] = []
    used_at: Annotated[
        TimestampMs | None,
        doc("When a deployment's revision first named it: from then on its values stay as they are."),
        MANAGED,
    ] = None

    def derived(self, reader: Reader, *, path: str) -> dict[str, Any]:
        """The secrets that its values name."""
        secret_ids = secret_ids_in(self.values)
        if secret_ids == self.secret_ids:
            return {}
        check_secrets(reader, self.values, tenant_id=self.tenant_id, path=f"{path}.values")
        return {"secret_ids": secret_ids}

    def check(self, reader: Reader, *, path: str) -> None:
        """Its values are those of components that its version has."""
        check_values(self.values, path=f"{path}.values")
        names = set()
        for one in reader.ids("Component", "app_version_id", self.app_version_id):
            component = reader.get(one)
            if isinstance(component, Component):
                names.add(component.name)
        for name in self.values:
            if name not in names:
                raise NotFound(
                    "Component", name[:253], remedy="name components of its version", path=f"{path}.values.{name[:253]}"
                )

    def check_step(self, before: Entity | None, reader: Reader, *, path: str) -> None:
        """What was used stays as it is."""
        if not isinstance(before, Profile) or before.values != self.values:
            check_secrets(reader, self.values, tenant_id=self.tenant_id, path=f"{path}.values")
        if not isinstance(before, Profile) or before.used_at is None:
            return
        for name in self.SPEC.fields:
            if name not in BASE_FIELDS and getattr(self, name) != getattr(before, name):
                raise InvalidState(
                    f"profile {self.name!r} has been deployed: it stays as it is",
                    remedy="make another profile, and update the deployment to it",
                    path=f"{path}.{camel(name)}",
                )

    def check_deletion(self, reader: Reader, *, path: str) -> None:
        """Revisions that name it may be gone back to, as long as they may be to its version."""
        naming = deployments_naming(reader, self.app_version_id) if self.used_at is not None else []
        if naming:
            raise InUse(
                f"Profile {self.name!r} was deployed, and deployments run its version, or may go back to it",
                dependents=naming,
                remedy="leave it: it can be deleted with its version",
                path=f"{path}.id",
            )

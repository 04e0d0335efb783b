"""Whose set a caller may apply, and what it may make with it.

A tenant's set is applied by whoever works in that tenant. A set of the installation may put things into every tenant, so it
takes the right to write workloads in all of them; what each single document takes is checked with it, as for any mutation.
"""

from __future__ import annotations

from access.permissions import Permission, write_permission
from access.viewer import Viewer
from access.visible import VisibleView
from graph.entity import Entity
from graph.kinds import Tenant
from graph.refusal import InvalidInput, NotFound
from graph.view import Reader, get_as

PATH = "input.tenantId"


class Rights:
    """A viewer's rights, as the applier asks for them."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def reader(self, edit: Reader) -> Reader:
        """What the viewer sees."""
        return VisibleView(edit, self._viewer)

    def check(self, entity: Entity, *, make: bool) -> None:
        """Raises unless the viewer may write it."""
        tenant_id = getattr(entity, "tenant_id", None)
        permission = write_permission(entity.SPEC, owned=tenant_id is not None, make=make)
        self._viewer.require(permission, tenant_id, path="metadata.tenant")


def scope_for(viewer: Viewer, reader: Reader, tenant_id: str | None) -> str | None:
    """The tenant whose set the viewer applies; None: the installation's.

    `tenant_id` is what it asks for; without, it is the installation for who may write in all tenants, and the tenant that
    the others work in when there is one only. Raises NotFound, InvalidInput, or Forbidden.
    """
    if tenant_id is not None:
        if get_as(VisibleView(reader, viewer), Tenant, tenant_id) is None:
            raise NotFound("Tenant", tenant_id, path=PATH)
        return tenant_id
    mine = viewer.tenants_with(Permission.WRITE_WORKLOADS)
    if mine is None:
        return None
    if len(mine) == 1:
        return next(iter(mine))
    if not mine:
        viewer.require_anywhere(Permission.WRITE_WORKLOADS, path="input")
    raise InvalidInput(
        f"you work in {len(mine)} tenants: whose set is it?",
        remedy="give tenantId (on the command line --tenant NAME)",
        path=PATH,
    )


def check_scope(viewer: Viewer, tenant_id: str | None) -> None:
    """Raises NotFound or Forbidden when the viewer may not apply sets of a scope any more, which counts at head."""
    if tenant_id is None:
        viewer.require(Permission.WRITE_WORKLOADS, path=PATH)
    elif viewer.tenant_ids is not None and tenant_id not in viewer.tenant_ids:
        raise NotFound("Tenant", tenant_id, path=PATH)

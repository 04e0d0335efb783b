"""Who may change whom: the rules that keep rights from being raised by those who hand them on.

- Nobody gives, by a role, a service account or a token, what he does not have in the same place himself.
- Who may set somebody's password can act as that person; so a person is managed only by who manages every tenant that the
  person has a role in, and could have given each of those roles.
- Nobody makes tokens for another person at all.
- There is always an enabled user who is administrator of the whole installation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from access.permissions import Permission, write_permission
from access.viewer import Grant, Viewer, grants_of, refusal, role_word
from graph.entity import Entity, Kind
from graph.kinds import ApiToken, Role, RoleBinding, ServiceAccount, Tenant, User
from graph.refusal import Forbidden, InvalidState
from graph.view import Reader, each, get_as


def check_write(
    viewer: Viewer, kind: Kind, tenant_id: str | None, *, make: bool = False, path: str | None = None
) -> None:
    """Raises NotFound or Forbidden unless the viewer may write entities of a kind in a tenant, or those of none.

    `make` is to create or delete. People and tokens have further rules of their own (`access.changes`).
    """
    viewer.require(write_permission(kind, owned=tenant_id is not None, make=make), tenant_id, path=path)


def check_write_of(viewer: Viewer, entity: Entity, *, make: bool = False, path: str | None = None) -> None:
    """`check_write` for an entity that exists; a tenant is written by who manages it, made and deleted by none but
    those who manage the installation."""
    if isinstance(entity, Tenant) and not make:
        viewer.require(Permission.MANAGE_TENANT, entity.id, path=path)
        return
    check_write(viewer, entity.SPEC, getattr(entity, "tenant_id", None), make=make, path=path)


def require_manage(viewer: Viewer, tenant_id: str | None, *, path: str | None = None) -> None:
    """Raises unless the viewer manages the people of a tenant, or (None) of the installation."""
    if tenant_id is None:
        viewer.require(Permission.MANAGE_INSTALLATION, path=path)
    else:
        viewer.require(Permission.MANAGE_TENANT, tenant_id, path=path)


def check_grants(viewer: Viewer, grants: Iterable[Grant], *, path: str) -> None:
    """Raises unless the viewer may give (and take) each of the roles."""
    for grant in grants:
        require_manage(viewer, grant.tenant_id, path=path)
        if not viewer.covers((grant,)):
            raise Forbidden(
                f"the role {role_word(grant.role)} may more than you may, so you cannot give or take it",
                remedy="ask an administrator of the installation",
                path=path,
            )


def manages_person(viewer: Viewer, reader: Reader, user: User) -> bool:
    """Whether the viewer may do to a user what would let it act as that user."""
    if viewer.may(Permission.MANAGE_INSTALLATION):
        return True
    grants = grants_of(reader, user.id)
    return (
        bool(grants)
        and all(
            grant.tenant_id is not None and viewer.may(Permission.MANAGE_TENANT, grant.tenant_id) for grant in grants
        )
        and viewer.covers(grants)
    )


def check_manages_person(viewer: Viewer, reader: Reader, user: User, *, path: str) -> None:
    """Raises Forbidden unless the viewer manages the user."""
    if not manages_person(viewer, reader, user):
        raise refusal(Permission.MANAGE_INSTALLATION, everywhere=True, path=path)


def check_manages_account(viewer: Viewer, reader: Reader, account: ServiceAccount, *, path: str) -> None:
    """Raises unless the viewer may do to a service account what would let it act as that account."""
    require_manage(viewer, account.tenant_id, path=path)
    if not viewer.covers(grants_of(reader, account.id)):
        raise Forbidden(
            "this service account may more than you may", remedy="ask an administrator of the installation", path=path
        )


def check_manages(viewer: Viewer, reader: Reader, entity: Entity, *, path: str) -> None:
    """Raises unless the viewer may delete a user, account, binding or token."""
    if isinstance(entity, User):
        check_manages_person(viewer, reader, entity, path=path)
    elif isinstance(entity, ServiceAccount):
        check_manages_account(viewer, reader, entity, path=path)
    elif isinstance(entity, RoleBinding):
        check_grants(viewer, (Grant(entity.role, entity.tenant_id),), path=path)
    elif isinstance(entity, ApiToken) and entity.owner_id != viewer.id:
        account = get_as(reader, ServiceAccount, entity.owner_id)
        if account is not None:
            check_manages_account(viewer, reader, account, path=path)
        else:
            viewer.require(Permission.MANAGE_INSTALLATION, path=path)


def administrators(reader: Reader) -> list[User]:
    """The enabled users who are administrators of the whole installation, by ascending id."""
    found = {
        user.id: user
        for one in each(reader, RoleBinding, "role", Role.ADMIN.name)
        if one.tenant_id is None and (user := get_as(reader, User, one.subject_id)) is not None and not user.disabled
    }
    return [found[one] for one in sorted(found)]


@contextlib.contextmanager
def keep_an_administrator(reader: Reader, *, path: str) -> Iterator[None]:
    """Around a change: raises InvalidState when it leaves nobody who may everything. O(administrators)."""
    had = administrators(reader)
    yield
    if had and not administrators(reader):
        raise InvalidState(
            "this is the last administrator: nobody could make another",
            remedy="give another enabled user the role admin in all tenants first",
            path=path,
        )

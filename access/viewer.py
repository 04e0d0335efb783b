"""Who is calling and what that one may do: the value that every request is answered for.

A viewer is derived from the graph's role bindings anew for each request, so a right that was taken away is gone with the
next one. It is a value: two requests by members of one tenant in the same role have equal `permission_key`s, by which
subscriptions share their work. A token narrows what its owner may and never widens it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from access.permissions import ROLE_PERMISSIONS, SHARED, Permission, meet
from graph.change import Commit
from graph.entity import SYSTEM_SOURCE, Source, SourceKind
from graph.kinds import ApiToken, Role, RoleBinding, ServiceAccount, User
from graph.refusal import Forbidden, NotFound
from graph.view import Reader, each, get_as

SYSTEM_ID = "edgeatlas"
"""The author of what the server itself does."""


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A role, in one tenant or (None) in all of them."""

    role: Role
    tenant_id: str | None


Held = Mapping[str | None, frozenset[Permission]]
"""Permissions by tenant; None: in all of them."""
PermissionKey = frozenset[tuple[str | None, frozenset[Permission]]]
"""What is held, as a hashable value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A signed-in caller, or the server itself."""

    id: str
    """The user's or service account's id; empty for an impersonal viewer."""
    name: str
    grants: frozenset[Grant]
    via_cookie: bool = False
    """Signed in by a browser's cookie, which browsers send for other sites too: such a caller proves its origin."""
    token_id: str | None = None
    """The API token that the request came with."""
    session_id: str | None = None
    """The browser session that the request came with, by its hash: no session can be opened with it."""
    expires_at: int | None = None
    """When the session or token ends, UTC milliseconds; None: when it is revoked."""
    credential_version: int = 0
    """Of the user when the viewer was made; a later one ends it."""
    held: Held = field(init=False, repr=False, compare=False)
    permission_key: PermissionKey = field(init=False, repr=False, compare=False)
    """Equal for viewers who see and may do the same, but for what is their own: what is made for several viewers is made
    for `impersonal`."""
    tenant_ids: frozenset[str] | None = field(init=False, repr=False, compare=False)
    """The tenants that the viewer has any role in; None: all."""

    def __post_init__(self) -> None:
        held: dict[str | None, frozenset[Permission]] = {}
        for grant in self.grants:
            held[grant.tenant_id] = held.get(grant.tenant_id, frozenset()) | ROLE_PERMISSIONS[grant.role]
        everywhere = held.get(None, frozenset())
        if everywhere:
            held = {tenant: permissions | everywhere for tenant, permissions in held.items()}
        tenants = None if everywhere else frozenset(one for one in held if one is not None)
        key = frozenset((tenant, mine) for tenant, mine in held.items() if tenant is None or mine != everywhere)
        object.__setattr__(self, "held", held)
        object.__setattr__(self, "permission_key", key)
        object.__setattr__(self, "tenant_ids", tenants)

    @property
    def sees_all_tenants(self) -> bool:
        """Whether a role holds in all tenants, those to come included."""
        return self.tenant_ids is None

    @property
    def impersonal(self) -> Viewer:
        """The same rights without the person: what equal permission keys may share. It sees nothing as its own."""
        return Viewer(id="", name="", grants=self.grants)

    @property
    def source(self) -> Source:
        """Who is said to have made what this viewer makes."""
        return SYSTEM_SOURCE if self.id == SYSTEM_ID else Source(SourceKind.USER, self.name)

    def may(self, permission: Permission, tenant_id: str | None = None) -> bool:
        """Whether the viewer holds a permission in a tenant; without one, in all of them.

        SHARED permissions count without a tenant wherever they are held.
        """
        held = self.held
        if permission in held.get(None, ()):
            return True
        if tenant_id is not None:
            return permission in held.get(tenant_id, ())
        return permission in SHARED and self.may_anywhere(permission)

    def may_anywhere(self, permission: Permission) -> bool:
        """Whether the viewer holds a permission in at least one tenant; whoever is a viewer is signed in."""
        return permission is Permission.SIGNED_IN or any(permission in mine for mine in self.held.values())

    def tenants_with(self, permission: Permission) -> frozenset[str] | None:
        """The tenants in which the viewer holds a permission; None: all."""
        if permission in self.held.get(None, ()):
            return None
        return frozenset(one for one, mine in self.held.items() if one is not None and permission in mine)

    def require(self, permission: Permission, tenant_id: str | None = None, *, path: str | None = None) -> None:
        """Returns when `may` does; else raises NotFound for a tenant that the viewer is not in, or Forbidden."""
        if self.may(permission, tenant_id):
            return
        if tenant_id is not None and self.tenant_ids is not None and tenant_id not in self.tenant_ids:
            raise NotFound("Tenant", tenant_id, path=path)
        raise refusal(permission, everywhere=tenant_id is None, path=path)

    def require_anywhere(self, permission: Permission, *, path: str | None = None) -> None:
        """Returns when `may_anywhere` does, else raises Forbidden: the check of a root field's declaration."""
        if not self.may_anywhere(permission):
            raise refusal(permission, everywhere=False, path=path)

    def covers(self, grants: Iterable[Grant]) -> bool:
        """Whether the viewer may everything that the grants allow: what it may hand on at most."""
        return all(
            ROLE_PERMISSIONS[grant.role] <= self.held.get(grant.tenant_id, self.held.get(None, frozenset()))
            for grant in grants
        )


def refusal(permission: Permission, *, everywhere: bool, path: str | None = None) -> Forbidden:
    """The refusal of who lacks a permission, with the roles that have it."""
    roles = ", ".join(role_word(role) for role, mine in ROLE_PERMISSIONS.items() if permission in mine)
    where = "bound to all tenants" if everywhere else "in this tenant or in all"
    return Forbidden(
        f"this takes the permission {permission.name}",
        remedy=f"ask an administrator for one of the roles {roles}, {where}",
        path=path,
    )


def role_word(role: Role) -> str:
    """A role as people write it: `tenant-admin`."""
    return role.name.lower().replace("_", "-")


SYSTEM = Viewer(id=SYSTEM_ID, name=SYSTEM_ID, grants=frozenset({Grant(Role.ADMIN, None)}))
"""The server's own work: never made from a request."""


def now_ms() -> int:
    """UTC milliseconds by the system's clock."""
    return time.time_ns() // 1_000_000


def grants_of(reader: Reader, subject_id: str, *, token: ApiToken | None = None) -> frozenset[Grant]:
    """The roles that a subject has by its bindings, narrowed by a token's role and tenant."""
    grants = [Grant(one.role, one.tenant_id) for one in each(reader, RoleBinding, "subject_id", subject_id)]
    if token is None:
        return frozenset(grants)
    return frozenset(narrowed(grants, role=token.role, tenant_id=token.tenant_id))


def narrowed(grants: Iterable[Grant], *, role: Role | None, tenant_id: str | None) -> Iterable[Grant]:
    """What is left of grants under a token of at most a role (None: any) and in one tenant (None: all)."""
    for grant in grants:
        if tenant_id is not None and grant.tenant_id not in (None, tenant_id):
            continue
        yield Grant(
            grant.role if role is None else meet(grant.role, role),
            grant.tenant_id if tenant_id is None else tenant_id,
        )


def viewer_of(
    reader: Reader,
    subject_id: str,
    *,
    token: ApiToken | None = None,
    via_cookie: bool = False,
    session_id: str | None = None,
    expires_at: int | None = None,
    at_ms: int | None = None,
) -> Viewer | None:
    """The viewer for a user or service account, by a token when there is one.

    None when the subject is gone or disabled, or the token is another's or has expired by `at_ms` (UTC milliseconds; the
    system clock's when not given). `expires_at` is a session's end.
    """
    subject = reader.get(subject_id)
    if not isinstance(subject, (User, ServiceAccount)) or subject.disabled:
        return None
    if token is not None:
        if token.owner_id != subject_id:
            return None
        expires_at = token.expires_at
    if expires_at is not None and expires_at <= (now_ms() if at_ms is None else at_ms):
        return None
    return Viewer(
        id=subject_id,
        name=subject.name,
        grants=grants_of(reader, subject_id, token=token),
        via_cookie=via_cookie,
        token_id=token.id if token is not None else None,
        session_id=session_id,
        expires_at=expires_at,
        credential_version=subject.credential_version if isinstance(subject, User) else 0,
    )


def renewed(viewer: Viewer, reader: Reader, *, at_ms: int | None = None) -> Viewer | None:
    """The same caller with the rights that it has by this reader, such as at head; None when it has none any more:
    disabled, gone, expired, its token revoked or its password changed since."""
    if viewer.id == SYSTEM_ID:
        return viewer
    token = None
    if viewer.token_id is not None:
        token = get_as(reader, ApiToken, viewer.token_id)
        if token is None:
            return None
    found = viewer_of(
        reader,
        viewer.id,
        token=token,
        via_cookie=viewer.via_cookie,
        session_id=viewer.session_id,
        expires_at=viewer.expires_at,
        at_ms=at_ms,
    )
    if found is None or (viewer.token_id is None and found.credential_version != viewer.credential_version):
        return None
    return found


def concerns(commit: Commit, viewer: Viewer) -> bool:
    """Whether a commit may have changed who the viewer is or what it may; cheap, and true too often rather than never."""
    for change in commit.changes:
        value = change.value
        if change.id in (viewer.id, viewer.token_id):
            return True
        if isinstance(value, RoleBinding) and value.subject_id == viewer.id:
            return True
    return False


def at_head(viewer: Viewer, reader: Reader, *, at_ms: int) -> Viewer:
    """The viewer with the rights that it has at head; every change function begins with it.

    Raises Forbidden when the caller may nothing any more, so that a right that was taken away while a change waited in
    the queue does not count.
    """
    found = renewed(viewer, reader, at_ms=at_ms)
    if found is None:
        raise Forbidden("your access has ended since you sent this", remedy="sign in again")
    return found

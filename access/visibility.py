"""Which entities of a kind are seen with which permissions, worked out once for each set of permissions.

What a viewer sees of most kinds depends on the tenant that an entity belongs to and on nothing else: that is a `Rule`. The
kinds about people depend on bindings and on who asks as well; `access.visible` adds that to their rules.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from access.permissions import KIND_ACCESS, SHARED, Permission
from access.viewer import PermissionKey

CREDENTIAL_FIELDS = ("credentials_id", "configuration")
"""What is taken out of a cluster for those who may not write it."""
PERSONAL = frozenset({"Tenant", "User", "ServiceAccount", "ApiToken", "RoleBinding"})
"""Kinds whose visibility depends on bindings and on who asks, not on a tenant alone."""


class Rule(msgspec.Struct, frozen=True):
    """Which entities of a kind are seen: those of some tenants (None: of all), and whether those of none."""

    tenants: frozenset[str] | None
    unowned: bool

    @property
    def whole(self) -> bool:
        """Whether all are seen."""
        return self.unowned and self.tenants is None

    def admits(self, tenant_id: str | None) -> bool:
        """Whether what belongs to the tenant, or to none, is seen."""
        if tenant_id is None:
            return self.unowned
        return self.tenants is None or tenant_id in self.tenants


@lru_cache(maxsize=8192)
def listed_rule(permission_key: PermissionKey, kind: str) -> Rule:
    """The rule of a kind for viewers with these permissions."""
    held = dict(permission_key)
    access = KIND_ACCESS[kind]
    everywhere = held_everywhere(permission_key)
    tenants = None
    if access.read not in everywhere:
        tenants = frozenset(one for one, mine in held.items() if one is not None and access.read in mine)
    unowned = access.unowned_read in everywhere or (
        access.unowned_read in SHARED and any(access.unowned_read in mine for mine in held.values())
    )
    if kind == "User":
        # A user belongs to no tenant: all are seen with the permission in all tenants, else those bound in one's own.
        unowned = tenants is None
    if kind == "Tenant":
        tenants = None if everywhere else frozenset(one for one in held if one is not None)
        unowned = tenants is None
    return Rule(tenants, unowned)


def held_everywhere(permission_key: PermissionKey) -> frozenset[Permission]:
    """The permissions that are held in all tenants."""
    return dict(permission_key).get(None, frozenset())

"""Who may do what: tenants, their people and programs, and what those hold.

Nothing secret is in these values: a password's hash and a secret's values are kept by the store beside the log
(`Draft.private`), for the log is history and history is read by many.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from graph.entity import HIDDEN, IMMUTABLE, INDEXED, MANAGED, Area, Entity, Named, Ref, TimestampMs, doc, kind
from graph.kinds.policy import MOST_PRIORITY


class Role(enum.Enum):
    """What a subject may do, in one tenant or in all of them."""

    ADMIN = "ADMIN"
    """Everything, tenants and people included."""
    OPERATOR = "OPERATOR"
    """The infrastructure, and everybody's deployments on it."""
    TENANT_ADMIN = "TENANT_ADMIN"
    """A tenant's people, tokens, secrets and workloads."""
    DEVELOPER = "DEVELOPER"
    """A tenant's apps and deployments."""
    VIEWER = "VIEWER"
    """Reads what the tenant has."""
    GUEST = "GUEST"
    """Reads the infrastructure only."""


@kind(prefix="tenant", area=Area.TENANCY)
class Tenant(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A customer, department or project; what it owns is invisible to the others."""

    requires_approval: Annotated[
        bool, doc("Whether every change of what its deployments are to be waits to be approved.")
    ] = False
    author_may_not_approve: Annotated[
        bool, doc("Whether a change is approved by somebody else than who asked for it.")
    ] = False

    max_priority: Annotated[
        int,
        msgspec.Meta(
            ge=-MOST_PRIORITY,
            le=MOST_PRIORITY,
            description="The highest priority that policies of its deployments may state, for it counts against those of "
            "other tenants. Set by who manages the installation, and by nobody of the tenant.",
        ),
    ] = 0


@kind(prefix="user", area=Area.TENANCY)
class User(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A person who signs in."""

    email: Annotated[str | None, doc("Where to write to; not used to sign in.")] = None
    disabled: Annotated[bool, doc("A disabled user cannot sign in and its tokens are refused."), INDEXED] = False
    credential_version: Annotated[int, doc("Rises when the password changes; older sessions end."), MANAGED, HIDDEN] = 0


@kind(prefix="serviceaccount", area=Area.TENANCY, scope=("tenant_id",))
class ServiceAccount(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A program that calls the API with tokens."""

    tenant_id: Annotated[
        str | None,
        doc("The tenant it belongs to; none: the whole installation."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    disabled: Annotated[bool, doc("A disabled account's tokens are refused."), INDEXED] = False


@kind(prefix="token", area=Area.TENANCY, scope=("owner_id",))
class ApiToken(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A bearer token of a user or a service account. The token itself is shown once, when it is made."""

    owner_id: Annotated[
        str,
        doc("The user or service account that it acts for."),
        IMMUTABLE,
        Ref("User", "ServiceAccount", relation="OF", owner=True),
    ]
    tenant_id: Annotated[
        str | None,
        doc("Narrows the token to one tenant; none: all that its owner has."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    role: Annotated[Role | None, doc("The most that the token may do; none: all that its owner may."), IMMUTABLE] = None
    expires_at: Annotated[TimestampMs | None, doc("When it ends; none: never."), IMMUTABLE] = None
    token_hash: Annotated[str, doc("SHA-256 of the token."), MANAGED, HIDDEN, INDEXED] = ""


@kind(prefix="rolebinding", area=Area.TENANCY)
class RoleBinding(Entity, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Gives a user or service account a role, in one tenant or in all of them."""

    subject_id: Annotated[
        str, doc("Who gets the role."), IMMUTABLE, Ref("User", "ServiceAccount", relation="BINDS", owner=True)
    ]
    role: Annotated[Role, doc("What it may do."), IMMUTABLE, INDEXED]
    tenant_id: Annotated[
        str | None, doc("Where; none: in every tenant."), IMMUTABLE, Ref("Tenant", relation="IN_TENANT", owner=True)
    ] = None


@kind(prefix="secret", area=Area.WORKLOAD, scope=("tenant_id",))
class Secret(Named, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Named values that are encrypted at rest and never shown; workloads and clusters refer to them."""

    tenant_id: Annotated[
        str | None,
        doc("The tenant it belongs to; none: the operators'."),
        IMMUTABLE,
        Ref("Tenant", relation="BELONGS_TO", owner=True),
    ] = None
    keys: Annotated[list[str], doc("The names of its values, sorted."), MANAGED] = []
    version: Annotated[int, doc("Rises whenever its values are set."), MANAGED] = 0

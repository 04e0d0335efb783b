"""What people do to people: users, passwords, service accounts, roles, tokens, and the deletion of anything.

Each function runs within an `Edit` at head and begins by asking what the caller may at head. Passwords come in hashed, for
hashing takes longer than the store's lock may be held; a token's text is made here and goes out once, in the result.
What is kept of either is beside the log (`Edit.keep_private`) or a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from access.passwords import password_key
from access.permissions import Permission
from access.refusals import told
from access.rights import (
    check_grants,
    check_manages,
    check_manages_account,
    check_manages_person,
    check_write_of,
    keep_an_administrator,
    require_manage,
)
from access.tokens import new_token, token_hash
from access.viewer import Grant, Viewer, at_head, grants_of, narrowed
from access.visibility import PERSONAL
from access.visible import VisibleView
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import ApiToken, Role, RoleBinding, Secret, ServiceAccount, Tenant, User
from graph.refusal import AlreadyExists, Forbidden, InUse, InvalidInput, NotFound
from graph.view import each

E = TypeVar("E", bound=Entity)
OWN_FIELDS = frozenset({"display_name", "email"})
"""What users may change of themselves."""


def secret_key(secret_id: str) -> str:
    """Under what a secret's sealed values are kept."""
    return f"secret:{secret_id}"


# Tenants


def update_tenant(
    edit: Edit,
    viewer: Viewer,
    tenant_id: str,
    *,
    expected_revision: int | None = None,
    path: str = "input",
    **fields: Any,
) -> Tenant:
    """A tenant with some fields changed; what it may have against other tenants only by who manages the installation.

    Raises NotFound, Forbidden, and what `Edit.replace` raises.
    """
    viewer, tenant = _seen(edit, viewer, Tenant, tenant_id, path=path)
    check_write_of(viewer, tenant)
    if fields.get("max_priority", tenant.max_priority) != tenant.max_priority:
        viewer.require(Permission.MANAGE_INSTALLATION, path=f"{path}.maxPriority")
    return edit.replace(tenant, path=path, expected_revision=expected_revision, **fields)


# Users


def create_user(
    edit: Edit,
    viewer: Viewer,
    *,
    name: str,
    password_hash: bytes | None = None,
    roles: Sequence[Grant] = (),
    path: str = "input",
    **fields: Any,
) -> User:
    """A new user with its first roles; `fields` are further fields of a User.

    Whoever manages tenants but not the installation gives at least one role, for a user without any would be seen by
    nobody who could give it one. Raises InvalidInput, AlreadyExists, Forbidden or NotFound.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    if not viewer.may(Permission.MANAGE_INSTALLATION):
        viewer.require_anywhere(Permission.MANAGE_TENANT, path=path)
        if not roles:
            raise InvalidInput("a new user has a role in a tenant that you manage", path=f"{path}.roles")
    check_grants(viewer, roles, path=f"{path}.roles")
    user = edit.create(User, path=path, name=name, **fields)
    for index, grant in enumerate(roles):
        _bind(edit, user.id, grant, path=f"{path}.roles[{index}]")
    if password_hash is not None:
        edit.keep_private(password_key(user.id), password_hash)
    return user


def update_user(
    edit: Edit,
    viewer: Viewer,
    user_id: str,
    *,
    expected_revision: int | None = None,
    path: str = "input",
    **fields: Any,
) -> User:
    """A user with some fields changed; users change OWN_FIELDS of themselves, those who manage them all.

    Raises NotFound, Forbidden, InvalidState for the last administrator, and what `Edit.replace` raises.
    """
    viewer, user = _seen(edit, viewer, User, user_id, path=path)
    if viewer.id != user.id or not OWN_FIELDS.issuperset(fields):
        check_manages_person(viewer, edit, user, path=path)
    with keep_an_administrator(edit, path=f"{path}.disabled"):
        return edit.replace(user, path=path, expected_revision=expected_revision, **fields)


def set_password(edit: Edit, viewer: Viewer, user_id: str, password_hash: bytes | None, *, path: str = "input") -> User:
    """Sets a user's password to one with this hash (None: to none), which ends the user's sessions and unused links.

    For one's own password the caller has compared the present one before. Raises NotFound or Forbidden.
    """
    viewer, user = _seen(edit, viewer, User, user_id, path=path)
    if viewer.id != user.id:
        check_manages_person(viewer, edit, user, path=path)
    edit.keep_private(password_key(user.id), password_hash)
    return edit.replace(user, credential_version=user.credential_version + 1)


def end_sessions(edit: Edit, viewer: Viewer, user_id: str, *, path: str = "input") -> User:
    """Ends all of a user's sessions and unused links; its password and tokens stay. Raises NotFound or Forbidden."""
    viewer, user = _seen(edit, viewer, User, user_id, path=path)
    if viewer.id != user.id:
        check_manages_person(viewer, edit, user, path=path)
    return edit.replace(user, credential_version=user.credential_version + 1)


# Roles


def bind_role(
    edit: Edit,
    viewer: Viewer,
    *,
    subject_id: str,
    role: Role,
    tenant_id: str | None,
    path: str = "input",
    **fields: Any,
) -> RoleBinding:
    """Gives a user or service account a role in a tenant, or (None) in all.

    Raises NotFound, Forbidden when the role may more than the caller may, AlreadyExists when the subject has it.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    subject = VisibleView(edit, viewer).get(subject_id)
    if not isinstance(subject, (User, ServiceAccount)):
        raise NotFound("User or ServiceAccount", subject_id, path=f"{path}.subjectId")
    grant = Grant(role, tenant_id)
    check_grants(viewer, (grant,), path=path)
    return _bind(edit, subject_id, grant, path=path, **fields)


def _bind(edit: Edit, subject_id: str, grant: Grant, *, path: str, **fields: Any) -> RoleBinding:
    subject = edit.get(subject_id)
    if isinstance(subject, ServiceAccount) and subject.tenant_id not in (None, grant.tenant_id):
        raise InvalidInput(
            "a tenant's service account has roles in that tenant only",
            remedy="make a service account of the installation for this",
            path=f"{path}.tenantId",
        )
    for one in each(edit, RoleBinding, "subject_id", subject_id):
        if one.role is grant.role and one.tenant_id == grant.tenant_id:
            raise AlreadyExists("the subject has this role there already", existing_id=one.id, path=path)
    return edit.create(
        RoleBinding, path=path, subject_id=subject_id, role=grant.role, tenant_id=grant.tenant_id, **fields
    )


# Service accounts and tokens


def create_service_account(
    edit: Edit,
    viewer: Viewer,
    *,
    name: str,
    tenant_id: str | None,
    roles: Sequence[Grant] = (),
    path: str = "input",
    **fields: Any,
) -> ServiceAccount:
    """A new service account of a tenant, or (None) of the installation, with its first roles.

    Raises InvalidInput, AlreadyExists, Forbidden or NotFound.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    require_manage(viewer, tenant_id, path=f"{path}.tenantId")
    check_grants(viewer, roles, path=f"{path}.roles")
    account = edit.create(ServiceAccount, path=path, name=name, tenant_id=tenant_id, **fields)
    for index, grant in enumerate(roles):
        _bind(edit, account.id, grant, path=f"{path}.roles[{index}]")
    return account


def update_service_account(
    edit: Edit,
    viewer: Viewer,
    account_id: str,
    *,
    expected_revision: int | None = None,
    path: str = "input",
    **fields: Any,
) -> ServiceAccount:
    """A service account with some fields changed. Raises NotFound, Forbidden, and what `Edit.replace` raises."""
    viewer, account = _seen(edit, viewer, ServiceAccount, account_id, path=path)
    check_manages_account(viewer, edit, account, path=path)
    return edit.replace(account, path=path, expected_revision=expected_revision, **fields)


def create_token(
    edit: Edit,
    viewer: Viewer,
    *,
    name: str,
    owner_id: str | None = None,
    role: Role | None = None,
    tenant_id: str | None = None,
    expires_at: int | None = None,
    path: str = "input",
    **fields: Any,
) -> tuple[ApiToken, str]:
    """A new token of the caller or of a service account that the caller manages, and its text, which is kept nowhere.

    It may at most what the caller may by the way in which it called: a token makes no token that may more or lasts longer.
    Raises InvalidInput, NotFound or Forbidden.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    owner = VisibleView(edit, viewer).get(owner_id or viewer.id)
    if not isinstance(owner, (User, ServiceAccount)):
        raise NotFound("User or ServiceAccount", owner_id or viewer.id, path=f"{path}.ownerId")
    if owner.id != viewer.id:
        if isinstance(owner, User):
            raise Forbidden(
                "nobody makes tokens for another person",
                remedy="let that person make it, or make one for a service account",
                path=f"{path}.ownerId",
            )
        check_manages_account(viewer, edit, owner, path=f"{path}.ownerId")
    if tenant_id is None and isinstance(owner, ServiceAccount):
        tenant_id = owner.tenant_id
    if expires_at is not None and expires_at <= edit.at:
        raise InvalidInput("a token ends after now", remedy="give a later time", path=f"{path}.expiresAt")
    if viewer.token_id is not None and viewer.expires_at is not None:
        if expires_at is not None and expires_at > viewer.expires_at:
            raise Forbidden(
                "a token makes no token that lasts longer than itself",
                remedy="sign in with your password to make it",
                path=f"{path}.expiresAt",
            )
        expires_at = expires_at or viewer.expires_at
    grants = frozenset(narrowed(grants_of(edit, owner.id), role=role, tenant_id=tenant_id))
    if tenant_id is not None and not grants and owner.id == viewer.id:
        raise NotFound("Tenant", tenant_id, path=f"{path}.tenantId")
    if not viewer.covers(grants):
        raise Forbidden(
            "the token would be allowed more than you are",
            remedy="narrow it to a role and a tenant that you have here",
            path=path,
        )
    text = new_token()
    token = edit.create(
        ApiToken,
        path=path,
        name=name,
        owner_id=owner.id,
        tenant_id=tenant_id,
        role=role,
        expires_at=expires_at,
        token_hash=token_hash(text),
        **fields,
    )
    return token, text


def drop_expired_tokens(edit: Edit, *, owner_id: str | None = None) -> int:
    """Deletes tokens whose time is over, of one owner or of all, and says how many; at most 1,000 at once."""
    field = "owner_id" if owner_id is not None else None
    over = [
        one for one in each(edit, ApiToken, field, owner_id) if one.expires_at is not None and one.expires_at <= edit.at
    ][:1_000]
    for one in over:
        edit.delete(one)
    return len(over)


# Deletion


def delete_entity(
    edit: Edit,
    viewer: Viewer,
    entity_id: str,
    *,
    cascade: bool = False,
    expected_revision: int | None = None,
    path: str = "input",
) -> list[Entity]:
    """Deletes an entity of any kind that the caller sees and may delete; with `cascade` also what cannot be without it.

    Gives all that were deleted, it first. Private values go with them. Raises NotFound, Forbidden, InvalidState for the
    last administrator, and what `Edit.delete` raises, with dependents that the caller may see.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    view = VisibleView(edit, viewer)
    entity = view.get(entity_id)
    if entity is None:
        raise NotFound("entity", entity_id, path=f"{path}.id")
    if entity.SPEC.name in PERSONAL and entity.SPEC.name != "Tenant":
        check_manages(viewer, edit, entity, path=f"{path}.id")
    else:
        check_write_of(viewer, entity, make=True, path=f"{path}.id")
    try:
        with keep_an_administrator(edit, path=f"{path}.id"):
            gone = edit.delete(entity, cascade=cascade, path=path, expected_revision=expected_revision)
    except InUse as refusal:
        raise told(refusal, view) from None
    for one in gone:
        if one.SPEC.name not in PERSONAL:
            check_write_of(viewer, one, make=True, path=f"{path}.cascade")
    forget_private(edit, gone)
    return gone


def forget_private(edit: Edit, gone: Sequence[Entity]) -> None:
    """Deletes what is kept beside the log of entities that are gone: passwords and sealed values."""
    for one in gone:
        if isinstance(one, User):
            edit.keep_private(password_key(one.id), None)
        elif isinstance(one, Secret):
            edit.keep_private(secret_key(one.id), None)


def _seen(edit: Edit, viewer: Viewer, kind: type[E], entity_id: str, *, path: str) -> tuple[Viewer, E]:
    viewer = at_head(viewer, edit, at_ms=edit.at)
    found = VisibleView(edit, viewer).get(entity_id)
    if not isinstance(found, kind):
        raise NotFound(kind.__name__, entity_id, path=f"{path}.id")
    return viewer, found

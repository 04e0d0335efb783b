"""Users, service accounts, tokens, roles and secrets: what their rules in `access` make of an input."""

from __future__ import annotations

from typing import Any

import strawberry

from access import changes, sealed_secrets
from access.links import LINK_LASTS_MS, allow_link, issue_link
from access.passwords import check_password
from access.permissions import Permission, declare_root
from access.viewer import Grant
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import ApiToken, Role, RoleBinding, Secret, ServiceAccount, User
from graph.refusal import InvalidInput, Unavailable
from graph.store import StoreUnavailable
from resolvers.answers import entity_of, remember_entity, request_of, verb
from resolvers.context import Context
from resolvers.mutations.entities import Editing, Making, mutations_of
from schema.inputs import fields_from, settable
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, enum_type, input_type

UNSET = strawberry.UNSET


def _grants(given: Any) -> list[Grant]:
    roles = given.roles if given.roles not in (UNSET, None) else []
    return [Grant(one.role, None if one.tenant_id is UNSET else one.tenant_id) for one in roles]


async def _hash_password(context: Context, given: Any) -> bytes | None:
    if given.password in (UNSET, None):
        return None
    check_password(given.password, names=(given.name,))
    return await context.services.passwords.hash(given.password)


def _create_user(making: Making, fields: dict[str, Any]) -> Entity:
    return changes.create_user(
        making.edit,
        making.context.viewer,
        password_hash=making.prepared,
        roles=_grants(making.given),
        **fields,
    )


def _update_user(making: Making, entity: Entity, fields: dict[str, Any], expected: int | None) -> Entity:
    return changes.update_user(making.edit, making.context.viewer, entity.id, expected_revision=expected, **fields)


def _create_account(making: Making, fields: dict[str, Any]) -> Entity:
    fields.setdefault("tenant_id", None)
    return changes.create_service_account(making.edit, making.context.viewer, roles=_grants(making.given), **fields)


def _update_account(making: Making, entity: Entity, fields: dict[str, Any], expected: int | None) -> Entity:
    return changes.update_service_account(
        making.edit, making.context.viewer, entity.id, expected_revision=expected, **fields
    )


def _bind(making: Making, fields: dict[str, Any]) -> Entity:
    fields.setdefault("tenant_id", None)
    return changes.bind_role(making.edit, making.context.viewer, **fields)


def _values(given: Any) -> dict[str, str] | None:
    if given.values in (UNSET, None):
        return None
    values: dict[str, str] = {}
    for at, one in enumerate(given.values):
        if one.key in values:
            raise InvalidInput(
                f"{one.key!r} is given twice", remedy="give each key once", path=f"input.values[{at}].key"
            )
        values[one.key] = one.value
    return values


def _create_secret(making: Making, fields: dict[str, Any]) -> Entity:
    context = making.context
    fields.setdefault("tenant_id", None)
    return sealed_secrets.create_secret(
        making.edit, context.viewer, context.services.sealer, values=_values(making.given) or {}, **fields
    )


def _update_secret(making: Making, entity: Entity, fields: dict[str, Any], expected: int | None) -> Entity:
    context = making.context
    return sealed_secrets.update_secret(
        making.edit,
        context.viewer,
        context.services.sealer,
        entity.id,
        values=_values(making.given),
        expected_revision=expected,
        **fields,
    )


def people_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    input_type(
        "RoleGrantInput",
        {
            "role": (enum_type(Role), strawberry.field(description="The role.")),
            "tenant_id": ("Optional[ID]", strawberry.field(description="Where; none: in every tenant.", default=UNSET)),
        },
        description="A role to give.",
    )
    input_type(
        "SecretValueInput",
        {
            "key": ("str", strawberry.field(description="The value's name, as in a Kubernetes Secret.")),
            "value": ("str", strawberry.field(description="The value; sealed at once and never shown.")),
        },
        description="A value of a secret.",
    )
    roles: Member = (
        "Optional[list[RoleGrantInput]]",
        strawberry.field(description="Its first roles.", default=UNSET),
    )
    password: Member = (
        "Optional[str]",
        strawberry.field(description="12 to 1024 characters; none: by one-time links only.", default=UNSET),
    )
    values = "list[SecretValueInput]"
    members: dict[str, Member] = {}
    members |= mutations_of(
        User.SPEC,
        Editing(
            prepare=_hash_password,
            create=_create_user,
            update=_update_user,
            create_extra={"password": password, "roles": roles},
        ),
    )
    members |= mutations_of(
        ServiceAccount.SPEC, Editing(create=_create_account, update=_update_account, create_extra={"roles": roles})
    )
    members |= mutations_of(RoleBinding.SPEC, Editing(create=_bind, updatable=False))
    members |= mutations_of(
        Secret.SPEC,
        Editing(
            create=_create_secret,
            update=_update_secret,
            create_extra={"values": (values, strawberry.field(description="Its values."))},
            update_extra={
                "values": (
                    f"Optional[{values}]",
                    strawberry.field(description="In place of all that it had; absent: they stay.", default=UNSET),
                )
            },
        ),
    )
    members |= _token_mutations()
    members |= _password_mutations()
    members |= _link_mutation()
    return members


def _token_mutations() -> dict[str, Member]:
    members = mutations_of(
        ApiToken.SPEC,
        Editing(updatable=False, without=frozenset({"owner_id"}), create_extra=_OWNER, create_answers=_TEXT),
    )
    # A token's text is answered once and kept nowhere, so its making is not the derived one.
    del members["create_api_token"]

    async def make(context: Context, given: Any) -> Payload:
        fields = fields_from(
            ApiToken.SPEC, given, names=[one for one in settable(ApiToken.SPEC) if one.name != "owner_id"], patch=False
        )
        owner_id = None if given.owner_id is UNSET else given.owner_id

        def change(edit: Edit) -> tuple[ApiToken, str]:
            return changes.create_token(edit, context.viewer, **{**fields, "owner_id": owner_id})

        request = request_of(context, "createApiToken", given, tenant_id=fields.get("tenant_id"))
        committed = await context.services.ledger.commit(
            change, request, remember=lambda made, revision: remember_entity(made[0], revision)
        )
        if committed.replayed is not None:
            entity, revision = entity_of(committed, context.view)
            return Payload("CreateApiTokenPayload", api_token=entity, token=None, revision=revision)
        token, text = committed.value
        return Payload("CreateApiTokenPayload", api_token=token, token=text, revision=committed.revision)

    made = verb(
        "createApiToken",
        make,
        description="Makes a token of yours, or of a service account that you manage. Its text is answered this once.",
    )
    declare_root("Mutation", "createApiToken", Permission.SIGNED_IN)
    return {"create_api_token": (None, made), **members}


_TEXT: dict[str, Member] = {
    "token": (
        "Optional[str]",
        strawberry.field(description="The token itself, shown this once; null when an answer is repeated."),
    )
}
_OWNER: dict[str, Member] = {
    "owner_id": (
        "Optional[ID]",
        strawberry.field(description="The service account that it acts for; yourself when not given.", default=UNSET),
    )
}


def _link_mutation() -> dict[str, Member]:
    input_type(
        "CreateSignInLinkInput",
        {"user_id": ("ID", strawberry.field(description="Who signs in by it."))},
        description="For whom a one-time sign-in link is made.",
    )
    payload_type(
        "CreateSignInLinkPayload",
        {
            "user": ("User", strawberry.field(description="Who signs in by it.")),
            "link": (
                "str",
                strawberry.field(
                    description="The link, shown this once: an address, or a path of this server when it was not told where "
                    "browsers reach it (`public_url`)."
                ),
            ),
            "expires_at": (
                "DateTime",
                strawberry.field(description="It works until then, until it is used, or until the password changes."),
            ),
        },
        description="A one-time sign-in link.",
    )
    result_union("CreateSignInLinkResult", "CreateSignInLinkPayload", ("InvalidState",))
    action = "createSignInLink"

    async def make(context: Context, given: Any) -> Payload:
        services = context.services

        def allow(edit: Edit) -> tuple[User, int]:
            user = allow_link(edit, context.viewer, given.user_id, action=action, correlation_id=context.correlation_id)
            return user, edit.at

        committed = await services.ledger.commit(allow, context.request(action))
        user, at = committed.value
        try:
            link = await issue_link(services.ledger.store, user, base_url=services.public_url, now=at)
        except StoreUnavailable as problem:
            raise Unavailable(f"the store is away: {problem}", remedy="no link was made; try again") from None
        return Payload(
            "CreateSignInLinkPayload", user=user, link=link, expires_at=at + LINK_LASTS_MS, revision=committed.revision
        )

    made = verb(
        action,
        make,
        description="Makes a link by which a user signs in once, within an hour: for whoever may set that user's password. "
        "It is answered this once and kept nowhere.",
    )
    declare_root("Mutation", action, Permission.MANAGE_TENANT)
    return {"create_sign_in_link": (None, made)}


def _password_mutations() -> dict[str, Member]:
    input_type(
        "SetPasswordInput",
        {
            "user_id": ("Optional[ID]", strawberry.field(description="Whose; yours when not given.", default=UNSET)),
            "current_password": (
                "Optional[str]",
                strawberry.field(description="Your present password; needed for your own.", default=UNSET),
            ),
            "password": ("str", strawberry.field(description="The new one: 12 to 1024 characters.")),
        },
        description="A new password; it ends all of the user's sessions.",
    )
    input_type(
        "EndSessionsInput",
        {"user_id": ("Optional[ID]", strawberry.field(description="Whose; yours when not given.", default=UNSET))},
        description="Whose sessions end.",
    )
    user = {"user": ("User", strawberry.field(description="The user."))}
    for name in ("SetPassword", "EndSessions"):
        payload_type(f"{name}Payload", user, description="The user whose sessions have ended.")
        result_union(f"{name}Result", f"{name}Payload", ("InvalidState",))

    async def set_password(context: Context, given: Any) -> Payload:
        user_id = context.viewer.id if given.user_id in (UNSET, None) else given.user_id
        changed = await context.services.password_check.change(
            context.viewer,
            user_id,
            new=given.password,
            current=None if given.current_password is UNSET else given.current_password,
            correlation_id=context.correlation_id,
        )
        return Payload("SetPasswordPayload", user=changed, revision=changed.revision)

    async def end_sessions(context: Context, given: Any) -> Payload:
        user_id = context.viewer.id if given.user_id in (UNSET, None) else given.user_id
        committed = await context.services.ledger.commit(
            lambda edit: changes.end_sessions(edit, context.viewer, user_id), context.request("endSessions")
        )
        return Payload("EndSessionsPayload", user=committed.value, revision=committed.revision)

    for field in ("setPassword", "endSessions"):
        declare_root("Mutation", field, Permission.SIGNED_IN)
    return {
        "set_password": (None, verb("setPassword", set_password, description="Sets a password and ends all sessions.")),
        "end_sessions": (
            None,
            verb("endSessions", end_sessions, description="Signs a user out everywhere; tokens stay."),
        ),
    }

"""From a change function to a mutation's answer: permissions first, refusals as data, idempotent repeats.

Every mutation goes through `answer`. A refusal becomes the member of the result union that has its name; anything else that
is raised is a bug and is masked by the endpoint. What an idempotency key made is kept as JSON with the entity as it was, so
that a repeat is answered as the first time even when the entity has changed since.

What is asked belongs to the audit of a tenant, granted or refused: its auditors read what was tried in it.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import strawberry

from access.refusals import told
from access.visible import VisibleView
from graph.change import decode_entity
from graph.entity import Entity, Source, kind_by_id
from graph.kinds import ApiToken, Tenant
from graph.refusal import Forbidden, InvalidInput, Refusal
from graph.request import Committed, Idempotency, Request
from resolvers.context import Context
from resolvers.input_paths import as_written
from schema.errors import ErrorValue
from schema.inputs import plain_input
from schema.results import Payload
from schema.vocabulary import resolver_field

E = TypeVar("E", bound=Entity)
MAX_KEY_LENGTH = 255
MAX_ID_LENGTH = 64
"""Longer than any id that this server makes."""


def verb(action: str, make: Callable[[Context, Any], Awaitable[Payload]], *, description: str) -> Any:
    """The mutation field `action`, whose input and result types are named after it."""

    async def resolve(source: Any, info: Any, *, input: Any) -> Any:
        context: Context = info.context
        return await answer(context, action, lambda: make(context, input), given=input)

    name = action[0].upper() + action[1:]
    return resolver_field(
        resolve,
        returns=f"{name}Result",
        description=description,
        arguments={"input": (f"{name}Input", strawberry.UNSET, "What to do.")},
    )


async def answer(
    context: Context, action: str, make: Callable[[], Awaitable[Payload]], *, given: Any = None
) -> Payload | ErrorValue:
    """The payload that `make` gives, or the refusal that it raises; `given` is the input, which says whom it concerns."""
    try:
        return await make()
    except Refusal as refusal:
        refusal.path = as_written(refusal.path, given)
        audit = context.services.refusals
        if audit is not None:
            audit.refused(
                refusal,
                author=context.viewer.id,
                action=action,
                tenant_id=audited_tenant(context.view, given),
                subject_id=_subject(given),
                correlation_id=context.correlation_id,
            )
        return ErrorValue(told(refusal, context.view))


def audited_tenant(view: VisibleView, given: Any) -> str | None:
    """Whose audit a request belongs to: the tenant that the input names, or that what it names belongs to, as far as the
    caller sees it; else the caller's, when it has one only. None: the installation's.

    What the caller does not see names nobody: a refusal must not show in the audit of a tenant whose ids were guessed.
    """
    for entity_id in _named(given):
        entity = view.get(entity_id)
        if isinstance(entity, ApiToken) and entity.tenant_id is None:
            entity = view.get(entity.owner_id)
        tenant_id = entity.id if isinstance(entity, Tenant) else getattr(entity, "tenant_id", None)
        if tenant_id is not None:
            return str(tenant_id)
    tenants = view.viewer.tenant_ids
    return next(iter(tenants)) if tenants is not None and len(tenants) == 1 else None


def _named(given: Any) -> list[str]:
    """The ids in an input: its tenant's first, then its own, then others as they come."""
    fields = vars(given) if hasattr(given, "__dict__") else {}
    ordered = ("tenant_id", "id", *(name for name in fields if name.endswith("_id")))
    return [value for name in dict.fromkeys(ordered) if isinstance(value := fields.get(name), str)]


def _subject(given: Any) -> str | None:
    """The id that an input is about, if it can be one: an audit record is no place for what else was sent."""
    entity_id = getattr(given, "id", None)
    if not isinstance(entity_id, str) or len(entity_id) > MAX_ID_LENGTH or kind_by_id(entity_id) is None:
        return None
    return entity_id


def request_of(
    context: Context, action: str, given: Any, *, tenant_id: str | None, source: Source | None = None
) -> Request:
    """The change that is asked for, in the caller's name and under the idempotency key that was given, if one was.

    Without a tenant it belongs to the audit that the input tells (`audited_tenant`).
    """
    if tenant_id is None:
        tenant_id = audited_tenant(context.view, given)
    return context.request(
        action, tenant_id=tenant_id, idempotency=_idempotency_of(context, action, given), source=source
    )


def _idempotency_of(context: Context, action: str, given: Any) -> Idempotency | None:
    """The caller's key under the caller's own scope, with the digest of all that was given beside it."""
    key = getattr(given, "idempotency_key", None)
    if key is None or key is strawberry.UNSET:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise InvalidInput(
            f"an idempotency key has 1 to {MAX_KEY_LENGTH} characters", remedy="use a UUID", path="input.idempotencyKey"
        )
    plain = _as_given(given)
    plain.pop("idempotency_key", None)
    body = msgspec.json.encode(plain, order="deterministic", enc_hook=str)
    # Keyed, for the input may hold a password, which a plain hash would let be guessed at.
    digest = context.services.sealer.digest(action.encode() + b"\0" + body)
    return Idempotency(key=f"{context.viewer.id}:{key}", body_digest=digest)


def _as_given(value: Any) -> Any:
    """An input as plain values with its nulls: in a patch what is null differs from what is absent."""
    if isinstance(value, list):
        return [_as_given(one) for one in value]
    if hasattr(value, "__strawberry_definition__") and not isinstance(value, enum.Enum):
        return {key: _as_given(one) for key, one in vars(value).items() if one is not strawberry.UNSET}
    return plain_input(value)


def remember_entity(entity: Entity, revision: int) -> bytes:
    """An entity and its revision as an idempotency key keeps them."""
    return msgspec.json.encode({"kind": entity.SPEC.name, "entity": entity, "revision": revision})


class _Remembered(msgspec.Struct):
    kind: str
    entity: msgspec.Raw
    revision: int


def entity_of(committed: Committed[Any], view: VisibleView) -> tuple[Entity, int]:
    """The entity that was made, now or the first time. Raises Forbidden when the viewer does not see it any more."""
    if committed.replayed is None:
        return committed.value, committed.revision
    kept = msgspec.json.decode(committed.replayed, type=_Remembered)
    return seen_again(decode_entity(kept.kind, kept.entity), view), kept.revision


def seen_again(entity: E, view: VisibleView) -> E:
    """An entity of a repeated answer as the viewer sees it now. Raises Forbidden when it does not see it any more."""
    shown = view.shown(entity)
    if not isinstance(shown, type(entity)):
        raise Forbidden(
            "what this key made is not yours to see any more",
            remedy="ask an administrator for a role in its tenant",
            path="input.idempotencyKey",
        )
    return shown

"""Signing in for programs: name and password for a token that ends, and the end of a token.

`POST /auth/session` takes JSON alone, which no form of another site can send, and answers `{"id", "name", "token",
"expiresAt"}`; the token's text is told this once. `DELETE /auth/session` ends the token that it comes with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from access.changes import create_token, delete_entity, drop_expired_tokens
from access.password_check import WRONG, PasswordCheck, SignInProblem, TooManyTries
from access.viewer import now_ms, viewer_of
from graph.edit import Edit
from graph.identifiers import new_ulid
from graph.kinds import ApiToken, Role
from graph.ledger import Ledger
from graph.refusal import AlreadyExists, InvalidInput, LimitExceeded, Refusal, Unavailable
from graph.request import Request as LedgerRequest
from graph.store import StoreUnavailable
from resolvers.problems import StoreAway
from server.authentication import Authenticator
from server.signin_requests import JSON_HEADERS, BadBody, address_of, body_of, media_type_of, problem

DAY_MS = 86_400_000
TOKEN_DAYS = 30.0
MAX_TOKEN_DAYS = 366.0
_STATUS = {
    SignInProblem.code: 401,
    Unavailable.code: 503,
    AlreadyExists.code: 409,
    InvalidInput.code: 400,
    LimitExceeded.code: 429,
}


class _TokenRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    name: str
    password: str
    token_name: str | None = None
    expires_in_days: float = TOKEN_DAYS
    role: Role | None = None
    tenant_id: str | None = None


class TokenSignIn:
    """The routes of /auth/session."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        authenticator: Authenticator,
        check: PasswordCheck,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._ledger = ledger
        self._who = authenticator
        self._check = check
        self._clock_ms = clock_ms

    def routes(self) -> list[BaseRoute]:
        """POST and DELETE /auth/session."""
        return [
            Route("/auth/session", _guarded(self._make), methods=["POST"]),
            Route("/auth/session", _guarded(self._drop), methods=["DELETE"]),
        ]

    async def _make(self, request: Request) -> Response:
        if media_type_of(request) != "application/json" or not self._who.same_origin(request):
            return problem("UNSUPPORTED_MEDIA_TYPE", "send application/json, and not from another site's page", 415)
        try:
            asked = msgspec.json.decode(await body_of(request), type=_TokenRequest)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's own words could quote what was sent, and a password was sent.
            return problem("BAD_REQUEST", 'send {"name": …, "password": …, "tokenName": …, "expiresInDays": …}', 400)
        if not 0 < asked.expires_in_days <= MAX_TOKEN_DAYS:
            return problem("INVALID_INPUT", f"expiresInDays is more than 0 and at most {MAX_TOKEN_DAYS:.0f}", 400)
        address = address_of(request)
        user = await self._check.user_of(asked.name, asked.password, address=address)
        viewer = viewer_of(self._ledger.view, user.id, at_ms=self._clock_ms())
        if viewer is None:
            raise SignInProblem(WRONG)

        def function(edit: Edit) -> tuple[ApiToken, str]:
            drop_expired_tokens(edit, owner_id=user.id)
            return create_token(
                edit,
                viewer,
                name=asked.token_name or f"sign-in {new_ulid()}",
                role=asked.role,
                tenant_id=asked.tenant_id,
                expires_at=edit.at + int(asked.expires_in_days * DAY_MS),
            )

        token, text = (
            await self._ledger.commit(
                function, LedgerRequest(author=user.id, action="signInForToken", source=viewer.source)
            )
        ).value
        self._check.noted("SUCCEEDED", user.id, address, action="signInForToken")
        answer = {"id": token.id, "name": token.name, "token": text, "expiresAt": token.expires_at}
        return JSONResponse(answer, status_code=201, headers=JSON_HEADERS)

    async def _drop(self, request: Request) -> Response:
        viewer = await self._who.authenticate(request)
        if viewer is None or viewer.token_id is None:
            return problem("UNAUTHENTICATED", "send the token that is to end as Authorization: Bearer", 401)
        token_id = viewer.token_id
        await self._ledger.commit(
            lambda edit: delete_entity(edit, viewer, token_id),
            LedgerRequest(author=viewer.id, action="signOutToken", source=viewer.source),
        )
        return Response(status_code=204, headers=JSON_HEADERS)


def _guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answers the refusals that a handler may raise; anything else is a bug and is raised."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except BadBody as bad:
            return problem("BAD_REQUEST", str(bad), bad.status)
        except (StoreUnavailable, StoreAway):
            return problem(Unavailable.code, "the store does not answer", 503, retry_after=5)
        except TooManyTries as refusal:
            return problem(refusal.code, refusal.message, 429, remedy=refusal.remedy, retry_after=refusal.wait_s)
        except Refusal as refusal:
            return problem(refusal.code, refusal.message, _STATUS.get(refusal.code, 403), remedy=refusal.remedy)

    return guarded

"""Whether a name and password are somebody's: for the form, for programs, and before a password is changed.

The answer and the work are the same for a name that does not exist, is disabled or has no password, and for a wrong
password. Failures are limited by name, by address and by both, and counted before the password is compared, so that many
tries at once get no more than many after each other.
"""

from __future__ import annotations

import structlog

from access.audit import Audit, AuditBody
from access.changes import set_password
from access.passwords import Passwords, check_password, password_key
from access.throttle import Throttle, network_of, sign_in_keys
from access.viewer import Viewer
from graph.edit import Edit
from graph.kinds import User
from graph.ledger import Ledger
from graph.refusal import Forbidden, LimitExceeded, Refusal, Unavailable
from graph.request import Request
from graph.store import StoreUnavailable
from graph.view import get_as

WRONG = "The name or the password is wrong."

log = structlog.get_logger(__name__)


class SignInProblem(Refusal):
    """Nobody is signed in by this; the text is the same whatever the reason was."""

    code = "SIGN_IN_FAILED"


class TooManyTries(LimitExceeded):
    """Too many failures; `wait_s` says for how many seconds."""

    retryable = True

    def __init__(self, wait_s: float) -> None:
        super().__init__("there were too many failed tries", remedy=f"try again in {wait_s:.0f} seconds")
        self.wait_s = wait_s


class PasswordCheck:
    """Compares passwords, limits failures, and notes both in the audit."""

    def __init__(self, ledger: Ledger, *, passwords: Passwords, audit: Audit, throttle: Throttle) -> None:
        self._ledger = ledger
        self._passwords = passwords
        self._audit = audit
        self._throttle = throttle

    async def user_of(self, name: str, password: str, *, address: str) -> User:
        """The enabled user of a name and password. Raises SignInProblem, TooManyTries or Unavailable."""
        keys = sign_in_keys(name, address)
        wait = self._throttle.take(keys)
        if wait:
            self.noted("FAILED", None, address, code=LimitExceeded.code)
            raise TooManyTries(wait)
        user = self._ledger.view.find("User", name)
        # The same work whoever is named, and whether or not there is such a user: only then does the time tell nothing.
        kept = await self._kept(user.id if user is not None else "nobody")
        same = await self._passwords.matches(password, kept)
        if not same or kept is None or not isinstance(user, User) or user.disabled:
            self.noted("FAILED", user.id if user is not None else None, address, code=SignInProblem.code)
            raise SignInProblem(WRONG)
        self._throttle.give_back(keys)
        if self._passwords.outdated(kept):
            await self._hash_anew(user, password)
        return user

    async def change(
        self,
        viewer: Viewer,
        user_id: str,
        *,
        new: str,
        current: str | None,
        address: str = "",
        correlation_id: str = "",
        path: str = "input",
    ) -> User:
        """Sets a password for a mutation: one's own after comparing the present one, or that of a user one manages.

        Who has no password yet (having signed in by a link) gives no present one. All of the user's sessions end.
        Raises InvalidInput, Forbidden, NotFound, TooManyTries or Unavailable.
        """
        user = get_as(self._ledger.view, User, user_id)
        names = (user.name, user.email or "") if user is not None and user_id == viewer.id else ()
        check_password(new, names=names, path=f"{path}.password")
        if user_id == viewer.id and user is not None:
            await self._check_current(user, current, address=address, path=path)
        hashed = await self._passwords.hash(new)
        request = Request(author=viewer.id, action="setPassword", correlation_id=correlation_id, source=viewer.source)
        done = await self._ledger.commit(lambda edit: set_password(edit, viewer, user_id, hashed, path=path), request)
        return done.value

    def noted(
        self, outcome: str, user_id: str | None, address: str, *, action: str = "signIn", code: str | None = None
    ) -> None:
        """Notes a sign-in, `SUCCEEDED` or `FAILED`, in the audit and the log: never what was typed."""
        author = user_id if outcome == "SUCCEEDED" and user_id is not None else None
        body = AuditBody(author=author or "anonymous", action=action, outcome=outcome, code=code, address=address)
        self._audit.note(body, caller=author or network_of(address), subject_id=user_id)
        log.info("sign_in", action=action, outcome=outcome, user=user_id, address=address)

    async def _check_current(self, user: User, current: str | None, *, address: str, path: str) -> None:
        keys = sign_in_keys(user.name, address)
        wait = self._throttle.take(keys)
        if wait:
            raise TooManyTries(wait)
        kept = await self._kept(user.id)
        if kept is not None and not await self._passwords.matches(current or "", kept):
            raise Forbidden("the present password is wrong", remedy="give it again", path=f"{path}.currentPassword")
        self._throttle.give_back(keys)

    async def _kept(self, user_id: str) -> bytes | None:
        try:
            return await self._ledger.store.private(password_key(user_id))
        except StoreUnavailable:
            raise Unavailable("the store does not answer", remedy="try again in a while") from None

    async def _hash_anew(self, user: User, password: str) -> None:
        """Keeps the hash with the present parameters, unless the password was changed meanwhile."""
        fresh = await self._passwords.hash(password)

        def function(edit: Edit) -> None:
            now = get_as(edit, User, user.id)
            if now is not None and now.credential_version == user.credential_version:
                edit.keep_private(password_key(user.id), fresh)

        await self._ledger.commit(function, Request(author=user.id, action="rehashPassword", audited=False))

"""The first start: somebody must be able to sign in to a graph that is empty, and nobody else.

There is no default password to forget. A graph without an administrator gets one, without any password, and whoever can
read what the server prints follows a link that works once. Until that administrator has set a password, each start prints
a new link.

Here too is the check of the address to listen on: beyond this machine, passwords and tokens go over the wire, so they go
by TLS or by an explicit word that something in front of the server takes care of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from access.links import LINK_LASTS_MS, issue_link
from access.passwords import password_key
from access.rights import administrators
from access.viewer import SYSTEM, now_ms
from graph.edit import Edit
from graph.kinds import Role, RoleBinding, User
from graph.ledger import Ledger
from graph.refusal import InvalidState, NotFound
from graph.request import Request
from server.loopback import is_loopback
from server.start_checks import ListenerRefused, check_tls

FIRST_NAME = "admin"


def check_listener(host: str, *, tls_certificate: Path | None, tls_key: Path | None, allow_plain_http: bool) -> None:
    """Raises ListenerRefused when `host` is beyond loopback and neither TLS nor the explicit setting is there, or when the
    files of TLS are not those of a server. Blocking."""
    if (tls_certificate is None) != (tls_key is None):
        raise ListenerRefused(
            "of the TLS certificate and its key one is missing", remedy="set both tls_certificate and tls_key"
        )
    if tls_certificate is not None and tls_key is not None:
        check_tls(tls_certificate, tls_key)
        return
    if allow_plain_http or is_loopback(host):
        return
    raise ListenerRefused(
        f"listening on {host or 'every address'} without TLS would send passwords and tokens in the clear",
        remedy="set tls_certificate and tls_key; or set allow_plain_http when a proxy in front ends TLS",
    )


async def ensure_administrator(ledger: Ledger) -> User:
    """An administrator of the installation: one that there is, or a new one without a password.

    An existing user is never promoted: whoever has taken the name `admin` in some tenant would get everything. Raises
    Unavailable when the store does not take the commit.
    """
    existing = administrators(ledger.view)
    if existing:
        return existing[0]
    request = Request(author=SYSTEM.id, action="createFirstAdministrator")
    return (await ledger.commit(_create_first, request)).value


async def first_link(
    ledger: Ledger, *, base_url: str, clock_ms: Callable[[], int] = now_ms, lasts_ms: int = LINK_LASTS_MS
) -> str | None:
    """The link to print at a start, made with the administrator if need be; None when an administrator has a password.

    Raises Unavailable or StoreUnavailable.
    """
    await ensure_administrator(ledger)
    everybody = administrators(ledger.view)
    for user in everybody:
        if await ledger.store.private(password_key(user.id)) is not None:
            return None
    return await issue_link(
        ledger.store, everybody[0], base_url=base_url, now=clock_ms(), lasts_ms=lasts_ms, next_path="/"
    )


async def link_for(
    ledger: Ledger,
    name: str,
    *,
    base_url: str,
    clock_ms: Callable[[], int] = now_ms,
    lasts_ms: int = LINK_LASTS_MS,
) -> str:
    """A one-time sign-in link for a user by name: for whoever has the store in hand, as `edgeatlas user link` has.

    Raises NotFound, InvalidState for a disabled user, StoreUnavailable.
    """
    user = ledger.view.find("User", name)
    if not isinstance(user, User):
        raise NotFound("User", name)
    if user.disabled:
        raise InvalidState(f"user {name!r} is disabled", remedy="enable it first")
    return await issue_link(ledger.store, user, base_url=base_url, now=clock_ms(), lasts_ms=lasts_ms)


def _create_first(edit: Edit) -> User:
    existing = administrators(edit)
    if existing:
        return existing[0]
    name, number = FIRST_NAME, 1
    while edit.find("User", name) is not None:
        number += 1
        name = f"{FIRST_NAME}-{number}"
    user = edit.create(User, name=name, display_name="First administrator")
    edit.create(RoleBinding, subject_id=user.id, role=Role.ADMIN)
    return user

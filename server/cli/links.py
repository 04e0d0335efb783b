"""`user link`: a one-time sign-in link for a user, from a running server or from the store itself.

An administrator who is signed in has the server make it. Whoever cannot sign in any more makes it where the server's data
is; the embedded store belongs to one process, so for that its server is stopped.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import httpx
import typer

from graph.entity import KINDS
from server.cli.api import Api
from server.cli.config import LOGIN
from server.cli.failures import Exit, Failure
from server.cli.lookup import id_of
from server.cli.options import api_of, call_of
from server.cli.output import say
from server.settings import Settings
from server.settings_flags import takes_settings


@takes_settings
def sign_in_link(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose.")] = "admin",
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no server: read the store that the settings name.")
    ] = False,
    *,
    settings: Settings,
) -> None:
    """Print a one-time sign-in link for a user.

    Signed in at a server that answers, you have that server make it: you are an administrator, or manage every tenant that
    the user is in. Else, or with --offline, the store itself is read, for whoever cannot sign in any more. The embedded
    store belongs to one process: stop the server first; the link works once it runs again.

    Example: edgeatlas user link mara
    """
    made = None if offline else _by_server(ctx, name, settings)
    sys.stdout.write((made or _by_store(name, settings)) + "\n")


def _by_server(ctx: typer.Context, name: str, settings: Settings) -> str | None:
    """The link that the chosen server made; None when none answers, or not to this caller. Raises Failure if it refuses."""
    context = call_of(ctx).chosen()[1]
    if not context.token:
        return None
    api = api_of(ctx)
    if not _answers(api):
        return None
    try:
        made = api.mutate("createSignInLink", {"userId": id_of(api, KINDS["User"], name)}, "link expiresAt", key=False)
    except Failure as failure:
        if failure.remedy != LOGIN:
            raise
        say(f"{failure.message}; reading {settings.store_target()} instead")
        return None
    say(f"{context.url} made this link; it works once, until {made['expiresAt']}:")
    link: str = made["link"]
    return link if "://" in link else f"{settings.public_url or context.url}{link}"


def _answers(api: Api) -> bool:
    try:
        return api.http.get("/livez").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _by_store(name: str, settings: Settings) -> str:
    from graph.ledger import Ledger
    from graph.refusal import Refusal
    from graph.store import StoreProblem
    from server.first_start import link_for
    from server.installation import open_store_of

    async def make() -> str:
        ledger = Ledger(open_store_of(settings))
        async with ledger.running():
            return await link_for(ledger, name, base_url=settings.public_url or _address(settings))

    try:
        return asyncio.run(make())
    except Refusal as refusal:
        raise Failure(refusal.message, remedy=refusal.remedy, code=Exit.NOT_FOUND) from None
    except (StoreProblem, OSError) as problem:
        raise Failure(
            f"{settings.store_target()} cannot be opened: {problem}",
            remedy="log in to the server as an administrator; or stop the server that has it; or name the right --data-dir "
            "or --store",
            code=Exit.UNAVAILABLE,
        ) from None


def _address(settings: Settings) -> str:
    scheme = "https" if settings.tls_certificate is not None else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{settings.port}"

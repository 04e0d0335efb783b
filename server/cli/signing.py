"""`login`, `logout`, `whoami`, `context`: which server, and as whom.

Signing in ends with an API token of its own that this computer keeps: by a one-time link (a first start prints one), or
by name and password. A password is asked for or read from standard input, never taken as an argument, since arguments are
visible to everybody on the machine.
"""

from __future__ import annotations

import json
import platform
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import httpx
import typer
from rich.text import Text

from server.cli.api import Api, no_server, verification
from server.cli.config import (
    DEFAULT_CONTEXT,
    DEFAULT_URL,
    Context,
    checked_url,
    load_config,
    save_config,
)
from server.cli.failures import Exit, Failure
from server.cli.options import OutputOption, api_of, call_of
from server.cli.output import Output, cell, console, plain_table, print_data, say, without_typenames

DAYS = 30
LINK_HELP = (
    "A server that nobody has signed in to prints a one-time link at its start. Another link for a user is made by an "
    "administrator with `edgeatlas user link NAME`, or with the same where the server's data is; on the embedded store the "
    "server is stopped for that."
)
WHO = "{ viewer { id name expiresAt permissions roles { role tenant { id name } } } }"

context_commands = typer.Typer(
    help="Known servers: list them, change between them, forget them.\n\nExample: edgeatlas context use lab",
    no_args_is_help=True,
)


def login(
    ctx: typer.Context,
    link: Annotated[
        str | None, typer.Option("--link", help="The one-time sign-in link; the server is the link's.", metavar="URL")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Sign in by this name and a password.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read an API token from standard input and keep it.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="The server.", metavar="URL")] = None,
    name: Annotated[
        str | None, typer.Option("--context", help="What to call this server from now on.", metavar="NAME")
    ] = None,
    ca_file: Annotated[
        str, typer.Option("--ca-file", help="A PEM file of certificate authorities to trust.", metavar="FILE")
    ] = "",
    days: Annotated[float, typer.Option("--days", help="How long the token is good for.", min=0.01, max=366)] = DAYS,
) -> None:
    """Sign in to a server and keep a token for it, in a file that only you can read.

    Without options, asks for the server and for the sign-in link or your name.

    Example: edgeatlas login --link 'http://127.0.0.1:8800/auth/link?token=…'
    """
    call = call_of(ctx)
    name = name or call.context_name or DEFAULT_CONTEXT
    if link is None and user is None and not token_stdin:
        url, link, user = _ask(url or call.url)
    server = checked_url(_server_of(link) if link is not None else url or call.url or DEFAULT_URL)
    context = Context(url=server, ca_file=ca_file)
    if token_stdin:
        context = _with_token(context, sys.stdin.readline(512).strip(), "", "")
    elif link is not None:
        context = _by_link(context, link, days=days)
    else:
        password = (
            sys.stdin.readline(2048).rstrip("\n")
            if password_stdin
            else typer.prompt("Password", hide_input=True, err=True)
        )
        context = _by_password(context, str(user), password, days=days)
    with Api(context) as api:
        viewer = api.query(WHO)["viewer"]
    context = _with_token(context, context.token, context.token_id, viewer["name"])
    path = save_config(load_config().with_context(name, context))
    say(f"signed in at {context.url} as {viewer['name']}; the token is kept in {path}")


def logout(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep-token", help="Forget the token here, but do not end it.")] = False,
) -> None:
    """End this computer's token and forget the server.

    Example: edgeatlas logout
    """
    name, context = call_of(ctx).chosen()
    if not context.token:
        raise Failure("not signed in", code=Exit.REFUSED)
    if not keep:
        with Api(context) as api:
            try:
                response = api.http.delete("/auth/session")
            except httpx.TransportError as problem:
                raise Failure(
                    f"{context.url} does not answer, so the token was not ended: {problem}",
                    remedy="try again, or forget it here alone with --keep-token",
                    code=Exit.UNAVAILABLE,
                ) from None
        if response.status_code not in (204, 401):
            raise Failure(f"{context.url} answered {response.status_code}", remedy="try again", code=Exit.UNAVAILABLE)
    save_config(load_config().with_context(name, None))
    say(f"signed out of {context.url}")


def whoami(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Say who you are, what you may do, and until when.

    Example: edgeatlas whoami
    """
    name, context = call_of(ctx).chosen()
    viewer = api_of(ctx).query(WHO)["viewer"]
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(viewer), output)
        return
    if output is Output.NAME:
        typer.echo(viewer["name"])
        return
    roles = ", ".join(f"{one['role']} in {cell(one['tenant']) or 'every tenant'}" for one in viewer["roles"])
    out = console()
    out.print(Text.assemble((cell(viewer["name"]), "bold"), f" at {context.url} (context {name})"), soft_wrap=True)
    until = f", until {viewer['expiresAt']}" if viewer["expiresAt"] else ""
    out.print(Text(f"{roles or 'no role'}{until}"), soft_wrap=True)


@context_commands.command("list")
def list_() -> None:
    """List the servers that this computer knows.

    Example: edgeatlas context list
    """
    config = load_config()
    table = plain_table(["", "CONTEXT", "SERVER", "USER", "SIGNED IN UNTIL"])
    for name, one in config.contexts.items():
        mark = "*" if name == config.current else ""
        table.add_row(mark, Text(name, style="bold"), one.url, Text(cell(one.user)), one.expires_at)
    console().print(table)


@context_commands.command("use")
def use(name: Annotated[str, typer.Argument(help="The context.")]) -> None:
    """Call this server from now on.

    Example: edgeatlas context use lab
    """
    config = load_config()
    if name not in config.contexts:
        raise Failure(f"there is no context {name!r}", remedy="see `edgeatlas context list`", code=Exit.NOT_FOUND)
    save_config(config.with_context(name, config.contexts[name]))
    say(f"calling {config.contexts[name].url} from now on")


@context_commands.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The context.")]) -> None:
    """Forget a server; its token is not ended (see `logout`).

    Example: edgeatlas context remove lab
    """
    config = load_config()
    if name not in config.contexts:
        raise Failure(f"there is no context {name!r}", remedy="see `edgeatlas context list`", code=Exit.NOT_FOUND)
    save_config(config.with_context(name, None))
    say(f"forgot {name}")


def _ask(url: str | None) -> tuple[str | None, str | None, str | None]:
    """The server and the link or user, asked for. Raises Failure without a terminal."""
    if not sys.stdin.isatty():
        raise Failure("nobody is there to ask", remedy="give --link, or --user with --password-stdin", code=Exit.USAGE)
    say(LINK_HELP)
    if url is None:
        url = typer.prompt("Server", default=DEFAULT_URL, err=True)
    answer = typer.prompt("Sign-in link, or user name", err=True).strip()
    return (None, answer, None) if "://" in answer else (url, None, answer)


def _server_of(link: str) -> str:
    parts = urlsplit(link)
    if not parts.scheme or not parts.netloc or not parse_qs(parts.query).get("token"):
        raise Failure("this is no sign-in link", remedy="paste the whole line that the server printed", code=Exit.USAGE)
    return f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/auth/link')}"


def _by_link(context: Context, link: str, *, days: float) -> Context:
    """Follows the link for a session, makes a token with it, and ends the session."""
    with httpx.Client(base_url=context.url, verify=verification(context), timeout=30.0) as http:
        try:
            token = parse_qs(urlsplit(link).query)["token"][0]
            reply = http.get("/auth/link", params={"token": token}, follow_redirects=False)
            if reply.status_code != 303 or not http.cookies:
                raise Failure(
                    "this sign-in link was used already, or its time is over",
                    remedy="a server that nobody has a password on prints a new one at each start. Any user's is made by an "
                    "administrator with `edgeatlas user link NAME`, or where its data is, on the embedded store with the "
                    "server stopped",
                    code=Exit.REFUSED,
                )
            values = {"name": _token_name(), "expiresAt": _in_days(days)}
            document = (
                "mutation($input: CreateApiTokenInput!) { createApiToken(input: $input) { __typename "
                "... on CreateApiTokenPayload { token apiToken { id expiresAt } } ... on Error { message remedy } } }"
            )
            headers = {"X-EdgeAtlas-CSRF": "1", "Accept": "application/json"}
            body = {"query": document, "variables": {"input": values}}
            answer = http.post("/graphql", json=body, headers=headers).json()
            http.post("/auth/logout", headers=headers)
        except httpx.TransportError as problem:
            raise no_server(context.url, problem) from None
        except ValueError:
            raise Failure(f"{context.url} is no EdgeAtlas server", code=Exit.ERROR) from None
    made = (answer.get("data") or {}).get("createApiToken") or {}
    if not made.get("token"):
        raise Failure(
            f"no token was made: {made.get('message') or answer}", remedy=made.get("remedy"), code=Exit.REFUSED
        )
    return _with_token(context, made["token"], made["apiToken"]["id"], "", made["apiToken"]["expiresAt"])


def _by_password(context: Context, user: str, password: str, *, days: float) -> Context:
    body = {"name": user, "password": password, "tokenName": _token_name(), "expiresInDays": days}
    try:
        with httpx.Client(base_url=context.url, verify=verification(context), timeout=30.0) as http:
            reply = http.post("/auth/session", content=json.dumps(body), headers={"Content-Type": "application/json"})
            answer = reply.json()
    except httpx.TransportError as problem:
        raise no_server(context.url, problem) from None
    except ValueError:
        raise Failure(f"{context.url} is no EdgeAtlas server", code=Exit.ERROR) from None
    if reply.status_code != 201:
        error = answer.get("error") or {}
        raise Failure(
            str(error.get("message", f"{context.url} answered {reply.status_code}")),
            remedy=error.get("remedy") or LINK_HELP,
            code=Exit.UNAVAILABLE if reply.status_code in (429, 503) else Exit.REFUSED,
        )
    expires = answer.get("expiresAt")
    shown = datetime.fromtimestamp(expires / 1000, UTC).isoformat() if isinstance(expires, int) else str(expires or "")
    return _with_token(context, answer["token"], answer["id"], user, shown)


def _with_token(context: Context, token: str, token_id: str, user: str, expires_at: str | None = None) -> Context:
    if not token:
        raise Failure("there is no token", remedy="give one on standard input", code=Exit.USAGE)
    return Context(
        url=context.url,
        token=token,
        token_id=token_id,
        user=user,
        expires_at=context.expires_at if expires_at is None else expires_at,
        ca_file=context.ca_file,
    )


def _token_name() -> str:
    """What the token is called on the server, where whoever owns it may want to end it."""
    return f"edgeatlas on {platform.node() or 'a computer'} {datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"


def _in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()

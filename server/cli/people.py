"""`user`, `token`, `secret`: who may sign in, what programs sign in with, and what is kept encrypted.

What is secret is typed at a prompt, read from a file or from standard input, never an argument; what is made is printed
once, on standard output, so that it can go into a pipe.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from graph.entity import KINDS
from graph.kinds import Role
from server.cli.api import IN_USE, Api, Json
from server.cli.failures import Exit, Failure
from server.cli.kinds import ANY
from server.cli.lookup import find, find_or_none, id_of
from server.cli.options import OutputOption, TenantOption, YesOption, api_of, confirm
from server.cli.output import Output, age, cell, console, plain_table, print_data, say, without_typenames
from server.cli.reading import page_through

MAX_SECRET_BYTES = 1024 * 1024
user = typer.Typer(
    help="People: list them, make them, give them passwords and sign-in links.\n\n"
    "Example: edgeatlas user create mara --role DEVELOPER@shop",
    no_args_is_help=True,
)
token = typer.Typer(
    help="API tokens: list them, make them, end them.\n\n"
    "Example: edgeatlas token create ci --role DEVELOPER --tenant shop --days 7 > ci.token",
    no_args_is_help=True,
)
secret = typer.Typer(
    help="Secrets: encrypted values that are never shown.\n\n"
    "Example: edgeatlas secret create registry password token=@token.txt --tenant shop",
    no_args_is_help=True,
)

RoleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role", "-r", help="A role: ADMIN or OPERATOR everywhere, DEVELOPER@TENANT in a tenant. Repeatable."
    ),
]


@user.command("list")
def list_users(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List people and their roles.

    Example: edgeatlas user list
    """
    selection = (
        "id name displayName email disabled createdAt roleBindings(first: 50) { nodes { role tenant { id name } } }"
    )
    rows, _ = page_through(api_of(ctx), KINDS["User"], selection, page=50)
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(rows), output)
        return
    table = plain_table(["NAME", "ROLES", "EMAIL", "STATE", "AGE"])
    for one in rows:
        roles = [f"{each['role']}@{cell(each['tenant'])}".rstrip("@") for each in one["roleBindings"]["nodes"]]
        state = "disabled" if one["disabled"] else ""
        table.add_row(
            Text(cell(one["name"]), style="bold"),
            ", ".join(roles),
            Text(cell(one["email"])),
            state,
            age(one["createdAt"]),
        )
    console().print(table)


@user.command("create")
def create_user(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: RoleOption = None,
    email: Annotated[str | None, typer.Option("--email", help="Where to write to.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="None: the user gets in by `edgeatlas user link`.")
    ] = False,
) -> None:
    """Make a user, and ask for the password.

    Example: edgeatlas user create mara --role DEVELOPER@shop
    """
    api = api_of(ctx)
    values: Json = {"name": name, "email": email, "roles": [_grant(api, one) for one in role or ()]}
    if not no_password:
        values["password"] = _password(password_stdin)
    made = api.mutate("createUser", values, "user { id name } revision")
    say(f"user/{made['user']['name']} created")


@user.command("passwd")
def set_password(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Whose; your own when not given.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the new password (and before it the current) as lines.")
    ] = False,
) -> None:
    """Set a password; the user's sessions elsewhere end. Your own needs the current one, if you have one.

    Example: edgeatlas user passwd mara
    """
    api = api_of(ctx)
    values: Json = {}
    if name is not None:
        values["userId"] = id_of(api, KINDS["User"], name)
    elif password_stdin:
        values["currentPassword"] = sys.stdin.readline(4096).rstrip("\n") or None
    else:
        shown = typer.prompt(
            "Current password (empty if there is none)", default="", hide_input=True, show_default=False, err=True
        )
        values["currentPassword"] = shown or None
    values["password"] = _password(password_stdin)
    api.mutate("setPassword", values, "revision", key=False)
    say("the password is set")


@token.command("list")
def list_tokens(ctx: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List API tokens; the tokens themselves are shown once, when they are made.

    Example: edgeatlas token list
    """
    selection = f"id name role expiresAt createdAt tenant {{ id name }} owner {{ {ANY} }}"
    rows, _ = page_through(api_of(ctx), KINDS["ApiToken"], selection)
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(rows), output)
        return
    table = plain_table(["NAME", "OWNER", "ROLE", "TENANT", "EXPIRES", "AGE", "ID"])
    for one in rows:
        table.add_row(
            Text(cell(one["name"]), style="bold"),
            Text(cell(one["owner"])),
            cell(one["role"]),
            Text(cell(one["tenant"])),
            cell(one["expiresAt"]),
            age(one["createdAt"]),
            one["id"],
        )
    console().print(table)


@token.command("create")
def create_token(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    owner: Annotated[
        str | None, typer.Option("--owner", help="A service account or user; yourself when not given.", metavar="NAME")
    ] = None,
    role: Annotated[str | None, typer.Option("--role", help="The most that it may do.")] = None,
    days: Annotated[float, typer.Option("--days", help="How long it is good for; 0 for ever.", min=0, max=3660)] = 90,
    tenant: TenantOption = None,
) -> None:
    """Make an API token and print it, this once.

    Example: edgeatlas token create ci --role DEVELOPER --tenant shop --days 7 > ci.token
    """
    api = api_of(ctx)
    values: Json = {"name": name, "role": _role(role) if role else None}
    if owner is not None:
        account = find_or_none(api, KINDS["ServiceAccount"], owner)
        values["ownerId"] = account["id"] if account is not None else id_of(api, KINDS["User"], owner)
    if tenant is not None:
        values["tenantId"] = id_of(api, KINDS["Tenant"], tenant)
    if days:
        values["expiresAt"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    made = api.mutate("createApiToken", values, "token apiToken { id name }")
    if not made["token"]:
        raise Failure("the token was made, but its reply was lost", remedy=f"delete {name!r} and make another")
    say(f"token {made['apiToken']['name']} made; it is not shown again:")
    sys.stdout.write(made["token"] + "\n")


@token.command("delete")
def delete_token(ctx: typer.Context, name: Annotated[str, typer.Argument(help="Its name or id.")]) -> None:
    """End an API token.

    Example: edgeatlas token delete ci
    """
    api = api_of(ctx)
    api.mutate("deleteApiToken", {"id": id_of(api, KINDS["ApiToken"], name)}, "revision")
    say(f"token {name} ended")


@secret.command("list")
def list_secrets(ctx: typer.Context, tenant: TenantOption = None, output: OutputOption = Output.TABLE) -> None:
    """List secrets and the names of their values.

    Example: edgeatlas secret list
    """
    api = api_of(ctx)
    condition = {"tenant": id_of(api, KINDS["Tenant"], tenant)} if tenant else None
    selection = "id name keys version updatedAt tenant { id name }"
    rows, _ = page_through(api, KINDS["Secret"], selection, condition=condition)
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(rows), output)
        return
    table = plain_table(["NAME", "TENANT", "KEYS", "VERSION", "SET"])
    for one in rows:
        table.add_row(
            Text(cell(one["name"]), style="bold"),
            Text(cell(one["tenant"])),
            Text(cell(one["keys"])),
            str(one["version"]),
            age(one["updatedAt"]),
        )
    console().print(table)


ValuesArgument = Annotated[
    list[str],
    typer.Argument(
        help="KEY is asked for, KEY=@FILE is a file's content, KEY=- is standard input.", metavar="KEY[=@FILE|=-]…"
    ),
]


@secret.command("create")
def create_secret(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    values: ValuesArgument,
    tenant: TenantOption = None,
) -> None:
    """Keep values encrypted.

    Example: edgeatlas secret create registry password token=@token.txt --tenant shop
    """
    api = api_of(ctx)
    given: Json = {"name": name, "values": _values(values)}
    if tenant is not None:
        given["tenantId"] = id_of(api, KINDS["Tenant"], tenant)
    made = api.mutate("createSecret", given, "secret { name keys }")["secret"]
    say(f"secret/{made['name']} created with {cell(made['keys'])}")


@secret.command("set")
def set_secret(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="The secret.")], values: ValuesArgument
) -> None:
    """Replace the values of a secret: those that are not named are gone.

    Example: edgeatlas secret set shop/registry password
    """
    api = api_of(ctx)
    found = find(api, KINDS["Secret"], name)["id"]
    made = api.mutate("updateSecret", {"id": found, "values": _values(values)}, "secret { name keys version }")[
        "secret"
    ]
    say(f"secret/{made['name']} is at version {made['version']} with {cell(made['keys'])}")


@secret.command("delete")
def delete_secret(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="The secret.")], yes: YesOption = False
) -> None:
    """Delete a secret and its values.

    Example: edgeatlas secret delete shop/registry --yes
    """
    api = api_of(ctx)
    found = find(api, KINDS["Secret"], name)["id"]
    confirm(f"Delete secret {name}?", yes=yes)
    api.mutate("deleteSecret", {"id": found}, "revision", extra=IN_USE)
    say(f"secret/{name} deleted")


def _grant(api: Api, text: str) -> Json:
    role, _, tenant = text.partition("@")
    grant: Json = {"role": _role(role)}
    if tenant:
        grant["tenantId"] = id_of(api, KINDS["Tenant"], tenant)
    return grant


def _role(text: str) -> str:
    word = text.strip().upper().replace("-", "_")
    names = [one.name for one in Role]
    if word not in names:
        raise Failure(f"there is no role {text!r}", remedy=f"use {', '.join(names)}", code=Exit.USAGE)
    return word


def _password(from_stdin: bool) -> str:
    if from_stdin:
        given = sys.stdin.readline(4096).rstrip("\n")
    else:
        given = typer.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    if not given:
        raise Failure("the password is empty", code=Exit.USAGE)
    return str(given)


def _values(given: list[str]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for one in given:
        key, equals, origin = one.partition("=")
        if not key or key in found:
            raise Failure(f"{one!r} names no new key", remedy="write KEY, KEY=@FILE or KEY=-", code=Exit.USAGE)
        if not equals:
            found[key] = str(typer.prompt(f"Value of {key}", hide_input=True, err=True))
        elif origin == "-":
            found[key] = sys.stdin.read(MAX_SECRET_BYTES)
        elif origin.startswith("@"):
            found[key] = _content(Path(origin[1:]))
        else:
            raise Failure(
                f"the value of {key} would be visible to everybody on this machine",
                remedy=f"write {key} to be asked, {key}=@FILE, or {key}=- for standard input",
                code=Exit.USAGE,
            )
    return [{"key": key, "value": value} for key, value in found.items()]


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SECRET_BYTES + 1)[:MAX_SECRET_BYTES].decode("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Failure(f"{path} cannot be read as text: {problem}", code=Exit.USAGE) from None

"""What a command is to act on, in the spellings that people have for it.

`site Vienna` and `site/Vienna` mean the same wherever something is named: the one is what is said, the other what
`-o name` prints. A name may also come with the tenant that it is in, as a flag or before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from graph.entity import KINDS, Kind
from server.cli.api import Api
from server.cli.failures import Exit, Failure
from server.cli.kinds import kind_named, kind_spelt
from server.cli.lookup import find, is_id

KindArgument = Annotated[
    str,
    typer.Argument(
        help="A kind in any spelling: site, Sites, app-version, deploy; or KIND/NAME in one word.", metavar="KIND"
    ),
]
DeploymentArgument = Annotated[
    str,
    typer.Argument(
        help="The deployment: NAME, TENANT/NAME or its id; `deployment/NAME` and `deployment NAME` are the same.",
        metavar="DEPLOYMENT",
    ),
]
TargetArgument = Annotated[
    str,
    typer.Argument(
        help="A name or id; `site/NAME` or `site NAME` when several kinds have the name.", metavar="KIND/NAME"
    ),
]
NameBehindArgument = Annotated[
    str | None, typer.Argument(help="The name, when the word before it is the kind.", metavar="NAME")
]


def kind_and_names(first: str, rest: Sequence[str]) -> tuple[Kind, list[str]]:
    """The kind and the names of `site a b`, `site/a`, and `site/a site/b`. Raises Failure."""
    word, slash, name = first.partition("/")
    kind = kind_named(word)
    if not slash:
        return kind, list(rest)
    names = [name]
    for one in rest:
        head, slash, tail = one.partition("/")
        other = kind_spelt(head) if slash else None
        if other is not None and other is not kind:
            raise Failure(f"{one!r} is no {kind.name}", remedy="name things of one kind at a time", code=Exit.USAGE)
        names.append(one if other is None else tail)
    return kind, names


def one_name(first: str, name: str | None) -> tuple[Kind, str]:
    """The kind and the name where there must be one. Raises Failure."""
    kind, names = kind_and_names(first, () if name is None else (name,))
    if len(names) != 1 or not names[0]:
        remedy = f"write {kind.name.lower()} NAME, or {kind.name.lower()}/NAME"
        raise Failure(f"which {kind.name}?" if len(names) < 2 else "one at a time", remedy=remedy, code=Exit.USAGE)
    return kind, names[0]


def target_text(target: str, name: str | None) -> str:
    """`site/Vienna` for `site Vienna`; one word as it is. Raises Failure."""
    return target if name is None else f"{kind_named(target).name.lower()}/{name}"


def is_deployment(word: str) -> bool:
    """Whether a word is the kind, as in `deployment hello`."""
    return kind_spelt(word) is KINDS["Deployment"]


def deployment_text(first: str, name: str | None, *, tenant: str | None) -> str:
    """What names a deployment, without its kind and with its tenant. Raises Failure."""
    kind = KINDS["Deployment"]
    if name is not None:
        if not is_deployment(first):
            raise Failure(f"what is {name!r}?", remedy="write deployment NAME, or NAME alone", code=Exit.USAGE)
        return in_tenant(kind, name, tenant)
    head, slash, tail = first.partition("/")
    return in_tenant(kind, tail if slash and is_deployment(head) else first, tenant)


def deployment_id(api: Api, first: str, name: str | None, *, tenant: str | None) -> str:
    """The id of the deployment that is named. Raises Failure."""
    found: str = find(api, KINDS["Deployment"], deployment_text(first, name, tenant=tenant))["id"]
    return found


def in_tenant(kind: Kind, text: str, tenant: str | None) -> str:
    """A name with the tenant in which it is looked for; an id as it is. Raises Failure."""
    if tenant is None or is_id(text) or text.startswith(f"{tenant}/"):
        return text
    if not kind.scope:
        raise Failure(f"a {kind.name} is not named within a tenant", remedy="leave out --tenant", code=Exit.USAGE)
    return f"{tenant}/{text}"

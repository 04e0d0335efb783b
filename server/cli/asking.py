"""`schema` and `query`: the API itself."""

from __future__ import annotations

import importlib.resources
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.api import failure_of
from server.cli.failures import Exit, Failure
from server.cli.options import api_of
from server.cli.output import Output, print_data

MAX_DOCUMENT_BYTES = 1024 * 1024


def schema() -> None:
    """Print the API's schema, every field described, in GraphQL's schema language.

    Example: edgeatlas schema > edgeatlas.graphql
    """
    sys.stdout.write(importlib.resources.files("schema").joinpath("schema.graphql").read_text(encoding="utf-8"))


def query(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="A file with a query or mutation, or - for standard input.")],
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var", "-v", help="A variable: `name=text`, or `name:=JSON`. Can be repeated.", metavar="NAME=VALUE"
        ),
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="json or yaml.")] = Output.JSON,
) -> None:
    """Send a query or a mutation as it stands, and print the answer.

    Example: echo '{ sites(first: 3) { nodes { name } } }' | edgeatlas query -
    """
    if file == "-":
        document = sys.stdin.read(MAX_DOCUMENT_BYTES)
    else:
        try:
            document = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            raise Failure(f"{file} cannot be read: {problem}", code=Exit.USAGE) from None
    answer = api_of(ctx).raw(document, dict(_variable(one) for one in variables or ()))
    print_data(answer.get("data"), Output.YAML if output is Output.YAML else Output.JSON)
    if answer.get("errors"):
        raise failure_of(answer["errors"])


def _variable(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip(":"):
        raise Failure(f"{text!r} is no variable", remedy="write name=text or name:=JSON", code=Exit.USAGE)
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as problem:
        raise Failure(f"{name[:-1]} is no JSON: {problem}", code=Exit.USAGE) from None

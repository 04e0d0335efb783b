"""`upload`: a package to the server, with a bar on a terminal.

Bytes that the tenant has already are not sent again. A connection that breaks is answered by asking for leave once more, for
an upload's URL is used once; what came whole before the reply was lost is then there already.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure, exit_of
from server.cli.lookup import tenant_id
from server.cli.options import OutputOption, TenantOption, api_of
from server.cli.output import Output, notes, print_data, say

PIECE_BYTES = 256 * 1024
TRIES = 4
PAUSE_S = 1.0
OPENING_S = 120.0
"""How long the server may take to open what it has received."""
PACKAGE = "id digest sizeBytes fileName type contents { name version appVersion }"


def upload(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A Helm chart (.tgz), a CSAR (.zip), manifests or a Heat template.")],
    tenant: TenantOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Upload a package that components are run from; prints the reference to name it by.

    Example: edgeatlas upload shop-1.4.2.tgz --tenant shop
    """
    api = api_of(ctx)
    try:
        with file.open("rb") as handle:
            package = _sent(api, handle, file.name, tenant_id(api, tenant))
    except OSError as problem:
        raise Failure(f"{file} cannot be read: {problem.strerror or problem}", code=Exit.USAGE) from None
    if output in (Output.JSON, Output.YAML):
        print_data(package, output)
        return
    contents = package["contents"]
    called = " ".join(one for one in (contents["name"], contents["version"]) if one)
    say(f"{file.name} is a {package['type']}{f' ({called})' if called else ''}, {package['sizeBytes']} bytes")
    say(f"package:{package['digest']}")


def _sent(api: Api, file: BinaryIO, name: str, tenant: str, *, sleep: Callable[[float], None] = time.sleep) -> Json:
    digest, size = _measured(file)
    wish = {"tenantId": tenant, "fileName": name, "digest": digest, "sizeBytes": size}
    selection = f"upload {{ url headers {{ name value }} }} package {{ {PACKAGE} }}"
    for attempt in range(TRIES):
        answer = api.mutate("requestUpload", wish, selection, key=False)
        if answer["package"] is not None:
            return dict(answer["package"])
        file.seek(0)
        try:
            found = _put(api, answer["upload"], file, size)
        except httpx.TransportError as problem:
            if attempt == TRIES - 1:
                raise Failure(
                    f"the connection to {api.context.url} broke: {problem or type(problem).__name__}",
                    remedy="try again: what came whole is not sent twice",
                    code=Exit.UNAVAILABLE,
                ) from None
        else:
            entity = "query($id: ID!) { package(id: $id) { " + PACKAGE + " } }"
            return dict(api.query(entity, {"id": found["id"]})["package"])
        sleep(PAUSE_S * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


def _measured(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
    return f"sha256:{digest.hexdigest()}", size


def _put(api: Api, offer: Json, file: BinaryIO, size: int) -> Json:
    """Sends the bytes; what the server says that they are. Raises Failure or httpx.TransportError."""
    headers = {one["name"]: one["value"] for one in offer["headers"]}
    timeout = httpx.Timeout(60.0, connect=5.0, read=OPENING_S)
    # The URL is leave enough; a token that may be sent elsewhere by it is not added.
    request = api.http.build_request("PUT", offer["url"], headers=headers, content=_shown(file, size), timeout=timeout)
    request.headers.pop("Authorization", None)
    response = api.http.send(request)
    answer: Json = {}
    with contextlib.suppress(ValueError):
        answer = response.json()
    if response.status_code in (200, 201) and "package" in answer:
        return dict(answer["package"])
    error = answer.get("error") or {}
    raise Failure(
        str(error.get("message", f"{api.context.url} answered {response.status_code}")),
        remedy=error.get("remedy"),
        code=exit_of(error.get("code"), retryable=response.status_code == 503),
    )


def _shown(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The file in pieces, with a bar on a terminal."""
    screen = notes()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("upload", total=size)
        while piece := file.read(PIECE_BYTES):
            yield piece
            bar.advance(task, len(piece))

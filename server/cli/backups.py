"""`backup` and `restore`: a copy of the graph that a running server sends, and the way back while none runs.

A file under the name that was asked for is whole: it is written beside it, checked against the server's checksum, brought
to the disk, and only then named. Whatever ends a command before leaves at most a hidden `.partial` file.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import httpx
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from graph.store import Head, StoreOwned, StoreProblem
from server.cli.api import no_server
from server.cli.config import LOGIN, Context
from server.cli.failures import Exit, Failure, exit_of
from server.cli.options import YesOption, api_of, confirm
from server.cli.output import notes, say
from server.settings import Settings
from server.settings_flags import takes_settings

PATH = "/backup"
COPYING_S = 900.0
"""The longest that a server may take to make its copy, before the first byte."""
STALLED_S = 60.0
MAX_ERROR_BYTES = 64 * 1024
_DIGEST = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]{44}):")


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to keep the copy.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Copy a running server's graph into a file, as it is at one moment. Takes an administrator of the installation.

    The file has password hashes and sealed secrets: keep it as private as the server's data. It has no sessions and not the
    key of the secrets, which is backed up apart.

    Example: edgeatlas backup /backup/graph.sqlite
    """
    api = api_of(ctx)
    _check_target(file, force=force)
    if not api.context.token:
        raise Failure(f"not signed in at {api.context.url}", remedy=LOGIN, code=Exit.REFUSED)
    try:
        with _partial(file) as (handle, partial):
            size, digest = _download(api.http, api.context, handle)
            head = _looked_into(partial)
            _named(partial, file, force=force)
    except OSError as problem:
        raise Failure(
            f"{file} cannot be written: {problem.strerror or problem}",
            remedy="make room, or choose another place",
            code=Exit.ERROR,
        ) from None
    say(f"{file} holds revision {head.revision} of {api.context.url}: {size} bytes, sha-256 {digest.hex()}")


@takes_settings
def restore(
    file: Annotated[Path | None, typer.Argument(help="A file that `edgeatlas backup` made.")] = None,
    new_epoch: Annotated[
        bool, typer.Option("--new-epoch", help="Only give the graph a new epoch, as after Neo4j's own restore.")
    ] = False,
    yes: YesOption = False,
    *,
    settings: Settings,
) -> None:
    """Put a backup in the place of the embedded graph, where the server's data is. The server must be stopped.

    The file is checked first; what was there before stays beside it as `.before-restore`. The graph gets a new epoch, so
    that clients' cursors from before are refused and not misread. Neo4j restores itself (`neo4j-admin database load`); run
    this with --new-epoch afterwards.

    Example: edgeatlas restore /backup/graph.sqlite
    """
    if (file is None) is not new_epoch:
        raise Failure("name a backup, or give --new-epoch alone", code=Exit.USAGE)
    os.umask(0o077)
    try:
        if file is not None:
            _restore(file, settings, yes=yes)
        else:
            _give_epoch(settings)
    except StoreOwned as problem:
        raise Failure(str(problem), remedy="stop the server", code=Exit.UNAVAILABLE) from None
    except (StoreProblem, OSError) as problem:
        raise Failure(str(problem), remedy="nothing was changed", code=Exit.ERROR) from None


def _restore(file: Path, settings: Settings, *, yes: bool) -> None:
    from graph.stores.sqlite_backup import restore as put_back

    target = settings.store_target()
    if target.path is None:
        raise Failure(
            f"the store is {target}, and Neo4j restores itself",
            remedy="stop the EdgeAtlas servers, run `neo4j-admin database load` (Community, stopped) or `neo4j-admin "
            "database restore` (Enterprise), then `edgeatlas restore --new-epoch`, then start them",
            code=Exit.REFUSED,
        )
    if not file.is_file():
        raise Failure(f"there is no file {file}", code=Exit.NOT_FOUND)
    if target.path.exists():
        confirm(f"Replace the graph in {target.path}?", yes=yes)
    made = put_back(file, target.path)
    say(f"{target.path} is at revision {made.head.revision}, with the new epoch {made.head.epoch}")
    if made.previous is not None:
        say(f"what was there before is {made.previous}")
    say(f"the secrets in it open with the key that they were sealed with: see {settings.key_file}")


def _give_epoch(settings: Settings) -> None:
    from server.installation import open_store_of

    target = settings.store_target()
    if target.path is not None and not target.path.exists():
        raise Failure(f"there is no graph in {target.path}", remedy="name the right --data-dir", code=Exit.NOT_FOUND)

    async def give() -> tuple[Head, str]:
        store = open_store_of(settings)
        head = await store.open()
        try:
            return head, await store.new_epoch()
        finally:
            await store.close()

    head, epoch = asyncio.run(give())
    say(f"{target} at revision {head.revision} has the new epoch {epoch}")


def _check_target(file: Path, *, force: bool) -> None:
    if file.is_dir():
        raise Failure(f"{file} is a folder", remedy="name a file in it", code=Exit.USAGE)
    if file.exists() and not force:
        raise Failure(f"{file} exists", remedy="name another file, or give --force to replace it", code=Exit.USAGE)
    if not file.parent.is_dir():
        raise Failure(f"there is no folder {file.parent}", remedy="make it first", code=Exit.USAGE)


@contextlib.contextmanager
def _partial(file: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file beside the one that was asked for, readable by its owner alone; gone when the context ends."""
    path = file.with_name(f".{file.name[:100]}.{secrets.token_hex(6)}.partial")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            yield handle, path
    finally:
        path.unlink(missing_ok=True)


def _download(http: httpx.Client, context: Context, file: BinaryIO) -> tuple[int, bytes]:
    """Writes what the server sends, to the disk; says how many bytes, and their SHA-256, which is the server's."""
    timeout = httpx.Timeout(STALLED_S, connect=5.0, read=COPYING_S)
    headers = {"Accept-Encoding": "identity"}
    try:
        with http.stream("POST", PATH, timeout=timeout, headers=headers) as response:
            if response.status_code != 200:
                raise _refused(response, context)
            announced = _digest_of(response)
            digest, size = hashlib.sha256(), 0
            for chunk in _shown(response):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
    except httpx.ConnectError as problem:
        raise no_server(context.url, problem) from None
    except httpx.HTTPError as problem:
        raise Failure(
            f"the connection to {context.url} broke: {problem or type(problem).__name__}",
            remedy="no file was kept; try again",
            code=Exit.UNAVAILABLE,
        ) from None
    if announced is None:
        raise Failure(
            f"{context.url} sent no backup", remedy="check that --url is an EdgeAtlas server's", code=Exit.ERROR
        )
    if digest.digest() != announced:
        raise Failure("what arrived is not what was sent", remedy="no file was kept; try again", code=Exit.UNAVAILABLE)
    file.flush()
    os.fsync(file.fileno())
    return size, announced


def _shown(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces, with a bar on a terminal."""
    screen = notes()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    length = response.headers.get("content-length", "")
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("backup", total=int(length) if length.isdigit() else None)
        for chunk in response.iter_bytes():
            yield chunk
            bar.advance(task, len(chunk))


def _refused(response: httpx.Response, context: Context) -> Failure:
    status, error = response.status_code, {}
    if int(response.headers.get("content-length", "0") or 0) <= MAX_ERROR_BYTES:
        response.read()
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            error = dict(response.json()["error"])
    if not error:
        return Failure(
            f"{context.url} answered {status} without a backup",
            remedy="check that --url is an EdgeAtlas server's, and its version",
            code=Exit.UNAVAILABLE if status >= 500 else Exit.ERROR,
        )
    return Failure(
        str(error.get("message", f"{context.url} answered {status}")),
        remedy=LOGIN if status == 401 else error.get("remedy"),
        code=exit_of(error.get("code"), retryable=status == 503),
    )


def _digest_of(response: httpx.Response) -> bytes | None:
    found = _DIGEST.search(response.headers.get("repr-digest", ""))
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None


def _looked_into(partial: Path) -> Head:
    from graph.stores.sqlite_backup import look_into

    try:
        return look_into(partial)
    except StoreProblem as problem:
        raise Failure(f"what arrived is no backup: {problem}", code=Exit.ERROR) from None


def _named(partial: Path, file: Path, *, force: bool) -> None:
    """Gives the file its name, in one step; never that of another file without `force`. Raises OSError."""
    if force:
        partial.replace(file)
    else:
        try:
            os.link(partial, file)
        except FileExistsError:
            raise Failure(f"{file} was made meanwhile", remedy="name another file", code=Exit.USAGE) from None
        except OSError:  # a file system in which a file has one name
            if file.exists():
                raise Failure(f"{file} was made meanwhile", remedy="name another file", code=Exit.USAGE) from None
            partial.rename(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

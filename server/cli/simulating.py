"""`simulate`: a simulated backend as a process of its own."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.failures import Exit, Failure

if TYPE_CHECKING:
    from drivers.simulated.settings import Behaviour

PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")]
SocketOption = Annotated[
    Path | None, typer.Option("--socket", help="Listen on a Unix socket instead; only this user may open it.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Keep clusters in this folder; without it they end with the process.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="The file with the token that callers show. Without it a port takes the one in FOLDER/token, made when "
        "missing, or one that is told at the start; a socket takes none.",
    ),
]
BehaviourOption = Annotated[
    Path | None,
    typer.Option("--behaviour", help="A YAML or JSON file with the settings of clusters that were told nothing yet."),
]


def simulate(
    port: PortOption = 8790,
    socket: SocketOption = None,
    folder: FolderOption = None,
    token_file: TokenOption = None,
    behaviour: BehaviourOption = None,
) -> None:
    """Run a simulated backend: clusters that take any app, run nothing and behave as badly as they are told to.

    A cluster of the driver `simulated` with the printed endpoint is served by it; docs/simulated.md describes its API.

    Example: edgeatlas simulate --socket /tmp/edge.sock --folder ./edge
    """
    from drivers.port import InvalidConfiguration
    from drivers.simulated.client import Address
    from drivers.simulated.process import CannotServe, read_token, token_in
    from drivers.simulated.process import simulate as run
    from server.cli.output import say

    def ready(endpoint: str) -> None:
        where = f"kept in {folder}" if folder is not None else "in memory"
        say(f"simulated clusters, {where}; the endpoint of each:", style="dim")
        typer.echo(endpoint)

    try:
        token = read_token(token_file) if token_file is not None else None
        if token is None and socket is None:
            if folder is not None:
                token = token_in(folder)
                say(f"the token is in {folder / 'token'}", style="dim")
            else:
                token = secrets.token_urlsafe(32)
                say(f"the token is {token}")
        address = Address(path=socket.absolute()) if socket is not None else Address(host="127.0.0.1", port=port)
        run(address=address, folder=folder, token=token, behaviour=_behaviour_in(behaviour), ready=ready)
    except InvalidConfiguration as problem:
        raise Failure(f"{behaviour}: {problem.message}", remedy=problem.remedy, code=Exit.USAGE) from None
    except CannotServe as problem:
        raise Failure(str(problem), code=Exit.USAGE) from None


def _behaviour_in(path: Path | None) -> Behaviour | None:
    import yaml

    from drivers.simulated.settings import behaviour_of

    if path is None:
        return None
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise Failure(f"{path} cannot be read: {problem}", code=Exit.USAGE) from None
    if not isinstance(given, dict):
        raise Failure(f"{path} has no settings", remedy="write KEY: VALUE lines", code=Exit.USAGE)
    return behaviour_of(given)

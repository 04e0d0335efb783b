"""Command lines: signed in at a real server, or on their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from serverkit.commands import CommandLine
from serverkit.process import RunningServer

WALK = Path(__file__).resolve().parents[3] / "docs" / "examples" / "walk.yaml"


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """A command line that knows no server: nothing listens on the URL that it has."""
    return CommandLine(
        {
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "EDGEATLAS_URL": "http://127.0.0.1:9",
            "EDGEATLAS_TOKEN": "",
            "EDGEATLAS_CONTEXT": "",
        }
    )


def signed_in(server: RunningServer, folder: Path) -> CommandLine:
    """A command line that has followed the server's sign-in link."""
    run = CommandLine(
        {
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_DATA_HOME": str(folder / "data"),
            "EDGEATLAS_URL": "",
            "EDGEATLAS_TOKEN": "",
            "EDGEATLAS_CONTEXT": "",
        }
    )
    run("login", "--link", server.link)
    return run


@pytest.fixture(scope="session")
def cli(running_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The administrator's command line at a server with a network (`pl-…`, of TRANSIT and COMPUTE) and the walk's app."""
    run = signed_in(running_server, tmp_path_factory.mktemp("cli"))
    run("import", "topohub:backbone/europe", "--name", "europe", "--cluster", "lab", "--nodes", "2")
    run("apply", "-f", str(WALK))
    return run

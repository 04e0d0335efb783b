"""The built pages of this checkout, the npm packages that drive a browser, and a server that serves the pages."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from beds.parts import skip
from server.ui_build import UiBuildFailed, UiMode, UiPaths, ensure_built, find_npm, install_dependencies

START_LIMIT_S = 60.0
SERVE = """
import sys
from pathlib import Path
from server.run import serve
from server.settings import Settings

folder = Path(sys.argv[1])
serve(Settings(data_dir=folder / "data", key_file=folder / "key", port=0, ui=sys.argv[2]))
"""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def built_pages() -> UiPaths:
    """The checkout's `ui/` with its npm packages, and its pages, built from what `ui/` holds now."""
    paths = UiPaths()
    if os.environ.get("EDGEATLAS_UI") == "skip":
        skip("the built web pages", "EDGEATLAS_UI is skip")
    try:
        install_dependencies(paths.sources, npm=find_npm(), say=_say)
    except UiBuildFailed as missing:
        skip("the built web pages", missing)
    ensure_built(UiMode.REQUIRE, say=_say, paths=paths)
    return paths


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server with an empty graph; the link signs its first administrator in, once."""

    origin: str
    link: str


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """The whole server in a process of its own, with the pages that are built already."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), "off"],
        cwd=UiPaths().sources.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    link: list[str] = []
    greeted = threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            said.append(line)
            if "/auth/link?" in line and not link:
                link.append(line.strip())
                greeted.set()
        greeted.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        greeted.wait(START_LIMIT_S)
        assert link, "".join(said)
        yield RunningServer(origin=link[0].partition("/auth/")[0], link=link[0])
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            reader.join(timeout=10)

"""The dashboard in Debian's Chromium, against the whole server with the demonstration, told in chapters."""

import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.ui_build import UiPaths

if TYPE_CHECKING:
    from conftest import DemoServer, RunningServer

LIMIT_S = 500.0
LINES = 100
"""Of what a server said last, shown when a chapter fails."""
CHAPTERS = {
    "find": 14,
    "deployment": 10,
    "plans": 8,
    "verbs": 11,
    "live": 7,
    "keyboard": 15,
    "accessibility": 9,
    "stability": 10,
    "pages": 7,
}
"""Each chapter (ui/e2e/chapters/) with the number of its steps, the last of which looks at what no page may do."""
EMPTY_STEPS = 6


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_dashboard(
    chromium: str, built_pages: UiPaths, demo_server: "DemoServer", tmp_path: Path, chapter: str
) -> None:
    arguments = {
        "chapter": chapter,
        "browser": chromium,
        "origin": demo_server.origin,
        "signIn": demo_server.sign_in_link(),
        "failure": str(tmp_path / "failure.png"),
    }
    wishes = {"kill": demo_server.process.kill, "start": demo_server.start}
    try:
        told = run_chapter(arguments, folder=built_pages.sources, wishes=wishes)
    finally:
        print("the server said:\n", *demo_server.process.lines[-LINES:])
    assert told.count("ok: ") == CHAPTERS[chapter], told


def test_the_dashboard_of_an_empty_graph(
    chromium: str, built_pages: UiPaths, server: "RunningServer", tmp_path: Path
) -> None:
    arguments = {
        "chapter": "empty",
        "browser": chromium,
        "origin": server.origin,
        "signIn": server.link,
        "failure": str(tmp_path / "failure.png"),
    }
    told = run_chapter(arguments, folder=built_pages.sources, wishes={})
    assert told.count("ok: ") == EMPTY_STEPS, told


def test_every_chapter_is_told(built_pages: UiPaths) -> None:
    written = {path.stem for path in (built_pages.sources / "e2e" / "chapters").glob("*.mjs")}
    assert written == {*CHAPTERS, "empty"}


def run_chapter(arguments: Mapping[str, str], *, folder: Path, wishes: Mapping[str, Callable[[], object]]) -> str:
    """What the chapter told; it must end well. What it asks for meanwhile is done to the server."""
    process = subprocess.Popen(
        ["node", "e2e/dashboard.mjs", json.dumps(arguments)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    told = ""
    try:
        for line in process.stdout:
            told += line
            if line.startswith("please: "):
                wishes[line.removeprefix("please: ").strip()]()
                process.stdin.write("done\n")
                process.stdin.flush()
        assert process.wait() == 0, told
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    print(told)
    return told

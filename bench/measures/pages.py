"""The topology page as a person has it: a real server whose graph changes, and a Chromium without a GPU that looks at it.

The server (`bench/measures/changing.py`) and the browser's driver (`ui/e2e/measure.mjs`) are processes of their own; both
speak JSON lines. Commits are timed by the one and pictures by the other, on the same wall clock.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import msgspec

from bench.measures.places import ROOT, PartAbsent
from server.ui_build import UiMode, ensure_built

PAGES_VARIABLE = "EDGEATLAS_BENCH_PAGES"
"""A folder of built pages to measure in place of this checkout's own, to compare two builds."""
PROFILE_VARIABLE = "EDGEATLAS_BENCH_PROFILE"
"""A folder for CPU profiles of what is looked at; the figures of such a run are not to be quoted."""
VISIBLE_AFTER_S = 2.0
"""What is committed at the very end has so long to become visible."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What the page was like for a while; times in ms."""

    frames_per_s: float
    p95_interval_ms: float
    longest_interval_ms: float
    busy: float
    """Share of the time in which the main thread was at work."""
    moves: int
    """Moves of the camera."""
    behind_ms: list[float]
    """For each commit, from its being asked for until a picture with it was drawn."""
    load: float
    """The machine's, at the end."""


class Lines:
    """A process that is told and answers JSON, one object a line."""

    def __init__(self, command: list[str], *, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """One line to the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def next(self, within_s: float) -> Any:
        """The next object. Raises RuntimeError when the process has ended or says nothing for so long."""
        try:
            line = self._lines.get(timeout=within_s)
        except queue.Empty:
            raise RuntimeError(f"{self._process.args!r} said nothing for {within_s:.0f} s") from None
        if line is None:
            raise RuntimeError(f"{self._process.args!r} has ended")
        return json.loads(line)

    def said(self) -> list[Any]:
        """What it has said and nobody has read yet."""
        out: list[Any] = []
        while True:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return out
            if line is not None:
                out.append(json.loads(line))

    def end(self) -> None:
        """Ends it, gracefully if it does so within 20 s."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)


class ChangingServer:
    """A server with the built pages on a store, whose nodes change while it is wanted."""

    def __init__(self, folder: Path, *, store: str, pages: Path) -> None:
        self._lines = Lines(
            [sys.executable, "-m", "bench.measures.changing", str(folder), str(pages)],
            cwd=ROOT,
            environment={"EDGEATLAS_BENCH_STORE": store},
        )
        hello = self._lines.next(120.0)
        self.origin: str = hello["origin"]
        self.link: str = hello["link"]

    def go(self) -> None:
        """Changes begin."""
        self._lines.tell("go")

    def stop(self) -> None:
        """Changes end."""
        self._lines.tell("stop")

    def commits(self) -> list[tuple[int, float]]:
        """Revision and time (ms) of each commit since this was last asked."""
        return [(one["revision"], one["at"]) for one in self._lines.said()]

    def end(self) -> None:
        """Ends the server."""
        self._lines.end()


class Page:
    """The topology page in a browser."""

    def __init__(self, *, browser: str, server: ChangingServer, width: int = 1280, height: int = 800) -> None:
        self._server = server
        self._looks = 0
        node = shutil.which("node")
        assert node is not None, "looked for before"
        self._lines = Lines([node, "e2e/measure.mjs"], cwd=ROOT / "ui")
        asked = {"browser": browser, "origin": server.origin, "signIn": server.link, "width": width, "height": height}
        self.version = self._ask("open", **asked)["version"]

    def first(self, *, times: int) -> tuple[list[float], dict[str, int]]:
        """Ms of first visits until the first picture, and the gzipped bytes of each script that they loaded."""
        answer = self._ask("first", times=times)
        return answer["firstMs"], {one["url"].rpartition("/")[2]: one["gzip"] for one in answer["scripts"]}

    def show(self, query: str = "") -> None:
        """Opens the page that is looked at next; `query` as in its address, with the question mark."""
        self._ask("page", query=query)

    def still(self, seconds: float) -> Watched:
        """Looks on while the graph changes."""
        return self._watch("still", seconds)

    def moving(self, seconds: float) -> Watched:
        """Drags and zooms while the graph changes."""
        return self._watch("moving", seconds)

    def heap(self) -> tuple[float, int]:
        """MB of the page's live objects and typed arrays, and elements and other nodes of its document."""
        answer = self._ask("heap")
        return answer["heapMb"], answer["elements"]

    def end(self) -> None:
        """Closes the browser."""
        self._lines.end()

    def _watch(self, what: str, seconds: float) -> Watched:
        self._server.commits()
        answer = self._ask(what, seconds=seconds, **self._profile(what))
        behind = delays(self._server.commits(), answer["visible"])
        return Watched(
            frames_per_s=1_000 / answer["meanMs"],
            p95_interval_ms=answer["p95Ms"],
            longest_interval_ms=answer["longestMs"],
            busy=answer["busy"],
            moves=answer["moves"],
            behind_ms=behind,
            load=os.getloadavg()[0],
        )

    def _profile(self, what: str) -> dict[str, str]:
        folder = os.environ.get(PROFILE_VARIABLE)
        if not folder:
            return {}
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._looks += 1
        return {"profile": str(Path(folder) / f"{what}-{os.getpid()}-{int(time.time())}-{self._looks}.cpuprofile")}

    def _ask(self, what: str, **given: Any) -> Any:
        self._lines.tell(json.dumps({"do": what, **given}))
        answer = self._lines.next(180.0 + float(given.get("seconds", 0)))
        if "failed" in answer:
            raise RuntimeError(f"the page could not be measured: {answer['failed']}")
        if answer["problems"]:
            raise RuntimeError(f"the page did what it must not: {answer['problems']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()


def delays(commits: list[tuple[int, float]], visible: list[tuple[int, float]]) -> list[float]:
    """For each commit the ms until the first picture of its revision or a later one; the last ones may have none."""
    out = []
    at = 0
    for revision, asked in commits:
        while at < len(visible) and visible[at][0] < revision:
            at += 1
        if at == len(visible):
            break
        out.append(visible[at][1] - asked)
    return out


def browser_path() -> str:
    """The Chromium of this machine. Raises PartAbsent without one, or without Node.js to drive it."""
    if shutil.which("node") is None or not (ROOT / "ui" / "node_modules" / "playwright-core").is_dir():
        raise PartAbsent("Node.js, or what `npm ci` in ui/ installs, is not there")
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        # By name, for the tests' folder is no package of the product's.
        chromium, parts = import_module("beds.chromium.browser"), import_module("beds.parts")
    except ImportError as problem:
        raise PartAbsent(f"tests/beds is not in this checkout ({problem})") from problem
    finally:
        sys.path.remove(str(ROOT / "tests"))
    try:
        return str(chromium.browser())
    except parts.PartMissing as missing:
        raise PartAbsent(str(missing)) from missing


def pages_folder(say: Any) -> Path:
    """The built pages: those of $EDGEATLAS_BENCH_PAGES, or this checkout's, built if need be. Raises PartAbsent."""
    given = os.environ.get(PAGES_VARIABLE)
    if given:
        return Path(given)
    built = ensure_built(UiMode.AUTO, say=say)
    if built.directory is None:
        raise PartAbsent(str(built.reason))
    return built.directory

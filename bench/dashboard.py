"""`make bench NAME=dashboard`: the live topology page at 5,000 and at 50,000 nodes, in a Chromium without a GPU.

A real server, whose nodes change a thousand times a second (10 commits of 100), and a real browser that shows them. Each
size can be run alone: ARGS="--only 5000". Every figure is the median of three; the machine's load stands beside each.
What one frame costs is the browser's and the machine's as much as the page's: rates below 60 on a machine with much other
work say little, which is what the calibration is for.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from bench.harness import Bench, median, quantile, run
from bench.measures.loops import on_loop
from bench.measures.pages import ChangingServer, Page, Watched, browser_path, pages_folder
from bench.measures.places import PartAbsent, workplace
from bench.spine import stored
from bench.worlds import Size, World
from server import logs

TIMES = 3
LOOK_S = 6.0
MOVE_S = 12.0
"""A whole journey over the picture and into it takes about this."""
SCRIPT_KB = 280.0


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """A size and its targets."""

    size: Size
    first_s: float
    still_fps: float
    moving_fps: float
    busy: float
    visible_ms: float


SCALES = {
    "5000": Scale(
        size=Size(sites=200, nodes=5_000, links=400),
        first_s=1.5,
        still_fps=55,
        moving_fps=45,
        busy=25,
        visible_ms=300,
    ),
    "50000": Scale(
        size=Size(sites=1_000, nodes=50_000, links=2_000),
        first_s=3,
        still_fps=45,
        moving_fps=30,
        busy=45,
        visible_ms=500,
    ),
}


def figures(bench: Bench) -> None:
    """All sizes."""
    logs.configure(level="warning", format="console")
    try:
        pages, browser = pages_folder(bench.say), browser_path()
    except PartAbsent as absent:
        bench.say(f"NOT MEASURED: the dashboard. {absent}")
        return
    with workplace() as folder:
        for part, scale in SCALES.items():
            if bench.wants(part):
                at_scale(bench, scale, folder=folder / part, browser=browser, pages=pages)


def prepared(bench: Bench, size: Size, *, folder: Path, pages: Path) -> ChangingServer:
    """A server on a graph of this size, made in an empty folder."""
    bench.say(f"making a graph of {size.text}")
    store = f"sqlite://{folder / 'graph.sqlite'}"
    on_loop(stored(store, World(size)))
    return ChangingServer(folder, store=store, pages=pages)


def at_scale(bench: Bench, scale: Scale, *, folder: Path, browser: str, pages: Path) -> None:
    """All figures of one size."""
    name = f"{scale.size.nodes:,} nodes"
    folder.mkdir(parents=True)
    server = prepared(bench, scale.size, folder=folder, pages=pages)
    try:
        with Page(browser=browser, server=server) as page:
            bench.say(f"Chromium {page.version}, without a GPU")
            page.first(times=1)  # the server compiles its query, the browser starts its processes
            firsts, scripts = page.first(times=TIMES)
            bench.at_most(f"{name}: navigation to first picture", median(firsts) / 1e3, unit="s", target=scale.first_s)
            bench.note(f"{name}: load then", os.getloadavg()[0], unit="")
            if scale is next(iter(SCALES.values())):
                size_kb = sum(scripts.values()) / 1e3
                bench.at_most("script of the page, gzip", size_kb, unit="kB", target=SCRIPT_KB, scaled=False)
            page.show()
            server.go()
            page.still(1.0)
            stills = [page.still(LOOK_S) for _ in range(TIMES)]
            page.moving(2.0)
            moves = [page.moving(MOVE_S) for _ in range(TIMES)]
            server.stop()
    finally:
        server.end()
    watched(bench, f"{name}, still", stills, frames=scale.still_fps)
    busy = 100 * median([one.busy for one in stills])
    bench.at_most(f"{name}, still: main thread busy", busy, unit="%", target=scale.busy)
    behind = median([quantile(one.behind_ms, 0.95) for one in stills])
    bench.at_most(f"{name}, still: commit to visible, p95", behind, unit="ms", target=scale.visible_ms)
    watched(bench, f"{name}, moving", moves, frames=scale.moving_fps)
    bench.note(f"{name}, moving: main thread busy", 100 * median([one.busy for one in moves]), unit="%")
    behind = median([quantile(one.behind_ms, 0.95) for one in moves])
    bench.note(f"{name}, moving: commit to visible, p95", behind, unit="ms")
    bench.note(f"{name}, moving: moves of the camera", median([one.moves for one in moves]) / MOVE_S, unit="/s")


def watched(bench: Bench, name: str, looks: list[Watched], *, frames: float) -> None:
    """Frames, how even they were, and the load."""
    bench.at_least(f"{name}: frames", median([one.frames_per_s for one in looks]), unit="/s", target=frames)
    bench.note(f"{name}: 95 % of frames within", median([one.p95_interval_ms for one in looks]), unit="ms")
    bench.note(f"{name}: longest between frames", median([one.longest_interval_ms for one in looks]), unit="ms")
    bench.note(f"{name}: load then", median([one.load for one in looks]), unit="")


if __name__ == "__main__":
    run("dashboard", figures)

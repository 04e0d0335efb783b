"""`make bench NAME=dashboard-long`: half an hour of the live topology page, and what it holds then.

A page that is left open on a wall is the one that is looked at most. Changes arrive as in `dashboard`, a thousand a
second; each minute somebody looks around in the picture for a few seconds, then the page's garbage is collected and its
live objects are counted. What it holds at the end is compared with what it held after the first minutes, when all that it
keeps once (texts' widths, pictures, compiled code) is there.
"""

from __future__ import annotations

import os

from bench.dashboard import SCALES, prepared
from bench.harness import Bench, median, run
from bench.measures.pages import Page, browser_path, pages_folder
from bench.measures.places import PartAbsent, workplace
from server import logs

MINUTES = int(os.environ.get("EDGEATLAS_BENCH_MINUTES") or 30)
LOOK_AROUND_S = 12.0
WARM_MINUTES = 3
"""Their counts are not compared."""
COMPARED_MINUTES = 5
"""The first so many after these, and the last so many."""
MOST_GROWTH = 1.15


def figures(bench: Bench) -> None:
    """All of it."""
    logs.configure(level="warning", format="console")
    try:
        pages, browser = pages_folder(bench.say), browser_path()
    except PartAbsent as absent:
        bench.say(f"NOT MEASURED: the dashboard. {absent}")
        return
    scale = SCALES["5000"]
    with workplace() as folder:
        server = prepared(bench, scale.size, folder=folder, pages=pages)
        try:
            with Page(browser=browser, server=server) as page:
                page.show()
                server.go()
                minutes(bench, page)
        finally:
            server.end()


def minutes(bench: Bench, page: Page) -> None:
    """Looks on, minute by minute."""
    heaps: list[float] = []
    elements: list[int] = []
    behind: list[float] = []
    for minute in range(1, MINUTES + 1):
        moved = page.moving(LOOK_AROUND_S)
        watched = page.still(60.0 - LOOK_AROUND_S)
        behind += moved.behind_ms + watched.behind_ms
        heap, held = page.heap()
        heaps.append(heap)
        elements.append(held)
        bench.say(
            f"minute {minute}: {heap:.2f} MB, {held:,} nodes of the document, {watched.frames_per_s:.1f} frames/s still, "
            f"{moved.frames_per_s:.1f} moving, load {watched.load:.1f}"
        )
    count = min(COMPARED_MINUTES, max(1, (MINUTES - WARM_MINUTES) // 2))
    first, last = median(heaps[WARM_MINUTES:][:count]), median(heaps[-count:])
    bench.note("heap in the beginning", first, unit="MB")
    bench.note("heap at the end", last, unit="MB")
    bench.at_most("heap at the end, of the beginning", last / first, unit="", target=MOST_GROWTH, scaled=False)
    grown = median(elements[-count:]) / median(elements[WARM_MINUTES:][:count])
    bench.at_most("nodes of the document at the end, likewise", grown, unit="", target=MOST_GROWTH, scaled=False)
    bench.note("commit to visible, median of all", median(behind), unit="ms")
    bench.note("changes that were shown", len(behind) * 100, unit="")
    bench.note("load at the end", os.getloadavg()[0], unit="")


if __name__ == "__main__":
    run("dashboard-long", figures, limit_s=60.0 * MINUTES * 1.25 + 300)

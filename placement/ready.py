"""Makes all compiled code of placement ready: `python -m placement.ready`, a step of setting a checkout or an image up.

What is imported here is what a server decides with, so that no kernel is left to be compiled while somebody waits.
"""

from __future__ import annotations

from pathlib import Path

from placement.batch import decide_together
from placement.compiled import prepare
from placement.engine import decide
from placement.repair import repair
from placement.stopping import Stop

DECIDING = (decide, decide_together, repair)
"""What decisions are made with."""


def make_ready(folder: Path | None = None, *, stop: Stop | None = None) -> None:
    """Compiles what is not kept, which takes about a minute, and loads the rest; see `placement.compiled.prepare`."""
    prepare(folder, stop=stop)


if __name__ == "__main__":
    make_ready()

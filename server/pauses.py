"""The interpreter's own pauses, in which nobody is answered: how long they may be is settled when a server starts.

Decisions on placement are made in threads beside the event loop. While one of them runs Python, the loop has to wait for its
turn at the interpreter each time that a request comes in; a turn is 5 ms by default, and a small question takes several.

And from time to time the cyclic collector looks through all that is alive, to find what only refers to itself. What a start
has made, the graph and the schema and the code, lives as long as the server does: a million objects, looked through for
nothing, some hundred milliseconds each time. It is put where the collector does not look. What comes after is looked through
when much more has been made that has not gone by itself, for hardly anything here refers to itself.
"""

from __future__ import annotations

import gc
import sys

TURN_S = 0.0005
"""How long a thread may keep the interpreter when another one waits for it."""
THRESHOLDS = (5_000, 10, 50)
"""Objects made and not gone until the young are looked through; how often that until the older; and that until all."""


def keep_short() -> None:
    """Makes the turns of threads short and the collector's passes few; for the whole process."""
    sys.setswitchinterval(TURN_S)
    gc.set_threshold(*THRESHOLDS)


def set_aside(*, thoroughly: bool = False) -> None:
    """Takes what is alive out of the collector's sight, which costs nothing; `thoroughly` after a pass over all of it."""
    if thoroughly:
        gc.collect()
    gc.freeze()

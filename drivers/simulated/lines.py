"""The lines of a simulated cluster's journal: what changed, one a line, as JSON."""

from __future__ import annotations

import msgspec

from drivers.port import Permanent
from drivers.simulated.effects import Effect
from drivers.simulated.objects import SimulatedObject


class Line(msgspec.Struct, omit_defaults=True):
    """One line of the journal."""

    what: str
    """`opened`, `applied`, `removed`, `vanished`, `changed`, `behaves` or `told`."""
    history: str = ""
    object: SimulatedObject | None = None
    name: str = ""
    generation: int = 0
    effect: Effect | None = None
    """Who did it and when; in a `told` line it is all there is."""
    behaviour: msgspec.Raw = msgspec.Raw(b"")
    """Of a `behaves` line."""


def encoded(line: Line) -> bytes:
    """The line as it is written."""
    return msgspec.json.encode(line)


def decoded(raw: bytes, *, number: int) -> Line:
    """The line of that number. Raises Permanent when it is none."""
    try:
        return msgspec.json.decode(raw, type=Line)
    except msgspec.DecodeError as problem:
        raise Permanent(f"line {number} of the simulated cluster's journal is damaged: {problem}") from None

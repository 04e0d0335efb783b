"""What the readers of archives give: members one after the other, each read before the next is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PIECE_BYTES = 64 * 1024
"""The most that is in memory of a member at a time, unless somebody keeps it."""


class Member(NamedTuple):
    """A file of an archive. `pieces` is read before the next member is asked for, or passed over by asking."""

    name: str
    pieces: Iterator[bytes]

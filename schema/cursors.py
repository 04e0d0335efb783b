"""Cursors of the live feed: the graph's epoch and a revision, opaque to clients.

A cursor of another epoch is from before a restore; its revision means something else now, so it is told apart and
never read.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

_decoder = msgspec.json.Decoder(tuple[str, int])


def encode(epoch: str, revision: int) -> str:
    """The cursor of a revision."""
    return base64.urlsafe_b64encode(msgspec.json.encode([epoch, revision])).decode().rstrip("=")


def decode(cursor: str) -> tuple[str, int]:
    """The epoch and the revision of a cursor. Raises ValueError when it is none."""
    try:
        epoch, revision = _decoder.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (msgspec.DecodeError, binascii.Error, UnicodeError) as problem:
        raise ValueError("this is no cursor of the live feed") from problem
    if revision < 0:
        raise ValueError("this is no cursor of the live feed")
    return epoch, revision

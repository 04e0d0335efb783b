"""API tokens as text: made once, shown once, kept as a hash.

A token is `ea_`, 256 random bits and a checksum. The prefix lets a scanner find one that was published by mistake; the
checksum tells a mistyped one from a revoked one without a look-up. A plain SHA-256 is enough to keep it by, for unlike a
password it cannot be guessed; the look-up by hash is an index look-up and tells nothing by its time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

from graph.kinds import ApiToken
from graph.view import Reader, get_as

PREFIX = "ea_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY = 43
_CHECK = 6
_SHAPE = re.compile(r"ea_[0-9A-Za-z]{49}", re.ASCII)


def new_token() -> str:
    """A new token of 52 characters: `ea_`, 43 of randomness, 6 of checksum, in base 62."""
    body = _digits(int.from_bytes(secrets.token_bytes(32), "big"), _BODY)
    return PREFIX + body + _checksum(body)


def is_token(text: str) -> bool:
    """Whether a text is a token by its form and checksum; it may be revoked or never made."""
    if not _SHAPE.fullmatch(text):
        return False
    body = text[len(PREFIX) : len(PREFIX) + _BODY]
    return text[-_CHECK:] == _checksum(body)


def token_hash(token: str) -> str:
    """What is kept of a token: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_token(reader: Reader, token: str) -> ApiToken | None:
    """The API token that a text is, whether or not it has expired; None when there is none."""
    if not is_token(token):
        return None
    for entity_id in reader.ids("ApiToken", "token_hash", token_hash(token)):
        return get_as(reader, ApiToken, entity_id)
    return None


def _checksum(body: str) -> str:
    return _digits(zlib.crc32(body.encode()), _CHECK)


def _digits(value: int, length: int) -> str:
    text = ""
    for _ in range(length):
        value, digit = divmod(value, 62)
        text = _DIGITS[digit] + text
    return text

"""References to secrets within values: `{secret: secret_01M…, key: password}` stands for one value of a Secret.

Whatever keeps values keeps the reference. Only a driver turns it into what it stands for, in the call that needs it. It is a
mapping of exactly these two keys whose `secret` is an id of that kind; a chart's own `secret` and `key` are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SECRET_ID = re.compile(r"secret_[0-9A-HJKMNP-TV-Z]{26}")
_KEYS = {"secret", "key"}


class SecretReference(NamedTuple):
    """One value of a secret."""

    secret_id: str
    key: str


def reference_in(value: Mapping[str, Any]) -> SecretReference | None:
    """The reference that a mapping is; None when it is a mapping like others."""
    if len(value) != len(_KEYS) or value.keys() != _KEYS:
        return None
    secret_id, key = value["secret"], value["key"]
    if not isinstance(secret_id, str) or not isinstance(key, str) or not _SECRET_ID.fullmatch(secret_id):
        return None
    return SecretReference(secret_id, key)


def references(value: Any, *, path: str = "") -> Iterator[tuple[str, SecretReference]]:
    """The references within a value, each with where it is (`.database.password`)."""
    if isinstance(value, dict):
        found = reference_in(value)
        if found is not None:
            yield path, found
            return
        for key, one in value.items():
            yield from references(one, path=f"{path}.{key}")
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from references(one, path=f"{path}[{at}]")

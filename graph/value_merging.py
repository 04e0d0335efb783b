"""Values laid over values, as Helm merges its values files: mappings key by key, a list replaces a list.

Null takes the place of a value and stays: it is how a package's own default is taken away, which is not known here. A
reference to a secret is one value, though it is written as a mapping: it replaces, and is replaced, as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.secret_references import reference_in


def merged(base: Mapping[str, Any], *over: Mapping[str, Any]) -> dict[str, Any]:
    """The base with each of the others laid over it in turn; none of them is changed."""
    found = dict(base)
    for one in over:
        found = _laid(found, one)
    return found


def _laid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in over.items():
        if not isinstance(value, dict) or reference_in(value) is not None:
            found[key] = value
        else:
            below = found.get(key)
            takes = isinstance(below, dict) and reference_in(below) is None
            found[key] = _laid(below if takes and isinstance(below, dict) else {}, value)
    return found

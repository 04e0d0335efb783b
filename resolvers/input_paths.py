"""Where in an input a mistake is, as the input is written.

The model has mappings where inputs have lists of names with what they are for, since GraphQL knows no mappings: what the
model calls `input.replicas.web` stands at `input.replicas[0]`.
"""

from __future__ import annotations

import re
from typing import Any

_WORD = re.compile(r"\w+")
_UPPER = re.compile(r"[A-Z]")


def as_written(path: str | None, given: Any) -> str | None:
    """A path of the model in an input, with the place in its list of what the model has under a name.

    What is not in the input, or is in a list already, is left as it is.
    """
    if path is None or not path.startswith("input."):
        return path
    value, at = given, len("input.")
    while match := _WORD.match(path, at):
        value, at = getattr(value, _UPPER.sub(lambda one: f"_{one[0].lower()}", match[0]), None), match.end()
        if isinstance(value, list):
            rest = path[at + 1 :]
            for number, one in enumerate(value):
                name = getattr(one, "name", None)
                if isinstance(name, str) and f"{rest}.".startswith(f"{name}."):
                    return f"{path[:at]}[{number}]{rest.removeprefix(name)}"
            return path
        at += 1
    return path

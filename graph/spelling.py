"""How the API spells what the model names, and where in an input a mistake is."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=2_048)
def camel(name: str) -> str:
    """A field's name as the API spells it: `region_id` gives `regionId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def camel_path(inner: str) -> str:
    """A path within a value as the API spells it: `.boundary[0].low_x` gives `.boundary[0].lowX`."""
    return "".join(
        part if part.startswith("[") else f".{camel(part)}" for part in inner.replace("[", ".[").split(".") if part
    )

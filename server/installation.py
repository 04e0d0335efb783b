"""What all processes of an installation begin with, those that answer the API and those that do not.

It imports nothing of the API: a worker would hold its schema and types in memory for nothing.
"""

from __future__ import annotations

import importlib.metadata

from graph.store import Store
from graph.stores import store_for
from server.settings import Settings

HOUR_MS = 3_600_000


def version() -> str:
    """The installed version of the product."""
    try:
        return importlib.metadata.version("edgeatlas")
    except importlib.metadata.PackageNotFoundError:
        return "0.0.0+checkout"


def open_store_of(settings: Settings) -> Store:
    """The store that the settings name, not opened yet; its folder is made when it is embedded."""
    target = settings.store_target()
    if target.kind == "sqlite" and target.path is not None:
        target.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return store_for(f"sqlite:{target.path}")
    return store_for(target.url, user=target.user or None, password=target.password or None)

"""Where a store keeps a test's graph: a file, or a Neo4j server. The suite asks a place for handles on one database."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

from graph.store import Store
from graph.stores import store_for


class Place(Protocol):
    """A database of a test's own, empty at first."""

    name: str
    shared: bool
    """Whether several handles may have it open at once."""
    url: str
    """What another process opens."""

    def handle(self) -> Store:
        """A handle on it, not opened yet."""
        ...

    def away(self) -> None:
        """Takes the database away from all its handles."""
        ...

    def back(self) -> None:
        """Brings it back as it was."""
        ...

    def close(self) -> None:
        """Ends what the place itself holds."""
        ...


class SqlitePlace:
    """A file in a folder."""

    name = "sqlite"
    shared = False

    def __init__(self, folder: Path) -> None:
        self.path = folder / "graph.db"
        self.url = f"sqlite:{self.path}"

    def handle(self) -> Store:
        return store_for(self.url)

    def away(self) -> None:
        self.path.rename(self.path.with_name("elsewhere.db"))

    def back(self) -> None:
        self.path.with_name("elsewhere.db").rename(self.path)

    def close(self) -> None:
        pass


class Neo4jPlace:
    """The database of the Neo4j bed, emptied, behind a proxy that can take it away."""

    name = "neo4j"
    shared = True

    def __init__(self, server: object, proxy: object) -> None:
        server.clear()  # type: ignore[attr-defined]  # beds.neo4j.server.Neo4jServer, not imported without it
        self._server = server
        self._proxy = proxy
        self.url = f"bolt://{server.user}:{server.password}@127.0.0.1:{proxy.port}"  # type: ignore[attr-defined]

    def handle(self) -> Store:
        return store_for(self.url)

    def away(self) -> None:
        self._proxy.refuse()  # type: ignore[attr-defined]

    def back(self) -> None:
        self._proxy.mend()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._proxy.close()  # type: ignore[attr-defined]


def neo4j_is_there() -> bool:
    """Whether this checkout has the Neo4j store."""
    return importlib.util.find_spec("graph.stores.neo4j") is not None

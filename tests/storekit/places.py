"""Where a store keeps a test's graph: a file, or a Neo4j server. The suite asks a place for handles on one database."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

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

    def filling(self) -> Store:
        """A handle on it, not opened yet, whose disk is full after some commits or at once."""
        ...

    def room(self) -> None:
        """Makes room again, as far as an operator has to: handles are opened anew."""
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

    def filling(self) -> Store:
        from graph.stores.sqlite import SqliteStore

        return SqliteStore(self.path, max_bytes=400_000)

    def room(self) -> None:
        pass

    def close(self) -> None:
        pass


class Neo4jPlace:
    """The database of the Neo4j bed, emptied, behind a proxy that can take it away.

    Its constraints stay, for making 60 of them anew took longer than most tests.
    """

    name = "neo4j"
    shared = True

    def __init__(self, server: Any, proxy: Any) -> None:
        server.empty()
        self._server = server
        self._full = False
        self._proxy = proxy
        self.url = f"bolt://{server.user}:{server.password}@127.0.0.1:{proxy.port}"

    def handle(self) -> Store:
        return store_for(self.url)

    def away(self) -> None:
        self._proxy.refuse()

    def back(self) -> None:
        self._proxy.mend()

    def filling(self) -> Store:
        """A server that cannot write gives its database up until it is started again: it is the same when the disk is full
        and when a file may not grow."""
        self._full = True
        self._server.limit_files(65_536)
        return self.handle()

    def room(self) -> None:
        self._server.kill()
        self._server.start()
        self._full = False

    def close(self) -> None:
        self._proxy.close()
        if self._full:
            self.room()


def neo4j_is_there() -> bool:
    """Whether this checkout has the Neo4j store."""
    return importlib.util.find_spec("graph.stores.neo4j") is not None

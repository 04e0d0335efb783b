"""The stores that keep the graph, and which one a setting names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from graph.store import Store, StoreProblem

NEO4J_SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")


def store_for(url: str, *, user: str | None = None, password: str | None = None) -> Store:
    """The store that `url` names, not opened yet.

    A path, or `sqlite:` and a path, is an embedded database; `bolt://host:port` is one Neo4j server and
    `neo4j://host:port` a cluster. Only the named store's client is imported. Raises StoreProblem for any other scheme.
    """
    scheme, separator, rest = url.partition(":")
    if not separator or "/" in scheme or scheme == "sqlite":
        path = rest.removeprefix("//") if scheme == "sqlite" and separator else url
        if not path:
            raise StoreProblem("the store's URL names no file; write sqlite:edgeatlas.db or a path")
        from graph.stores.sqlite import SqliteStore

        return SqliteStore(Path(path))
    if scheme in NEO4J_SCHEMES:
        if urlsplit(url).hostname is None:
            raise StoreProblem(f"the store's URL {url!r} names no host; write bolt://localhost:7687")
        from graph.stores.neo4j import Neo4jStore

        return Neo4jStore(url, user=user, password=password)
    raise StoreProblem(f"{scheme}: is no store; write a path, sqlite:path, bolt://host:port or neo4j://host:port")

"""Where benchmarks keep their data, and the real parts that they run on.

The folder lies in the checkout, for the measured file system must be one that a server would use: on a file system in
memory a flush to disk costs nothing, and every figure of a commit would be a fiction.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
FOLDER_VARIABLE = "EDGEATLAS_BENCH_DIR"


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder for one run, removed with it: below $EDGEATLAS_BENCH_DIR or the checkout's `.edgeatlas/bench`."""
    above = Path(os.environ.get(FOLDER_VARIABLE) or ROOT / ".edgeatlas" / "bench")
    above.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=above))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PartAbsent(Exception):
    """A real part cannot be had here; the text says why."""


@contextlib.contextmanager
def _beds() -> Iterator[Callable[[str], ModuleType]]:
    """Imports modules of tests/beds by name, for the tests' folder is no package of the product's."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        yield import_module
    except ImportError as problem:
        raise PartAbsent(f"tests/beds is not in this checkout ({problem})") from problem
    finally:
        sys.path.remove(str(ROOT / "tests"))


class Neo4j:
    """The Neo4j server of `tests/beds/neo4j`, with a home of its own."""

    def __init__(self, home: Path) -> None:
        """Starts it. Raises PartAbsent without Java or the server's jars."""
        with _beds() as bed:
            server, parts = bed("beds.neo4j.server"), bed("beds.parts")
        self._server = server.Neo4jServer(home, port=parts.free_port(), heap="2g", page_cache="512m", ends_with_us=True)
        try:
            self._server.start()
        except parts.PartMissing as missing:
            raise PartAbsent(str(missing)) from missing

    @property
    def store(self) -> str:
        """The store's URL with user and password."""
        return str(self._server.store)

    def clear(self) -> None:
        """Empties the database."""
        self._server.clear()

    def end(self) -> None:
        """Ends the server; its home is a temporary folder."""
        self._server.kill()


class Nats:
    """The NATS server of `tests/beds/nats`, one, which syncs all that it keeps."""

    def __init__(self, home: Path) -> None:
        """Starts it. Raises PartAbsent without the program."""
        with _beds() as bed:
            server, parts = bed("beds.nats.server"), bed("beds.parts")
        self._servers = server.NatsServers(home, nodes=1, ends_with_us=True)
        try:
            self._servers.start()
        except parts.PartMissing as missing:
            raise PartAbsent(str(missing)) from missing

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return str(self._servers.url)

    def end(self) -> None:
        """Ends it."""
        self._servers.kill()

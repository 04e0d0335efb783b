"""The connection to a Neo4j server: where it is, how long it is waited for, and how one statement is asked.

Every wait has a bound, on this side and on the server's, for a transaction that hangs holds the lock that all writers wait
for. Statements go to the leader of a cluster, for a follower's answer may be behind what was just committed; one server is
its own leader. A record costs the driver far more than the values in it, so statements collect what they find into
one record.

User and password are kept out of every message: `where` is what messages name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import neo4j
import structlog
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph.store import StoreProblem, StoreUnavailable
from graph.stores.neo4j_faults import FAULTS, may_pass, translated

SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
LEAST_VERSION = (5, 26)
ATTEMPTS = 3

log = structlog.get_logger(__name__)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is and who asks. Only `url` and `database` may be shown."""

    url: str
    database: str
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Address({self.url!r}, {self.database!r})"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of waits, in seconds."""

    connect: float = 5.0
    """For TCP and TLS to a server, and for a free connection of the pool."""
    statement: float = 30.0
    """For one answer."""
    lock: float = 20.0
    """For the writers' lock: so long another process's transaction is waited for."""
    commit: float = 30.0
    transaction: float = 60.0
    """After this the server itself ends a transaction of ours, and with it its lock."""
    idle: float = 10.0
    """A connection that was idle for longer is tried before it is used."""


def address(url: str, *, user: str | None = None, password: str | None = None) -> Address:
    """The parts of a store's URL: `bolt://user:password@host:port/database`.

    `bolt` is one server and `neo4j` a cluster, `+s` is TLS with a trusted certificate and `+ssc` with a self-signed one.
    User and password given apart win over those in the URL. Raises StoreProblem when the URL names no server.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise StoreProblem(f"the store's URL cannot be read ({problem}); write bolt://localhost:7687") from None
    if parts.scheme not in SCHEMES or not host:
        raise StoreProblem(f"the store's URL names no server; write {', '.join(SCHEMES)} and ://host:port")
    if parts.query or parts.fragment:
        raise StoreProblem("the store's URL has no options: write bolt://host:port/database")
    name = f"[{host}]" if ":" in host else host
    return Address(
        url=f"{parts.scheme}://{name}:{port or 7687}",
        database=unquote(parts.path.strip("/")) or "neo4j",
        user=user or unquote(parts.username or "") or "neo4j",
        password=password if password is not None else unquote(parts.password or ""),
    )


class Client:
    """One driver with its pool of connections."""

    def __init__(self, at: Address, *, timeouts: Timeouts, metadata: dict[str, str]) -> None:
        self.address = at
        self.timeouts = timeouts
        self.metadata = metadata
        """Shown with every transaction by `SHOW TRANSACTIONS`."""
        self._driver: neo4j.AsyncDriver | None = None

    async def connect(self) -> None:
        """Opens the driver and sees that a server of a version that can be used answers.

        Raises StoreProblem for a wrong password or an old version, StoreUnavailable when none answers.
        """
        at = self.address
        if self._driver is not None:
            raise StoreProblem(f"{at.url} is open already")
        self._driver = neo4j.AsyncGraphDatabase.driver(
            at.url,
            auth=(at.user, at.password) if at.password else None,
            user_agent="edgeatlas",
            connection_timeout=self.timeouts.connect,
            connection_acquisition_timeout=self.timeouts.connect,
            max_transaction_retry_time=2.0,
            liveness_check_timeout=self.timeouts.idle,
            max_connection_pool_size=32,
            notifications_min_severity="OFF",
            telemetry_disabled=True,
        )
        try:
            await self._check_server()
        except BaseException:
            await self.close()
            raise

    async def _check_server(self) -> None:
        try:
            found = await self._single(
                "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0]",
                {},
                seconds=self.timeouts.statement,
            )
        except AuthError as problem:
            raise StoreProblem(f"{self.address.url} refuses the user or the password ({problem.code})") from problem
        except FAULTS as problem:
            raise translated(problem, where=self.address.url) from problem
        version = str(found)
        if _version(version) < LEAST_VERSION:
            raise StoreProblem(f"{self.address.url} is Neo4j {version}: 5.26 or newer is needed")
        log.info("neo4j.connected", url=self.address.url, database=self.address.database, version=version)

    async def close(self) -> None:
        """Closes all connections."""
        driver, self._driver = self._driver, None
        if driver is not None:
            with contextlib.suppress(*FAULTS):
                async with asyncio.timeout(self.timeouts.connect):
                    await driver.close()

    def session(self, *, fetch_size: int = 1_000) -> neo4j.AsyncSession:
        """A session, for one task at a time. Raises StoreUnavailable when the client is not open."""
        if self._driver is None:
            raise StoreUnavailable(f"{self.address.url} is not open")
        return self._driver.session(
            database=self.address.database, default_access_mode=neo4j.WRITE_ACCESS, fetch_size=fetch_size
        )

    async def ask(self, text: str, /, *, again: bool = True, seconds: float | None = None, **parameters: Any) -> Any:
        """The one value that a statement answers, in a transaction of its own; None when it answers no record.

        `again`: the statement may be repeated when its connection breaks, as reads and what is idempotent may.
        Raises StoreUnavailable, or StoreProblem when the statement is refused.
        """
        attempts = ATTEMPTS if again else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._single(text, parameters, seconds=seconds or self.timeouts.statement)
            except FAULTS as problem:
                if attempt == attempts or not may_pass(problem):
                    raise translated(problem, where=self.address.url) from problem
            await asyncio.sleep(0.05 * attempt)
        raise AssertionError("unreachable: the last attempt answers or raises")

    async def _single(self, text: str, parameters: dict[str, Any], *, seconds: float) -> Any:
        query = neo4j.Query(text, metadata=self.metadata, timeout=seconds)
        async with asyncio.timeout(seconds + self.timeouts.connect), self.session() as session:
            result = await session.run(query, parameters)
            record = await result.single()
            return None if record is None else record[0]

    @contextlib.asynccontextmanager
    async def begun(self) -> AsyncIterator[Begun]:
        """A transaction that is rolled back when the context ends, unless it was committed.

        Faults are the driver's own; StoreUnavailable when the client is not open.
        """
        session = self.session()
        try:
            async with asyncio.timeout(self.timeouts.connect * 2):
                transaction = await session.begin_transaction(metadata=self.metadata, timeout=self.timeouts.transaction)
            try:
                yield Begun(transaction)
            except asyncio.CancelledError:
                transaction.cancel()
                raise
        finally:
            await _let_go(session, seconds=self.timeouts.connect)


class Begun:
    """A transaction under way; its faults are the driver's own."""

    def __init__(self, transaction: neo4j.AsyncTransaction) -> None:
        self.transaction = transaction

    async def ask(self, text: str, /, *, seconds: float, **parameters: Any) -> Any:
        """The one value that a statement answers; None when it answers no record."""
        async with asyncio.timeout(seconds):
            result = await self.transaction.run(text, parameters)
            record = await result.single()
        return None if record is None else record[0]

    async def commit(self, *, seconds: float) -> None:
        """Sends COMMIT and waits for the answer."""
        async with asyncio.timeout(seconds):
            await self.transaction.commit()


async def _let_go(session: neo4j.AsyncSession, *, seconds: float) -> None:
    """Closes a session, rolling back what was not committed. A failure here is not the outcome of anything."""
    try:
        async with asyncio.timeout(seconds):
            await session.close()
    except (DriverError, Neo4jError, OSError, TimeoutError) as problem:
        log.debug("neo4j.session_lost", problem=str(problem))


def _version(text: str) -> tuple[int, int]:
    """The first two numbers of a version: `5.26.30`, `2025.06.1`, `5.27-aura`."""
    numbers = text.replace("-", ".").split(".")
    return int(numbers[0]), int(numbers[1]) if len(numbers) > 1 and numbers[1].isdigit() else 0

"""What must be in the database before anything is written: constraints, indexes and the counter.

Every process does this at start, at the same time as others if it comes to that; what is there already is left alone. A
uniqueness constraint brings the index that finds by it. Community has no existence or type constraints: what
is required is checked by the graph's own rules before it comes here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import structlog

from graph.entity import KINDS
from graph.identifiers import new_ulid
from graph.store import SCHEMA_NUMBER, StoreProblem
from graph.stores.neo4j_client import Client
from graph.stores.neo4j_statements import INTERNAL_LABELS, STATEMENTS, KindStatements

ATTEMPTS = 10
INDEXES_WITHIN_S = 300

log = structlog.get_logger(__name__)


def _unique(name: str, label: str, *fields: str) -> tuple[str, str]:
    listed = ", ".join(f"n.`{field}`" for field in fields)
    return name, f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR (n:`{label}`) REQUIRE ({listed}) IS UNIQUE"


def _index(name: str, label: str, *fields: str) -> tuple[str, str]:
    listed = ", ".join(f"n.`{field}`" for field in fields)
    return name, f"CREATE INDEX {name} IF NOT EXISTS FOR (n:`{label}`) ON ({listed})"


def _of_kind(statements: KindStatements) -> Iterator[tuple[str, str]]:
    kind, codec = statements.kind, statements.codec
    if statements.ends is not None:
        first = kind.fields[statements.ends[0]].ref
        assert first is not None
        name = f"edgeatlas_{kind.name.lower()}_id"
        yield name, f"CREATE CONSTRAINT {name} IF NOT EXISTS FOR ()-[r:`{first.relation}`]-() REQUIRE r.id IS UNIQUE"
        return
    yield _unique(f"edgeatlas_{kind.name.lower()}_id", kind.name, "id")
    if kind.named:
        scope = ("name_scope",) if codec.derived else kind.scope
        yield _unique(f"edgeatlas_{kind.name.lower()}_name", kind.name, *scope, "name")


SCHEMA: dict[str, str] = dict(
    [
        *(one for statements in STATEMENTS.values() for one in _of_kind(statements)),
        _unique("edgeatlas_meta_key", "Meta", "key"),
        _unique("edgeatlas_commit_revision", "Commit", "revision"),
        _unique("edgeatlas_commit_id", "Commit", "id"),
        _unique("edgeatlas_record_id", "Record", "collection", "id"),
        _index("edgeatlas_record_tenant", "Record", "collection", "tenant_id", "id"),
        _index("edgeatlas_record_subject", "Record", "collection", "subject_id", "id"),
        _index("edgeatlas_record_at", "Record", "collection", "at"),
        _unique("edgeatlas_idempotency_key", "Idempotency", "key"),
        _index("edgeatlas_idempotency_at", "Idempotency", "at"),
        _unique("edgeatlas_counter_key", "Counter", "key"),
        _unique("edgeatlas_private_key", "Private", "key"),
        _unique("edgeatlas_ephemeral_key", "Ephemeral", "key"),
        _index("edgeatlas_ephemeral_expiry", "Ephemeral", "expires_at"),
    ]
)
"""Every constraint and index, by name."""

_PRESENT = """
SHOW CONSTRAINTS YIELD name WHERE name STARTS WITH 'edgeatlas_' RETURN collect(name) AS names
"""
_PRESENT_INDEXES = """
SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'edgeatlas_' AND state = 'ONLINE' RETURN collect(name) AS names
"""
_META = "MATCH (m:Meta {key: 'graph'}) RETURN m.schema AS schema"
_FOREIGN = (
    f"MATCH (n:{'|'.join(f'`{label}`' for label in [*KINDS, *INTERNAL_LABELS])}) RETURN labels(n)[0] AS label LIMIT 1"
)
_MAKE_META = """
MERGE (m:Meta {key: 'graph'})
ON CREATE SET m.revision = 0, m.at = 0, m.epoch = $epoch, m.schema = $schema, m.compacted = 0
RETURN m.schema AS schema
"""


async def migrate(client: Client) -> int:
    """Makes what is missing and says which schema number the graph has; a newer graph is left as it is.

    Raises StoreProblem when the database holds nodes of our labels that are not ours.
    """
    schema = await client.ask(_META)
    if schema is None:
        foreign = await client.ask(_FOREIGN)
        if foreign is not None and await client.ask(_META) is None:
            raise StoreProblem(
                f"the database {client.address.database} holds {foreign} nodes of another program: give EdgeAtlas an"
                " empty database of its own"
            )
    elif schema > SCHEMA_NUMBER:
        log.warning("store.schema_newer", url=client.address.url, schema=schema, own=SCHEMA_NUMBER)
        return int(schema)
    await _make_schema(client)
    made = await client.ask(_MAKE_META, epoch=new_ulid(), schema=SCHEMA_NUMBER)
    return int(made)


async def _make_schema(client: Client) -> None:
    """Processes that make the same constraints at once end in deadlocks, so each tries several times, out of step.

    A database that cannot be reached is told by the question what is there, which is not repeated here.
    """
    for attempt in range(1, ATTEMPTS + 1):
        present = {*await client.ask(_PRESENT), *await client.ask(_PRESENT_INDEXES)}
        missing = [text for name, text in SCHEMA.items() if name not in present]
        if not missing:
            return
        log.info("neo4j.migrating", url=client.address.url, missing=len(missing))
        try:
            for text in missing:
                await client.ask(text, seconds=INDEXES_WITHIN_S)
            await client.ask(f"CALL db.awaitIndexes({INDEXES_WITHIN_S})", seconds=INDEXES_WITHIN_S)
        except StoreProblem:
            if attempt == ATTEMPTS:
                raise
            log.info("neo4j.migration_again", url=client.address.url, attempt=attempt, exc_info=True)
            await asyncio.sleep(random.uniform(0.1, 0.5) * attempt)  # noqa: S311  # no secret

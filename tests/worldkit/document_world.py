"""Sets of documents applied over an embedded store, without the rest of the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from access.viewer import SYSTEM, Viewer, viewer_of
from graph.documents import Document, document_from
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import Operation, Role, RoleBinding, User
from graph.ledger import Ledger
from graph.request import Idempotency, Request
from lifecycle.document_answers import Applied
from lifecycle.document_sets import DocumentSets

SOURCE = Source(SourceKind.DOCUMENTS, "main")


def doc(kind: str, name: str, tenant: str | None = None, **spec: Any) -> Document:
    metadata = {"name": name, **({"tenant": tenant} if tenant else {})}
    return document_from({"kind": kind, "metadata": metadata, "spec": spec}, where=f"{kind}-{name}")


def network(sites: int, **more: Any) -> list[Document]:
    return [doc("Region", "r"), *(doc("Site", f"s{n:04}", region="r", **more) for n in range(sites))]


class World:
    def __init__(self, ledger: Ledger, sets: DocumentSets) -> None:
        self.ledger = ledger
        self.sets = sets

    async def apply(
        self, documents: Sequence[Document], *, viewer: Viewer = SYSTEM, source: Source = SOURCE, **how: Any
    ) -> Applied:
        key = how.pop("key", None)
        digest = how.pop("digest", "d")
        request = Request(
            author=viewer.id,
            action="applyDocuments",
            source=source,
            idempotency=Idempotency(key=key, body_digest=digest) if key else None,
        )
        return await self.sets.apply(documents, viewer=viewer, source=source, request=request, **how)

    async def change(self, function: Any) -> Any:
        return (await self.ledger.commit(function, Request(author="test", action="test"))).value

    def count(self, kind: str) -> int:
        return self.ledger.view.count(kind)

    async def ended(self, operation: Operation | None) -> Operation:
        assert operation is not None
        async with asyncio.timeout(60):
            while self.ledger.view.get(operation.id) is not None:
                await asyncio.sleep(0.01)
        record = await self.ledger.store.record("Operation", operation.id)
        assert record is not None
        return msgspec.json.decode(record.body, type=Operation)

    async def user(self, role: Role, tenant_id: str | None, *, name: str = "ann") -> Viewer:
        def make(edit: Edit) -> str:
            user = edit.create(User, name=name)
            edit.create(RoleBinding, subject_id=user.id, role=role, tenant_id=tenant_id)
            return user.id

        found = viewer_of(self.ledger.view, await self.change(make))
        assert found is not None
        return found


@contextlib.asynccontextmanager
async def world_on(store: Any, *, working: bool = True) -> AsyncIterator[World]:
    async with asyncio.timeout(180), Ledger(store).running() as ledger:
        sets = DocumentSets(ledger)
        if not working:
            yield World(ledger, sets)
            return
        async with sets.running():
            yield World(ledger, sets)

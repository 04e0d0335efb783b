"""Somebody who changes deployments: each change under a key of its own, asked again until there is an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from graph.kinds import Deployment, Node, Operation, Site
from graph.request import Committed, Idempotency, Request
from lifecycle.deployments import Started
from lifecycle.migrations import Target
from lifecycle.wishes import Adjustment
from lifecyclekit.edge import Edge, everything

AUTHOR = "user_fault"
Remember = Callable[[Any, int], bytes]


class Told(msgspec.Struct, frozen=True):
    """What somebody was told of a change: it is committed, and seen through."""

    deployment: str
    operation: str
    """Empty for a change that is done with its commit."""


@dataclass
class Notes:
    """What a user knows, whichever process told it: it outlives them all."""

    told: dict[str, Told]
    """By the key of the change."""
    keyed: bool = True
    """Whether keys are sent along; not for a control."""
    seen: dict[str, str] = field(default_factory=dict)
    """What a scenario remembers of what it saw."""


class User:
    """A user before one life of a server."""

    def __init__(self, edge: Edge, notes: Notes) -> None:
        self.edge = edge
        self.notes = notes

    async def deploy(self, key: str, *, name: str = "", **wish: Any) -> Told:
        """Under the key's own name, where no other is given."""
        wanted = self.edge.wish(name or key, **wish)
        return await self._ask(key, lambda given: self.edge.lifecycle.deploy(wanted, visible=everything, **given))

    async def update(self, key: str, deployment: str, **change: Any) -> Told:
        asked = Adjustment(deployment_id=deployment, **change)
        return await self._ask(key, lambda given: self.edge.lifecycle.update(asked, visible=everything, **given))

    async def scale(self, key: str, deployment: str, **replicas: int) -> Told:
        return await self._ask(
            key, lambda given: self.edge.lifecycle.scale(deployment, replicas, visible=everything, **given)
        )

    async def rollback(self, key: str, deployment: str, number: int) -> Told:
        verbs = self.edge.lifecycle.verbs
        return await self._ask(key, lambda given: verbs.rollback(deployment, number, visible=everything, **given))

    async def migrate(self, key: str, deployment: str, **target: Any) -> Told:
        migrations = self.edge.lifecycle.migrations
        return await self._ask(
            key, lambda given: migrations.migrate(deployment, Target(**target), visible=everything, **given)
        )

    async def terminate(self, key: str, deployment: str, *, delete: bool) -> Told:
        lifecycle = self.edge.lifecycle
        return await self._ask(
            key, lambda given: lifecycle.terminate(deployment, visible=everything, delete=delete, **given)
        )

    async def cancel(self, key: str, operation: str) -> Told:
        return await self._ask(
            key, lambda given: self.edge.lifecycle.operations.cancel(operation, visible=everything, **given)
        )

    async def retry(self, key: str, operation: str) -> Told:
        return await self._ask(
            key, lambda given: self.edge.lifecycle.operations.retry(operation, visible=everything, **given)
        )

    async def pause(self, key: str, deployment: str) -> Told:
        verbs = self.edge.lifecycle.verbs
        return await self._ask(key, lambda given: verbs.pause(deployment, visible=everything, **given))

    async def stop(self, key: str, deployment: str) -> Told:
        verbs = self.edge.lifecycle.verbs
        return await self._ask(key, lambda given: verbs.stop(deployment, visible=everything, **given))

    async def resume(self, key: str, deployment: str) -> Told:
        verbs = self.edge.lifecycle.verbs
        return await self._ask(key, lambda given: verbs.resume(deployment, visible=everything, **given))

    async def approve(self, key: str, deployment: str, number: int) -> Told:
        approvals = self.edge.lifecycle.approvals
        return await self._ask(key, lambda given: approvals.approve(deployment, number, visible=everything, **given))

    async def add_sites(self, key: str, deployment: str, *sites: str) -> Told:
        verbs = self.edge.lifecycle.site_verbs
        return await self._ask(key, lambda given: verbs.add_sites(deployment, sites, visible=everything, **given))

    async def remove_sites(self, key: str, deployment: str, *sites: str) -> Told:
        verbs = self.edge.lifecycle.site_verbs
        return await self._ask(key, lambda given: verbs.remove_sites(deployment, sites, visible=everything, **given))

    async def adjust_site(self, key: str, deployment: str, site: str, **replicas: int) -> Told:
        """Without replicas it is as the others again."""
        verbs = self.edge.lifecycle.site_verbs
        return await self._ask(
            key, lambda given: verbs.adjust_site(deployment, site, replicas or None, visible=everything, **given)
        )

    async def drain(self, key: str, target: str) -> Told:
        """Of a site or a node: no deployment's."""
        return await self._ask(key, lambda given: self.edge.lifecycle.drain(target, visible=everything, **given))

    async def fence(self, key: str, target: str) -> Told:
        """Says that nothing runs any more at a site or node that does not answer."""
        failover = self.edge.lifecycle.failover
        return await self._ask(key, lambda given: failover.fence(target, visible=everything, **given))

    async def _ask(self, key: str, call: Callable[[dict[str, Any]], Awaitable[Committed[Any]]]) -> Told:
        known = self.notes.told.get(key)
        if known is not None:
            return known
        idempotency = Idempotency(key=key, body_digest=key) if self.notes.keyed else None
        request = Request(author=AUTHOR, action=key, idempotency=idempotency)
        committed = await call({"request": request, "remember": _remember})
        if committed.replayed is not None:
            told = msgspec.json.decode(committed.replayed, type=Told)
        else:
            told = _told(committed.value)
        self.notes.told[key] = told
        return told


def _told(value: Started | Deployment | Operation | Site | Node | tuple[Any, Any]) -> Told:
    if isinstance(value, Site | Node):
        return Told("", "")
    if isinstance(value, Deployment):
        return Told(value.id, "")
    if isinstance(value, Operation):
        return Told("", value.id)
    if isinstance(value, Started):
        return Told(value.deployment.id, value.operation.id)
    operation, deployment = value
    return Told(deployment.id if deployment is not None else "", operation.id)


def _remember(value: Any, revision: int) -> bytes:
    return msgspec.json.encode(_told(value))

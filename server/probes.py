"""Probes for whoever runs the server: is it alive, and should it be sent requests.

They need no sign-in and tell nothing of the graph but its revision. A server whose store is away still answers reads from
its view, marked stale, so it stays ready; one that is told to stop is not.
"""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from graph.ledger import Ledger


class Probes:
    """`/livez` and `/readyz`, as Kubernetes calls them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.stopping = False

    def routes(self) -> list[BaseRoute]:
        """The two routes."""
        return [Route("/livez", self._livez), Route("/readyz", self._readyz)]

    async def _livez(self, request: Request) -> Response:
        return _json({"alive": True})

    async def _readyz(self, request: Request) -> Response:
        ledger = self._ledger
        body = {
            "ready": not self.stopping,
            "revision": ledger.view.revision,
            "stale": ledger.stale,
            "writable": ledger.writable,
        }
        return _json(body, status=503 if self.stopping else 200)


def _json(body: object, *, status: int = 200) -> Response:
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers={"Cache-Control": "no-store"}
    )

"""`/metrics`, for whoever may look after the infrastructure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from access.permissions import Permission
from access.viewer import Viewer
from server.metrics import CONTENT_TYPE, Metrics


def metrics_route(metrics: Metrics, *, authenticate: Callable[[HTTPConnection], Awaitable[Viewer | None]]) -> Route:
    """The route; its callers sign in, with a token as a rule."""

    async def scrape(request: Request) -> Response:
        viewer = await authenticate(request)
        if viewer is None:
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        if not viewer.may(Permission.WRITE_INFRASTRUCTURE):
            return Response("this takes the role operator or admin in all tenants\n", status_code=403)
        return Response(metrics.text(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return Route("/metrics", scrape, methods=["GET"])

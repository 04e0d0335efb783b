"""What is answered at an address that is nobody's: a page for people, a typed error for programs."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from server.page_headers import security_headers
from server.signin_requests import problem as refusal

_PAGE: Final = Path(__file__).resolve().parent / "plain" / "missing.html"
_SHOWN: Final = 200
_REMEDY: Final = "the dashboard is at /, the API at /graphql, the playground at /playground"


async def missing(request: Request, problem: Exception) -> Response:
    """The answer with 404; the exception handler of the application. `problem` says nothing more than that."""
    path = request.url.path
    shown = path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"
    headers = security_headers(request) | {"Cache-Control": "no-store"}
    if "text/html" not in request.headers.get("accept", ""):
        answer = refusal("NOT_FOUND", f"there is nothing at {shown}", 404, remedy=_REMEDY)
        answer.headers.update(headers)
        return answer
    page = _template().replace("<!-- path -->", escape(shown))
    return Response(page, status_code=404, media_type="text/html", headers=headers)


@cache
def _template() -> str:
    return _PAGE.read_text(encoding="utf-8")

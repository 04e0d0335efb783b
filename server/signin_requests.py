"""What comes in and goes out at /auth: bounded bodies, forms, and replies with strict headers."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from server.signin_page import POLICY

MAX_BODY_BYTES = 32 * 1024
"""A password of 1,024 characters, each of them four bytes and percent-encoded, fits."""
BODY_TIMEOUT_S = 20.0

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that a browser sends "Origin: null" with the page's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every page under /auth."""
JSON_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class BadBody(Exception):
    """A body that cannot be taken; the text is for the caller and quotes nothing of it."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


async def body_of(request: Request) -> bytes:
    """The request's body. Raises BadBody when it is too large or does not come."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise BadBody(f"the body is larger than {MAX_BODY_BYTES} bytes", status=413)
                chunks.append(chunk)
    except TimeoutError:
        raise BadBody("the body was not sent in time", status=408) from None
    return b"".join(chunks)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form. Raises BadBody."""
    if media_type_of(request) != "application/x-www-form-urlencoded":
        raise BadBody("send a form", status=415)
    body = await body_of(request)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=16))
    except ValueError:
        raise BadBody("the form cannot be read", status=400) from None


def media_type_of(request: Request) -> str:
    """The body's media type without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def address_of(connection: HTTPConnection) -> str:
    """From where the caller connects; behind a proxy that the server trusts, what the proxy says."""
    return connection.client.host if connection.client is not None else "unknown"


def csrf_of(secret: str) -> str:
    """The token of a form for the secret in its cookie."""
    return hashlib.sha256(b"edgeatlas form " + secret.encode()).hexdigest()


def is_own_path(path: str) -> bool:
    """Whether a text is a path of this server that a browser cannot take for another's address.

    Browsers take backslashes for slashes and leave out tabs and line ends (WHATWG URL, basic URL parser).
    """
    if not path.startswith("/") or path.startswith("//") or "\\" in path or len(path) > 2_048:
        return False
    if any(ord(one) <= 0x20 or ord(one) >= 0x7F for one in path):
        return False
    parsed = urlsplit(path)
    return not parsed.scheme and not parsed.netloc


def plain(message: str, status: int) -> Response:
    """A reply for people without a page."""
    return PlainTextResponse(f"{message}\n", status_code=status, headers=HEADERS)


def problem(
    code: str, message: str, status: int, *, remedy: str | None = None, retry_after: float | None = None
) -> Response:
    """A reply for programs: `{"error": {"code", "message", "remedy"}}`."""
    error = {"code": code, "message": message} | ({"remedy": remedy} if remedy else {})
    headers = dict(JSON_HEADERS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        headers["Retry-After"] = f"{retry_after:.0f}"
    return JSONResponse({"error": error}, status_code=status, headers=headers)

"""The web pages, as files: the dashboard, the playground, their assets, and the pages that stand in when they are not built.

What can go wrong with a bundled page goes wrong quietly: a missing script answered with an HTML page shows a blank
screen, a cached page asks for scripts that a newer server no longer has, a build that failed shows "404". So a missing
asset is a 404 and never a page; a name with a content hash is kept for a year and everything else is asked for again;
and without a build `/playground` and the dashboard's addresses give the reason, the command that builds them, and a plain
form and a plain table that work without them.

No file here holds data of a caller: they are the same for all, signed in or not, and come before any sign-in. All that a
page shows it asks from `/graphql`, as its viewer. The plain table alone is made for its viewer (server/plain_table.py).
"""

import asyncio
import gzip
import hashlib
import html
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from server.page_headers import security_headers
from server.plain_table import PlainTable
from server.ui_build import BUILD_COMMAND, NODE_WANTED, UiBuild

_PLAIN: Final = Path(__file__).resolve().parent / "plain"
_NOTICE_MARK: Final = "<!-- notice -->"
_COMPRESSED_SUFFIXES: Final = frozenset({".html", ".js", ".css", ".svg", ".json", ".txt", ".ttf"})
_CONTENT_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
    ".json": "application/json",
}

DASHBOARD_PATHS: Final = ("/topology", "/map", "/list/{kind}", "/entity/{id}")
"""The addresses of the dashboard's views: the page itself tells one from another."""
CACHE_FOR_EVER: Final = "public, max-age=31536000, immutable"
CACHE_NEVER_UNASKED: Final = "no-cache"


def page_routes(ui: UiBuild, *, table: PlainTable) -> list[BaseRoute]:
    """The routes of the pages, for `ui` as `ensure_built` left it.

    `/`, the dashboard's addresses and `/playground` (the built pages, or what stands in), `/plain` (the table),
    `/playground/plain` with its script, style and icon, and `/assets/{name}`. Reads the built files once, here: about 7 MB,
    and blocking, so call it before serving.
    """
    plain = {name: _load(_PLAIN / name) for name in ("plain.css", "plain.js", "icon.svg")}
    plain["plain"] = _plain_page(notice="")
    assets: dict[str, _File] = {}
    reason = ui.reason or "The pages are not built."
    dashboard: _File | None = None
    if ui.directory is not None:
        dashboard = _load(ui.directory / "index.html")
        playground = _load(ui.directory / "playground.html")
        assets = {path.name: _load(path) for path in sorted((ui.directory / "assets").iterdir()) if path.is_file()}
    else:
        playground = _plain_page(notice=_reason_notice(reason))

    async def home(request: Request) -> Response:
        if dashboard is None:
            return await table.answer(request, unbuilt=reason)
        return RedirectResponse("/topology", status_code=307, headers=security_headers(request))

    async def dashboard_page(request: Request) -> Response:
        if dashboard is None:
            return await table.answer(request, unbuilt=reason)
        return await _reply(request, dashboard, cache=CACHE_NEVER_UNASKED)

    async def plain_table(request: Request) -> Response:
        return await table.answer(request)

    async def playground_page(request: Request) -> Response:
        return await _reply(request, playground, cache=CACHE_NEVER_UNASKED, editor=True)

    async def plain_file(request: Request) -> Response:
        return await _reply(request, plain.get(request.path_params["name"]), cache=CACHE_NEVER_UNASKED)

    async def asset(request: Request) -> Response:
        return await _reply(request, assets.get(request.path_params["name"]), cache=CACHE_FOR_EVER)

    return [
        Route("/", home),
        *(Route(path, dashboard_page) for path in DASHBOARD_PATHS),
        Route("/plain", plain_table),
        Route("/playground", playground_page),
        Route("/playground/{name}", plain_file),
        Route("/assets/{name:path}", asset),
    ]


@dataclass(kw_only=True)
class _File:
    content: bytes
    content_type: str
    compressible: bool
    etag: str
    gzipped: bytes | None = None
    """Made at the first request that takes it; the set of files is fixed, so this grows no further."""


def _load(path: Path) -> _File:
    suffix = path.suffix
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return _file(
        path.read_bytes(),
        content_type=_CONTENT_TYPES.get(suffix, guessed),
        compressible=suffix in _COMPRESSED_SUFFIXES,
    )


def _file(content: bytes, *, content_type: str, compressible: bool) -> _File:
    etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(content=content, content_type=content_type, compressible=compressible, etag=etag)


def _plain_page(*, notice: str) -> _File:
    template = (_PLAIN / "plain.html").read_text(encoding="utf-8")
    content = template.replace(_NOTICE_MARK, notice).encode()
    return _file(content, content_type=_CONTENT_TYPES[".html"], compressible=True)


def _reason_notice(reason: str) -> str:
    return (
        '<div class="note" role="note"><p>The full playground is not built, so this plain one stands in. To build it, '
        f"have {NODE_WANTED} and npm on PATH, then run <code>{html.escape(BUILD_COMMAND)}</code> from a checkout. "
        f"The reason:</p><pre>{html.escape(reason)}</pre></div>"
    )


async def _reply(request: Request, file: _File | None, *, cache: str, editor: bool = False) -> Response:
    headers = security_headers(request, editor=editor)
    if file is None:
        headers["Cache-Control"] = "no-store"
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return Response("There is no such file.\n", status_code=404, headers=headers)
    headers |= {"Cache-Control": cache, "ETag": file.etag}
    if file.compressible:
        headers["Vary"] = "Accept-Encoding"
    known = request.headers.get("if-none-match", "")
    if file.etag in (each.strip() for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = file.content_type
    content = file.content
    if file.compressible and _takes_gzip(request.headers.get("accept-encoding", "")):
        if file.gzipped is None:
            file.gzipped = await asyncio.to_thread(gzip.compress, file.content, 6, mtime=0)
        content = file.gzipped
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip (RFC 9110, section 12.5.3); a wildcard is not taken for a yes."""
    for offer in accept_encoding.lower().split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0{0,3})?\s*", weight)
    return False

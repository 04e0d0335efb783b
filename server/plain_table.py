"""The sites as a plain table, made here: for a browser without JavaScript, and in place of a dashboard that is not built.

It is the one page that holds data of a caller, so it asks who is calling, reads what that viewer sees and nothing else
(`VisibleView`), is never kept by a browser, and escapes every word of the graph in the one function that writes a cell. It
has no script.

A page is read from the view in one go, so it is of one revision, and costs what its rows and their nodes cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from access.viewer import Viewer
from access.visible import VisibleView
from graph.entity import Named
from graph.kinds import Node, NodeStatus, Site, SiteRole
from graph.listing import Page, PageRequest, page_of
from graph.refusal import InvalidInput
from graph.values import HealthStatus
from graph.view import View, each
from resolvers.problems import StoreAway
from server.page_headers import security_headers
from server.signin_requests import is_own_path
from server.ui_build import BUILD_COMMAND, NODE_WANTED

PAGE_SIZE: Final = 100
STATES: Final = ("Ready", "Degraded", "Down", "Unknown", "Cordoned")
"""The states in words, as the dashboard has them, in the order in which they are counted."""
_TEMPLATE: Final = Path(__file__).resolve().parent / "plain" / "table.html"
_COLUMNS: Final = ("Site", "Region", "Tier", "State", "Nodes", "Nodes by state")
_NODE_STATES: Final = {NodeStatus.READY: "Ready", NodeStatus.NOT_READY: "Down", NodeStatus.UNKNOWN: "Unknown"}
_SITE_STATES: Final = {
    HealthStatus.READY: "Ready",
    HealthStatus.DEGRADED: "Degraded",
    HealthStatus.DOWN: "Down",
    HealthStatus.UNKNOWN: "Unknown",
}

Authenticate = Callable[[HTTPConnection], Awaitable[Viewer | None]]


class PlainTable:
    """Answers with the sites that the caller sees, a page at a time."""

    def __init__(self, view: View, *, authenticate: Authenticate, page_size: int = PAGE_SIZE) -> None:
        self._view = view
        self._authenticate = authenticate
        self._page_size = page_size
        self._template = _TEMPLATE.read_text(encoding="utf-8")

    async def answer(self, request: Request, *, unbuilt: str | None = None) -> Response:
        """The page of sites after the cursor `?after=`; to the sign-in when nobody is signed in.

        `unbuilt` is why there is no dashboard: then the page says so, and its status is 503, for what was asked for cannot
        be had.
        """
        headers = security_headers(request) | {"Cache-Control": "no-store"}
        try:
            viewer = await self._authenticate(request)
        except StoreAway:
            headers["Retry-After"] = "5"
            headers["Content-Type"] = "text/plain; charset=utf-8"
            text = "The store does not answer, so your session cannot be looked up. Please try again in a while.\n"
            return Response(text, status_code=503, headers=headers)
        if viewer is None:
            return RedirectResponse(_sign_in(request), status_code=303, headers=headers)
        view = VisibleView(self._view, viewer)
        status = 200 if unbuilt is None else 503
        try:
            asked = PageRequest(first=self._page_size, after=request.query_params.get("after") or None)
            content = _table(view, page_of(view, "Site", request=asked))
        except InvalidInput:
            content = (
                '<p class="note">There is no such page of the table. <a href="?">Begin with the first one.</a></p>'
            )
            status = 400
        page = self._template.replace("<!-- notice -->", _notice(unbuilt))
        page = page.replace("<!-- viewer -->", escape(viewer.name)).replace("<!-- table -->", content)
        return Response(page, status_code=status, media_type="text/html", headers=headers)


def site_state(site: Site) -> str:
    """A site's state in a word: what was last observed, unless it is well and takes no new work."""
    found = _SITE_STATES[site.health.status]
    return "Cordoned" if found == "Ready" and not site.schedulable else found


def node_state(node: Node) -> str:
    """A node's state in a word, by the same rule."""
    found = _NODE_STATES[node.status]
    return "Cordoned" if found == "Ready" and not node.schedulable else found


def _sign_in(request: Request) -> str:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/auth/login" + (f"?next={quote(path, safe='')}" if is_own_path(path) else "")


def _notice(reason: str | None) -> str:
    if reason is None:
        return ""
    return (
        '<div class="note" role="note"><p>The dashboard is not built, so this table stands in. To build it, have '
        f"{NODE_WANTED} and npm on PATH, then run <code>{escape(BUILD_COMMAND)}</code> from a checkout. The reason:</p>"
        f"<pre>{escape(reason)}</pre></div>"
    )


def _table(view: VisibleView, page: Page) -> str:
    sites = [one for one in page.items if isinstance(one, Site)]
    total = page.count()
    if total == 0:
        return (
            "<p>There is no site that you may see. Import a network with <code>edgeatlas import</code>, or start the server "
            "with <code>--demo</code> for a first look.</p>"
        )
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in _COLUMNS)
    rows = "".join(_row(_cells(view, site)) for site in sites)
    links = []
    if page.has_previous:
        links.append('<a href="?">First page</a>')
    if page.has_next:
        links.append(f'<a href="?after={quote(page.cursor(sites[-1]), safe="")}" rel="next">Next page</a>')
    around = f'<nav aria-label="Pages">{" ".join(links)}</nav>' if links else ""
    return (
        f"<table><caption>{len(sites)} of {total} sites, at revision {view.revision}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{around}"
    )


def _cells(view: VisibleView, site: Site) -> Iterable[str]:
    region = view.get(site.region_id)
    yield _name(site)
    yield _name(region) if isinstance(region, Named) else "–"
    yield site.tier.name.capitalize()
    if site.role is SiteRole.TRANSIT:
        yield from ("Waypoint", "–", "–")
        return
    counts = Counter(node_state(node) for node in each(view, Node, "site_id", site.id))
    yield site_state(site)
    yield str(counts.total())
    yield ", ".join(f"{counts[state]} {state.lower()}" for state in STATES if counts[state]) or "–"


def _name(entity: Named) -> str:
    shown = entity.display_name
    return f"{shown} ({entity.name})" if shown and shown != entity.name else entity.name


def _row(cells: Iterable[str]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(each)}</td>" for each in others)}</tr>'

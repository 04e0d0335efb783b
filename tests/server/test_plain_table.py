"""The plain table of sites: what its viewer sees, a page at a time, escaped, and in place of a dashboard not built."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from access.viewer import SYSTEM, Viewer
from graph.edit import Edit
from graph.kinds import Node, NodeStatus, Region, Role, Site, SiteRole, Tier
from graph.request import Request
from graph.values import Health, HealthStatus
from resolvers.problems import StoreAway
from server.app import Application, running
from server.pages import page_routes
from server.plain_table import PlainTable
from server.settings import Settings
from server.ui_build import BUILD_COMMAND, UiBuild
from worldkit.running import application_in
from worldkit.two_tenants import MARKERS, two_tenants

UNBUILT = UiBuild(directory=None, reason="npm is not on <PATH> & so on")
NASTY = '<script>alert("x")</script>'


def browser_of(application: Application, viewer: Viewer | None, *, page_size: int = 100) -> httpx.AsyncClient:
    async def authenticate(connection: HTTPConnection) -> Viewer | None:
        return viewer

    table = PlainTable(application.ledger.view, authenticate=authenticate, page_size=page_size)
    transport = httpx.ASGITransport(Starlette(routes=page_routes(UNBUILT, table=table)))
    return httpx.AsyncClient(transport=transport, base_url="http://edge.example")


class Page(HTMLParser):
    """The cells of the table, and every tag of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data

    def sites(self) -> dict[str, list[str]]:
        return {first: others for first, *others in self.rows[1:]}


@pytest.fixture
async def application(tmp_path: Path) -> AsyncIterator[Application]:
    async with application_in(tmp_path) as found:
        await found.ledger.commit(make_network, Request(author=SYSTEM.id, action="test"))
        yield found


def make_network(edit: Edit) -> None:
    region = edit.create(Region, name="bayern", display_name="Bayern")
    well = Health(status=HealthStatus.READY)
    site = edit.create(Site, name="muenchen", region_id=region.id, tier=Tier.METRO, health=well)
    edit.create(Site, name="cordoned", region_id=region.id, health=well, schedulable=False)
    edit.create(Site, name="lost", region_id=region.id, health=Health(status=HealthStatus.DOWN))
    edit.create(Site, name="landing", region_id=region.id, role=SiteRole.TRANSIT)
    edit.create(Site, name="nasty", display_name=NASTY, region_id=region.id)
    for at, (status, schedulable) in enumerate(
        [(NodeStatus.READY, True)] * 3 + [(NodeStatus.NOT_READY, True), (NodeStatus.READY, False)]
    ):
        edit.create(Node, name=f"n{at}", site_id=site.id, status=status, schedulable=schedulable)


async def test_each_site_has_its_region_tier_state_and_the_states_of_its_nodes(application: Application) -> None:
    async with browser_of(application, SYSTEM) as browser:
        reply = await browser.get("/plain")
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert Page(reply.text).sites() == {
        "cordoned": ["Bayern (bayern)", "District", "Cordoned", "0", "–"],
        "landing": ["Bayern (bayern)", "District", "Waypoint", "–", "–"],
        "lost": ["Bayern (bayern)", "District", "Down", "0", "–"],
        "muenchen": ["Bayern (bayern)", "Metro", "Ready", "5", "3 ready, 1 down, 1 cordoned"],
        f"{NASTY} (nasty)": ["Bayern (bayern)", "District", "Unknown", "0", "–"],
    }


async def test_no_word_of_the_graph_or_of_the_reason_becomes_markup(application: Application) -> None:
    async with browser_of(application, dataclasses.replace(SYSTEM, name=NASTY)) as browser:
        reply = await browser.get("/topology")
    page = Page(reply.text)
    assert "script" not in page.tags
    assert not {each for each in page.attributes if each.startswith("on")} | (page.attributes & {"style"})
    assert reply.text.count(html.escape(NASTY)) == 2
    assert "npm is not on &lt;PATH&gt; &amp; so on" in reply.text


@pytest.mark.parametrize("path", ["/", "/topology", "/map", "/list/sites", "/entity/site_1"])
async def test_without_a_build_the_dashboards_addresses_explain_and_show_the_table(
    application: Application, path: str
) -> None:
    async with browser_of(application, SYSTEM) as browser:
        reply = await browser.get(path)
    assert reply.status_code == 503
    assert BUILD_COMMAND in reply.text
    links = re.findall(r'href="([^"?]*)', reply.text)
    assert {"/graphql", "/playground/plain", "/readyz", "/auth/login"} <= set(links)
    assert "muenchen" in Page(reply.text).sites()
    assert BUILD_COMMAND not in (await browser_of(application, SYSTEM).get("/plain")).text


async def test_the_pages_follow_each_other_to_the_end(application: Application) -> None:
    seen: list[str] = []
    async with browser_of(application, SYSTEM, page_size=2) as browser:
        address = "/"
        for _ in range(9):
            page = await browser.get(address)
            seen += Page(page.text).sites()
            following = re.search(r'href="(\?after=[^"]+)" rel="next"', page.text)
            if following is None:
                break
            address = f"/{following[1]}"
    assert [each.rpartition("(")[2].rstrip(")") for each in seen] == [
        "cordoned",
        "landing",
        "lost",
        "muenchen",
        "nasty",
    ]


@pytest.mark.parametrize("cursor", ["x", "%00", "'%22%3E%3Cscript%3E", "a" * 5_000])
async def test_a_cursor_that_means_nothing_is_answered_with_the_way_back(application: Application, cursor: str) -> None:
    async with browser_of(application, SYSTEM) as browser:
        reply = await browser.get(f"/plain?after={cursor}")
    assert reply.status_code == 400
    assert '<a href="?">Begin with the first one.</a>' in reply.text
    assert "script>" not in reply.text


async def test_an_empty_graph_says_how_to_fill_it(tmp_path: Path) -> None:
    async with application_in(tmp_path) as empty, browser_of(empty, SYSTEM) as browser:
        assert "edgeatlas import" in (await browser.get("/plain")).text


async def test_a_viewer_sees_its_own_sites_and_those_of_all_and_no_other_tenants(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        world = await two_tenants(application)
        for mine, other in (("a", "b"), ("b", "a")):
            async with browser_of(application, world.viewers[mine, Role.VIEWER]) as browser:
                text = (await browser.get("/plain")).text
            assert set(Page(text).sites()) > {"shared-site"}
            assert MARKERS[mine] in text
            assert MARKERS[other] not in text


async def test_a_store_that_does_not_answer_is_told_and_nobody_is_sent_to_sign_in(application: Application) -> None:
    async def away(connection: HTTPConnection) -> Viewer | None:
        raise StoreAway("away")

    routes = page_routes(UNBUILT, table=PlainTable(application.ledger.view, authenticate=away))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes)), base_url="http://edge.example"
    ) as browser:
        reply = await browser.get("/plain")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert "<" not in reply.text


async def test_the_whole_server_sends_a_caller_without_a_session_to_sign_in(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", key_file=tmp_path / "keys" / "key")
    async with contextlib.AsyncExitStack() as stack:
        whole = await stack.enter_async_context(running(settings, ui=UNBUILT))
        browser = await stack.enter_async_context(
            httpx.AsyncClient(transport=httpx.ASGITransport(whole.asgi), base_url="http://edge.example")
        )
        for path in ("/", "/plain", "/topology"):
            reply = await browser.get(path)
            assert (reply.status_code, reply.headers["location"].partition("?")[0]) == (303, "/auth/login")

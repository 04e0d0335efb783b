import gzip
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from graph.view import View
from server.metrics import ROUTES
from server.missing import missing
from server.pages import CACHE_FOR_EVER, DASHBOARD_PATHS, page_routes
from server.plain_table import PlainTable
from server.ui_build import BUILD_COMMAND, UiBuild

SCRIPT = b"console.log('the page');\n" * 100
DASHBOARD_ROUTES = Path(__file__).resolve().parents[2] / "ui" / "src" / "dashboard" / "routes.ts"


def dashboard_addresses() -> list[str]:
    """Every address that the dashboard's own routes know, with every kind of list."""
    text = DASHBOARD_ROUTES.read_text(encoding="utf-8")
    kinds = re.search(r"LIST_KINDS = \[(.*?)\] as const", text, re.DOTALL)
    assert kinds
    lists = [f"/list/{kind}" for kind in re.findall(r'"([a-z-]+)"', kinds[1])]
    views = [path for name, path in re.findall(r'const ([A-Z]+)_PATH = "(.*?)"', text) if name != "PLAYGROUND"]
    assert len(lists) > 15
    assert len(views) > 1
    return [*views, *lists, "/entity/site_01ARZ3NDEKTSV4RRFFQ69G5FAV"]


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<script type="module" src="/assets/dashboard-AbC123.js"></script>')
    (tmp_path / "playground.html").write_text('<script type="module" src="/assets/playground-AbC123.js"></script>')
    (tmp_path / "assets" / "playground-AbC123.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "dashboard-AbC123.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "codicon-XyZ.ttf").write_bytes(b"\0\1\0\0")
    return tmp_path


@pytest.fixture
def client(built: Path) -> TestClient:
    return client_of(UiBuild(directory=built))


def client_of(ui: UiBuild) -> TestClient:
    routes = page_routes(ui, table=PlainTable(View(), authenticate=nobody))
    app = Starlette(routes=routes, exception_handlers={404: missing})
    return TestClient(app, follow_redirects=False, base_url="http://edge.example:8420")


async def nobody(connection: HTTPConnection) -> None:
    return None


def test_the_root_leads_to_the_topology(client: TestClient) -> None:
    reply = client.get("/")
    assert (reply.status_code, reply.headers["location"]) == (307, "/topology")


@pytest.mark.parametrize("path", dashboard_addresses())
def test_every_address_of_the_dashboard_is_answered_with_its_page(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 200
    assert "/assets/dashboard-AbC123.js" in reply.text
    assert reply.headers["cache-control"] == "no-cache"
    assert client.get(path, headers={"If-None-Match": reply.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/topology/more", "/list", "/list/", "/list/sites/more", "/entity/", "/index.html", "/plain/more"],
)
def test_an_address_that_is_nobodys_is_a_404_and_never_a_page(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert "<" not in reply.text


def test_a_browser_at_a_wrong_address_is_told_where_to_go(client: TestClient) -> None:
    reply = client.get("/no<b>thing</b>", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "/no&lt;b&gt;thing&lt;/b&gt;" in reply.text
    assert 'href="/"' in reply.text
    assert reply.headers["content-security-policy"].startswith("default-src 'self'")
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("accept", ["application/json", "*/*"])
def test_a_program_at_a_wrong_address_gets_an_error_of_its_kind(client: TestClient, accept: str) -> None:
    reply = client.get("/nothing", headers={"Accept": accept})
    assert reply.status_code == 404
    error = reply.json()["error"]
    assert (error["code"], error["message"]) == ("NOT_FOUND", "there is nothing at /nothing")
    assert "/graphql" in error["remedy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in reply.headers


@pytest.mark.parametrize("path", ["/", "/plain", "/playground", "/assets/x", *DASHBOARD_PATHS])
def test_every_page_is_counted_by_its_route(path: str) -> None:
    assert "/" + path.split("/", 2)[1] in ROUTES


def test_the_built_playground_is_asked_for_again_at_each_visit(client: TestClient) -> None:
    reply = client.get("/playground")
    assert reply.status_code == 200
    assert "/assets/playground-AbC123.js" in reply.text
    assert reply.headers["cache-control"] == "no-cache"
    again = client.get("/playground", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_an_asset_is_kept_for_ever_because_its_name_has_its_hash(client: TestClient) -> None:
    reply = client.get("/assets/playground-AbC123.js")
    assert reply.content == SCRIPT
    assert reply.headers["cache-control"] == CACHE_FOR_EVER
    assert reply.headers["content-type"].startswith("text/javascript")
    assert client.get("/assets/codicon-XyZ.ttf").headers["content-type"] == "font/ttf"


@pytest.mark.parametrize(
    ("offered", "compressed"),
    [("gzip, br", True), ("br;q=1.0, gzip;q=0.5", True), ("identity", False), ("gzip;q=0", False), ("*", False)],
)
def test_an_asset_is_compressed_for_who_takes_it(client: TestClient, offered: str, compressed: bool) -> None:
    with client.stream("GET", "/assets/playground-AbC123.js", headers={"Accept-Encoding": offered}) as reply:
        raw = b"".join(reply.iter_raw())
    assert (reply.headers.get("content-encoding") == "gzip") is compressed
    assert reply.headers["vary"] == "Accept-Encoding"
    assert (gzip.decompress(raw) if compressed else raw) == SCRIPT


@pytest.mark.parametrize(
    "path",
    [
        "/assets/gone-AbC123.js",
        "/assets/",
        "/assets/../playground.html",
        "/assets/%2e%2e/playground.html",
        "/assets/%2e%2e%2f%2e%2e%2fui_build.py",
        "/assets/sub/playground-AbC123.js",
        "/playground/pages.py",
        "/playground/plain.html",
    ],
)
def test_a_missing_file_is_a_404_and_never_a_page(client: TestClient, path: str) -> None:
    reply = client.get(path)
    assert reply.status_code == 404
    assert "<" not in reply.text
    assert "immutable" not in reply.headers.get("cache-control", "")


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/plain", "/topology", "/list/sites", "/entity/site_1", "/playground", "/playground/plain"),
        *("/playground/plain.js", "/assets/playground-AbC123.js", "/assets/x"),
    ],
)
def test_every_reply_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = dict(directive.strip().split(" ", 1) for directive in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == policy["worker-src"] == policy["form-action"] == "'self'"
    assert policy["connect-src"] == "'self' ws://edge.example:8420 wss://edge.example:8420"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert "unsafe-eval" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/topology", "/map", "/list/sites", "/entity/site_1", "/playground/plain", "/plain"])
def test_only_the_editors_page_may_insert_styles_and_images(client: TestClient, path: str) -> None:
    policies = [client.get(each).headers["content-security-policy"] for each in (path, "/playground")]
    assert ["unsafe-inline" in policy for policy in policies] == [False, True]
    assert ["data:" in policy for policy in policies] == [False, True]
    assert "data:" not in client.get("/playground/plain").text


@pytest.mark.parametrize("host", ["evil.example; script-src *", "a b", "x" * 300, "[::1", "host:123456", "*"])
def test_a_host_that_is_no_host_name_does_not_reach_the_policy(client: TestClient, host: str) -> None:
    policy = client.get("/playground", headers={"Host": host}).headers["content-security-policy"]
    assert "connect-src 'self';" in policy


def test_the_policy_names_an_ipv6_host(client: TestClient) -> None:
    policy = client.get("/playground", headers={"Host": "[::1]:8420"}).headers["content-security-policy"]
    assert "connect-src 'self' ws://[::1]:8420 wss://[::1]:8420;" in policy


def test_without_a_build_the_playground_gives_the_reason_and_the_command_and_works() -> None:
    client = client_of(UiBuild(directory=None, reason="npm is not on <PATH> & so on"))
    reply = client.get("/playground")
    assert reply.status_code == 200
    assert "npm is not on &lt;PATH&gt; &amp; so on" in reply.text
    assert BUILD_COMMAND in reply.text
    assert "<noscript>" in reply.text
    assert '<form id="operation" action="/graphql" method="get">' in reply.text
    script = client.get("/playground/plain.js")
    assert script.status_code == 200
    assert "X-EdgeAtlas-CSRF" in script.text
    assert client.get("/playground/plain.css").status_code == 200
    assert client.get("/assets/playground-AbC123.js").status_code == 404


@pytest.mark.parametrize("path", ["/", "/topology", "/list/sites", "/plain"])
def test_without_a_build_a_caller_who_is_nobody_is_sent_to_sign_in_and_back(path: str) -> None:
    reply = client_of(UiBuild(directory=None, reason="none")).get(f"{path}?after=x")
    assert reply.status_code == 303
    assert reply.headers["location"] == f"/auth/login?next={path.replace('/', '%2F')}%3Fafter%3Dx"
    assert reply.headers["cache-control"] == "no-store"


def test_the_plain_playground_is_there_beside_the_built_one(client: TestClient) -> None:
    reply = client.get("/playground/plain")
    assert '<textarea id="query"' in reply.text
    assert BUILD_COMMAND not in reply.text


def test_the_plain_pages_have_the_icon_of_the_built_ones(client: TestClient) -> None:
    reply = client.get("/playground/icon.svg")
    assert reply.headers["content-type"] == "image/svg+xml"
    assert reply.content == (DASHBOARD_ROUTES.parents[1] / "icon.svg").read_bytes()
    assert 'href="/playground/icon.svg"' in client.get("/playground/plain").text


def test_no_page_of_ours_has_a_script_or_a_style_within() -> None:
    text = client_of(UiBuild(directory=None, reason="none")).get("/playground").text
    assert "style=" not in text
    assert "<style" not in text
    assert " onclick" not in text
    assert text.count("<script") == text.count('<script src="/playground/plain.js" defer></script>') == 1

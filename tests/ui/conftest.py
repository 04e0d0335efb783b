"""The built pages of this checkout, the npm packages that drive a browser, and a server that serves the pages."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from beds.parts import skip
from server.demo_network import DEPLOYMENTS
from server.ui_build import UiBuildFailed, UiMode, UiPaths, ensure_built, find_npm, install_dependencies
from serverkit.process import RunningServer as ServerProcess

START_LIMIT_S = 240.0
DEMO_LIMIT_S = 400.0
SERVE = """
import sys
from pathlib import Path
from server.run import serve
from server.settings import Settings

folder = Path(sys.argv[1])
serve(Settings(data_dir=folder / "data", key_file=folder / "key", port=0, ui=sys.argv[2]))
"""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def built_pages() -> UiPaths:
    """The checkout's `ui/` with its npm packages, and its pages, built from what `ui/` holds now."""
    paths = UiPaths()
    if os.environ.get("EDGEATLAS_UI") == "skip":
        skip("the built web pages", "EDGEATLAS_UI is skip")
    try:
        install_dependencies(paths.sources, npm=find_npm(), say=_say)
    except UiBuildFailed as missing:
        skip("the built web pages", missing)
    ensure_built(UiMode.REQUIRE, say=_say, paths=paths)
    return paths


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server with an empty graph; the link signs its first administrator in, once."""

    origin: str
    link: str


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """The whole server in a process of its own, with the pages that are built already."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path), "off"],
        cwd=UiPaths().sources.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said: list[str] = []
    link: list[str] = []
    greeted = threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            said.append(line)
            if "/auth/link?" in line and not link:
                link.append(line.strip())
                greeted.set()
        greeted.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        greeted.wait(START_LIMIT_S)
        assert link, "".join(said)
        yield RunningServer(origin=link[0].partition("/auth/")[0], link=link[0])
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            reader.join(timeout=10)


@dataclass(kw_only=True)
class DemoServer:
    """A server with the demonstration loaded and left alone, which can be killed and started again."""

    process: ServerProcess
    client: httpx.Client

    @property
    def origin(self) -> str:
        """Where it is."""
        return self.process.url

    def start(self) -> None:
        """Starts it and waits until the demonstration is loaded: until then it brings back whatever a test takes away."""
        self.process.start()
        deadline = time.monotonic() + DEMO_LIMIT_S
        while not any("demo.ready" in line for line in self.process.lines):
            assert time.monotonic() < deadline, "".join(self.process.lines)
            time.sleep(0.05)

    def post(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of a request of its administrator."""
        answer = self.client.post(f"{self.origin}/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def sign_in_link(self) -> str:
        """A link that signs its administrator in, once."""
        user = self.post('{ users(first: 1, filter: { name: { eq: "admin" } }) { nodes { id } } }')["users"]["nodes"][0]
        fields = "createSignInLink(input: { userId: $user }) { ... on CreateSignInLinkPayload { link } }"
        made = self.post(f"mutation($user: ID!) {{ {fields} }}", user=user["id"])
        return f"{self.origin}{made['createSignInLink']['link']}"


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory, built_pages: UiPaths) -> Iterator[DemoServer]:
    """The demonstration with all its deployments ready; nothing changes by itself."""
    process = ServerProcess(tmp_path_factory.mktemp("demo"), ("--demo", "--demo-rate", "0"))
    process.start()
    try:
        with httpx.Client(headers={"X-EdgeAtlas-CSRF": "1"}, timeout=60) as client:
            assert client.get(process.link).status_code == 303
            server = DemoServer(process=process, client=client)
            deadline = time.monotonic() + DEMO_LIMIT_S
            while True:
                found = server.post("{ deployments(first: 9) { nodes { name phase } } }")["deployments"]["nodes"]
                if len(found) == len(DEPLOYMENTS) and all(one["phase"] == "READY" for one in found):
                    break
                assert time.monotonic() < deadline, found
                time.sleep(0.25)
            yield server
    finally:
        process.kill()

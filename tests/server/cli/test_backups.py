"""`backup` and `restore` with a real server: what comes back, and what is left when something ends in between."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from beds.neo4j.server import Neo4jServer
from server.cli.failures import Exit
from serverkit.commands import CommandLine
from serverkit.process import RunningServer

ROOT = Path(__file__).resolve().parents[3]
FILL_BYTES = 64_000_000
REGIONS = [{"kind": "Region", "metadata": {"name": f"region-{number}"}} for number in range(5)]
CURSOR = "{ serverInfo { epoch revision } regions(first: 2) { pageInfo { endCursor } } }"
NEXT = "query($after: String) { regions(first: 2, after: $after) { nodes { name } } }"


def here(server: RunningServer) -> CommandLine:
    """A command line of the server's own user, signed in when there is a link."""
    run = CommandLine({**server.environment, "EDGEATLAS_URL": "", "EDGEATLAS_TOKEN": "", "EDGEATLAS_CONTEXT": ""})
    if server.link:
        run("login", "--link", server.link)
    return run


def asked(server: RunningServer, run: CommandLine, document: str, **variables: object) -> Any:
    """What the server answers to the signed-in user."""
    config = (Path(run.environment["XDG_CONFIG_HOME"]) / "edgeatlas" / "config.toml").read_text()
    token = next(line.split('"')[1] for line in config.splitlines() if line.startswith("token ="))
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    body = {"query": document, "variables": variables}
    return httpx.post(f"{server.url}/graphql", json=body, headers=headers, timeout=60).json()


def names(run: CommandLine) -> list[str]:
    return sorted(one["name"] for one in run.json("get", "regions"))


def partials(folder: Path) -> list[str]:
    return [one.name for one in folder.rglob("*") if "partial" in one.name or one.name.startswith(".edgeatlas-backup")]


def database(server: RunningServer) -> Path:
    return Path(server.environment["XDG_DATA_HOME"]) / "edgeatlas" / "graph.sqlite"


def test_what_was_backed_up_comes_back_and_cursors_from_before_are_refused(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server()
    run = here(server)
    run("apply", "-f", "-", "--name", "before", given=json.dumps(REGIONS))
    before = asked(server, run, CURSOR)["data"]
    file = tmp_path / "graph.sqlite"
    told = run("backup", str(file)).stderr
    assert f"sha-256 {hashlib.sha256(file.read_bytes()).hexdigest()}" in told.replace("\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["graph.sqlite"]

    refused = run("backup", str(file), code=int(Exit.USAGE))
    assert "exists" in refused.stderr
    run("apply", "-f", "-", "--name", "after", given=json.dumps([{"kind": "Region", "metadata": {"name": "later"}}]))
    assert "stop" in run("restore", str(file), "--yes", code=int(Exit.UNAVAILABLE)).stderr
    assert server.stop() == 0

    assert "give --yes" in run("restore", str(file), code=int(Exit.USAGE)).stderr
    restored = run("restore", str(file), "--yes").stderr
    assert f"{database(server).name}.before-restore" in restored
    server.start()
    assert names(run) == sorted(one["metadata"]["name"] for one in REGIONS)
    now = asked(server, run, CURSOR)["data"]
    assert now["serverInfo"]["epoch"] != before["serverInfo"]["epoch"]
    cursor = before["regions"]["pageInfo"]["endCursor"]
    late = asked(server, run, NEXT, after=cursor)
    assert late.get("errors"), late
    good = asked(server, run, NEXT, after=now["regions"]["pageInfo"]["endCursor"])
    assert len(good["data"]["regions"]["nodes"]) == 2

    first = file.read_bytes()
    run("backup", str(file), "--force")
    assert file.read_bytes() != first
    assert not partials(server.folder)
    for path in database(server).parent.rglob("*"):
        assert not path.stat().st_mode & 0o077, path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, CommandLine]]:
    """A server whose graph is larger than what fits between two processes at once."""
    server = RunningServer(tmp_path_factory.mktemp("large")).start()
    run = here(server)
    server.stop()
    with closing(sqlite3.connect(database(server))) as connection:
        for number in range(FILL_BYTES // 1_000_000):
            connection.execute("INSERT INTO private VALUES (?, zeroblob(1000000))", (f"filling:{number}",))
        connection.commit()
    server.start()
    yield server, run
    server.kill()


def test_only_an_administrator_of_the_installation_gets_a_backup(
    large: tuple[RunningServer, CommandLine], tmp_path: Path
) -> None:
    server, run = large
    run("user", "create", "oswald", "--role", "OPERATOR", "--password-stdin", given="correct horse battery\n")
    oswald = CommandLine({**run.environment, "XDG_CONFIG_HOME": str(tmp_path / "config")})
    file = tmp_path / "graph.sqlite"
    oswald("login", "--url", server.url, "--user", "oswald", "--password-stdin", given="correct horse battery\n")
    assert "MANAGE_INSTALLATION" in oswald("backup", str(file), code=int(Exit.REFUSED)).stderr
    assert not file.exists()
    assert not partials(tmp_path)


def downloading(run: CommandLine, file: Path, **options: Any) -> tuple[subprocess.Popen[str], Path]:
    """A `backup` as a process, and the file that it writes, once it has begun to."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "backup", str(file)],
        cwd=ROOT,
        env={**os.environ, **run.environment},
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in file.parent.glob(f".{file.name}.*.partial"):
            if one.stat().st_size:
                process.send_signal(signal.SIGSTOP)
                return process, one
        assert process.poll() is None, process.communicate()
        time.sleep(0.0005)
    raise AssertionError("it never began")


def test_a_client_that_is_killed_leaves_no_file_under_the_name_and_the_server_goes_on(
    large: tuple[RunningServer, CommandLine], tmp_path: Path
) -> None:
    server, run = large
    file = tmp_path / "graph.sqlite"
    process, partial = downloading(run, file)
    assert partial.stat().st_size < FILL_BYTES
    assert not partials(database(server).parent), "the server's own copy has no name while it is sent"
    assert "another backup is under way" in run("backup", str(tmp_path / "other"), code=int(Exit.REFUSED)).stderr
    process.kill()
    process.wait(60)
    assert not file.exists()
    deadline = time.monotonic() + 120
    again: int | None = None
    while again != 0 and time.monotonic() < deadline:
        again = subprocess.run(
            [sys.executable, "-m", "server.cli", "backup", str(file)],
            cwd=ROOT,
            env={**os.environ, **run.environment},
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
    assert again == 0
    assert file.stat().st_size > FILL_BYTES


@pytest.mark.parametrize("end", [signal.SIGINT, "full disk"])
def test_what_ends_a_client_leaves_nothing_at_all(
    large: tuple[RunningServer, CommandLine], tmp_path: Path, end: object
) -> None:
    _, run = large
    file = tmp_path / "graph.sqlite"
    # A shell has its background jobs ignore an interruption, and their children after them.
    options: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    if end == "full disk":
        limit = FILL_BYTES // 2
        options["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    process, _ = downloading(run, file, **options)
    if isinstance(end, signal.Signals):
        process.send_signal(end)
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=180)
    assert process.returncode == (int(Exit.INTERRUPTED) if isinstance(end, signal.Signals) else int(Exit.ERROR)), told
    if end == "full disk":
        assert "cannot be written" in told
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_killed_leaves_no_file_and_can_be_asked_again(
    large: tuple[RunningServer, CommandLine], tmp_path: Path
) -> None:
    server, run = large
    file = tmp_path / "graph.sqlite"
    process, _ = downloading(run, file)
    server.kill()
    process.send_signal(signal.SIGCONT)
    _, told = process.communicate(timeout=180)
    assert process.returncode == int(Exit.UNAVAILABLE), told
    assert list(tmp_path.iterdir()) == []
    server.start()
    assert not partials(database(server).parent)
    run("backup", str(file))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Wrong(BaseHTTPRequestHandler):
    """Answers with what its server was given: headers, body."""

    def do_POST(self) -> None:
        headers, body = self.server.answer  # type: ignore[attr-defined]  # the fixture's own
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


BODY = b"SQLite format 3\x00 but nothing more"
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
OTHER = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY[1:]).digest()).decode()}:"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Repr-Digest": DIGEST, "Content-Length": str(len(BODY) + 9)}, "broke"),
        ({"Repr-Digest": OTHER, "Content-Length": str(len(BODY))}, "not what was"),
        ({"Content-Length": str(len(BODY))}, "sent no backup"),
        ({"Repr-Digest": "sha-256=:x:", "Content-Length": str(len(BODY))}, "sent no backup"),
        ({"Repr-Digest": DIGEST, "Content-Length": str(len(BODY))}, "is no backup"),
    ],
)
def test_what_does_not_arrive_whole_is_not_kept(
    alone: CommandLine, tmp_path: Path, headers: dict[str, str], said: str
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Wrong)
    server.answer = (headers, BODY)  # type: ignore[attr-defined]  # for its handler
    threading.Thread(target=server.serve_forever, daemon=True).start()
    alone.environment |= {"EDGEATLAS_URL": f"http://127.0.0.1:{server.server_port}", "EDGEATLAS_TOKEN": "ea_x"}
    folder = tmp_path / "kept"
    folder.mkdir()
    result = alone._runner.invoke(_app(), ["backup", str(folder / "graph.sqlite")], env=alone.environment)
    server.shutdown()
    server.server_close()
    assert result.exit_code in (int(Exit.UNAVAILABLE), int(Exit.ERROR)), result.stderr
    assert said in result.stderr.replace("\n", " ")
    assert list(folder.iterdir()) == []


def _app() -> Any:
    from server.cli.application import app

    return app


def test_where_no_backup_can_be_made_or_put_back_the_reason_is_told(alone: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    junk = tmp_path / "junk"
    junk.write_text("this is no backup")
    alone.environment["EDGEATLAS_TOKEN"] = "ea_x"
    for arguments, code, said in (
        (["backup", str(tmp_path / "folder")], Exit.USAGE, "is a folder"),
        (["backup", str(tmp_path / "no" / "graph")], Exit.USAGE, "no folder"),
        (["backup", str(tmp_path / "graph")], Exit.UNAVAILABLE, "no server answers"),
        (["restore"], Exit.USAGE, "name a backup"),
        (["restore", str(junk), "--new-epoch"], Exit.USAGE, "name a backup"),
        (["restore", str(tmp_path / "none")], Exit.NOT_FOUND, "no file"),
        (["restore", str(junk)], Exit.ERROR, "not an EdgeAtlas database"),
        (["restore", "--new-epoch"], Exit.NOT_FOUND, "no graph"),
        (["restore", str(junk), "--store", "bolt://neo4j@localhost:9"], Exit.REFUSED, "database load"),
        (["restore", "--new-epoch", "--store", "bolt://neo4j@127.0.0.1:9"], Exit.ERROR, "127.0.0.1:9"),
    ):
        assert said in alone(*arguments, code=int(code)).stderr.replace("\n", " "), arguments
    assert not database_files(tmp_path)


def database_files(folder: Path) -> list[str]:
    return [one.name for one in folder.rglob("graph.sqlite*") if not one.name.endswith(".lock")]


@pytest.mark.neo4j
def test_on_neo4j_both_commands_say_what_to_do_and_the_epoch_is_given_by_one(
    neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    neo4j_server.empty()
    server = RunningServer(tmp_path, ("--store", neo4j_server.store)).start()
    try:
        run = here(server)
        told = run("backup", str(tmp_path / "graph.sqlite"), code=int(Exit.REFUSED)).stderr
        assert "neo4j-admin database dump" in told
        assert not (tmp_path / "graph.sqlite").exists()
        before = asked(server, run, CURSOR)["data"]["serverInfo"]
        assert server.stop() == 0
        told = run("restore", "--new-epoch", "--store", neo4j_server.store).stderr
        assert "new epoch" in told
        assert neo4j_server.password not in told
        server.start()
        after = asked(server, run, CURSOR)["data"]["serverInfo"]
        assert after["epoch"] != before["epoch"]
        assert after["epoch"] in told
        assert after["revision"] >= before["revision"]
    finally:
        server.kill()

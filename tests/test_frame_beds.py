"""The beds themselves: a bed that lies would make every test that stands on it lie."""

from __future__ import annotations

import asyncio
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import neo4j
import pytest

from beds import parts
from beds.neo4j.classes import archive
from beds.neo4j.server import Neo4jServer, java, kept_classes
from beds.node.packages import NodePackages
from beds.proxy.proxy import Direction, FaultProxy


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


@pytest.fixture
def echo_port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def proxy(echo_port: int, fault_proxy: Callable[[int], FaultProxy]) -> FaultProxy:
    return fault_proxy(echo_port)


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


def test_a_proxy_forwards_both_ways(proxy: FaultProxy) -> None:
    with _connected(proxy.port) as connection:
        connection.sendall(b"x" * 300_000)
        assert _received(connection, 300_000) == b"x" * 300_000
    assert proxy.connections == 1


def test_a_cut_resets_what_is_open_and_serves_what_comes(proxy: FaultProxy) -> None:
    with _connected(proxy.port) as connection:
        connection.sendall(b"one")
        assert _received(connection, 3) == b"one"
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with _connected(proxy.port) as connection:
        connection.sendall(b"two")
        assert _received(connection, 3) == b"two"


def test_a_refusing_proxy_is_as_if_the_server_were_away_until_it_is_mended(proxy: FaultProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError), _connected(proxy.port) as connection:
        connection.recv(1)
    proxy.mend()
    with _connected(proxy.port) as connection:
        connection.sendall(b"back")
        assert _received(connection, 4) == b"back"


def test_a_holding_proxy_swallows_and_gives_it_all_when_mended(proxy: FaultProxy) -> None:
    with _connected(proxy.port) as connection:
        proxy.hold()
        connection.sendall(b"held")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        proxy.mend()
        connection.settimeout(10)
        assert _received(connection, 4) == b"held"


async def test_a_delaying_proxy_holds_each_chunk_back(proxy: FaultProxy) -> None:
    proxy.delay(0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    began = asyncio.get_running_loop().time()
    writer.write(b"slow")
    assert await reader.readexactly(4) == b"slow"
    assert asyncio.get_running_loop().time() - began >= 0.19
    writer.close()


def test_a_connection_is_dropped_after_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.drop_after(5, direction=Direction.TO_CLIENT)
    with _connected(proxy.port) as connection:
        connection.sendall(b"0123456789")
        assert _received(connection, 5) == b"01234"
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    assert proxy.cuts == 1


@pytest.mark.parametrize(("forward", "expected"), [(True, b"commit"), (False, b"")])
def test_a_cut_comes_before_or_after_the_server_has_what_it_waits_for(
    forward: bool, expected: bytes, fault_proxy: Callable[[int], FaultProxy]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = fault_proxy(server.getsockname()[1])
        proxy.cut_when(lambda data: b"commit" in data, direction=Direction.TO_SERVER, forward=forward)
        with _connected(proxy.port) as client:
            far, _ = server.accept()
            with far:
                far.settimeout(10)
                client.sendall(b"commit")
                assert _received_until_reset(far) == expected


def _received_until_reset(connection: socket.socket) -> bytes:
    data = b""
    try:
        while more := connection.recv(100):
            data += more
    except ConnectionResetError:
        pass
    return data


def _ask(server: Neo4jServer, query: str) -> dict[str, object]:
    with neo4j.GraphDatabase.driver(server.url, auth=(server.user, server.password)) as driver:
        return driver.execute_query(query, database_="neo4j").records[0].data()


def test_a_neo4j_server_keeps_what_was_committed_over_a_kill_and_a_start(neo4j_server: Neo4jServer) -> None:
    neo4j_server.empty()
    assert _ask(neo4j_server, "CREATE (n:Trial {name: 'kept'}) RETURN n.name AS name") == {"name": "kept"}
    neo4j_server.kill()
    assert neo4j_server.pid is None
    assert neo4j_server.start() > 0
    assert _ask(neo4j_server, "MATCH (n:Trial) RETURN count(n) AS n") == {"n": 1}
    neo4j_server.empty()
    assert _ask(neo4j_server, "MATCH (n) RETURN count(n) AS n") == {"n": 0}


def test_a_neo4j_server_has_its_classes_from_the_archive(neo4j_server: Neo4jServer) -> None:
    if (kept := archive()) is None:
        parts.skip("the archive of Neo4j's classes", "this Java could not make it")
    assert str(kept) in Path(f"/proc/{neo4j_server.pid}/maps").read_text()


@pytest.mark.neo4j
def test_an_archive_of_classes_that_does_not_fit_is_passed_over_without_a_word(tmp_path: Path) -> None:
    try:
        command = java()
    except parts.PartMissing as missing:
        parts.skip("Neo4j", missing)
    (tmp_path / "other.jsa").write_bytes(b"of another Java" * 1_000)
    done = subprocess.run(
        [command, *kept_classes(tmp_path / "other.jsa"), "-version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "version" in done.stderr
    assert done.stdout == ""


def test_what_a_bed_starts_ends_with_the_run_even_by_kill_9() -> None:
    script = """
import subprocess, time
from beds.parts import watchdog
started = subprocess.Popen(["sleep", "600"], start_new_session=True)
watchdog(started.pid)
print(started.pid, flush=True)
time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-P", "-c", script], env=environment, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_npm_packages_can_be_imported_by_a_script(node_packages: NodePackages) -> None:
    script = "import { serverAudits } from 'graphql-http';\nconsole.log(serverAudits({ url: 'x' }).length)"
    done = node_packages.run(script)
    assert (done.returncode, done.stdout.strip()) == (0, "61"), done.stderr


def test_a_part_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEATLAS_PARTS", raising=False)

    def fails_half_way(scratch: Path) -> None:
        (scratch / "half").touch()
        raise parts.PartMissing("the network went away")

    with pytest.raises(parts.PartMissing):
        parts.made_once(tmp_path / "part", fails_half_way)
    assert not (tmp_path / "part").exists()
    made = parts.made_once(tmp_path / "part", lambda scratch: (scratch / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]
    assert not [path for path in tmp_path.iterdir() if "making" in path.name]


def test_a_part_that_could_not_be_prepared_is_not_tried_again_by_its_fixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(scratch: Path) -> None:
        raise parts.PartMissing("no Maven")

    def unexpected(scratch: Path) -> None:
        raise AssertionError("tried again")

    monkeypatch.delenv("EDGEATLAS_PARTS", raising=False)
    with pytest.raises(parts.PartMissing):
        parts.made_once(tmp_path / "part", never)
    monkeypatch.setenv("EDGEATLAS_PARTS", "prepared")
    with pytest.raises(parts.PartMissing, match="no Maven"):
        parts.made_once(tmp_path / "part", unexpected)


def test_a_command_that_fails_says_why_and_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(parts.PartMissing, match=r"building failed with exit status 3[\s\S]*disk is full"):
        parts.run(
            [sys.executable, "-c", "print('disk is full'); exit(3)"], what="building", watch=tmp_path, timeout_s=60
        )
    with pytest.raises(parts.PartMissing, match="not finished after"):
        parts.run([sys.executable, "-c", "import time; time.sleep(60)"], what="x", watch=tmp_path, timeout_s=0.3)


_NEEDS_NEO4J = "def test_needs_it(neo4j_server): pass\ndef test_needs_it_too(neo4j_server): pass\n"


@pytest.mark.parametrize(("others", "status"), [("", 5), ("def test_runs(): pass\n", 0)])
def test_a_missing_part_is_told_at_the_end_and_a_run_of_nothing_fails_in_ci(
    others: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "test_trial.py").write_text(_NEEDS_NEO4J + others)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -p conftest\nmarkers =\n  neo4j: x\nasyncio_mode = auto\n"
    )
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", str(tmp_path)],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "PYTHONPATH": str(here), "CI": "true", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "real parts not run" in done.stdout
    assert "Neo4j: no java found: install a Java 17 runtime or set JAVA_HOME (2 tests skipped)" in done.stdout

"""A real Neo4j Community server on loopback, its jars from Maven, for tests, benchmarks and a first look.

    tests/beds/neo4j/up [--port 7687] [--http-port N] [--home DIR]     start it and print how to use it
    tests/beds/neo4j/down [--port 7687] [--home DIR]                   stop it; its data stay

It needs Java 17 or newer, and Maven the first time. The server is a process of its own: its jars are GPLv3 and are
never loaded into the product. It is the same server that the vendor's archive starts, with a store on disk, Bolt and
authentication; only the main class is started here rather than by the archive's script.

The jars lie in a folder of the cache named by the content of pom.xml, so that a new version never mixes with an old
one. The password is $EDGEATLAS_NEO4J_PASSWORD, else one made at the first start; it lies in HOME/password, readable by
its owner only.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from beds.parts import PartMissing, cache_folder, made_once, run, say, watchdog

POM = Path(__file__).with_name("pom.xml")
MAIN_CLASS = "org.neo4j.server.CommunityEntryPoint"
ADMIN_CLASS = "org.neo4j.cli.AdminTool"
LEAST_JAVA = 17
USER = "neo4j"
# What the archive's neo4j.conf gives the JVM and the store needs: direct buffers, reflection into java.nio.
JVM = (
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:+DisableExplicitGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djdk.nio.maxCachedBufferSize=1024",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "-Dfile.encoding=UTF-8",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
)

LASTING = ("-XX:+UseG1GC",)
# For a server that lives for minutes. Otherwise the second compiler takes half of two cores for code that is soon gone:
# a start took 9.6 s of CPU rather than 5.4, the first 160 commits 3.7 rather than 1.7 (Java 17). A collector without threads
# of its own took 24 s rather than 29 of a start, the first answers and the first commits. Benchmarks go without.
BRIEF = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def java() -> str:
    """The java command; PartMissing when there is none or it is too old for Neo4j 5."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not found or not Path(found).exists():
        raise PartMissing(f"no java found: install a Java {LEAST_JAVA} runtime or set JAVA_HOME")
    try:
        told = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=180, check=True).stderr
    except (OSError, subprocess.SubprocessError) as error:
        raise PartMissing(f"{found} does not run ({error}): install a Java {LEAST_JAVA} runtime") from error
    version = re.search(r'version "(\d+)', told)
    if not version or int(version[1]) < LEAST_JAVA:
        raise PartMissing(f"Neo4j needs Java {LEAST_JAVA} or newer and {found} is {told.splitlines()[0]}")
    return found


def jars() -> Path:
    """The folder of the server's jars, fetched with Maven if it is not there yet (213 jars, 123 MB)."""
    cache = cache_folder("neo4j")

    def fetch(scratch: Path) -> None:
        maven = shutil.which("mvn")
        if not maven:
            raise PartMissing("the server's jars are not in the cache and there is no Maven (mvn) to fetch them")
        say("fetching the Neo4j server with Maven, once (213 jars, about 160 MB)")
        project, repository = scratch / "project", cache / "maven"  # a repository of its own: ~/.m2 stays untouched
        project.mkdir()
        shutil.copy(POM, project)
        command = [maven, "-B", "-q", "-ntp", f"-Dmaven.repo.local={repository}", f"-Djars={scratch / 'lib'}"]
        run([*command, "-f", str(project / "pom.xml"), "package"], what="Maven", watch=repository, timeout_s=900)
        shutil.rmtree(project)
        for jar in (scratch / "lib").iterdir():
            jar.rename(scratch / jar.name)
        (scratch / "lib").rmdir()
        shutil.rmtree(repository, ignore_errors=True)  # kept after a failure, where it saves the next try

    return made_once(cache / f"lib-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}", fetch)


def ready() -> str:
    """Have all that a server needs; a line on what there is. PartMissing otherwise."""
    java()
    folder = jars()
    return f"{len(list(folder.glob('*.jar')))} jars in {folder}"


def configuration(*, port: int, http_port: int | None, page_cache: str) -> str:
    """The text of neo4j.conf: loopback only, with authentication, without usage reports."""
    lines = [
        "server.default_listen_address=127.0.0.1",
        f"server.bolt.listen_address=127.0.0.1:{port}",
        f"server.bolt.advertised_address=127.0.0.1:{port}",  # what a neo4j:// client is routed to
        "server.https.enabled=false",
        f"server.http.enabled={'true' if http_port else 'false'}",
        "dbms.security.auth_enabled=true",
        "dbms.usage_report.enabled=false",
        f"server.memory.pagecache.size={page_cache}",
        "db.transaction.timeout=60s",
        "db.lock.acquisition.timeout=20s",
        "db.tx_log.rotation.retention_policy=256M size",
        "db.tx_log.rotation.size=32M",  # log files are allocated whole, one a database; the default is 256M
    ]
    if http_port:
        lines.append(f"server.http.listen_address=127.0.0.1:{http_port}")
    return "\n".join(lines) + "\n"


def bolt_answers(port: int) -> bool:
    """A Bolt handshake: magic, then four version proposals; a server answers with the one that it chose."""
    hello = bytes.fromhex("6060b01700080805000204040000000000000000")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(hello)
            return len(connection.recv(4)) == 4
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether anything accepts connections on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def kept_classes(archive: Path | None) -> tuple[str, ...]:
    """The JVM's flags that have it read its classes from an archive, where one fits, and say nothing where it does not."""
    return () if archive is None else (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off")


class Neo4jServer:
    """One server with its folder. `kill` and `start` again keep the port, the data and the password."""

    user = USER

    def __init__(
        self,
        home: Path,
        *,
        port: int,
        http_port: int | None = None,
        heap: str = "1g",
        page_cache: str = "256m",
        ends_with_us: bool = False,
        brief: bool = False,
        archive: Path | None = None,
    ) -> None:
        """Nothing is started. `ends_with_us`: the server is killed when the process that started it ends, however.

        `brief`: it will live for minutes, and is to be ready soon rather than fast in the end. `archive`: the classes as
        `beds.neo4j.classes` keeps them; one of another Java or of other jars is passed over.
        """
        self.home = home.absolute()
        self.port = port
        self.http_port = http_port
        self.heap = heap
        self.page_cache = page_cache
        self.ends_with_us = ends_with_us
        self.jvm = (*JVM, *(BRIEF if brief else LASTING), *kept_classes(archive))
        self._archive = archive
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The Bolt URL, without user and password."""
        return f"bolt://127.0.0.1:{self.port}"

    @property
    def password(self) -> str:
        """The password of `user`, once the server has been started."""
        return (self.home / "password").read_text()

    @property
    def store(self) -> str:
        """The URL with user and password, as the setting `store` takes it."""
        return f"bolt://{self.user}:{self.password}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The server's process id, or None when it does not run. A recorded id alone may be another program's by now."""
        if self._process is not None:
            return self._process.pid if self._process.poll() is None else None
        try:
            pid = int(json.loads((self.home / "server.json").read_text())["pid"])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, KeyError):
            return None
        ours = MAIN_CLASS.encode() in command and f"--home-dir={self.home}".encode() in command
        return pid if ours else None

    def start(self, *, wait_s: float = 300) -> float:
        """Start and wait for an answer; seconds that it took, 0 when it ran already.

        PartMissing without Java or jars, RuntimeError when the server ends or does not answer within `wait_s` seconds.
        """
        if self.pid is not None:
            return 0.0
        lib, command = jars(), java()
        config = self.home / "conf"
        config.mkdir(parents=True, exist_ok=True)
        (config / "neo4j.conf").write_text(
            configuration(port=self.port, http_port=self.http_port, page_cache=self.page_cache)
        )
        self._set_first_password(command, lib)
        if listens(self.port):
            raise RuntimeError(f"port {self.port} is taken: give another with --port")
        began = time.monotonic()
        with (self.home / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(command, "-Xms256m", f"-Xmx{self.heap}", *self.jvm, "-cp", f"{lib}/*", MAIN_CLASS),
                    *(f"--home-dir={self.home}", f"--config-dir={config}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self.ends_with_us:
            self._watchdog = watchdog(self._process.pid)
        record = {"pid": self._process.pid, "url": self.url, "user": self.user, "home": str(self.home)}
        (self.home / "server.json").write_text(json.dumps(record))
        # HTTP opens a second or two after Bolt does, so whoever asked for it is made to wait for both.
        while not (bolt_answers(self.port) and (self.http_port is None or listens(self.http_port))):
            if self._process.poll() is not None:
                tail = (self.home / "console.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"the Neo4j server ended with {self._process.returncode}:\n{tail}")
            if time.monotonic() - began > wait_s:
                self.kill()
                raise RuntimeError(f"Neo4j did not answer within {wait_s:.0f} s; see {self.home / 'console.log'}")
            time.sleep(0.05)
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9, as a crash would; returns when the process is gone. Nothing happens when it does not run."""
        self._signal(signal.SIGKILL, wait_s=30)

    def stop(self, *, wait_s: float = 60) -> None:
        """A clean stop (checkpoint, then exit), or kill -9 after `wait_s` seconds."""
        if not self._signal(signal.SIGTERM, wait_s=wait_s):
            self.kill()
        (self.home / "server.json").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Stop it from running, as a machine that swaps or a virtual one that is moved; `thaw` lets it go on."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on where it was."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGCONT)

    def limit_files(self, size_bytes: int) -> None:
        """Let no file of the running server grow beyond so many bytes: to it the disk is full. It ends with a new start.

        PartMissing where one process cannot limit another, which is everywhere but on Linux.
        """
        if not hasattr(resource, "prlimit"):
            raise PartMissing("a limit on another process's files needs Linux")
        if (pid := self.pid) is not None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))

    def empty(self) -> None:
        """Remove every node and relationship. Constraints and indexes stay, for making 60 of them takes seconds."""
        with self._session() as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()

    def clear(self) -> None:
        """Remove every node, relationship, constraint and index, for who measures a database from its beginning."""
        self.empty()
        with self._session() as session:
            for row in session.run("SHOW CONSTRAINTS YIELD name").data():
                session.run(f"DROP CONSTRAINT `{row['name']}` IF EXISTS").consume()
            for row in session.run("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP'").data():
                session.run(f"DROP INDEX `{row['name']}` IF EXISTS").consume()

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        import neo4j  # not at the top: `up` and `down` run without packages

        with (
            neo4j.GraphDatabase.driver(self.url, auth=(self.user, self.password)) as driver,
            driver.session(database="neo4j") as session,
        ):
            yield session

    def _set_first_password(self, command: str, lib: Path) -> None:
        """Only before the first start: afterwards the password lies in the system database."""
        secret = self.home / "password"
        if secret.exists():
            return
        # One that began with a dash would be taken for an option.
        password = os.environ.get("EDGEATLAS_NEO4J_PASSWORD") or f"n{secrets.token_urlsafe(18)}"
        done = subprocess.run(
            [
                *(command, *BRIEF, *kept_classes(self._archive), "-cp", f"{lib}/*"),
                *(ADMIN_CLASS, "dbms", "set-initial-password", password),
            ],
            env={**os.environ, "NEO4J_HOME": str(self.home), "NEO4J_CONF": str(self.home / "conf")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the initial password was refused:\n{done.stdout[-800:].replace(password, '***')}")
        secret.touch(mode=0o600)
        secret.write_text(password)

    def _signal(self, number: int, *, wait_s: float) -> bool:
        """Send a signal and wait; whether the process is gone."""
        pid = self.pid
        if pid is None:
            return True
        os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        self._process = None
        if self._watchdog is not None:  # before its pipe is closed, for the id may be another program's by then
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        return True


def explain(server: Neo4jServer) -> str:
    """How to use a running server, without showing its password."""
    secret = server.home / "password"
    return (
        f"Neo4j answers at {server.url}, user {server.user}, password in {secret}\n\n"
        f'  EDGEATLAS_STORE_PASSWORD_FILE="{secret}" make serve ARGS="--store bolt://{server.user}@127.0.0.1:{server.port}"'
    )


def main() -> int:
    """The `up` and `down` of this bed."""
    parser = argparse.ArgumentParser(prog="neo4j", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=["up", "down"])
    parser.add_argument("--port", type=int, default=7687)
    parser.add_argument("--http-port", type=int, help="also serve HTTP (transactional API) on loopback")
    parser.add_argument("--home", type=Path, help="the server's folder; default: one a port in the cache folder")
    parser.add_argument("--heap", default="1g")
    parser.add_argument("--json", action="store_true", help="print the record as JSON instead of an explanation")
    given = parser.parse_args()
    try:
        server = Neo4jServer(
            given.home or cache_folder("neo4j") / f"home-{given.port}",
            port=given.port,
            http_port=given.http_port,
            heap=given.heap,
        )
        if given.action == "down":
            print("Neo4j is stopped." if server.pid else "Neo4j was not running.")
            server.stop()
            return 0
        if server.pid is None:
            ready()
            say(f"starting Neo4j on port {given.port} (half a minute the first time)")
        server.start()
    except (PartMissing, RuntimeError) as problem:
        print(f"Neo4j: {problem}", file=sys.stderr)
        return 1
    record: dict[str, Any] = {"pid": server.pid, "url": server.url, "user": server.user, "home": str(server.home)}
    print(json.dumps(record) if given.json else explain(server))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A real Prometheus on loopback that scrapes what a test serves, for tests of scaling and a first look.

    tests/beds/prometheus/up --scrape 127.0.0.1:9100 [--port 9090] [--home DIR]    start it and print how to use it
    tests/beds/prometheus/down [--home DIR]                                        stop it; its data stay

A found `prometheus` is used, else that of Debian's package of that name, fetched once into the cache folder and unpacked
there: nothing is installed, and no service of the system's started. It scrapes five times a second, so that a test need not
wait for what it serves.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from beds.parts import PartMissing, cache_folder, free_port, made_once, run, say, watchdog

SCRAPE_EVERY = "200ms"


def program() -> str:
    """The prometheus command; PartMissing when it cannot be had."""
    given = os.environ.get("PROMETHEUS")
    if given:
        if not Path(given).exists():
            raise PartMissing(f"PROMETHEUS is {given}, which does not exist")
        return given
    found = shutil.which("prometheus")
    return found or str(made_once(cache_folder("prometheus") / "debian", _fetch) / "usr/bin/prometheus")


def ready() -> str:
    """Have all that a server needs; a line on what there is. PartMissing otherwise."""
    command = program()
    try:
        told = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=180, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise PartMissing(f"{command} does not run ({error})") from error
    return f"{command}: {(told.stdout or told.stderr).splitlines()[0].partition(' (')[0]}"


def _fetch(folder: Path) -> None:
    apt, unpack = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if not apt or not unpack:
        raise PartMissing("no prometheus found and no apt-get to fetch it: install it or set PROMETHEUS to its path")
    say("fetching Debian's package prometheus, once (about 20 MB)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [apt, "download", "-qq", "prometheus"]
    try:
        run(command, what="apt-get download prometheus", watch=folder, timeout_s=300, cwd=folder, env=quiet)
    except PartMissing:
        if os.geteuid() != 0:
            raise
        # The lists of packages may be missing or old.
        run([apt, "update", "-qq"], what="apt-get update", watch=folder, timeout_s=300, env=quiet)
        run(command, what="apt-get download prometheus", watch=folder, timeout_s=300, cwd=folder, env=quiet)
    package = next(folder.glob("prometheus_*.deb"), None)
    if package is None:
        raise PartMissing("apt-get download prometheus brought no package")
    run([unpack, "-x", str(package), str(folder)], what="unpacking prometheus", watch=folder, timeout_s=120)
    package.unlink()
    if not (folder / "usr/bin/prometheus").exists():
        raise PartMissing("Debian's package prometheus has no usr/bin/prometheus")


class PrometheusServer:
    """One server with its folder. `kill` and `start` again keep the port and the data."""

    def __init__(
        self, home: Path, *, scrape: Sequence[str], port: int | None = None, ends_with_us: bool = False
    ) -> None:
        """Nothing is started. `scrape` has host:port of what it reads; port None takes a free one."""
        self.home = home.absolute()
        self.scrape = list(scrape)
        self.port = port or free_port()
        self.ends_with_us = ends_with_us
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait_s: float = 180) -> None:
        """Start and wait until it answers. PartMissing without the program, RuntimeError when it ends."""
        command = program()
        self.home.mkdir(parents=True, exist_ok=True)
        configuration = {
            "global": {"scrape_interval": SCRAPE_EVERY},
            "scrape_configs": [{"job_name": "edge", "static_configs": [{"targets": self.scrape}]}],
        }
        (self.home / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
        with (self.home / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    command,
                    f"--config.file={self.home / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self.home / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self.ends_with_us:
            self._watchdog = watchdog(self._process.pid)
        (self.home / "server.json").write_text(json.dumps({"pid": self._process.pid, "url": self.url}))
        began = time.monotonic()
        while not self._answers():
            if self._process.poll() is not None:
                tail = (self.home / "console.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"prometheus ended with {self._process.returncode}:\n{tail}")
            if time.monotonic() - began > wait_s:
                self.kill()
                raise RuntimeError(f"prometheus was not ready within {wait_s:.0f} s")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9, as a crash would; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._watchdog is not None:
            assert self._watchdog.stdin is not None
            self._watchdog.kill()
            self._watchdog.wait()
            self._watchdog.stdin.close()
        self._process = self._watchdog = None

    def freeze(self) -> None:
        """Stop it from running: it takes connections and answers nothing. `thaw` lets it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on where it was."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def stop(home: Path) -> str:
    """Stop the server that `up` started in a folder; says what was done."""
    try:
        pid = int(json.loads((home / "server.json").read_text())["pid"])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, KeyError):
        return "no server runs there"
    if f"--config.file={home / 'prometheus.yml'}".encode() not in command:
        return "no server runs there"
    os.kill(pid, signal.SIGTERM)
    return "stopped"


def main() -> None:
    """`up` and `down`."""
    parser = argparse.ArgumentParser(description="A Prometheus on loopback.")
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--scrape", action="append", default=[], metavar="HOST:PORT")
    parser.add_argument("--home", type=Path, default=None)
    given = parser.parse_args()
    home = (given.home or cache_folder("prometheus") / "home").absolute()
    try:
        if given.what == "down":
            print(stop(home))
            return
        server = PrometheusServer(home, scrape=given.scrape, port=given.port)
        server.start()
    except (PartMissing, RuntimeError) as problem:
        sys.exit(str(problem))
    print(f"Prometheus answers at {server.url}\nEDGEATLAS_METRICS_ENDPOINTS='*/edge={server.url}'")


if __name__ == "__main__":
    main()

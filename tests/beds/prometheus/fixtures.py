"""A Prometheus of a test, and the small exporter that it scrapes."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.parts import PartMissing, skip
from beds.prometheus.server import PrometheusServer, ready


class Exporter:
    """Serves what it is set to in Prometheus' text format: `exporter.lines["name{site=\\"a\\"}"] = 3.0`."""

    def __init__(self) -> None:
        self.lines: dict[str, float] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = "".join(f"{name} {value}\n" for name, value in list(outer.lines.items())).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is told of each request."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """What the Prometheus of a test scrapes."""
    made = Exporter()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def prometheus_server(tmp_path: Path, exporter: Exporter) -> Iterator[PrometheusServer]:
    """A running Prometheus that scrapes the exporter: `.url`, `.kill()`, `.start()`, `.freeze()`, `.thaw()`."""
    try:
        ready()
    except PartMissing as missing:
        skip("Prometheus", missing)
    server = PrometheusServer(tmp_path / "prometheus", scrape=[exporter.address], ends_with_us=True)
    server.start()
    try:
        yield server
    finally:
        server.kill()

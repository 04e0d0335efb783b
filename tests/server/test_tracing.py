"""Traces: spans nest and go out when a place for them is configured, and cost nothing otherwise."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from server.tracing import configure, span

# The tracer provider can be set once a process, so what is configured runs in one of its own.
_TRIAL = """
import sys
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from server.tracing import configure, span
kept = InMemorySpanExporter()
end = configure("", version="1.2", exporter=kept)
try:
    with span("mutation", {"name": "deploy", "tenant": None}):
        with span("commit", {"drafts": 3}):
            raise ValueError("cannot reach bolt://ann:hidden@host")
except ValueError:
    pass
end()
commit, mutation = kept.get_finished_spans()
print(commit.name, dict(commit.attributes), commit.parent.span_id == mutation.context.span_id)
print(mutation.name, dict(mutation.attributes), mutation.status.status_code.name, mutation.status.description)
print(mutation.resource.attributes["service.name"], mutation.resource.attributes["service.version"])
"""
_STRANGER = """
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from server.tracing import caller_in_headers, configure, span
kept = InMemorySpanExporter()
end = configure("", version="1.2", exporter=kept)
parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
for state in (b"&" * 500, b"&" * 9_000, b",".join(b"v%d=1" % number for number in range(100))):
    caller = caller_in_headers([(b"traceparent", parent), (b"tracestate", state)])
    with span("query", {"name": "x" * 100_000}, parent=caller):
        pass
    caller_in_headers([(b"traceparent", parent * 1_000)])
try:
    with span("query", {"name": "short"}):
        raise ValueError("y" * 100_000)
except ValueError:
    pass
end()
*continued, failed = kept.get_finished_spans()
print([len(one.attributes["name"]) for one in continued], [one.parent is not None for one in continued])
print(len(failed.status.description))
"""
_EXPORT = """
import sys
from server.tracing import configure, span
end = configure(sys.argv[1], version="1.2")
with span("query"):
    pass
end()
"""


def _run(script: str, *arguments: str) -> str:
    """What a process of its own printed and logged."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_spans_nest_and_name_their_failure_without_secrets() -> None:
    commit, mutation, resource = _run(_TRIAL).splitlines()
    assert commit == "commit {'drafts': 3} True"
    assert mutation == "mutation {'name': 'deploy'} ERROR ValueError: cannot reach bolt://ann:***@host"
    assert resource == "edgeatlas 1.2"


def test_what_a_caller_chose_is_bounded_in_spans_and_is_not_logged() -> None:
    attributes, description = _run(_STRANGER).splitlines()
    assert attributes == "[512, 512, 512] [True, True, True]"
    assert description == "512"


class _Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, body))  # type: ignore[attr-defined]  # set by the fixture
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Collector) as server:
        server.received = []  # type: ignore[attr-defined]  # a place for what the handler receives
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("path", "expected"), [("", "/v1/traces"), ("/", "/v1/traces"), ("/own/path", "/own/path")])
def test_spans_reach_a_collector(path: str, expected: str, collector: http.server.HTTPServer) -> None:
    _run(_EXPORT, f"http://127.0.0.1:{collector.server_port}{path}")
    ((found, body),) = collector.received  # type: ignore[attr-defined]  # set by the fixture
    assert found == expected
    assert b"edgeatlas" in body


def test_an_absent_collector_delays_and_fails_nothing() -> None:
    _run(_EXPORT, "http://127.0.0.1:9")


def test_without_an_endpoint_spans_are_not_recorded() -> None:
    end = configure("", version="1")
    with span("query", {"size": 1}) as opened:
        assert not opened.is_recording()
    end()

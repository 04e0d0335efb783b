"""From a change to those who subscribed to changes: how late it is, and what each delivery costs the server."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time

import msgspec

from bench.harness import median, quantile
from bench.measures.places import ROOT
from bench.measures.requests import Caller
from bench.measures.served import Served

CHANGE = """mutation ($input: UpdateSiteInput!) {
  updateSite(input: $input) { __typename ... on UpdateSitePayload { revision } }
}"""


class Event(msgspec.Struct, frozen=True):
    """One event as the subscribers' process had it; seconds by CLOCK_MONOTONIC."""

    revision: int
    first: float
    last: float
    count: int


class Delivered(msgspec.Struct, frozen=True):
    """What many events came to."""

    last_s: float
    """Median time from the change's being sent until the last subscriber had it."""
    acknowledged_s: float
    """Median time from the change's being sent until its caller was answered."""
    p50_s: float
    p99_s: float
    """As `last_s`, of all events."""
    cpu_each_s: float
    """Median CPU of the server for one event and one subscriber, the change itself among it."""
    events: int


class Subscribers:
    """A process with so many subscribers on a server."""

    def __init__(self, served: Served, *, count: int) -> None:
        """Connects them all. Raises RuntimeError when they are not ready within two minutes."""
        self.count = count
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.measures.subscribers", str(served.port), str(count)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(served.token + "\n")
        self._process.stdin.flush()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        if self._next(120.0).strip() != "ready":
            self.end()
            raise RuntimeError(f"{count} subscribers could not be connected")

    def event(self, *, within_s: float = 20.0) -> Event:
        """The next event that all of them have."""
        line = self._next(within_s)
        if line == "ended":
            raise RuntimeError("the subscribers' process has ended")
        return msgspec.json.decode(line, type=Event)

    def end(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait(10)

    def _next(self, within_s: float) -> str:
        try:
            return self._lines.get(timeout=within_s)
        except queue.Empty:
            self.end()
            raise RuntimeError(f"nothing reached all subscribers within {within_s:.0f} s") from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("ended")


def delivered(
    served: Served, caller: Caller, subscribers: Subscribers, *, site_id: str, events: int, pause_s: float
) -> Delivered:
    """Changes a site so many times, a pause apart, and sees each change arrive at every subscriber."""
    lasts: list[float] = []
    acknowledged: list[float] = []
    cpu: list[float] = []
    for number in range(-3, events):
        # A value that it never had: what changes nothing is no commit.
        request = caller.request(CHANGE, {"input": {"id": site_id, "displayName": f"Site at {time.monotonic_ns()}"}})
        before = served.cpu_s()
        sent = time.monotonic()
        answer = caller.send(request)
        answered = time.monotonic()
        if b"UpdateSitePayload" not in answer:
            raise RuntimeError(f"the change was refused: {answer[:300]!r}")
        event = subscribers.event()
        time.sleep(pause_s / 2)
        if number >= 0:  # the first few only warm up
            lasts.append(event.last - sent)
            acknowledged.append(answered - sent)
            cpu.append((served.cpu_s() - before) / subscribers.count)
        time.sleep(pause_s / 2)
    return Delivered(
        last_s=median(lasts),
        acknowledged_s=median(acknowledged),
        p50_s=quantile(lasts, 0.5),
        p99_s=quantile(lasts, 0.99),
        cpu_each_s=median(cpu),
        events=events,
    )

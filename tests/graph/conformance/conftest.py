"""The suite's fixtures: each test runs once over every store."""

from __future__ import annotations

from storekit.fixtures import place, plain_logs, reopened, store

__all__ = ["place", "plain_logs", "reopened", "store"]

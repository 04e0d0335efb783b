"""Graphs to place on: a builder for each test. Its module is found by its name, as no test folder is a package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from placement_graphs import Builder

from placement.ready import make_ready


@pytest.fixture(autouse=True, scope="session")
def compiled() -> None:
    """All that is compiled is ready before the first test, so that none is the one that waits for it."""
    make_ready()


@pytest.fixture
def build() -> Builder:
    """An empty graph with a region, a tenant and an app version."""
    return Builder()

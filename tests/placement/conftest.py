"""Graphs to place on: a builder for each test. Its module is found by its name, as no test folder is a package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from placement_graphs import Builder


@pytest.fixture
def build() -> Builder:
    """An empty graph with a region, a tenant and an app version."""
    return Builder()

"""The browser of a test run."""

from __future__ import annotations

import pytest

from beds.chromium.browser import wanted
from beds.parts import PartMissing, skip


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Run as root it needs `--no-sandbox`."""
    try:
        return wanted()
    except PartMissing as missing:
        skip("Chromium", missing)

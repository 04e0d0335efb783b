"""The built pages of this checkout and the npm packages that drive a browser, both made once and kept."""

import os
import sys

import pytest

from beds.parts import skip
from server.ui_build import UiBuildFailed, UiMode, UiPaths, ensure_built, find_npm, install_dependencies


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def built_pages() -> UiPaths:
    """The checkout's `ui/` with its npm packages, and its pages, built from what `ui/` holds now."""
    paths = UiPaths()
    if os.environ.get("EDGEATLAS_UI") == "skip":
        skip("the built web pages", "EDGEATLAS_UI is skip")
    try:
        install_dependencies(paths.sources, npm=find_npm(), say=_say)
    except UiBuildFailed as missing:
        skip("the built web pages", missing)
    ensure_built(UiMode.REQUIRE, say=_say, paths=paths)
    return paths

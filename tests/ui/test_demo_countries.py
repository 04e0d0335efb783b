"""The countries of the demonstration are what the outlines of the map say."""

import subprocess
from importlib.resources import as_file, files

from server.ui_build import UiPaths


def test_the_kept_countries_are_those_of_the_outlines(built_pages: UiPaths) -> None:
    with as_file(files("topohub").joinpath("data", "backbone", "europe.json")) as network:
        done = subprocess.run(
            ["node", "scripts/demo-countries.mjs", str(network), "--check"],
            cwd=built_pages.sources,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 0, done.stderr

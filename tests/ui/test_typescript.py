"""The pages' own checks: the types, and the unit tests of what they decide."""

import shutil
import subprocess

import pytest

from server.ui_build import UiPaths


@pytest.mark.parametrize("script", ["typecheck", "test"])
def test_the_pages_pass(built_pages: UiPaths, script: str) -> None:
    npm = shutil.which("npm")
    assert npm is not None
    done = subprocess.run(
        [npm, "run", script],
        cwd=built_pages.sources,
        capture_output=True,
        text=True,
        timeout=500,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

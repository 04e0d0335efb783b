"""The playground in Debian's Chromium, served by the whole server: signed in, and asking nothing of any other origin."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from server.ui_build import UiPaths

if TYPE_CHECKING:
    from conftest import RunningServer

STEPS = 14


def test_the_playground_serves_a_signed_in_viewer_and_asks_no_other_origin(
    built_pages: UiPaths, server: "RunningServer", chromium: str, tmp_path: Path
) -> None:
    arguments = {
        "browser": chromium,
        "origin": server.origin,
        "signIn": server.link,
        "viewer": "Signed in as admin · admin everywhere",
        "query": "{ serverInfo { drivers } }",
        "expected": '"simulated"',
        "subscription": "subscription { changes { ... on ChangeHeartbeat { revision } } }",
        "event": '"revision"',
        "completion": {"typed": "serv", "field": "serverInfo"},
        "examples": [["400-apply", '"applied": true'], ["210-plan", '"feasible": true']],
        "failure": str(tmp_path / "failure.png"),
    }
    done = subprocess.run(
        ["node", "e2e/playground.mjs", json.dumps(arguments)],
        cwd=built_pages.sources,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("ok: ") == STEPS

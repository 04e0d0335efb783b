"""What the processes of an installation have in common."""

from __future__ import annotations

import subprocess
import sys


def test_a_worker_does_not_hold_the_api_in_memory() -> None:
    asked = (
        "import server.worker, sys; print([one for one in ('strawberry', 'schema', 'networkx') if one in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "[]"

"""The same script in processes that hash differently: an order that follows hashes gives itself away."""

from __future__ import annotations

import os
import subprocess
import sys

SEEDS = ("0", "4711")


def printed_by_each(script: str, **environment: str) -> set[str]:
    """What a script prints under each seed of hashes; one text when that makes no difference."""
    return {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in SEEDS
    }

"""Where stores of tests in which processes die are kept: it is never the machine that does."""

from __future__ import annotations

from pathlib import Path


def memory_folder() -> str | None:
    """In memory where there is such a place, else where temporary files are."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None

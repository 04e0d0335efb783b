"""Who was killed is known by whoever starts next in the same data folder, and nobody else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.share import Share
from server.workers_here import KEPT_S, working_here
from serverkit.process import ROOT

HOLDS = """
import sys, time
from pathlib import Path
from server.workers_here import working_here
with working_here(Path(sys.argv[1]), sys.argv[2]) as dead:
    print(*sorted(dead), flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path, worker: str) -> Iterator[list[str]]:
    """A process of the folder until it is killed; gives whom it takes for dead."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), worker],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()
        finally:
            process.kill()


def test_a_worker_that_was_killed_is_known_to_be_dead_and_one_that_lives_is_not(tmp_path: Path) -> None:
    with another(tmp_path, "first") as known:
        assert known == []
        with working_here(tmp_path, "second") as dead:
            assert dead == frozenset()
    with working_here(tmp_path, "third") as dead:
        assert dead == {"first"}
        with another(tmp_path, "fourth") as known:
            assert known == ["first"], "the third lives"
    with working_here(tmp_path, "fifth") as dead:
        assert dead == {"first", "fourth"}, "who was found dead is remembered: the third may not have done all"


def test_who_was_found_dead_long_ago_is_forgotten(tmp_path: Path) -> None:
    with another(tmp_path, "first"):
        pass
    with working_here(tmp_path, "second") as dead:
        assert dead == {"first"}
    long_ago = time.time() - KEPT_S - 1
    os.utime(tmp_path / "first", (long_ago, long_ago))
    with working_here(tmp_path, "third") as dead:
        assert dead == {"first"}
    with working_here(tmp_path, "last") as dead:
        assert dead == frozenset()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_nobody_is_known_to_be_dead(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with working_here(tmp_path / "file" / "workers", "first") as dead:
        assert dead == frozenset()


def test_the_dead_are_gone_whether_or_not_it_is_known_who_is_alive() -> None:
    share = Share("own")
    assert not share.is_gone("other")
    share.dead = frozenset({"other"})
    assert share.is_gone("other")
    assert not share.is_gone("another")
    assert not share.is_gone(None)
    share.become(share.partitions, workers=frozenset({"own", "another"}))
    assert share.is_gone("other")
    assert not share.is_gone("another")

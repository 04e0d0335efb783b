"""Processes that a benchmark starts: seen, measured, and never left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.measures.processes import Process
from bench.measures.simulation import Simulation

ROOT = Path(__file__).parents[2]


def test_a_simulated_backend_listens_is_measured_and_ends(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, behaviour={"latencyMs": 5})
    try:
        assert Path(simulation.endpoint.removeprefix("unix:")).is_socket()
        assert simulation.cpu_s() > 0
        assert simulation.resident_mb() > 10
    finally:
        simulation.end()
    assert simulation.ended
    assert not Path(simulation.endpoint.removeprefix("unix:")).exists()


def test_a_process_that_does_not_come_up_says_what_it_said() -> None:
    process = Process("no-such-command")
    with pytest.raises(RuntimeError, match="no-such-command"):
        process.until(lambda: False, within_s=60, what="its address")
    assert process.ended


def test_a_process_ends_with_the_benchmark_that_is_killed(tmp_path: Path) -> None:
    text = (
        "import time\nfrom pathlib import Path\nfrom bench.measures.simulation import Simulation\n"
        f"one = Simulation(Path({str(tmp_path)!r}))\nprint(one.pid, flush=True)\ntime.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True
    )
    assert killed.stdout is not None
    pid = int(killed.stdout.readline())
    killed.kill()
    killed.communicate()
    for _ in range(3_000):
        if not _runs(pid):
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} goes on")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"

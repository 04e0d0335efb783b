"""What is compiled gives what Python gives, takes only what its annotations say, and is loaded only while it is right."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pytest

from placement import compiled
from placement.compiled import Numbers, Row, kernel, part

FACTOR = 3
T = TypeVar("T")


class Pair(NamedTuple):
    figures: Row
    numbers: Numbers


@part
def _times(figure: float) -> float:
    return figure * FACTOR


@kernel
def weighed(pair: Pair, most: int, signed: bool) -> tuple[float, int]:
    """A sum over at most so many, and how many these were."""
    total = 0.0
    count = min(most, len(pair.figures))
    for place in range(count):
        total += _times(pair.figures[place]) * pair.numbers[place]
    return (total if signed else abs(total)), count


def test_a_kernel_gives_what_its_function_does_in_python() -> None:
    pair = Pair(np.array([1.0, -2.5, 4.0]), np.array([2, 3, 4]))

    for signed in (True, False):
        assert weighed(pair, 2, signed) == weighed.compiled_from(pair, 2, signed)


def test_a_kernel_is_never_compiled_for_other_types_than_its_own() -> None:
    halves = np.array([1.0, 2.0], dtype=np.float32)

    with pytest.raises(TypeError, match="No matching definition"):
        weighed(Pair(halves, np.array([1, 2])), 2, True)  # type: ignore[arg-type]  # the case is that types are wrong


def test_that_kernels_are_compiled_is_logged_and_when_they_are_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[tuple[str, int]]:
        return [(one.getMessage(), vars(one)["kernels"]) for one in caplog.records if one.name == compiled.__name__]

    meanwhile = []
    fresh = compiled.Compiled(weighed.compiled_from, entry=True)
    monkeypatch.setattr(compiled, "_entries", [fresh])
    monkeypatch.setattr(compiled, "folder_for", lambda function: tmp_path)
    monkeypatch.setattr(
        compiled, "_compile_apart", lambda lacking, stop: meanwhile.append((compiled.is_compiling(), told()))
    )
    with caplog.at_level("INFO"):
        compiled.prepare()
        compiled.prepare()

    assert meanwhile == [(True, [("placement.compiling", 1)])]
    assert told() == [("placement.compiling", 1), ("placement.compiled", 1)]
    assert not compiled.is_compiling()


def test_what_is_only_loaded_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = compiled.Compiled(weighed.compiled_from, entry=True)
    monkeypatch.setattr(compiled, "_entries", [fresh])
    monkeypatch.setattr(compiled, "folder_for", lambda function: tmp_path)
    compiled.mark(fresh, tmp_path).touch()
    with caplog.at_level("INFO"):
        compiled.prepare()

    assert fresh.code is not None
    assert [one for one in caplog.records if one.name == compiled.__name__] == []


MODULE = """
from placement.compiled import kernel, part
{imported}

@part
def _scaled(number: int) -> int:
    return number * FACTOR

@kernel
def scaled(number: int) -> int:
    return _scaled(number)
"""
RUN = """
import sys
sys.path[:0] = {path!r}
{ahead}
import scaling
from placement import compiled
here = compiled.mark(scaling.scaled, compiled.folder_for(scaling.scaled.compiled_from))
print(scaling.scaled(7) if here.exists() == {kept} else "marked wrongly", sum(scaling.scaled.code.stats.cache_hits.values()))
"""


def _run(folder: Path, *, kept: bool, ahead: str = "") -> str:
    here = str(Path(__file__).parents[2])
    code = RUN.format(path=[str(folder), here], ahead=ahead, kept=kept)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_machine_code_is_loaded_until_a_constant_of_another_file_changes(tmp_path: Path) -> None:
    (tmp_path / "scaling.py").write_text(MODULE.format(imported="from factor import FACTOR"))
    (tmp_path / "factor.py").write_text("FACTOR = 2\n")
    first, again = _run(tmp_path, kept=False), _run(tmp_path, kept=True)
    (tmp_path / "factor.py").write_text("FACTOR = 50\n")
    changed = _run(tmp_path, kept=False)

    assert (first, again, changed) == ("14 1", "14 1", "350 1")


def test_machine_code_is_kept_in_the_folder_that_is_given_where_its_source_cannot_be_beside_it(tmp_path: Path) -> None:
    (tmp_path / "scaling.py").write_text(MODULE.format(imported="FACTOR = 2"))
    (tmp_path / "__pycache__").write_text("no folder")
    kept = tmp_path / "kept"
    ahead = f"from pathlib import Path\nfrom placement.compiled import prepare\nprepare(Path({str(kept)!r}))"
    first, again = _run(tmp_path, kept=False, ahead=ahead), _run(tmp_path, kept=True, ahead=ahead)

    assert (first, again) == ("14 1", "14 1")
    assert list(kept.iterdir())


def test_placement_is_imported_without_the_compiler() -> None:
    code = "import sys, placement.engine; print('numba' in sys.modules)"
    here = str(Path(__file__).parents[2])
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)

    assert found.stdout.strip() == "False"


def test_whoever_interrupts_a_process_at_a_terminal_does_not_interrupt_what_compiles_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal tells all of the group that runs in it."""
    compiler, told = tmp_path / "compiler", tmp_path / "group"
    compiler.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import os; print(os.getpgid(0))' > {told}\n")
    compiler.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(compiler))

    compiled._compile_apart([weighed], None)

    assert int(told.read_text()) != os.getpgid(0)


SLOW = """
import os, time
from pathlib import Path
here = Path(__file__).parent
(here / f"began-{os.getpid()}").touch()
time.sleep(120)
"""


def test_what_compiles_for_a_process_that_is_killed_ends_with_it(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    here = str(Path(__file__).parents[2])
    code = f"""
import sys
sys.path[:0] = {[str(tmp_path), here]!r}
from types import SimpleNamespace
from placement import compiled
compiled._compile_apart([SimpleNamespace(__module__="slow")], None)
"""
    server = subprocess.Popen([sys.executable, "-c", code])
    compiler = _until(lambda: next(tmp_path.glob("began-*"), None))
    server.kill()
    server.wait()

    assert _until(lambda: not Path(f"/proc/{compiler.name.removeprefix('began-')}/status").exists() or None)


def test_of_two_that_compile_the_same_one_does(tmp_path: Path) -> None:
    (tmp_path / "scaling.py").write_text(MODULE.format(imported="FACTOR = 2"))
    here = str(Path(__file__).parents[2])
    code = f"""
import sys
sys.path[:0] = {[str(tmp_path), here]!r}
from placement import compiling
inner, made = compiling.make_ready, []
compiling.make_ready = lambda one, *, folder: (made.extend([one] * one.entry), inner(one, folder=folder))
compiling.main("", "scaling")
print(len(made))
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]

    assert sorted(one.communicate()[0].strip() for one in both) == ["0", "1"]


def _until(found: Callable[[], T | None], *, within_s: float = 60.0) -> T:
    """What is found, once it is."""
    due = time.monotonic() + within_s
    while time.monotonic() < due:
        if (now := found()) is not None:
            return now
        time.sleep(0.05)
    raise AssertionError("not within its time")

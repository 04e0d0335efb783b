"""What all beds share: where a real part is kept, how it is made once, and how its absence is said.

A bed brings up a real part of the product's surroundings on loopback. It is fetched or built once into the cache
folder, outside the checkout, where it appears whole or not at all even when two runs start at once. Where a part
cannot be had, its tests skip with a reason that tests/conftest.py prints at the end of the run: a part that is
missing in silence would look like one that was tested.

Only the standard library is used here, for `up` and `down` run before any package is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

SKIP_MARK = "real part not run: "
"""How the reason of a skipped test begins when a real part is missing; the summary in conftest.py looks for it."""


class PartMissing(Exception):
    """A real part cannot be had here; the text says why and what would change that."""


def cache_folder(part: str) -> Path:
    """The folder of one part below $XDG_CACHE_HOME/edgeatlas (~/.cache/edgeatlas), made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "edgeatlas" / part
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PartMissing(f"the cache folder {folder} cannot be made ({error.strerror}): set XDG_CACHE_HOME") from error
    return folder


def say(text: str) -> None:
    """One line of progress, on standard error, at once."""
    print(f"    {text}", file=sys.stderr, flush=True)


def skip(part: str, reason: object) -> NoReturn:
    """Skip the running test because `part` cannot be had."""
    import pytest  # not at the top: `up` and `down` run without pytest

    pytest.skip(f"{SKIP_MARK}{part}: {reason}")


def already_prepared() -> bool:
    """Whether `make test` has prepared the parts, so that a fixture need not try a failed one again."""
    return os.environ.get("EDGEATLAS_PARTS") == "prepared"


@contextlib.contextmanager
def held(lock: Path, *, wait_s: float) -> Iterator[None]:
    """Hold a lock between processes; PartMissing when another holds it for longer than `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    with lock.open("w") as file:
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise PartMissing(f"another process has held {lock} for {wait_s:.0f} s") from None
                if not told:
                    say("another process is preparing it: waiting")
                    told = True
                time.sleep(0.2)
        yield


def made_once(folder: Path, make: Callable[[Path], None], *, wait_s: float = 1200) -> Path:
    """`folder`, made by `make(scratch)` if it is not there yet.

    `make` fills the empty folder that it is given, beside `folder`, which is then renamed. A failure is kept as text
    beside it: where the parts were prepared before (`make test`), it is raised again rather than tried again.
    """
    if folder.is_dir():
        return folder
    failure = folder.with_name(f"{folder.name}.failed")
    if already_prepared() and failure.exists():
        raise PartMissing(failure.read_text())
    with held(folder.with_name(f"{folder.name}.lock"), wait_s=wait_s):
        if folder.is_dir():
            return folder
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.making-"))
        try:
            make(scratch)
            scratch.rename(folder)
            failure.unlink(missing_ok=True)
        except PartMissing as missing:
            failure.write_text(str(missing))
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return folder


def size_mb(folder: Path) -> float:
    """Megabytes of the files below `folder`; files that vanish while it is counted are left out."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size
    return total / 1e6


def run(
    command: Sequence[str],
    *,
    what: str,
    watch: Path,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command that fetches or builds, saying every few seconds how far it is.

    `what` names the step in messages; `watch` is the folder whose growth is the progress. PartMissing with the end of
    the command's output when it fails or takes longer than `timeout_s` seconds.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env=dict(env) if env else None,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        next_word = began + 5
        try:
            while process.poll() is None:
                now = time.monotonic()
                if now - began > timeout_s:
                    raise PartMissing(f"{what}: not finished after {timeout_s:.0f} s{_end_of(output)}")
                if now >= next_word:
                    say(f"{what}: {now - began:.0f} s, {size_mb(watch):.0f} MB")
                    next_word = now + 5
                time.sleep(0.1)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        if process.returncode:
            raise PartMissing(f"{what} failed with exit status {process.returncode}{_end_of(output)}")


def _end_of(output: object) -> str:
    """The last lines of a command's output, for a message."""
    output.seek(0)  # type: ignore[attr-defined]  # a binary temporary file, whose class is private
    lines = output.read().decode(errors="replace").strip().splitlines()[-12:]  # type: ignore[attr-defined]  # as above
    return ":\n        " + "\n        ".join(lines) if lines else ""


def free_port() -> int:
    """A loopback TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def watchdog(pid: int) -> subprocess.Popen[bytes]:
    """A process that kills `pid` when its standard input ends, as it does when this process is gone, even by kill -9.

    Not prctl's parent-death signal: that one comes when the starting thread ends, which may be a worker of a loop.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -9 "$0"', str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )

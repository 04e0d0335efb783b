"""Functions that are compiled to machine code: loops over arrays that numpy could only do in many small steps.

`@kernel` is for those that Python calls, `@part` for what kernels are made of. A kernel's annotations are its signature, so
that it is compiled once for one set of types and never within a request. Nothing is compiled, and the compiler is not even
imported, before a kernel is first called or `prepare` is: a command that places nothing does not pay for it. Machine code
is kept beside this package, or where that cannot be written in the folder that `prepare` is given, and is loaded from there
as long as all that it was made from is the same.

While a kernel runs other threads do. So it may not touch what another thread changes: arrays of a problem are never changed,
and what it works on is its own. Indexes are not checked in it, nor is anything raised; what it is given has been checked.
An index with a sign may count from the end, and asking each whether it does can take as long as the rest of a short loop:
where very many are read from arrays they are read as `np.uint32` or `np.uint64`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from placement.kernel_sources import folder_beside, stamp
from placement.stopping import Stop, look

log = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

Row: TypeAlias = Annotated[NDArray[np.float64], "float64[::1]"]
"""(n,) figures, one after the other in memory, as are all of these."""
Table: TypeAlias = Annotated[NDArray[np.float64], "float64[:, ::1]"]
"""(n, m) figures."""
Cube: TypeAlias = Annotated[NDArray[np.float64], "float64[:, :, ::1]"]
"""(n, m, k) figures."""
Numbers: TypeAlias = Annotated[NDArray[np.int64], "int64[::1]"]
"""(n,) whole numbers."""
NumberTable: TypeAlias = Annotated[NDArray[np.int64], "int64[:, ::1]"]
"""(n, m) whole numbers."""
Small: TypeAlias = Annotated[NDArray[np.int32], "int32[::1]"]
"""(n,) whole numbers of 32 bits, as sparse matrices have them."""
Flags: TypeAlias = Annotated[NDArray[np.bool_], "boolean[::1]"]
"""(n,) yes or no."""
Words: TypeAlias = Annotated[NDArray[np.uint64], "uint64[::1]"]
"""(n,) words of 64 bits."""
Bits: TypeAlias = Annotated[NDArray[np.uint64], "uint64[:, ::1]"]
"""(n, m) words of 64 bits."""
FlagTable: TypeAlias = Annotated[NDArray[np.bool_], "boolean[:, ::1]"]
"""(n, m) yes or no."""

LOCK = ".compiling.lock"
_LOOK_S = 0.2
"""How often it is looked whether another process is done with compiling."""


class Compiled(Generic[P, R]):
    """A function, and once it is ready the machine code that is called in its place."""

    def __init__(self, function: Callable[P, R], *, entry: bool) -> None:
        """`entry`: Python calls it, so its annotations are the types that it takes."""
        self.compiled_from = function
        self.entry = entry
        self.code: Any = None
        """What numba made of it, for callers that are compiled."""
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__module__ = function.__module__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs it; the first call of any kernel makes all ready that are known by then."""
        if self.code is None:
            prepare()
        found: R = self.code(*args, **kwargs)
        return found


class Native(Compiled[P, R]):
    """A part whose machine code cannot be made from the function, which says the same in Python."""

    def __init__(self, function: Callable[P, R], *, made: Callable[[], Any]) -> None:
        """`made`: gives what compiled code calls in its place."""
        super().__init__(function, entry=False)
        self.made = made

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the function."""
        return self.compiled_from(*args, **kwargs)


def kernel(function: Callable[P, R]) -> Compiled[P, R]:
    """A function of which each argument is a number, one of the arrays above, or a NamedTuple of these."""
    found = Compiled(function, entry=True)
    _entries.append(found)
    return found


def part(function: Callable[P, R]) -> Compiled[P, R]:
    """A function that kernels call: compiled as part of each, for the types that it is called with."""
    return Compiled(function, entry=False)


def prepare(folder: Path | None = None, *, stop: Stop | None = None) -> None:
    """Makes every kernel that is known ready to be called; `folder` keeps machine code where this package's cannot.

    Loading takes about a second. What is not kept is compiled first, which takes about a minute and is done by a process of
    its own, for the compiler does not give back the memory that it takes; that it is, and that it is done, is logged. Either
    holds the caller, so a server calls it in a thread. Raises Stopped when that is asked for before it is compiled.
    """
    global _folder
    with _one_at_a_time:
        _folder = folder or _folder
        waiting = [one for one in _entries if one.code is None]
        if not waiting:
            return
        places = {one: folder_for(one.compiled_from) for one in waiting}
        lacking = [one for one, place in places.items() if place is not None and not mark(one, place).exists()]
        many = len(lacking) + sum(place is None for place in places.values())
        with _told(many) if many else contextlib.nullcontext():
            if lacking:
                _compile_apart(lacking, stop)
            from placement.compiling import make_ready  # imports the compiler, which most commands never need

            for one in waiting:
                look(stop)
                make_ready(one, folder=places[one])


def is_compiling() -> bool:
    """Whether kernels are being compiled here, as after the first start of a version: nothing is placed until they are."""
    return _compiling


def keep_in(folder: Path | None) -> None:
    """Has machine code kept in a folder where that of its package cannot be written."""
    global _folder
    _folder = folder


def folder_for(function: Any) -> Path | None:
    """Where a kernel's machine code is kept; None: nowhere, for nothing can be written."""
    return next((each for each in (folder_beside(function), _folder) if each and _writable(each)), None)


def mark(compiled: Compiled[Any, Any], folder: Path) -> Path:
    """A file that is there when the kernel's machine code is kept, made from what it is made from now."""
    function: Any = compiled.compiled_from
    return folder / f"{function.__module__}.{function.__qualname__}.{stamp(function)[:16]}.compiled"


def compile_here(names: Sequence[str]) -> None:
    """Compiles and keeps the kernels of these modules, in this process, but for those that another one keeps meanwhile."""
    from placement.compiling import make_ready  # see above

    for one in [one for one in _entries if one.__module__ in names]:
        folder = folder_for(one.compiled_from)
        if folder is None:
            continue
        with _alone(folder):
            now = mark(one, folder)
            if now.exists():
                continue
            make_ready(one, folder=folder)
            for before in folder.glob(f"{now.name.split('.compiled')[0][:-16]}*.compiled"):
                before.unlink(missing_ok=True)
            now.touch()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process compiles for a folder, and has others wait: several may start at once."""
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _told(many: int) -> Iterator[None]:
    """Says that so many kernels are compiled, and when they are ready."""
    global _compiling
    _compiling = True
    log.info("placement.compiling", extra={"kernels": many})
    try:
        yield
    finally:
        _compiling = False
    log.info("placement.compiled", extra={"kernels": many})


def _compile_apart(lacking: Sequence[Compiled[Any, Any]], stop: Stop | None) -> None:
    """Has another process compile; where that cannot be, this one will when it finds nothing to load."""
    names = sorted({one.__module__ for one in lacking} - {"__main__"})
    command = [sys.executable, "-m", "placement.compiling", str(_folder or ""), *names]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(one or os.getcwd() for one in sys.path)}
    try:
        # In a group of its own: who interrupts this process at a terminal means this one, which ends the other. Its input is
        # a pipe that nothing is written to: when this process is killed it ends, and so does the other.
        child = subprocess.Popen(  # noqa: S603  # our own module
            command, env=environment, stdin=subprocess.PIPE, process_group=0
        )
    except OSError:
        return
    try:
        while True:
            look(stop)
            try:
                child.wait(_LOOK_S)
                return
            except subprocess.TimeoutExpired:
                continue
    finally:
        if child.stdin is not None:
            child.stdin.close()
        if child.poll() is None:
            child.kill()
            child.wait()


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


_entries: list[Compiled[Any, Any]] = []
_folder: Path | None = None
_compiling = False
_one_at_a_time = threading.RLock()

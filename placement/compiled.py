"""Functions that are compiled to machine code: loops over arrays that numpy could only do in many small steps.

`@kernel` is for those that Python calls, `@part` for what kernels are made of. A kernel's annotations are its signature, so
that it is compiled once for one set of types and never within a request. Nothing is compiled, and the compiler is not even
imported, before a kernel is first called or `prepare` is: a command that places nothing does not pay for it. Machine code
is kept beside this package, or where that cannot be written in the folder that `prepare` is given, and is loaded from there
as long as the sources that it was made from are the same.

While a kernel runs other threads do. So it may not touch what another thread changes: arrays of a problem are never changed,
and what it works on is its own. Indexes are not checked in it, nor is anything raised; what it is given has been checked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Generic, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

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
FlagTable: TypeAlias = Annotated[NDArray[np.bool_], "boolean[:, ::1]"]
"""(n, m) yes or no."""


class Compiled(Generic[P, R]):
    """A function, and once it is ready the machine code that is called in its place."""

    def __init__(self, function: Callable[P, R], *, entry: bool) -> None:
        """`entry`: Python calls it, so its annotations are the types that it takes."""
        self.function = function
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


def kernel(function: Callable[P, R]) -> Compiled[P, R]:
    """A function of which each argument is a number, one of the arrays above, or a NamedTuple of these."""
    found = Compiled(function, entry=True)
    _entries.append(found)
    return found


def part(function: Callable[P, R]) -> Compiled[P, R]:
    """A function that kernels call: compiled as part of each, for the types that it is called with."""
    return Compiled(function, entry=False)


def prepare(folder: Path | None = None) -> None:
    """Makes every kernel that is known ready to be called; `folder` keeps machine code where this package's cannot.

    Loading takes about a second, compiling up to a minute; either holds the caller, so a server calls it in a thread.
    """
    global _folder
    with _one_at_a_time:
        _folder = folder or _folder
        waiting = [one for one in _entries if one.code is None]
        if waiting:
            from placement.compiling import make_ready  # imports the compiler, which most commands never need

            make_ready(waiting, folder=_folder)


_entries: list[Compiled[Any, Any]] = []
_folder: Path | None = None
_one_at_a_time = threading.RLock()

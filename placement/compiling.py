"""Making kernels ready: their types from their annotations, their machine code from a folder or from numba.

Run as a program it compiles the kernels of some modules and keeps them: `python -m placement.compiling FOLDER MODULE…`.
It ends when its input does, which whoever runs it keeps open: nobody waits for what a killed server was compiling.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import threading
import types
import typing
from pathlib import Path
from typing import Annotated, Any

import numba
from numba.core import caching

from placement import compiled
from placement.compiled import Compiled, Native
from placement.kernel_sources import needed, stamp

_config: Any = numba.config
_types: Any = numba.types
_folders: dict[str, Path] = {}
"""By name of a function where its machine code is kept."""


def make_ready(one: Compiled[Any, Any], *, folder: Path | None) -> None:
    """Loads it from the folder or compiles it, and all that it is made of; kept there unless that is None."""
    if one.code is not None:
        return
    if isinstance(one, Native):
        one.code = one.made()
        return
    linked = _linked(one, folder)
    if not one.entry:
        one.code = numba.njit(nogil=True, error_model="numpy")(linked)
        return
    before = _config.CACHE_LOCATOR_CLASSES
    _config.CACHE_LOCATOR_CLASSES = f"{Kept.__module__}.{Kept.__name__}"
    if folder is not None:
        _folders[_name(linked)] = folder
    signature = _signature(one.compiled_from)
    try:
        one.code = numba.njit(signature, cache=folder is not None, nogil=True, error_model="numpy")(linked)
    finally:
        _config.CACHE_LOCATOR_CLASSES = before


class Kept(caching.InTreeCacheLocator):
    """Where a kernel's machine code is kept, and what tells whether it is still right."""

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)  # type: ignore[no-untyped-call]  # numba types only some of it
        self._cache_path = str(_folders[_name(function)])
        self._stamp = stamp(function.made_from)

    def get_source_stamp(self) -> str:
        """A hash over all that it is made of."""
        return self._stamp


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _linked(one: Compiled[Any, Any], folder: Path | None) -> Any:
    """The function with machine code in the place of the kernels and parts that it calls."""
    function: Any = one.compiled_from
    names = dict(function.__globals__)
    for name, found in needed(function).items():
        if isinstance(found, Compiled):
            make_ready(found, folder=folder)
            names[name] = found.code
    linked: Any = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    linked.__qualname__, linked.__module__, linked.made_from = function.__qualname__, function.__module__, function
    return linked


def _signature(function: Any) -> Any:
    hints = typing.get_type_hints(function, include_extras=True)
    takes = [_type_of(hints[name]) for name in inspect.signature(function).parameters]
    return _type_of(hints["return"])(*takes)


def _type_of(hint: Any) -> Any:
    """The type that numba has for an annotation."""
    plain = {int: numba.int64, float: numba.float64, bool: numba.boolean, type(None): numba.void}
    if hint in plain:
        return plain[hint]
    if typing.get_origin(hint) is Annotated:
        return eval(hint.__metadata__[0], vars(numba))  # noqa: S307  # our own words, as numba spells types
    if typing.get_origin(hint) is tuple:
        return _types.Tuple([_type_of(one) for one in typing.get_args(hint)])
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        fields = typing.get_type_hints(hint, include_extras=True)
        return _types.NamedTuple([_type_of(fields[name]) for name in hint._fields], hint)
    raise TypeError(f"{hint!r} has no counterpart in compiled code")


def main(folder: str, *names: str) -> None:
    """Compiles and keeps the kernels of these modules, those in `folder` whose own cannot be written to."""
    for name in names:
        importlib.import_module(name)
    compiled.keep_in(Path(folder) if folder else None)
    compiled.compile_here(names)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    main(*sys.argv[1:])

"""Making kernels ready: their types from their annotations, their machine code from a folder or from numba.

numba looks at the file of a function to tell whether what it kept is stale. A kernel is made of functions and constants of
other files too, so here the stamp is over all of these.
"""

from __future__ import annotations

import hashlib
import inspect
import tempfile
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numba
from numba.core import caching

from placement.compiled import Compiled

_config: Any = numba.config
_types: Any = numba.types
_stamps: dict[str, bytes] = {}
"""By name of a function a hash over what its machine code depends on."""
_folders: dict[str, Path] = {}
"""And where that is kept."""


def make_ready(kernels: Sequence[Compiled[Any, Any]], *, folder: Path | None) -> None:
    """Compiles or loads these, and all that they are made of; `folder` keeps code where it cannot be beside its source."""
    before = _config.CACHE_LOCATOR_CLASSES
    _config.CACHE_LOCATOR_CLASSES = f"{__name__}.{Kept.__name__}"
    try:
        for one in kernels:
            _make_ready(one, folder)
    finally:
        _config.CACHE_LOCATOR_CLASSES = before


def _make_ready(compiled: Compiled[Any, Any], folder: Path | None) -> None:
    if compiled.code is not None:
        return
    linked = _linked(compiled, folder)
    if not compiled.entry:
        compiled.code = numba.njit(nogil=True, error_model="numpy")(linked)
        return
    function = compiled.function
    name = _name(function)
    _stamps[name] = _made_of(compiled)
    kept = next((each for each in (_beside(function), folder) if each and _writable(each)), None)
    if kept is not None:
        _folders[name] = kept
    signature = _signature(function)
    compiled.code = numba.njit(signature, cache=kept is not None, nogil=True, error_model="numpy")(linked)


class Kept(caching.InTreeCacheLocator):
    """Where a kernel's machine code is kept, and what tells whether it is still right."""

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)  # type: ignore[no-untyped-call]  # numba types only some of it
        self._cache_path = str(_folders[_name(function)])
        self._stamp = _stamps[_name(function)]

    def get_source_stamp(self) -> bytes:
        """A hash over all sources and constants."""
        return self._stamp


def _beside(function: Any) -> Path:
    """The folder that Python itself keeps the compiled module in."""
    return Path(inspect.getfile(function)).parent / "__pycache__"


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _needed(function: Any) -> dict[str, Any]:
    """The globals that a function names, by name."""
    names = set[str]()
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        waiting += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}


def _linked(compiled: Compiled[Any, Any], folder: Path | None) -> Any:
    """The function with machine code in the place of the kernels and parts that it calls."""
    function = compiled.function
    names = dict(function.__globals__)
    for name, found in _needed(function).items():
        if isinstance(found, Compiled):
            _make_ready(found, folder)
            names[name] = found.code
    linked = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    linked.__qualname__, linked.__module__ = function.__qualname__, function.__module__
    return linked


def _made_of(compiled: Compiled[Any, Any]) -> bytes:
    """A hash over the files and constants that a function is made of, and those of the functions that it calls."""
    function = compiled.function
    found = hashlib.sha256(Path(inspect.getfile(function)).read_bytes())
    for name, value in _needed(function).items():
        if isinstance(value, Compiled):
            found.update(name.encode() + _made_of(value))
        elif isinstance(value, (int, float, str, tuple)):
            found.update(f"{name}={value!r}".encode())
        elif isinstance(value, type) and hasattr(value, "_fields"):
            found.update(f"{name}={_type_of(value)!r}".encode())
    return found.digest()


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

"""What a kernel is made of: its own file, those of the kernels and parts that it calls, and every constant that they name.

A hash over all of it tells whether machine code that was kept is still right. The compiler itself looks at the file of a
function alone, and a kernel is made of functions and constants of other files too.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import platform
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any


def needed(function: Any) -> dict[str, Any]:
    """The globals that a function names, by name."""
    names = set[str]()
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        names.update(code.co_names)
        waiting += [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return {name: function.__globals__[name] for name in sorted(names) if name in function.__globals__}


def stamp(function: Any) -> str:
    """A hash over what the function's machine code depends on, the compiler's version with it."""
    found = hashlib.sha256(_versions().encode())
    for one in sorted(_functions(function), key=lambda each: (each.__module__, each.__qualname__)):
        found.update(_text(inspect.getfile(one)))
        for name, value in needed(one).items():
            if isinstance(value, (int, float, str, tuple)):
                found.update(f"{name}={value!r}".encode())
            elif isinstance(value, type):
                found.update(_text(inspect.getfile(value)) if hasattr(value, "_fields") else b"")
    return found.hexdigest()


def folder_beside(function: Any) -> Path:
    """The folder that Python itself keeps the compiled module of a function in."""
    return Path(inspect.getfile(function)).parent / "__pycache__"


def _functions(function: Any) -> set[Any]:
    """The function and all that it calls which are compiled with it."""
    found, waiting = {function}, [function]
    while waiting:
        for value in needed(waiting.pop()).values():
            called = getattr(value, "compiled_from", None)
            if called is not None and called not in found:
                found.add(called)
                waiting.append(called)
    return found


@cache
def _text(file: str) -> bytes:
    return Path(file).read_bytes()


@cache
def _versions() -> str:
    return f"{importlib.metadata.version('numba')} {sys.version} {platform.machine()}"

"""Arrays that compiled code reads without counting who holds them.

Compiled code counts references as Python does: whoever is handed a tuple of arrays counts each of them up and, when done,
down again, by an instruction that no other core may interrupt. A search makes hundreds of short steps, each handed some
dozens of arrays, and a quarter of its time went into that. What a function was given is held until it returns by whoever
called it, Python or compiled code, so nothing need be counted within. It is not held for longer: what is given back is made
anew or copied, for a slice of something borrowed holds nothing.
"""

from __future__ import annotations

from typing import Any

from placement.compiled import Native


def _as_they_are(arrays: Any) -> Any:
    return arrays


def _uncounted() -> Any:
    """What compiled code does in its place: the same arrays, as those of nobody."""
    from numba.core import cgutils, types  # imports the compiler, which most commands never need
    from numba.extending import intrinsic

    null: Any = cgutils.get_null_value

    def borrowed(_: Any, arrays: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = args[0]
            for at, one in enumerate(signature.args[0]):
                if isinstance(one, types.Array):
                    value = builder.extract_value(found, at)
                    proxy: Any = cgutils.create_struct_proxy(one)  # type: ignore[no-untyped-call]  # of numba, untyped
                    array = proxy(context, builder, value=value)
                    array.meminfo, array.parent = null(array.meminfo.type), null(array.parent.type)
                    found = builder.insert_value(found, array._getvalue(), at)
            return found

        return arrays(arrays), made

    return intrinsic(borrowed)


borrowed: Native[..., Any] = Native(_as_they_are, made=_uncounted)
"""A NamedTuple of arrays, for a function that was given it: neither it nor a slice of it may be given back or kept."""

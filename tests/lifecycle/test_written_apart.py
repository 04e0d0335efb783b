"""What is refused is refused alone, and everything else is written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.refusal import LimitExceeded, Refusal, Unavailable
from lifecycle.apart import written_apart


@given(weights=st.lists(st.integers(0, 12), max_size=12))
async def test_all_is_written_but_what_is_too_much_alone(weights: list[int]) -> None:
    written: list[int] = []
    left_out: list[int] = []

    async def write(some: Sequence[int]) -> None:
        if sum(weights[one] for one in some) > 9:
            raise LimitExceeded("it is too much", remedy="send it in parts", path="input")
        written.extend(some)

    def refused(one: int, refusal: Refusal) -> None:
        assert refusal.message == "it is too much"
        left_out.append(one)

    await written_apart(range(len(weights)), write=write, refused=refused)
    assert left_out == [at for at, weight in enumerate(weights) if weight > 9]
    assert written == [at for at, weight in enumerate(weights) if weight <= 9]


async def test_a_store_that_is_away_refuses_nothing() -> None:
    async def write(some: Sequence[str]) -> None:
        raise Unavailable("the store is away", remedy="try it again")

    with pytest.raises(Unavailable):
        await written_apart(["a", "b"], write=write, refused=lambda one, refusal: pytest.fail("it was not refused"))

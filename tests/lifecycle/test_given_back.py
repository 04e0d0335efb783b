"""Memory is given back once in a second of work, however that is cut up and however it ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.given_back import EVERY_S, GivenBack


@given(st.lists(st.integers(0, 24).map(lambda quarters: quarters * EVERY_S / 4), max_size=40))
def test_memory_is_given_back_once_in_a_second_of_work(pieces: list[float]) -> None:
    times = []
    back = GivenBack(lambda: times.append(1))
    expected, since = 0, 0.0
    for one in pieces:
        back.worked(one)
        since += one
        if since >= EVERY_S:
            expected, since = expected + 1, 0.0
        assert len(times) == expected


def test_work_that_fails_counts_and_its_failure_goes_on() -> None:
    worked: list[float] = []
    back = GivenBack(lambda: None)
    back.worked = worked.append  # type: ignore[method-assign]  # what is counted, not what follows
    with pytest.raises(ValueError, match="wrong"), back.after():
        raise ValueError("wrong")
    assert len(worked) == 1
    assert worked[0] >= 0.0


def test_what_the_c_library_has_for_it_can_be_called() -> None:
    GivenBack().worked(EVERY_S)

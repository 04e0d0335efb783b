"""A bound is below what any choice costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mip import odd_circle
from tiny_models import best_by_force, tiny_model

from placement.solve.bound import lp_bound


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_choice_costs_less_than_the_bound(seed: int) -> None:
    model = tiny_model(seed)
    best = best_by_force(model)
    if best is None:
        return
    of_all = lp_bound(model)
    assert of_all is not None
    assert (of_all[:1] <= np.array(best)[:1] + 1e-6).all()
    of_best = lp_bound(model, cost=np.array(best))
    assert of_best is not None
    assert (of_best <= np.array(best) + 1e-6).all()
    assert (of_best >= of_all - 1e-6).all()


def test_costs_in_whole_steps_round_it_up() -> None:
    assert lp_bound(odd_circle(9)) == pytest.approx([5.0])


def test_a_model_that_is_too_large_has_none() -> None:
    assert lp_bound(odd_circle(9), most_pairs=17) is None

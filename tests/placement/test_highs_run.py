"""HiGHS called directly says what SciPy's public functions say, and can be stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize._highspy._core as highs  # type: ignore[import-not-found]  # the stubs leave it out
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, random_array

from placement.arrays import Floats, Mask
from placement.solve.highs_run import Run, ended, give, run, solver_for
from placement.stopping import Stop, Stopped


class _AfterLooks(Stop):
    """Is asked for once it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    @property
    def asked(self) -> bool:
        """Counts the look."""
        self.left -= 1
        return self.left < 0


def _program(seed: int) -> tuple[Floats, csc_array, Floats, Floats, Mask]:
    chance = np.random.default_rng(seed)
    rows, columns = chance.integers(3, 25, 2).tolist()
    matrix = csc_array(random_array((rows, columns), density=0.3, rng=chance))
    low = np.where(chance.random(rows) < 0.7, 1.0, -np.inf)
    high = np.where(np.isinf(low) | (chance.random(rows) < 0.2), 2.0, np.inf)
    return chance.random(columns) - 0.1, matrix, low, high, chance.random(columns) < 0.8


@pytest.mark.parametrize("stop", [None, Stop()], ids=["no-stop", "never-asked"])
@pytest.mark.parametrize("seed", range(25))
def test_a_program_has_the_answer_of_the_public_functions(seed: int, stop: Stop | None) -> None:
    objective, matrix, low, high, integral = _program(seed)
    upper = np.ones(len(objective))
    found = run(objective, matrix, low=low, high=high, upper=upper, integral=integral, nodes=20, stop=stop)
    theirs = milp(
        objective,
        integrality=integral.astype(np.int64),
        bounds=Bounds(0.0, upper),
        constraints=LinearConstraint(matrix, low, high),
        options={"node_limit": 20, "mip_rel_gap": 0.0},
    )
    assert found.status == {0: "optimal", 2: "infeasible"}.get(theirs.status, "limit")
    assert (found.values is None) == (theirs.x is None)
    if found.values is not None:
        np.testing.assert_array_equal(found.values, theirs.x)
        assert (found.value, found.bound, found.nodes) == (theirs.fun, theirs.mip_dual_bound, theirs.mip_node_count)

    above = csc_array(-matrix)
    loose = run(
        objective,
        above,
        low=np.full(len(low), -np.inf),
        high=np.where(np.isinf(low), 9.0, -low),
        upper=upper,
        stop=stop,
    )
    same = linprog(
        objective,
        A_ub=above,
        b_ub=np.where(np.isinf(low), 9.0, -low),
        bounds=np.column_stack([np.zeros(len(upper)), upper]),
        method="highs",
    )
    assert loose.status == {0: "optimal", 2: "infeasible"}[same.status]
    if loose.duals is not None and loose.values is not None and loose.reduced is not None:
        np.testing.assert_array_equal(loose.values, same.x)
        np.testing.assert_array_equal(loose.duals, same.ineqlin.marginals)
        np.testing.assert_array_equal(loose.reduced, same.lower.marginals + same.upper.marginals)


@pytest.mark.parametrize("whole", [False, True])
def test_a_run_that_is_given_up_ends_within_it(whole: bool) -> None:
    chance = np.random.default_rng(3)
    matrix = csc_array(random_array((150, 200), density=0.2, rng=chance))
    stop = _AfterLooks(2)
    with pytest.raises(Stopped):
        run(
            chance.random(200),
            matrix,
            low=np.ones(150),
            high=np.full(150, np.inf),
            upper=np.ones(200),
            integral=np.full(200, whole),
            stop=stop,
        )
    assert stop.left < 0, "HiGHS has asked, and was not let go on"


def test_a_search_ends_after_so_many_looks_and_says_what_it_has() -> None:
    chance = np.random.default_rng(3)
    columns = 120
    weights = chance.integers(20, 200, (6, columns)).astype(np.float64)
    objective, upper = -chance.integers(20, 200, columns).astype(np.float64), np.ones(columns)
    low, high = np.full(6, -np.inf), weights.sum(axis=1) / 3
    whole = np.ones(columns, dtype=bool)
    ends = [
        run(objective, csc_array(weights), low=low, high=high, upper=upper, integral=whole, nodes=10_000, looks=looks)
        for looks in (3, 3, 9)
    ]
    assert [one.status for one in ends] == ["limit"] * 3
    assert (ends[0].value, ends[0].bound) == (ends[1].value, ends[1].bound)
    for one in ends:
        assert one.bound <= one.value
    assert ends[2].bound >= ends[0].bound


def test_a_search_begins_with_the_solution_that_is_known() -> None:
    chance = np.random.default_rng(3)
    columns = 120
    weights = chance.integers(20, 200, (6, columns)).astype(np.float64)
    objective, upper = -chance.integers(20, 200, columns).astype(np.float64), np.ones(columns)
    low, high = np.full(6, -np.inf), weights.sum(axis=1) / 3
    whole = np.ones(columns, dtype=bool)

    def searched(looks: int, start: Floats | None) -> Run:
        matrix = csc_array(weights)
        more = {"integral": whole, "nodes": 10_000, "looks": looks, "start": start}
        return run(objective, matrix, low=low, high=high, upper=upper, **more)  # type: ignore[arg-type]  # one is of each type

    known = searched(60, None)
    assert known.values is not None
    assert searched(0, None).value > known.value, "at the first look nothing as good is found"
    assert searched(0, known.values).value <= known.value
    assert searched(0, known.values[: columns // 2]).status == "limit", "what is not said is left to HiGHS"


def test_a_run_has_no_thread_beside_the_one_that_calls_it() -> None:
    """Also where that thread has run HiGHS with more before, which refuses another number of them from then on."""
    columns = 12
    chance = np.random.default_rng(3)
    objective, upper, integral = chance.random(columns), np.ones(columns), np.ones(columns, dtype=bool)
    matrix = csc_array(chance.integers(0, 2, (8, columns)).astype(np.float64))
    low, high = np.ones(8), np.full(8, np.inf)
    counts: list[int] = []
    found: list[Run] = []

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    def called() -> None:
        counts.append(threads())
        other = highs._Highs()
        other.setOptionValue("output_flag", False)
        other.setOptionValue("threads", 3)
        assert give(other, objective, matrix, low=low, high=high, upper=upper, integral=integral)
        found.append(ended(other, whole=True, stop=None))
        counts.append(threads())
        found.append(run(objective, matrix, low=low, high=high, upper=upper, integral=integral))
        counts.append(threads())

    caller = threading.Thread(target=called)
    caller.start()
    caller.join()
    alone, more, again = counts
    assert more == alone + 2
    assert again == alone
    assert [one.status for one in found] == ["optimal"] * 2
    assert found[1].value == found[0].value
    assert solver_for(nodes=None, stop=None).getOptionValue("threads")[1] == 1

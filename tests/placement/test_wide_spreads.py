"""A spread that wants many domains, or large ones, is kept also where only some of thousands of candidates are searched."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from solve_models import NO_CORE, unit

from placement.solve.core import improve
from placement.solve.evaluation import evaluate
from placement.solve.model import Domains, Limits, Model, Unit, nobody
from placement.solve.solve import solve

CHEAP, DEAR = 1.0, 10.0


def town(*, cheap: Sequence[int], dear: Sequence[int], min_open: int = 1, **spread: int) -> Unit:
    """So many sites in each domain, those of some cheaper than those of the others."""
    sizes = (*cheap, *dear)
    costs = np.repeat([CHEAP] * len(cheap) + [DEAR] * len(dear), sizes)
    domains = Domains(np.repeat(np.arange(len(sizes)), sizes), **spread)
    return unit(costs, domains=(domains,), min_open=min_open)


SPREADS = {
    "many sites": town(cheap=[4_800], dear=[1] * 300, min_open=500),
    "many domains": town(cheap=[4_800], dear=[1] * 300, min_domains=250),
    "all domains": town(cheap=[4_800], dear=[1] * 300, min_domains=301),
    "many sites, one a domain": town(cheap=[4_800], dear=[1] * 300, min_open=250, max_each=1),
    "many sites, few a domain": town(cheap=[4_500], dear=[1, 5] * 100, min_open=400, max_each=4),
    "one domain with many sites": town(cheap=[50] * 90, dear=[420], min_open=400, max_domains=1),
    "two domains with many sites": town(cheap=[50] * 90, dear=[420, 430], min_open=800, max_domains=2),
}
LEAST = {
    "many sites": 500 * CHEAP,
    "many domains": CHEAP + 249 * DEAR,
    "all domains": CHEAP + 300 * DEAR,
    "many sites, one a domain": CHEAP + 249 * DEAR,
    "many sites, few a domain": 4 * CHEAP + 396 * DEAR,
    "one domain with many sites": 400 * DEAR,
    "two domains with many sites": 800 * DEAR,
}


@pytest.mark.parametrize(
    ("name", "limits"),
    # Searches alone begin with the cheapest domain, and do not leave it for one that is large enough.
    [*((name, Limits()) for name in SPREADS), *((name, NO_CORE) for name in SPREADS if "with" not in name)],
)
def test_a_choice_is_found_among_thousands(name: str, limits: Limits) -> None:
    found = solve(Model((SPREADS[name],), 1, limits=limits))
    assert found.feasible
    assert found.cost[0] == pytest.approx(LEAST[name])


@pytest.mark.parametrize("name", SPREADS)
def test_a_core_has_a_choice_of_its_own(name: str) -> None:
    model = Model((SPREADS[name],), 1)
    found = improve(model, evaluate(model, (nobody(),)))
    assert found.feasible
    assert found.cost[0] == pytest.approx(LEAST[name])

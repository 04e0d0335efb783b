import itertools

import numpy as np
import pytest
from solve_models import sparse, unit
from tiny_models import best_by_force, tiny_model

from placement.repair_fewest import can_be, fewest
from placement.solve.evaluation import evaluate
from placement.solve.model import Clients, Limits, Model, Serving

FREE_OF_TOO_MANY = {"budgets": (), "apart": ()}


def moves_drawn(model: Model, seed: int) -> list[np.ndarray]:
    """By unit: which candidates are new, most of them."""
    draw = np.random.default_rng(seed)
    return [draw.choice([0.0, 1.0, 1.0, 2.0], one.count) for one in model.units]


def fewest_by_force(model: Model, new: list[np.ndarray]) -> float | None:
    """The fewest moves of all choices that keep everything."""
    units = tuple(
        _with(one, open_cost=amounts[None, :], clients=_free(one.clients))
        for one, amounts in zip(model.units, new, strict=True)
    )
    serving = tuple(Serving(one.server, one.client, _zeros(one.reach), 0, one.label) for one in model.serving)
    best = best_by_force(_with(model, units=units, serving=serving, tiers=1))
    return None if best is None else best[0]


def _with(one, **changes):
    return type(one)(**{name: changes.get(name, getattr(one, name)) for name in one.__dataclass_fields__})


def _free(clients: Clients | None) -> Clients | None:
    return None if clients is None else Clients(_zeros(clients.cost), 0)


def _zeros(matrix):
    found = matrix.copy()
    found.data = np.zeros(len(found.data))
    return found


def plain(model: Model) -> Model:
    """The model without a word that says that something is too many."""
    units = tuple(
        _with(
            one,
            max_open=None,
            groups=tuple(_with(group, at_most=None) for group in one.groups),
            domains=tuple(_with(each, max_domains=None, max_each=None) for each in one.domains),
        )
        for one in model.units
    )
    alternatives = tuple(
        tuple(tuple(_with(group, at_most=None) for group in groups) for groups in entry) for entry in model.alternatives
    )
    return _with(model, units=units, alternatives=alternatives, **FREE_OF_TOO_MANY)


@pytest.mark.parametrize("words", ["all", "none_too_many"])
@pytest.mark.parametrize("first", range(0, 160, 40))
def test_the_fewest_moves_are_those_of_all_choices_tried_one_by_one(first, words):
    found_some = 0
    for seed in range(first, first + 40):
        model = tiny_model(seed)
        model = model if words == "all" else plain(model)
        new = moves_drawn(model, seed)
        best = fewest_by_force(model, new)
        if best is None:
            continue
        for below in (int(best), int(best) + 1, int(best) + 3):
            found = fewest(model, new, below=below)
            assert found.least <= best
            if below <= best:
                assert (found.least, found.open) == (below, None)
                continue
            assert found.least == best
            assert found.open is not None
            assert evaluate(model, found.open).feasible
            moved = sum(float(amounts[one].sum()) for amounts, one in zip(new, found.open, strict=True))
            assert moved == best
            found_some += 1
    assert found_some > 10


@pytest.mark.parametrize("seed", range(60))
def test_without_a_core_no_more_is_proved_than_holds(seed):
    model = tiny_model(seed)
    model = _with(model, limits=Limits(core_candidates=0))
    new = moves_drawn(model, seed)
    best = fewest_by_force(model, new)
    if best is not None:
        found = fewest(model, new, below=int(best) + 2)
        assert found.open is None
        assert found.least <= best


def test_what_cannot_be_by_one_word_alone_is_no_choice_at_all():
    none = 0
    for seed in range(120):
        model = tiny_model(seed)
        new = moves_drawn(model, seed)
        best = fewest_by_force(model, new)
        if not can_be(model, new):
            assert best is None
            none += 1
    assert none > 10


def chain(reach_of_front: list[dict[int, float]], reach_of_back: list[dict[int, float]], *, fronts: int) -> Model:
    """Places that fronts serve, each of which needs a back."""
    backs = 1 + max(itertools.chain.from_iterable(reach_of_back))
    places = Clients(sparse(reach_of_front, fronts), 0)
    return Model(
        units=(unit([1.0] * fronts, clients=places), unit([1.0] * backs)),
        tiers=1,
        serving=(Serving(1, 0, sparse(reach_of_back, backs), 0),),
    )


def test_a_site_far_from_what_serves_it_takes_a_move_for_each():
    # The only front near the place is far from the back that stays.
    model = chain([{1: 0.0}], [{0: 0.0}, {1: 0.0}], fronts=2)
    new = [np.array([0.0, 1.0]), np.array([0.0, 1.0])]
    assert fewest(model, new, below=2).least == 2
    found = fewest(model, new, below=5)
    assert found.least == 2
    assert found.open is not None
    assert [one.tolist() for one in found.open] == [[0, 1], [0, 1]]


def test_what_stays_is_served_again_by_what_is_new_for_another():
    # A front stays that lost its back: the new back serves it, and with it the place.
    model = chain([{0: 0.0, 1: 0.0}], [{0: 0.0}, {0: 0.0}], fronts=2)
    found = fewest(model, [np.array([0.0, 1.0]), np.array([1.0])], below=3)
    assert found.least == 1
    assert found.open is not None
    assert [one.tolist() for one in found.open] == [[0], [0]]


def test_nothing_moves_where_what_stays_does():
    model = chain([{0: 0.0}], [{0: 0.0}, {0: 0.0}], fronts=2)
    found = fewest(model, [np.array([0.0, 1.0]), np.array([0.0])], below=1)
    assert found.least == 0
    assert found.open is not None
    assert [one.tolist() for one in found.open] == [[0], [0]]

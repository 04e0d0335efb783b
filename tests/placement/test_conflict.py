"""A conflict is true, and none of its rules could be spared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from test_mip import odd_circle
from tiny_models import best_by_force, tiny_model

from placement.solve import conflict
from placement.solve.conflict import irreducible
from placement.solve.model import Apart, Budget, Clients, Domains, Group, Limits, Model, Serving, Unit
from placement.stopping import Stop, Stopped


def only(model: Model, names: set[str]) -> Model:
    """The model with these rules alone."""

    def groups(of: tuple[Group, ...]) -> tuple[Group, ...]:
        return tuple(one for one in of if (one.label or "group") in names)

    units = tuple(
        replace(
            unit,
            min_open=unit.min_open if "min_sites" in names else 0,
            max_open=unit.max_open if "max_sites" in names else None,
            room=unit.room if "total" in names else None,
            clients=unit.clients if "clients" in names else None,
            groups=groups(unit.groups),
            domains=tuple(one for one in unit.domains if (one.label or "spread") in names),
        )
        for unit in model.units
    )
    entries = []
    for entry in model.alternatives:
        labels = dict.fromkeys(group.label for alternative in entry for group in alternative)
        if " | ".join(labels) in names:
            entries.append(entry)
    return replace(
        model,
        units=units,
        serving=tuple(one for one in model.serving if one.label in names),
        apart=tuple(one for one in model.apart if one.label in names),
        budgets=tuple(one for one in model.budgets if one.label in names),
        alternatives=tuple(entries),
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_its_rules_cannot_be_kept_together_and_all_but_any_one_can(seed: int) -> None:
    model = tiny_model(seed)
    found = irreducible(model)
    if best_by_force(model) is not None:
        assert found == ()
        return
    assert found
    assert best_by_force(only(model, set(found))) is None
    # By trying every choice, not only by the relaxation: each of them could be spared, or the relaxation cannot tell.
    for one in found:
        assert irreducible(only(model, set(found) - {one})) == ()


def app(**words: object) -> Unit:
    unit = Unit("app", np.arange(4), np.ones((1, 4)))
    return replace(unit, **words)  # type: ignore[arg-type]  # any field of a unit


ALL = csr_array(np.ones((1, 4)))
CASES = {
    "nothing to run on": (Model((Unit("app", np.arange(0), np.ones((1, 0))),), 1), {"no_site"}),
    "more sites than allowed": (Model((app(min_open=3, max_open=2),), 1), {"min_sites", "max_sites"}),
    "a place that nobody reaches": (
        Model((app(clients=Clients(csr_array((1, 4), dtype=float), 0), max_open=2),), 1),
        {"clients"},
    ),
    "mandatory sites beyond the ceiling": (
        Model(
            (app(groups=(Group(np.arange(3), 3, label="all of"),)),), 1, budgets=(Budget((np.ones(4),), 2.0, "price"),)
        ),
        {"all of", "price"},
    ),
    "more regions than there are sites for": (
        Model((app(domains=(Domains(np.arange(4), min_domains=3, label="regions"),), max_open=2, min_open=0),), 1),
        {"regions", "max_sites"},
    ),
    "no room for the total": (Model((app(room=np.full(4, 2), total=9),), 1), {"total"}),
    "room only in too many sites": (
        Model((app(room=np.full(4, 2), total=7, max_open=3),), 1),
        {"total", "max_sites"},
    ),
    "a server out of reach of the mandatory": (
        Model(
            (app(groups=(Group(np.array([1]), 1, label="pinned"),)), app()),
            1,
            (Serving(1, 0, csr_array(np.diag([1.0, 0.0, 1.0, 1.0])), 0, "serves"),),
        ),
        {"pinned", "serves"},
    ),
    "kept apart with one site for both": (
        Model(
            (
                app(groups=(Group(np.array([1]), 1, label="one"),)),
                app(groups=(Group(np.array([1]), 1, label="other"),)),
            ),
            1,
            apart=(Apart(0, 1, "apart"),),
        ),
        {"one", "other", "apart"},
    ),
    "alternatives that are all forbidden": (
        Model(
            (app(groups=(Group(np.array([0, 1]), at_most=0, label="never"),)),),
            1,
            alternatives=(((Group(np.array([0]), 1, label="a"),), (Group(np.array([1]), 1, label="b"),)),),
        ),
        {"never", "a | b"},
    ),
    "places that need more sites than allowed, by whole sites only": (
        replace(odd_circle(9), units=(replace(odd_circle(9).units[0], max_open=4),)),
        {"clients", "max_sites"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_names_what_a_reader_would(case: str) -> None:
    model, names = CASES[case]
    assert set(irreducible(model)) == names


def test_whole_sites_alone_are_found_only_where_they_are_asked_exactly() -> None:
    circle = odd_circle(5)
    model = replace(circle, units=(replace(circle.units[0], max_open=2),))
    # 2.5 sites in parts: the relaxation alone proves it; rounded figures do not matter.
    assert set(irreducible(model)) == {"clients", "max_sites"}


def test_nothing_is_said_of_a_model_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CASES["a place that nobody reaches"][0]
    monkeypatch.setattr(conflict, "MAX_PAIRS", -1)
    assert irreducible(model) == ()


def test_nothing_is_said_when_the_questions_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflict, "MAX_QUESTIONS", 1)
    assert irreducible(CASES["more sites than allowed"][0]) == ()


def test_a_question_that_nobody_waits_for_is_given_up_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Stop):
        """Asked for once it was looked at."""

        looks = 0

        @property
        def asked(self) -> bool:
            self.looks += 1
            return self.looks > 1

    # One question, and too many candidates for another of whole sites.
    monkeypatch.setattr(conflict, "MAX_QUESTIONS", 1)
    monkeypatch.setattr(conflict, "MAX_CANDIDATES", 0)
    model = replace(CASES["more sites than allowed"][0], limits=Limits(stop=Late()))
    with pytest.raises(Stopped):
        irreducible(model)

"""Every figure in a table of moves is what making the move changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solve_models import models

from placement.solve.coupling import Stage, link
from placement.solve.folding import weights_of
from placement.solve.ground import Ground, stand
from placement.solve.layout import layout, mandatory
from placement.solve.model import Model
from placement.solve.moves import moves


def grounds(model: Model, data: st.DataObject) -> list[Ground]:
    """Each unit's ground, while the others have any candidates open."""
    weights = weights_of(model)
    layouts = tuple(
        layout(one, np.arange(one.count), groups=one.groups, fixed=mandatory(one, one.groups), weights=weights)
        for one in model.units
    )
    links = tuple(link(one, layouts[one.client], layouts[one.server]) for one in model.serving)
    stage = Stage(model, layouts, links)
    open = [np.array(sorted(data.draw(st.sets(st.integers(0, one.count - 1)))), dtype=np.int64) for one in model.units]
    return [stage.ground(number, list(open)) for number in range(len(model.units))]


@settings(max_examples=200, deadline=None)
@given(models(), st.data())
def test_the_table_says_what_each_move_changes(model: Model, data: st.DataObject) -> None:
    for ground in grounds(model, data):
        if not ground.count:
            continue
        open = np.array(sorted(data.draw(st.sets(st.integers(0, ground.count - 1)))), dtype=np.int64)
        standing = stand(ground, open)
        table = moves(ground, standing)
        for row in range(len(table.drops) + 1):
            for column in range(ground.count + 1):
                if column and column - 1 in open:
                    assert table.broken[row, column] == np.inf
                    assert not table.improving[row, column]
                    continue
                after = stand(ground, table.after(standing, row, column)).levels
                assert table.broken[row, column] == pytest.approx(after[0] - standing.levels[0], abs=1e-9)
                assert table.cost[:, row, column] == pytest.approx(after[1:] - standing.levels[1:], abs=1e-9)
        drops = moves(ground, standing, adding=False)
        assert drops.broken[:, 0] == pytest.approx(table.broken[:, 0])
        assert drops.cost[:, :, 0] == pytest.approx(table.cost[:, :, 0])

"""Sparse matrices that are made of their entries are those that the library makes."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from placement.solve.entries import Listed, matrix_of


def test_a_matrix_has_all_that_the_library_gives_one() -> None:
    rows = Listed(np.array([0, 2, 2, 3]), np.array([0, 3, 1], dtype=np.int32), np.array([0.5, 0.0, 2.0]))
    found = matrix_of(rows, columns=4)
    expected = csr_array((rows.value, rows.column, rows.start.astype(np.int32)), shape=(3, 4))
    assert vars(found).keys() == vars(expected).keys()
    assert {name: str(one) for name, one in vars(found).items()} == {
        name: str(one) for name, one in vars(expected).items()
    }
    assert (found @ np.arange(4.0)).tolist() == [0.0, 0.0, 2.0]
    assert found.T.tocsr().toarray().tolist() == expected.toarray().T.tolist()
    assert found.nnz == 3

"""What a score is: a measure of sites with its unit and the scale in which it counts.

Scores are costs, less is better. A measure is divided by a constant of its own, never by what other sites have: so the same
site has the same score beside any others, and scores of two decisions can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graph.kinds.policy import ScoreWeights, Term
from placement.arrays import Floats, Ints
from placement.packing import Packing
from placement.problem import Problem


@dataclass(frozen=True, slots=True)
class Score:
    """A measure of the sites that passed."""

    name: str
    term: Term
    unit: str
    scale: float
    """In `unit`: so much costs the term's weight."""
    weight: Callable[[ScoreWeights], float]
    measure: Callable[[Problem, Packing, Ints], Floats] | None
    """The value for each of the sites at these rows. None: it is not of a site but of the places served from it."""
    explain: Callable[[float], str]
    """One sentence for a site's value."""
    tells_use: bool = False
    """Whether the value follows from what all tenants use, which not everybody may see."""

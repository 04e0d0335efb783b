"""What a solver is given: sites that passed every rule, what each costs, and what a choice of them must keep.

A unit is a group of components that run at the same sites. Its candidates are numbered from 0 in ascending order of site id.
A choice opens some candidates of each unit. Costs come in tiers, the most important first: choices are compared by the first
tier, and by a later one only when they are equal in all before it (to 1e-9). Every limit of the search is a count, never
seconds, and ties go to smaller numbers, so that the same model has the same answer on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array

from placement.arrays import Floats, Ints, Mask
from placement.stopping import Stop


@dataclass(frozen=True, slots=True)
class Clients:
    """Places that must each have an open candidate in reach, and are served by the cheapest of those."""

    cost: csr_array
    """(clients, candidates): an explicit entry, zeros included, is a candidate in reach and what serving from it costs."""
    tier: int
    """The tier in which serving counts."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.cost.shape[0])


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates of which at least, at most so many are opened."""

    members: Ints
    at_least: int = 0
    at_most: int | None = None
    label: str = ""
    """What the policy calls it, for conflicts."""


@dataclass(frozen=True, slots=True)
class Domains:
    """A spread: each candidate lies in one domain."""

    domain: Ints
    """(candidates,): the domain's number, from 0."""
    min_domains: int = 0
    """At least so many domains have an open candidate."""
    max_domains: int | None = None
    max_each: int | None = None
    """At most so many open candidates in one domain."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the open candidates of all units may add up to."""

    amounts: tuple[Floats, ...]
    """By unit: (candidates,) what opening each takes."""
    most: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """Components that run at the same sites, and the sites that they may run at."""

    name: str
    sites: Ints
    """(candidates,) ascending: the site's row in the problem. The same row in two units is the same site."""
    open_cost: Floats
    """(tiers, candidates): what opening costs."""
    clients: Clients | None = None
    groups: tuple[Group, ...] = ()
    domains: tuple[Domains, ...] = ()
    min_open: int = 1
    max_open: int | None = None
    room: Ints | None = None
    """(candidates,) with a total: for how many replicas there is room."""
    total: int = 0
    """With `room`: what the open candidates must together have room for."""

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return len(self.sites)


@dataclass(frozen=True, slots=True)
class Serving:
    """Each open candidate of `client` must have an open candidate of `server` in reach."""

    server: int
    client: int
    """Places in `Model.units`."""
    reach: csr_array
    """(candidates of client, candidates of server): explicit entries are in reach; the cost of being served so."""
    tier: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Apart:
    """No site is open for both units."""

    one: int
    other: int
    label: str = ""


NOTHING = 1e-6
"""Relative to a cost, and of one below 1 as such: a bound of no more is not told from 0 by HiGHS."""
IDLE = 4
"""`Limits.idle`: rows that are dropped sooner are told again more often, but fewer are there meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a search ends: counts, never seconds; and whoever no longer wants it may stop it."""

    rounds: int = 60
    """Of local search."""
    joint_moves: int = 24
    """Alternatives of a unit tried with the units it depends on solved anew, where no core is solved afterwards."""
    core_joint_moves: int = 40
    """The same before a core, which begins from what they find."""
    core_candidates: int = 320
    """Candidates of each unit in the exact core; 0: no core is solved."""
    steps: int = 2_500
    """Of the simplex in the relaxation of a tier; fewer where it is large."""
    enough: float = 1e-4
    """Relative: a relaxation that grows by less in each of several rounds is left as it is."""
    mip_nodes: int = 400
    mip_looks: int = 24
    """How often HiGHS asks whether to go on, in each search of the whole: once a round of cuts, or a node."""
    branched: int = 100
    """Candidates that are branched over at most, where serving costs something."""
    given: int = 1_500
    """Candidates that a relaxation is given all at once; of more a part, and others as they turn out to be of use."""
    idle: int = IDLE
    """Answers of a relaxation in which a row that it was told has something to spare, after which it is dropped."""
    dives: bool = True
    """Whether what a relaxation leaves in parts is made whole step by step."""
    exact_candidates: int = 4_000
    """A model with no more candidates in all that no other stands in for is solved whole, not as a core."""
    alternatives: int = 64
    stop: Stop | None = field(default=None, compare=False)
    """Gives the search up when it is asked for; what is found while it is not is the same."""


@dataclass(frozen=True, slots=True)
class Model:
    """Everything that a choice depends on."""

    units: tuple[Unit, ...]
    tiers: int
    serving: tuple[Serving, ...] = ()
    apart: tuple[Apart, ...] = ()
    budgets: tuple[Budget, ...] = ()
    """The first is the price ceiling, when there is one."""
    alternatives: tuple[tuple[tuple[Group, ...], ...], ...] = ()
    """For the first unit: of each entry, at least one alternative has all its groups kept."""
    start: tuple[Ints, ...] | None = None
    """Open candidates of each unit to begin from: what runs now."""
    limits: Limits = field(default_factory=Limits)

    @property
    def candidates(self) -> int:
        """Candidates of all units together."""
        return sum(one.count for one in self.units)


@dataclass(frozen=True, slots=True)
class Broken:
    """What a choice does not keep."""

    rule: str
    """One of `no_site`, `clients`, `min_sites`, `max_sites`, `group`, `spread`, `price_ceiling`, `total`, `serves` and
    `never_with`."""
    unit: int
    need: float
    have: float
    label: str = ""
    items: tuple[int, ...] = ()
    """With `clients`: those without an open candidate in reach; with `serves`: the client unit's candidates;
    with `spread`: a domain with too many sites."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What a relaxation of the first tier says of where better choices are."""

    prices: Floats
    """(clients of the first unit,): what each pays for all that it needs; together they pay what the relaxation comes to."""
    near: tuple[Ints, ...]
    """By unit: the candidates that are open in part, and of the others those that would cost the least more."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a solver found."""

    open: tuple[Ints, ...]
    """By unit: the open candidates, ascending. As near as was found to keeping everything, when not feasible."""
    cost: Floats
    """(tiers,)."""
    broken: tuple[Broken, ...] = ()
    """What it does not keep; empty when it is feasible."""
    bound: Floats | None = None
    """(tiers,) no choice costs less: of the first tier always, of a later one given the tiers before it."""
    bound_kind: str = "NONE"
    """`EXACT`: the whole model was solved; `LP`: a relaxation of the whole model; `NONE`: nothing is known."""
    proved: bool = False
    """Whether no choice is better; or, when not feasible, whether it is proved that none is."""
    conflict: tuple[str, ...] = ()
    """When not feasible and proved so: labels or rules of an irreducible set of what cannot be kept together."""
    iterations: int = 0
    """Steps of search that were made, of every kind."""
    guide: Guide | None = None
    """Where to look for better ones, when a relaxation was made; of the model that it was made of."""

    @property
    def feasible(self) -> bool:
        """Whether it keeps everything."""
        return not self.broken

    def gap(self) -> float | None:
        """By what share the cost is above the bound, in the first tier in which they differ; 0 when there is none.

        None without a bound, and where that tier's is nothing: a cost above 0 is no number of times that.
        """
        if self.bound is None:
            return None
        for cost, bound in zip(self.cost.tolist(), self.bound.tolist(), strict=True):
            if cost - bound > 1e-9 * max(1.0, abs(bound)):
                return None if bound <= NOTHING * max(1.0, cost) else float((cost - bound) / bound)
        return 0.0


def nobody() -> Ints:
    """No candidates."""
    return np.empty(0, dtype=np.int64)


def mask_of(rows: Ints, count: int) -> Mask:
    """The rows as a mask."""
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask

"""Totals that are divided over sites, as a model knows them: the room for them, and how many sites may have a part.

A model has one number a site, so room for several components is one figure, in parts that their totals have in common. How
a total is divided in the end is found out afterwards (`placement.division`).
"""

from __future__ import annotations

import math

import numpy as np

from placement.arrays import Ints
from placement.problem import Problem
from placement.room import room
from placement.screening import Screening
from placement.unit_problems import Unit

MOST_PARTS = 10**9
"""A total of replicas in parts, so that room for several components is one number: at most so many."""


def room_for(problem: Problem, unit: Unit, screening: Screening) -> Ints:
    """(components, sites): for how many replicas of each of a unit's components there is room, when a total is divided.

    Without a total there are no components.
    """
    if problem.policy.division is None:
        return np.empty((0, len(problem)), dtype=np.int64)
    return room(problem.bins, unit.problem.components, eligible=screening.packing.eligible)


def pooled_room(problem: Problem, unit: Unit, rows: Ints, rooms: Ints) -> tuple[Ints, int]:
    """(candidates,) for how much of the totals of all components there is room, and how much they are.

    A site without a weight takes its least and no more.

    In replicas; of several components whose totals differ in parts of each total, as many parts as all have in common.
    """
    division, weights = problem.policy.division, problem.words.weights
    totals = totals_of(problem, unit)
    asked = totals > 0
    if division is None or not asked.any():
        return np.zeros(rooms.shape[1], dtype=np.int64), 0
    some = np.minimum(rooms[asked], totals[asked, None])
    if division.max_each is not None:
        np.minimum(some, division.max_each, out=some)
    if weights is not None:
        idle = weights[rows] == 0
        some[:, idle] = np.minimum(some[:, idle], max(division.min_each, 1))
    parts = math.lcm(*totals[asked].tolist())
    if parts <= MOST_PARTS:
        return (some * (parts // totals[asked, None])).min(axis=0), parts
    # What each site loses by rounding down is at most one part.
    return (some * MOST_PARTS // totals[asked, None]).min(axis=0), MOST_PARTS - some.shape[1]


def totals_of(problem: Problem, unit: Unit) -> Ints:
    """(components,): the replicas of each of a unit's components in all."""
    return np.array([problem.components[one].replicas for one in unit.components], dtype=np.int64)


def most_sites(problem: Problem, unit: Unit, least: int) -> int | None:
    """The most sites for which each component's total has so many replicas; None for as many as there are."""
    totals = totals_of(problem, unit)
    return int(totals[totals > 0].min()) // least if least and totals.any() else None

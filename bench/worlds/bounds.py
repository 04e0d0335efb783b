"""What no placement of an app can cost less than: computed once, offline, and shipped (`bounds.json.gz`).

A decision's own bound is worked out within its limits, mostly on some of the candidates, so it says nothing of the whole.
These come from the whole model, with minutes for an app (`make bench NAME=placement-bounds`). They hold for one world, one
app and what a choice costs, so each set is kept with a mark of its world and costs, and each bound with one of its app:
another world or other costs make all bounds of a set useless, another app its own.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.worlds.apps import AppToPlace
from bench.worlds.fibre import FibreWorld
from placement.latency import ACCESS_MS, FARTHER_KM, NEAREST_VERTICES
from placement.scores import SCORES

BOUNDS = Path(__file__).with_name("bounds.json.gz")
EXACT, BELOW, NONE = "exact", "below", "none"
"""`exact`: the least cost, proved; `below`: the best bound that was found; `none`: proved that nothing keeps the policy."""


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """Of one app."""

    kind: str
    cost: float = 0.0
    """No placement costs less, in the objective's first tier."""


class BatchBound(msgspec.Struct, frozen=True):
    """Of apps that share room, from prices for that room (a Lagrangian relaxation): it holds for any of them together.

    What each app's cheapest placement costs with the prices, less what all room is worth by them, is at most what placing
    them together costs: no placement uses more room than there is, counted node by node (`placement.batch_kinds`).
    """

    made_of: str
    """The mark of all apps of the batch, those included that have no place."""
    most: int
    """No more of them have a place together."""
    least: dict[str, float]
    """By name of the app: its cheapest placement with the prices."""
    room: float
    """What all room is worth by the prices."""

    def of(self, names: Collection[str]) -> float:
        """What placing these together costs at least."""
        return sum(self.least.get(one, 0.0) for one in names) - self.room


class Bounds(msgspec.Struct):
    """Of all sets."""

    worlds: dict[str, str] = {}
    """By set: the mark of its world and of what a choice costs."""
    marks: dict[str, dict[str, str]] = {}
    """By set and name of the app: the mark of the app that the bound is of."""
    apps: dict[str, dict[str, Bound]] = {}
    """By set and name of the app."""
    batches: dict[str, BatchBound] = {}
    """By set, of all its apps together."""

    def holding(self, name: str, world: FibreWorld, apps: Sequence[AppToPlace]) -> dict[str, Bound]:
        """Of a set the bounds that are of this world and of these apps, by name."""
        if self.worlds.get(name) != world_mark(world):
            return {}
        known, marks = self.apps.get(name, {}), self.marks.get(name, {})
        return {one.name: known[one.name] for one in apps if one.name in known and marks.get(one.name) == app_mark(one)}

    def put(self, name: str, world: FibreWorld, apps: Sequence[AppToPlace], found: Mapping[str, Bound]) -> None:
        """Has these bounds for these apps, and of the others of the set those that still are of this world."""
        mark = world_mark(world)
        if self.worlds.get(name) != mark:
            self.worlds[name], self.apps[name], self.marks[name] = mark, {}, {}
            self.batches.pop(name, None)
        for one in apps:
            if one.name in found:
                self.apps[name][one.name], self.marks[name][one.name] = found[one.name], app_mark(one)

    def merge(self, other: Bounds) -> None:
        """Takes over what another file knows better, app by app, of the worlds and apps that both are of."""
        for name, mark in other.worlds.items():
            if self.worlds.setdefault(name, mark) != mark:
                continue
            known, marks = self.apps.setdefault(name, {}), self.marks.setdefault(name, {})
            for app, bound in other.apps.get(name, {}).items():
                theirs = other.marks.get(name, {}).get(app)
                if theirs is not None and marks.setdefault(app, theirs) == theirs:
                    known[app] = nearer(known[app], bound) if app in known else bound


def nearer(one: Bound, other: Bound) -> Bound:
    """The one that says more."""
    if one.kind != BELOW or other.kind != BELOW:
        return one if one.kind != BELOW else other
    return one if one.cost >= other.cost else other


def name_of(world: FibreWorld, sort: str) -> str:
    """Of the set for the apps of one sort ("simple", "composite", "crowded") in a world."""
    short = "" if world.free == 1.0 else f"-free{world.free:g}"
    return f"{world.scale.name}-{world.seed}-{sort}{short}"


def world_mark(world: FibreWorld) -> str:
    """Of all that bounds of every app depend on: the world, and the scales of costs and of latency."""
    found = hashlib.sha256()
    encoder = msgspec.msgpack.Encoder()
    for one in world.entities:
        found.update(encoder.encode(one))
    found.update(encoder.encode([(one.name, one.term.name, one.scale) for one in SCORES]))
    found.update(encoder.encode((ACCESS_MS, NEAREST_VERTICES, FARTHER_KM)))
    return found.hexdigest()[:16]


def app_mark(app: AppToPlace) -> str:
    """Of all that an app's bound depends on beside that: its whole policy, and what its components need.

    A word that is not said is not in it, so that one which is new to policies leaves the marks as they are.
    """
    parts = [(one.name, one.resources, one.replicas, one.architectures, one.node_selector) for one in app.components]
    said = _said(msgspec.to_builtins((app.policy, parts)))
    return hashlib.sha256(msgspec.json.encode(said, order="deterministic")).hexdigest()[:16]


def batch_mark(apps: Sequence[AppToPlace]) -> str:
    """Of all apps of a batch."""
    marks = sorted((one.name, app_mark(one)) for one in apps)
    return hashlib.sha256(msgspec.json.encode(marks)).hexdigest()[:16]


def shipped(path: Path = BOUNDS) -> Bounds:
    """The bounds that are shipped; none when there is no such file."""
    if not path.exists():
        return Bounds()
    return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Bounds)


def bounds_for(world: FibreWorld, sort: str, apps: Sequence[AppToPlace]) -> dict[str, Bound]:
    """By name of the app; empty when none were computed for this world and these apps."""
    return shipped().holding(name_of(world, sort), world, apps)


def batch_bound_for(world: FibreWorld, sort: str, apps: Sequence[AppToPlace]) -> BatchBound | None:
    """Of these apps together; None when it was not computed for this world and just these apps."""
    bounds, name = shipped(), name_of(world, sort)
    found = bounds.batches.get(name)
    if found is None or bounds.worlds.get(name) != world_mark(world) or found.made_of != batch_mark(apps):
        return None
    return found


def write(bounds: Bounds, path: Path = BOUNDS) -> None:
    """Ships them."""
    data = msgspec.json.encode(bounds, order="deterministic")
    path.write_bytes(gzip.compress(data, mtime=0))


def _said(value: Any) -> Any:
    """Without the fields of objects that say nothing."""
    if isinstance(value, dict):
        return {key: said for key, one in value.items() if (said := _said(one)) not in (None, [], {})}
    return [_said(one) for one in value] if isinstance(value, list | tuple) else value

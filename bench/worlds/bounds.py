"""What no placement of an app can cost less than: computed once, offline, and shipped (`bounds.json.gz`).

A decision's own bound is worked out within its limits, mostly on some of the candidates, so it says nothing of the whole.
These come from the whole model, with minutes for an app (`make bench NAME=placement-bounds`). They hold for one world and
one app alone, so each set is kept with a digest of what it was computed from; of another digest they are not used.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from bench.worlds.apps import AppToPlace
from bench.worlds.fibre import FibreWorld

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

    digests: dict[str, str] = {}
    """By set."""
    apps: dict[str, dict[str, Bound]] = {}
    """By set and name of the app."""
    batches: dict[str, BatchBound] = {}
    """By set, of all its apps together."""


def name_of(world: FibreWorld, sort: str) -> str:
    """Of the set for the apps of one sort ("simple", "composite", "crowded") in a world."""
    short = "" if world.free == 1.0 else f"-free{world.free:g}"
    return f"{world.scale.name}-{world.seed}-{sort}{short}"


def digest(world: FibreWorld, apps: Sequence[AppToPlace]) -> str:
    """Of all that a bound depends on; only the first of the apps are looked at, so that there may be more of them later."""
    found = hashlib.sha256()
    encoder = msgspec.msgpack.Encoder()
    for one in world.entities:
        found.update(encoder.encode(one))
    for app in apps[:1]:
        found.update(encoder.encode((app.name, app.policy)))
        for one in app.components:
            parts = (one.name, one.resources, one.replicas, one.architectures, one.node_selector)
            found.update(encoder.encode(parts))
    return found.hexdigest()[:16]


def shipped() -> Bounds:
    """The bounds that are shipped; none when there is no such file."""
    if not BOUNDS.exists():
        return Bounds()
    return msgspec.json.decode(gzip.decompress(BOUNDS.read_bytes()), type=Bounds)


def bounds_for(world: FibreWorld, sort: str, apps: Sequence[AppToPlace]) -> dict[str, Bound]:
    """By name of the app; empty when none were computed for this world and these apps."""
    bounds, name = shipped(), name_of(world, sort)
    if bounds.digests.get(name) != digest(world, apps):
        return {}
    return bounds.apps[name]


def batch_bound_for(world: FibreWorld, sort: str, apps: Sequence[AppToPlace]) -> BatchBound | None:
    """Of these apps together; None when it was not computed for this world and these apps."""
    bounds, name = shipped(), name_of(world, sort)
    return bounds.batches.get(name) if bounds.digests.get(name) == digest(world, apps) else None


def write(bounds: Bounds) -> None:
    """Ships them."""
    data = msgspec.json.encode(bounds, order="deterministic")
    BOUNDS.write_bytes(gzip.compress(data, mtime=0))

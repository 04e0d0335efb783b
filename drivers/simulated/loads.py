"""What is asked of what runs, as curves over time, and the samples that follow from it.

Replicas are scaled by what is measured of them; here the measurement is made up, but as a metrics server would give it:
by instance, with the clock's time, and only of instances that are ready. The load of an object is shared by its ready
instances evenly. A curve is a function of the backend's clock alone, so that a run can be repeated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec

from drivers.port import Sample

_Name = Annotated[str, msgspec.Meta(max_length=2048)]
_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Load(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The load on objects; of several that fit one, the first holds."""

    site: _Name = ""
    """Id or name; empty: at every site."""
    component: _Name = ""
    """The component's name; empty: every one."""
    name: _Name = ""
    """The object's name; empty: every one."""
    requests_per_second: Annotated[list[tuple[_Seconds, _Amount]], msgspec.Meta(min_length=1, max_length=10_000)]
    """Points (second, requests a second at that site), by rising second. Between them the curve is straight; before the
    first and after the last it is level."""
    begins_at_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0
    """Second 0 of the curve, UTC milliseconds by the backend's clock."""
    repeat_s: _Seconds = 0
    """After so many seconds the curve begins again; 0: never."""
    idle_cpu_millicores: _Amount = 0
    """What an instance uses that is asked nothing."""
    cpu_millicores_per_request: _Amount = 0
    """What one request a second adds to it."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """An object, as far as load is concerned."""

    name: str
    site_id: str
    site: str
    component: str
    ready: Sequence[tuple[str, str | None]]
    """(name, node id) of the ready instances."""


def value_at(load: Load, *, now_ms: int) -> float:
    """Requests a second."""
    points = load.requests_per_second
    at = max(0.0, (now_ms - load.begins_at_ms) / 1000)
    if load.repeat_s:
        at %= load.repeat_s
    right = bisect_right(points, at, key=lambda one: one[0])
    if right == 0:
        return points[0][1]
    if right == len(points):
        return points[-1][1]
    (begin, low), (end, high) = points[right - 1], points[right]
    return low + (high - low) * (at - begin) / (end - begin)


def samples_of(loads: Sequence[Load], objects: Iterable[Serving], *, now_ms: int) -> Iterator[Sample]:
    """A sample for each object on which there is a load, of what arrives there, and one for each of its ready instances."""
    for one in objects:
        load = next((load for load in loads if _fits(load, one)), None)
        if load is None:
            continue
        arriving = value_at(load, now_ms=now_ms)
        yield Sample(name=one.name, site_id=one.site_id, at_ms=now_ms, requests_per_second=arriving)
        for instance, node_id in one.ready:
            share = arriving / len(one.ready)
            yield Sample(
                name=one.name,
                site_id=one.site_id,
                at_ms=now_ms,
                instance=instance,
                node_id=node_id,
                requests_per_second=share,
                cpu_millicores=load.idle_cpu_millicores + load.cpu_millicores_per_request * share,
            )


def _fits(load: Load, one: Serving) -> bool:
    return (
        load.site in ("", one.site_id, one.site)
        and load.component in ("", one.component)
        and load.name in ("", one.name)
    )

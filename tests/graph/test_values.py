"""Amounts of resources: sums, differences and what fits into what."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.values import NO_RESOURCES, Accelerator, Health, HealthStatus, Position, Resources

models = st.sampled_from(["a100", "h100", "t4"])
amounts = st.integers(0, 2**40)
resources = st.builds(
    Resources,
    cpu_millicores=amounts,
    memory_bytes=amounts,
    storage_bytes=amounts,
    accelerators=st.lists(st.builds(Accelerator, model=models, count=st.integers(0, 8)), max_size=4),
)


def plain(one: Resources) -> dict[str, int]:
    counted = {"cpu": one.cpu_millicores, "memory": one.memory_bytes, "storage": one.storage_bytes}
    for accelerator in one.accelerators:
        counted[accelerator.model] = counted.get(accelerator.model, 0) + accelerator.count
    return {key: value for key, value in counted.items() if value}


@settings(deadline=None)
@given(resources, resources)
def test_a_sum_has_what_both_have(one: Resources, other: Resources) -> None:
    mine, theirs = plain(one), plain(other)
    assert plain(one.plus(other)) == {key: mine.get(key, 0) + theirs.get(key, 0) for key in {*mine, *theirs}}
    assert plain(one.plus(NO_RESOURCES)) == mine


@settings(deadline=None)
@given(resources, resources)
def test_a_difference_is_never_below_nothing(one: Resources, other: Resources) -> None:
    mine, theirs = plain(one), plain(other)
    left = {key: max(0, value - theirs.get(key, 0)) for key, value in mine.items()}
    assert plain(one.minus(other)) == {key: value for key, value in left.items() if value}


@settings(deadline=None)
@given(resources, resources)
def test_it_covers_another_when_each_of_its_parts_does(one: Resources, other: Resources) -> None:
    mine, theirs = plain(one), plain(other)
    assert one.covers(other) == all(mine.get(key, 0) >= value for key, value in theirs.items())
    assert one.plus(other).covers(other)
    assert one.covers(one)


@settings(deadline=None)
@given(resources, st.integers(0, 9))
def test_replicas_need_as_many_times_as_much(one: Resources, factor: int) -> None:
    assert plain(one.times(factor)) == {key: value * factor for key, value in plain(one).items() if factor}


@settings(deadline=None)
@given(resources)
def test_an_amount_is_the_same_after_it_was_written_and_read(one: Resources) -> None:
    assert msgspec.json.decode(msgspec.json.encode(one), type=Resources) == one


@pytest.mark.parametrize(
    ("given", "cls"),
    [
        ({"cpu_millicores": -1}, Resources),
        ({"memory_bytes": 2**53}, Resources),
        ({"accelerators": [{"model": "", "count": 1}]}, Resources),
        ({"accelerators": [{"model": "a", "count": 1025}]}, Resources),
        ({"longitude": 180.1, "latitude": 0}, Position),
        ({"longitude": 0, "latitude": -90.1}, Position),
        ({"status": "FINE"}, Health),
    ],
)
def test_what_is_out_of_range_cannot_be_read(given: object, cls: type) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, cls)


def test_nothing_is_known_of_what_was_never_observed() -> None:
    assert Health().status is HealthStatus.UNKNOWN
    assert Health().observed_at is None

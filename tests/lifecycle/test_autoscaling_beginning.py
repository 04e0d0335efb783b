"""Which replicas are set aside when CPU is measured: as the documentation of the Kubernetes controller has it."""

from __future__ import annotations

import pytest

from drivers.port import Sample
from graph.kinds import Instance, InstanceStatus
from lifecycle.autoscaling_beginning import Beginnings

KEY = ("policy", "release")
NOW = 10_000_000
MINUTE = 60_000


def instance(status: InstanceStatus, *, age_ms: int, changed_after_ms: int = 0, name: str = "one") -> Instance:
    made = NOW - age_ms
    return Instance(
        id=f"instance_{name}",
        tenant_id="t",
        release_id="release",
        site_id="s",
        backend_name=name,
        status=status,
        created_at=made,
        updated_at=made + changed_after_ms,
    )


def sample(at_ms: int, *, name: str = "one", window_ms: int = 0) -> Sample:
    return Sample(name="web", site_id="s", instance=name, at_ms=at_ms, window_ms=window_ms, cpu_millicores=900.0)


def beginnings() -> Beginnings:
    return Beginnings(initialisation_s=300.0, readiness_s=30.0)


@pytest.mark.parametrize(
    ("age_ms", "changed_after_ms", "sampled", "aside"),
    [
        pytest.param(MINUTE, 50_000, True, True, id="young"),
        pytest.param(10 * MINUTE, 20_000, True, True, id="old-and-never-ready"),
        pytest.param(10 * MINUTE, 9 * MINUTE, True, False, id="old-and-was-ready"),
        pytest.param(10 * MINUTE, 9 * MINUTE, False, True, id="old-and-not-measured"),
    ],
)
def test_one_that_is_not_ready(age_ms: int, changed_after_ms: int, sampled: bool, aside: bool) -> None:
    one = instance(InstanceStatus.PENDING, age_ms=age_ms, changed_after_ms=changed_after_ms)
    found = beginnings().aside(KEY, [one], {"one": sample(5)} if sampled else {}, now_ms=NOW)
    assert found == ({"one"} if aside else set())


def test_a_sample_from_before_it_was_ready_is_set_aside_and_one_from_after_counts() -> None:
    known = beginnings()
    young = instance(InstanceStatus.RUNNING, age_ms=MINUTE)
    assert known.aside(KEY, [young], {"one": sample(50)}, now_ms=NOW) == {"one"}
    assert known.aside(KEY, [young], {"one": sample(50)}, now_ms=NOW) == {"one"}, "the same again"
    assert known.aside(KEY, [young], {"one": sample(80, window_ms=31)}, now_ms=NOW) == {"one"}, "measured from before"
    assert known.aside(KEY, [young], {"one": sample(80, window_ms=30)}, now_ms=NOW) == set()


def test_what_is_measured_for_the_first_time_after_all_that_was_measured_when_it_was_ready_counts() -> None:
    known = beginnings()
    both = [instance(InstanceStatus.RUNNING, age_ms=MINUTE, name=name) for name in ("one", "two")]
    known.aside(KEY, both, {"one": sample(50)}, now_ms=NOW)
    assert known.aside(KEY, both, {"one": sample(65), "two": sample(64, name="two")}, now_ms=NOW) == set()


def test_one_that_is_ready_and_no_longer_young_counts_at_once() -> None:
    old = instance(InstanceStatus.RUNNING, age_ms=5 * MINUTE)
    assert beginnings().aside(KEY, [old], {"one": sample(50)}, now_ms=NOW) == set()


def test_what_was_ready_is_measured_anew_after_it_was_not() -> None:
    known = beginnings()
    known.aside(KEY, [instance(InstanceStatus.RUNNING, age_ms=MINUTE)], {"one": sample(50)}, now_ms=NOW)
    known.aside(KEY, [instance(InstanceStatus.PENDING, age_ms=MINUTE)], {"one": sample(65)}, now_ms=NOW)
    again = instance(InstanceStatus.RUNNING, age_ms=MINUTE)
    assert known.aside(KEY, [again], {"one": sample(80)}, now_ms=NOW) == {"one"}


def test_what_is_not_followed_any_more_is_forgotten() -> None:
    known = beginnings()
    young = instance(InstanceStatus.RUNNING, age_ms=MINUTE)
    known.aside(KEY, [young], {"one": sample(50)}, now_ms=NOW)
    known.keep([])
    assert known.aside(KEY, [young], {"one": sample(60)}, now_ms=NOW) == {"one"}

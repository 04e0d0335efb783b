"""What a report does to a release: functions of small graphs."""

from __future__ import annotations

from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import DriftPolicy, Release, ReleaseObserved, ReleasePhase
from lifecycle.observation import take_gone
from lifecycle.settings import LifecycleSettings
from lifecyclekit.graphs import deployed
from tests.placement.placement_graphs import Builder

P = ReleasePhase
SETTINGS = LifecycleSettings()


def seen(build: Builder, policy: DriftPolicy, *, paused: bool = False, **fields: Any) -> Release:
    """A release that was seen at generation 1."""
    deployment = deployed(build, build.site(), drift_policy=policy, paused=paused)
    [release_id] = build.view.ids("Release", "deployment_id", deployment.id)
    there = ReleaseObserved(generation=1, present=True, replicas=1, ready_replicas=1, version=1, observed_at=1)
    given = {"observed": there, "applied_generation": 1, **fields}
    one: Release = build.change(build.view.get(release_id), **given)
    return one


def gone(build: Builder, release: Release) -> Release:
    after = take_gone(Edit(build.view, at=build.view.at + 1), release, version=2, settings=SETTINGS)
    assert after is not None
    return after


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("policy", list(DriftPolicy))
@pytest.mark.parametrize("phase", [P.PENDING, P.WAITING_SITE, P.WAITING_DEPENDENCY, P.APPLYING, P.QUARANTINED])
def test_what_is_gone_while_a_newer_generation_is_to_be_applied_is_applied_all_the_same(
    build: Builder, phase: ReleasePhase, policy: DriftPolicy, paused: bool
) -> None:
    release = seen(build, policy, paused=paused, generation=2, phase=phase)
    after = gone(build, release)
    assert (after.phase, after.applied_generation, after.observed.present) == (phase, 0, False)


@pytest.mark.parametrize(("policy", "phase"), [(DriftPolicy.REPORT, P.DRIFTED), (DriftPolicy.CORRECT, P.PENDING)])
def test_what_is_gone_as_it_is_wanted_is_left_or_made_again(
    build: Builder, policy: DriftPolicy, phase: ReleasePhase
) -> None:
    after = gone(build, seen(build, policy, phase=P.READY))
    assert (after.phase, after.applied_generation) == (phase, 0)
    assert after.error == "it drifted: it is gone from its backend though it is wanted"


def test_what_was_reported_as_drifted_and_is_gone_then_says_so(build: Builder) -> None:
    after = gone(build, seen(build, DriftPolicy.REPORT, phase=P.DRIFTED, applied_generation=0, generation=1))
    assert (after.phase, after.observed.present) == (P.DRIFTED, False)


@pytest.fixture
def build() -> Builder:
    return Builder()

"""The kit fails for every driver that is wrong, and each of its tests fails for one of them."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from driverkit import broken
from driverkit.simulated_beds import InServerBed
from drivers.port import DriverProblem
from drivers.simulated import SimulatedDriver

HERE = Path(__file__).parent
WAITED_S = 1.0
"""A test that still waits after so long has noticed that something is wrong."""
FAILURES = (AssertionError, pytest.fail.Exception, DriverProblem, TimeoutError, KeyError)
"""How a test fails: by what it asserts, by what it did not expect to be raised, or by waiting for what never comes."""
NOTICED: dict[type[broken.Broken], list[str]] = {
    broken.NoFence: [
        "an_older_generation_is_refused",
        "an_older_removal_is_refused",
        "older_work_does_not_bring_back_what_was_removed",
        "a_removal_is_remembered_over_connections",
        "generations_in_any_order_from_two_connections_leave_the_newest",
    ],
    broken.ForgetsRemovals: [
        "older_work_does_not_bring_back_what_was_removed",
        "a_removal_of_what_never_came_keeps_it_from_coming_late",
        "generations_in_any_order_from_two_connections_leave_the_newest",
    ],
    broken.NotIdempotent: [
        "the_same_work_again_changes_nothing",
        "work_at_the_same_time_is_done_once",
        "two_connections_at_the_same_time_do_it_once",
        "what_another_connection_left_is_adopted",
        "a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done",
    ],
    broken.TrustsItsMemory: [
        "what_a_hand_changed_is_told_as_drift_and_put_right_by_the_same_work",
        "what_a_hand_deleted_is_told_and_made_again",
    ],
    broken.TrustsTheGeneration: [
        "what_a_hand_changed_is_told_as_drift_and_put_right_by_the_same_work",
        "what_a_hand_made_of_other_parts_is_told_as_drift_and_put_right_by_the_same_work",
    ],
    broken.SeesNoDrift: ["what_a_hand_changed_is_told_as_drift_and_put_right_by_the_same_work"],
    broken.CountsReplicasAlone: ["what_a_hand_made_of_other_parts_is_told_as_drift_and_put_right_by_the_same_work"],
    broken.CountsWhatIsReady: ["what_is_under_way_or_fails_by_itself_is_no_drift"],
    broken.TakesTwoAtMost: ["a_newer_generation_keeps_what_can_stay"],
    broken.WantsItsOwn: ["what_a_hand_made_under_the_name_is_adopted"],
    broken.TakesStrangers: [
        "a_name_that_a_stranger_has_is_refused_and_left_alone",
        "a_removal_leaves_the_stranger_who_has_the_name_and_is_done",
    ],
    broken.CallsAllItsOwn: ["what_strangers_have_is_never_told_as_ours"],
    broken.OwnedByNobody: ["what_is_ensured_is_observed_with_its_replicas_on_their_nodes"],
    broken.FailsOnAbsent: [
        "removal_of_what_is_not_there_is_done",
        "a_lost_reply_of_a_removal_is_told_as_unknown_and_a_repeat_is_done",
    ],
    broken.KeepsNoGrave: ["a_removal_of_what_never_came_keeps_it_from_coming_late"],
    broken.TriesForever: ["work_that_can_never_run_is_told_so_and_leaves_nothing"],
    broken.TellsLostAsDone: [
        "a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done",
        "a_lost_reply_of_a_removal_is_told_as_unknown_and_a_repeat_is_done",
        "a_call_that_outlives_its_connection_is_not_told_as_done",
    ],
    broken.LosesWithTheReply: ["a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done"],
    broken.TellsAwayAsGone: ["a_site_that_is_away_fails_alone_and_what_is_there_is_not_told_gone"],
    broken.SeesNoReturn: ["a_site_that_is_back_is_told_with_what_is_there_and_takes_work"],
    broken.OneFailsAll: [
        "a_site_that_is_away_fails_alone_and_what_is_there_is_not_told_gone",
        "one_of_many_that_fails_keeps_no_other_from_being_done",
    ],
    broken.LeaksTurns: ["many_calls_that_are_given_up_keep_no_other_from_being_made"],
    broken.SwallowsCancellation: ["a_call_that_is_given_up_can_be_made_again"],
    broken.HoldsAfterGivingUp: ["a_call_that_is_given_up_can_be_made_again"],
    broken.LosesItsPlace: ["observation_resumes_after_its_cursor", "a_cursor_that_it_cannot_know_is_answered_with_all"],
    broken.SkipsChanges: ["a_change_wakes_the_observation_that_waits_for_it"],
    broken.ForgetsWhatWent: ["observation_resumes_on_another_connection"],
    broken.KnowsEveryCursor: ["a_cursor_that_it_cannot_know_is_answered_with_all"],
    broken.CountsFromOne: ["versions_rise_over_connections"],
    broken.WaitsForever: ["quiet_observation_returns_within_seconds"],
    broken.HopesForTheBest: [
        "replicas_are_ready_when_they_are_and_not_before",
        "an_instance_that_crashes_is_told_and_so_is_its_return",
    ],
    broken.TakesAnySetting: ["a_setting_that_it_does_not_know_is_refused_by_its_name"],
    broken.TakesReferencesAsTheyAre: ["what_needs_a_secret_that_cannot_be_had_is_refused_and_leaves_nothing"],
    broken.RunsAnywhere: [
        "what_is_ensured_is_observed_with_its_replicas_on_their_nodes",
        "a_node_that_does_not_take_what_was_assigned_to_it_is_not_used",
    ],
    broken.KeepsToNoTerms: [
        "replicas_run_on_the_nodes_that_their_terms_allow_and_on_no_other",
        "a_replica_that_no_node_takes_waits_and_says_why",
        "nobody_comes_beside_what_keeps_its_nodes_to_itself",
        "what_goes_with_another_waits_for_it_and_runs_on_its_nodes",
    ],
}
"""Which tests notice which broken driver."""


def _kit() -> dict[str, Callable[..., Awaitable[None]]]:
    """Every test of the kit by name, without `test_`."""
    found = {}
    for path in sorted(HERE.glob("test_*.py")):
        if path.name == Path(__file__).name:
            continue
        spec = importlib.util.spec_from_file_location(f"kit_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found |= {name[5:]: one for name, one in vars(module).items() if name.startswith("test_")}
    return found


KIT = _kit()


async def _put_to(sort: type[broken.Broken], test: str, folder: Path) -> None:
    simulated = SimulatedDriver()
    bed = InServerBed(folder, driver=broken.BrokenDriver(simulated, sort), simulated=simulated)
    await KIT[test](bed, **_given(KIT[test]))


def _given(test: Callable[..., Awaitable[None]]) -> dict[str, Any]:
    """The last of the cases of a test that has a table."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            names, cases = mark.args
            return {names: cases[-1]} if isinstance(names, str) else dict(zip(names, cases[-1], strict=True))
    return {}


def test_every_broken_driver_is_in_the_table_and_every_test_notices_one() -> None:
    sorts = {one for one in vars(broken).values() if isinstance(one, type) and issubclass(one, broken.Broken)}
    assert set(NOTICED) == sorts - {broken.Broken}
    assert {test for tests in NOTICED.values() for test in tests} == set(KIT)


@pytest.mark.parametrize("test", KIT)
async def test_what_they_are_made_from_passes(test: str, tmp_path: Path) -> None:
    await _put_to(broken.Broken, test, tmp_path)


@pytest.mark.parametrize(("sort", "test"), [(sort, test) for sort, tests in NOTICED.items() for test in tests])
async def test_a_broken_driver_does_not_pass(sort: type[broken.Broken], test: str, tmp_path: Path) -> None:
    with pytest.raises(FAILURES):
        async with asyncio.timeout(WAITED_S):
            await _put_to(sort, test, tmp_path)

"""Holes that orchestrators of the edge are known to have, each with the tests that show that this one has it not.

The numbers are those of a list of faults of EMCO 22.09, executed or read in its source. The table is checked: a test that
is renamed or removed is missed here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]


class Hole(NamedTuple):
    """What goes wrong elsewhere, and where it is shown that it does not here."""

    what: str
    tests: dict[str, list[str]]
    """Test functions by file."""


HOLES = {
    7: Hole(
        "what was approved is changed and deployed without another approval",
        {
            "lifecycle/test_approval.py": [
                "test_a_later_change_is_not_approved_with_what_was_seen",
                "test_a_change_starts_from_what_waits",
            ],
            "chaos/test_model.py": ["test_whatever_is_asked_and_whatever_fails_the_oracle_is_right"],
        },
    ),
    8: Hole(
        "a rollback of what was terminated, to a number of an earlier life, or to none",
        {
            "lifecycle/test_rollback.py": [
                "test_what_is_terminated_is_not_gone_back_from",
                "test_a_second_life_does_not_take_the_first_ones_past",
                "test_an_unknown_number_is_refused_with_those_there_are",
            ]
        },
    ),
    9: Hole(
        "a rollback leaves the newer intents, and the next update applies them again",
        {
            "lifecycle/test_rollback.py": [
                "test_the_next_update_starts_from_what_was_gone_back_to",
                "test_a_rollback_is_a_new_revision_with_the_old_intents",
            ]
        },
    ),
    10: Hole(
        "a migration is checked after it was begun, and leaves what it made",
        {
            "lifecycle/test_migrations.py": [
                "test_everything_is_checked_before_anything_is_done",
                "test_a_migration_is_taken_back_to_where_it_ran",
            ],
            "chaos/test_failpoints.py": ["test_whichever_point_a_process_dies_at_another_goes_on"],
        },
    ),
    11: Hole(
        "a verb in a state that nobody thought of",
        {
            "lifecycle/test_verbs.py": [
                "test_a_verb_is_granted_or_refused_with_a_reason",
                "test_every_verb_is_answered_in_every_phase_as_the_table_says",
            ]
        },
    ),
    12: Hole(
        "one cluster's failure cancels the healthy ones, and an update calls it done",
        {
            "lifecycle/test_faults.py": ["test_a_poison_release_is_quarantined_and_the_rest_completes"],
            "chaos/test_single_faults.py": ["test_a_poison_site_is_given_up_and_199_others_are_done"],
        },
    ),
    14: Hole(
        "a dependent starts before what it depends on exists",
        {
            "lifecycle/test_dependencies.py": [
                "test_deployed_does_not_wait_for_readiness",
                "test_everywhere_waits_for_the_slowest_site_and_is_undone_in_the_reverse_order",
            ]
        },
    ),
    16: Hole(
        "terminate and deploy at once, and clusters are lacking",
        {
            "lifecycle/test_changes.py": ["test_terminate_and_deploy_at_once_leaves_the_new_one"],
            "lifecycle/test_rollback.py": ["test_a_deploy_at_once_after_a_termination_is_refused_or_whole"],
        },
    ),
    19: Hole(
        "the same change twice is an error of the server",
        {
            "chaos/test_single_faults.py": [
                "test_fifty_equal_changes_with_one_key_are_one_change_with_fifty_equal_answers",
                "test_without_a_key_the_name_lets_one_of_fifty_through",
            ],
            "lifecycle/test_changes.py": [
                "test_a_repeated_request_is_answered_as_the_first_even_when_it_would_be_refused_by_now"
            ],
        },
    ),
    20: Hole(
        "an update that only takes a site away leaves its workload running",
        {
            "lifecycle/test_site_verbs.py": [
                "test_an_update_that_only_removes_a_site_removes_its_workload",
                "test_a_removed_site_loses_its_workload_and_the_others_nothing",
            ]
        },
    ),
    21: Hole(
        "what is deleted by hand is neither repaired nor seen",
        {
            "lifecycle/test_drift.py": [
                "test_drift_that_is_corrected_is_put_right_and_told",
                "test_drift_that_is_reported_is_left_and_shown",
            ]
        },
    ),
}


@pytest.mark.parametrize("number", HOLES)
def test_a_known_hole_has_a_test_that_would_find_it(number: int) -> None:
    for file, names in HOLES[number].tests.items():
        there = set(re.findall(r"^(?:async )?def (test_\w+)\(", (TESTS / file).read_text(), re.MULTILINE))
        assert set(names) <= there, f"{file} has no {sorted(set(names) - there)}"

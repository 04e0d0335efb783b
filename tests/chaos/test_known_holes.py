"""Holes that orchestrators of the edge are known to have, each with the tests that show that this one has it not.

The numbers are those of a list of faults of EMCO 22.09, executed or read in its source. Those with MECM are of EdgeGallery's
MECM 1.1 to 1.5, read in its source, as far as there is the like here: its traffic rules and the units of its KPIs are not.
The table is checked: a test that is renamed or removed is missed here.
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


HOLES: dict[int | str, Hole] = {
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
            "lifecycle/test_faults.py": [
                "test_a_poison_release_is_quarantined_and_the_rest_completes",
                "test_an_update_after_one_clusters_failure_ends_well_only_with_every_site_ready",
            ],
            "chaos/test_single_faults.py": ["test_a_poison_site_is_given_up_and_199_others_are_done"],
        },
    ),
    14: Hole(
        "a dependent starts before what it depends on exists",
        {
            "lifecycle/test_dependencies.py": [
                "test_at_no_site_is_anything_done_for_what_waits_before_what_it_waits_for_is_there",
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
                "test_what_a_hand_changed_at_the_same_generation_is_put_right_and_told",
                "test_what_a_hand_changed_at_the_same_generation_is_left_and_shown_by_policy",
            ]
        },
    ),
    "MECM, tokens": Hole(
        "an empty or a forged token is taken, and tokens are logged",
        {
            "server/test_graphql_ws.py": [
                "test_without_any_credential_nothing_is_served",
                "test_the_upgrade_is_refused_for_bad_tokens_and_foreign_origins",
            ],
            "access/test_tokens.py": ["test_no_text_at_hand_is_a_token"],
            "server/signin/test_programs.py": ["test_a_bad_token_is_not_made_up_for_by_a_cookie"],
            "server/signin/test_audit_and_log.py": [
                "test_no_password_token_session_or_link_is_in_the_log_or_in_the_files"
            ],
        },
    ),
    "MECM, guests": Hole(
        "who may only read changes things: a guest's actions, images, security groups and values are taken",
        {
            "resolvers/test_who_only_reads.py": [
                "test_who_only_reads_is_refused_every_change_and_nothing_is_done",
                "test_a_product_that_does_what_whoever_asks_is_found_out",
            ],
            "resolvers/test_deployment_batches.py": ["test_who_may_not_write_gets_a_refusal_for_each"],
            "server/test_packages.py": ["test_who_only_reads_does_not_upload"],
            "access/test_permissions.py": ["test_a_role_has_the_permissions_that_the_table_says"],
        },
    ),
    "MECM, instances": Hole(
        "one instance of a chart at a site, whoever's, and what it was to be set to is dropped",
        {
            "lifecycle/test_values.py": [
                "test_two_deployments_of_one_version_run_beside_each_other_with_values_of_their_own",
                "test_values_are_the_components_then_the_profiles_then_the_overrides_general_ones_first",
            ]
        },
    ),
    "MECM, batches": Hole(
        "what a batch has refused is done all the same",
        {
            "resolvers/test_deployment_batches.py": [
                "test_what_is_refused_is_not_done_and_the_rest_is",
                "test_who_may_not_write_gets_a_refusal_for_each",
            ]
        },
    ),
    "MECM, lists": Hole(
        "the same host is listed several times, and others make the list fail",
        {"access/test_visible.py": ["test_every_list_and_every_entity_is_what_the_rules_say"]},
    ),
    "MECM, synchronisation": Hole(
        "what an edge has changed is marked as told before the reply has arrived: one that is lost loses it for ever",
        {
            "drivers/conformance/test_observation.py": [
                "test_observation_resumes_after_its_cursor",
                "test_observation_resumes_on_another_connection",
                "test_a_cursor_that_it_cannot_know_is_answered_with_all",
            ],
            "drivers/conformance/test_faults.py": [
                "test_a_lost_reply_is_told_as_unknown_and_a_repeat_finds_the_work_done",
                "test_a_lost_reply_of_a_removal_is_told_as_unknown_and_a_repeat_is_done",
            ],
            "chaos/test_single_faults.py": ["test_with_three_of_ten_replies_lost_nothing_is_done_twice"],
        },
    ),
    "MECM, distribution": Hole(
        "sites are served one after the other, and one that fails ends it for the rest",
        {
            "lifecycle/test_faults.py": ["test_one_site_away_waits_and_the_others_finish"],
            "lifecycle/test_pace.py": [
                "test_sites_take_turns",
                "test_a_cluster_that_does_not_reach_a_site_or_hangs_there_holds_up_no_other_cluster",
            ],
            "drivers/conformance/test_faults.py": ["test_one_of_many_that_fails_keeps_no_other_from_being_done"],
            "chaos/test_single_faults.py": ["test_a_poison_site_is_given_up_and_199_others_are_done"],
        },
    ),
    "MECM, deletion": Hole(
        "what others depend on is deleted without a question",
        {
            "resolvers/test_entity_mutations.py": [
                "test_what_is_depended_on_is_in_use_and_a_cascade_takes_what_cannot_be_without_it"
            ],
            "lifecycle/test_versions.py": ["test_what_a_deployment_may_go_back_to_is_not_deleted"],
        },
    ),
    "MECM, identities": Hole(
        "a host is known by its address, and two that have one are the same",
        {
            "drivers/test_naming.py": [
                "test_the_identity_alone_makes_a_name_unique",
                "test_parts_of_an_identity_do_not_run_together",
            ],
            "lifecycle/test_rollback.py": ["test_a_second_life_does_not_take_the_first_ones_past"],
        },
    ),
    "MECM, pages": Hole(
        "lists are answered whole or not at all: nothing is filtered or paged",
        {
            "resolvers/test_entity_queries.py": ["test_a_page_is_cut_and_continued_by_its_cursors"],
            "resolvers/test_tenant_isolation_filters.py": ["test_every_kind_that_is_listed_is_filtered"],
            "schema/test_connections.py": ["test_a_page_is_no_larger_than_the_server_allows"],
        },
    ),
    "MECM, states": Hole(
        "what is being started is started again, and a termination looks at no state",
        {
            "lifecycle/test_verbs.py": ["test_every_verb_is_answered_in_every_phase_as_the_table_says"],
            "chaos/test_single_faults.py": [
                "test_fifty_equal_changes_with_one_key_are_one_change_with_fifty_equal_answers"
            ],
        },
    ),
    "MECM, dependencies": Hole(
        "an app that is there twice makes the check of what depends on it fail",
        {
            "lifecycle/test_dependencies.py": [
                "test_a_version_that_waits_for_what_it_does_not_have_is_not_deployed",
                "test_everywhere_waits_for_the_slowest_site_and_is_undone_in_the_reverse_order",
            ],
            "lifecycle/test_values.py": [
                "test_two_deployments_of_one_version_run_beside_each_other_with_values_of_their_own"
            ],
        },
    ),
}


@pytest.mark.parametrize("number", HOLES)
def test_a_known_hole_has_a_test_that_would_find_it(number: int | str) -> None:
    for file, names in HOLES[number].tests.items():
        there = set(re.findall(r"^(?:async )?def (test_\w+)\(", (TESTS / file).read_text(), re.MULTILINE))
        assert set(names) <= there, f"{file} has no {sorted(set(names) - there)}"

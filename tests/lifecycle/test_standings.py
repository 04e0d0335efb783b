"""What is desired, applied and ready: tables, and that nothing unseen is ever counted as ready."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import (
    Counted,
    Deployment,
    DeploymentPhase,
    OperationKind,
    Proposal,
    Release,
    ReleaseObserved,
    ReleasePhase,
)
from lifecycle.standings import in_words, sites_of, status_of, status_of_release

P = ReleasePhase
NAMES = {"c": "web", "d": "db"}


def deployment(**fields: Any) -> Deployment:
    return Deployment(id="deployment_1", name="shop", tenant_id="t", app_version_id="v", **fields)


def seen(ready: int, *, generation: int = 1, replicas: int | None = None, **fields: Any) -> ReleaseObserved:
    there = ready if replicas is None else replicas
    return ReleaseObserved(present=True, generation=generation, replicas=there, ready_replicas=ready, **fields)


def release(number: int = 0, **fields: Any) -> Release:
    """By default one of two replicas that are ready."""
    given = {
        "phase": P.READY,
        "replicas": 2,
        "applied_generation": 1,
        "observed": seen(2),
        "component_id": "c",
        "site_id": f"s{number}",
        "tenant_id": "t",
        "deployment_id": "deployment_1",
    }
    return Release(id=f"release_{number}", **{**given, **fields})


UNSEEN = {"phase": P.WAITING_SITE, "unseen_since": 5, "error": "site Vienna does not answer"}


@pytest.mark.parametrize(
    ("fields", "counted", "ready", "code"),
    [
        ({}, Counted(desired=2, applied=2, ready=2), True, None),
        ({"observed": seen(1, replicas=2), "phase": P.WAITING_READY},
         Counted(desired=2, applied=2, ready=1), False, "NOT_READY"),
        ({"observed": None, "applied_generation": 0, "phase": P.PENDING}, Counted(desired=2), False, "UNDER_WAY"),
        ({"generation": 2, "phase": P.APPLYING}, Counted(desired=2, ready=2), False, "UNDER_WAY"),
        (UNSEEN, Counted(desired=2, applied=2, unknown=2), False, "SITE_AWAY"),
        ({**UNSEEN, "phase": P.APPLYING}, Counted(desired=2, applied=2, unknown=2), False, "SITE_AWAY"),
        ({**UNSEEN, "phase": P.QUARANTINED}, Counted(desired=2, applied=2, unknown=2), False, "SITE_AWAY"),
        ({"phase": P.WAITING_SITE, "observed": None, "applied_generation": 0}, Counted(desired=2), False, "SITE_AWAY"),
        ({**UNSEEN, "wanted": False}, Counted(), False, "SITE_AWAY"),
        ({**UNSEEN, "wanted": False, "left_behind": True}, Counted(), False, "LEFT_BEHIND"),
        ({**UNSEEN, "phase": P.READY}, Counted(desired=2, applied=2, unknown=2), False, "UNKNOWN"),
        ({**UNSEEN, "phase": P.WAITING_READY}, Counted(desired=2, applied=2, unknown=2), False, "UNKNOWN"),
        ({"observed": seen(5)}, Counted(desired=2, applied=2, ready=2), True, None),
        ({"observed": seen(2, generation=1), "phase": P.QUARANTINED, "generation": 2, "error": "no"},
         Counted(desired=2, ready=2), False, "QUARANTINED"),
        ({"phase": P.DRIFTED, "error": "it drifted"}, Counted(desired=2, applied=2, ready=2), False, "DRIFTED"),
        ({"stopped": True, "observed": seen(0)}, Counted(), True, "STOPPED"),
        ({"replicas": 0, "observed": seen(0)}, Counted(), True, "SCALED_TO_ZERO"),
        ({"wanted": False}, Counted(), False, "UNDER_WAY"),
        ({"retires_after": 2}, Counted(), False, "UNDER_WAY"),
    ],
)  # fmt: skip
def test_where_a_release_stands(fields: dict[str, Any], counted: Counted, ready: bool, code: str | None) -> None:
    found = status_of_release(release(**fields))

    assert found.replicas == counted
    assert found.ready is ready
    assert (found.reason.code if found.reason else None) == code


def test_a_deployment_is_counted_by_sites_releases_replicas_and_components() -> None:
    releases = [
        release(0),
        release(1, site_id="s0", component_id="d", replicas=1, observed=seen(0, replicas=1), phase=P.WAITING_READY),
        release(2, site_id="s1"),
        release(3, site_id="s2", **UNSEEN),
        release(4, site_id="s3", wanted=False),
    ]

    found = status_of(deployment(phase=DeploymentPhase.DEGRADED), releases, NAMES)

    assert found.sites == Counted(desired=3, applied=3, ready=1, unknown=1)
    assert found.releases == Counted(desired=4, applied=4, ready=2, unknown=1)
    assert found.replicas == Counted(desired=7, applied=7, ready=4, unknown=2)
    assert found.leaving == 1
    assert [(one.component, one.replicas.ready, one.replicas.desired) for one in found.components] == [
        ("db", 0, 1),
        ("web", 4, 6),
    ]
    assert {one.code for one in found.reasons} == {"SITE_AWAY", "NOT_READY", "UNDER_WAY"}
    assert in_words(found).startswith("4 of 7 replicas are ready, 2 unknown: ")


@pytest.mark.parametrize(
    ("old", "serving", "told"),
    [
        ({}, 2, "; 2 replicas of what is replaced still serve"),
        (
            {"observed": seen(1, replicas=2), "phase": P.WAITING_READY},
            1,
            "; 1 replica of what is replaced still serves",
        ),
        ({"observed": seen(5)}, 2, "; 2 replicas of what is replaced still serve"),
        (UNSEEN, 0, ""),
        ({"stopped": True}, 0, ""),
        ({"wanted": False}, 0, ""),
        ({"observed": None, "applied_generation": 0}, 0, ""),
    ],
)
def test_what_serves_until_it_is_replaced_is_counted_apart(old: dict[str, Any], serving: int, told: str) -> None:
    new = release(0, standby=True, observed=None, applied_generation=0, phase=P.PENDING)
    before = release(1, **{"retires_after": 2, **old})

    found = status_of(deployment(phase=DeploymentPhase.PROGRESSING), [new, before], NAMES)

    assert found.replicas == Counted(desired=2)
    assert found.retiring_ready_replicas == serving
    assert in_words(found).startswith(f"0 of 2 replicas are ready{told}: ")
    assert [(one.site_id, one.retiring_ready_replicas) for one in sites_of([new, before])] == [
        ("s0", 0),
        ("s1", serving),
    ]


@pytest.mark.parametrize(
    ("fields", "releases", "code"),
    [
        ({"phase": DeploymentPhase.STOPPED, "stopped": True}, [release(stopped=True, observed=seen(0))], "STOPPED"),
        ({"phase": DeploymentPhase.READY}, [release(replicas=0, observed=seen(0))], "SCALED_TO_ZERO"),
        ({"phase": DeploymentPhase.READY}, [], "NO_SITE"),
        ({"phase": DeploymentPhase.PENDING_PLACEMENT, "message": "no site has a GPU"}, [], "NOT_PLACED"),
        ({"phase": DeploymentPhase.TERMINATED}, [], "TERMINATED"),
    ],
)
def test_nothing_of_nothing_has_its_reason(fields: dict[str, Any], releases: list[Release], code: str) -> None:
    found = status_of(deployment(**fields), releases, NAMES)

    assert found.replicas == Counted()
    assert [one.code for one in found.reasons] == [code]
    assert in_words(found) == f"0 of 0 replicas are ready: {found.reasons[0].message}"


PROPOSAL = Proposal(
    number=3, revision_id="r", operation_id="o", kind=OperationKind.UPDATE, author="user_1", app_version_id="v"
)


def test_what_waits_for_approval_is_why_nothing_is_there_yet() -> None:
    found = status_of(deployment(phase=DeploymentPhase.PENDING_APPROVAL, proposal=PROPOSAL), [], NAMES)

    assert [(one.code, one.message) for one in found.reasons] == [("PENDING_APPROVAL", "revision 3 waits for approval")]


@pytest.mark.parametrize(
    ("fields", "releases", "first"),
    [
        ({"stopped": True}, [release(stopped=True, observed=seen(0))], "STOPPED"),
        ({}, [release(replicas=0, observed=seen(0))], "SCALED_TO_ZERO"),
        ({}, [release(0), release(1, **UNSEEN)], "SITE_AWAY"),
    ],
)
def test_a_change_that_waits_for_approval_is_told_after_why_something_is_not_ready(
    fields: dict[str, Any], releases: list[Release], first: str
) -> None:
    whole = deployment(phase=DeploymentPhase.PENDING_APPROVAL, proposal=PROPOSAL, **fields)

    assert [one.code for one in status_of(whole, releases, NAMES).reasons] == [first, "PENDING_APPROVAL"]


PENDING: dict[str, Any] = {"phase": P.PENDING, "observed": None, "applied_generation": 0}


@pytest.mark.parametrize(
    ("releases", "told"),
    [
        ([release(0)], [("PAUSED", 0)]),
        ([release(0), release(1, **PENDING), release(2, **PENDING)], [("PAUSED", 2)]),
        ([release(0, **UNSEEN), release(1, **UNSEEN), release(2, **PENDING)], [("PAUSED", 1), ("SITE_AWAY", 2)]),
        ([release(0, **{**PENDING, "error": "no quota"})], [("PAUSED", 0), ("UNDER_WAY", 1)]),
    ],
)
def test_what_is_paused_says_so_and_that_nobody_takes_it_up(
    releases: list[Release], told: list[tuple[str, int]]
) -> None:
    found = status_of(deployment(phase=DeploymentPhase.PAUSED, paused=True), releases, NAMES)

    assert [(one.code, one.releases) for one in found.reasons] == told
    assert ": it is paused: nothing is done to its backends until it is resumed" in in_words(found)
    assert "waits for a worker" not in {one.message for one in found.reasons}


def test_a_release_and_a_site_of_what_is_paused_say_so_where_a_worker_would_take_them_up() -> None:
    idle, whole = release(0, **PENDING), release(1)

    assert status_of_release(idle).reason.message == "waits for a worker"
    assert status_of_release(idle, paused=True).reason.code == "PAUSED"
    assert status_of_release(whole, paused=True).reason is None
    found = sites_of([idle, whole], paused=True)
    assert [[one.code for one in site.reasons] for site in found] == [["PAUSED"], []]


def test_what_is_left_behind_is_named_with_where_it_is() -> None:
    old = release(1, wanted=False, left_behind=True, **UNSEEN)

    found = status_of(deployment(phase=DeploymentPhase.READY), [release(0), old], {**NAMES, "s1": "Vienna"})

    assert in_words(found) == (
        "2 of 2 replicas are ready: a former copy of web was left at site Vienna, and is removed when that answers"
    )
    assert status_of_release(old).reason.message == "a former copy was left here, and is removed when that answers"


def test_of_many_reasons_each_code_is_kept() -> None:
    away = [release(number, **{**UNSEEN, "error": f"site {number % 30} does not answer"}) for number in range(60)]
    failed = release(99, phase=P.QUARANTINED, error="no")

    found = status_of(deployment(phase=DeploymentPhase.DEGRADED, proposal=PROPOSAL), [*away, failed], NAMES)

    assert [one.code for one in found.reasons] == ["SITE_AWAY"] * 8 + ["QUARANTINED", "PENDING_APPROVAL"]


def not_ready(number: int, ready: int, of: int, why: str = "", **fields: Any) -> Release:
    """One that its backend says not to be ready, in a backend's words."""
    said = f"{ready} of {of} replicas are ready" + (f": {why}" if why else "")
    now = seen(ready, replicas=of, message=said)
    return release(number, phase=P.WAITING_READY, replicas=of, observed=now, **fields)


def test_a_reason_of_several_releases_has_no_count_that_is_only_one_releases() -> None:
    """`15 of 30 replicas are ready: 1 of 4 replicas are ready` contradicted itself."""
    names = {**NAMES, "s0": "Vienna", "s1": "Graz", "s2": "Linz"}
    few = [not_ready(0, 1, 4), not_ready(1, 0, 2), not_ready(2, 0, 1, component_id="d")]

    [reason] = (found := status_of(deployment(), few, names)).reasons

    assert (reason.code, reason.releases) == ("NOT_READY", 3)
    told = "some releases are not ready, such as db at site Linz: 0 of 1 replicas are ready"
    assert in_words(found) == f"1 of 7 replicas are ready: {told}"
    [alone] = status_of(deployment(), few[:1], names).reasons
    assert (alone.message, alone.releases) == ("web at site Vienna: 1 of 4 replicas are ready", 1)
    assert status_of_release(few[0]).reason.message == "1 of 4 replicas are ready", "a release says it of itself"
    assert status_of(deployment(), list(reversed(few)), names) == found, "in whatever order they are read"


def test_what_is_not_ready_for_another_reason_is_told_apart() -> None:
    pull = "its image cannot be pulled"
    some = [not_ready(0, 1, 4), not_ready(1, 0, 2, pull), not_ready(2, 1, 3, pull)]

    found = status_of(deployment(), some, {**NAMES, "s1": "Graz", "s2": "Linz"}).reasons

    assert [(one.code, one.releases) for one in found] == [("NOT_READY", 2), ("NOT_READY", 1)]
    told = f"some releases are not ready, such as web at site Graz: 0 of 2 replicas are ready: {pull}"
    assert found[0].message == told


def test_a_site_says_which_of_its_components_is_not_ready() -> None:
    some = [not_ready(0, 1, 4), not_ready(1, 0, 2, site_id="s0", component_id="d")]

    [found] = sites_of(some, names=NAMES)

    assert [one.message for one in found.reasons] == [
        "some releases are not ready, such as db: 0 of 2 replicas are ready"
    ]


def test_each_site_has_its_own_counts_and_reasons() -> None:
    found = sites_of([release(0), release(1, site_id="s1", **UNSEEN), release(2, site_id="s1", component_id="d")])

    assert [(one.site_id, one.replicas.ready, one.replicas.unknown, one.unseen_since) for one in found] == [
        ("s0", 2, 0, None),
        ("s1", 2, 2, 5),
    ]
    assert [[reason.code for reason in one.reasons] for one in found] == [[], ["SITE_AWAY"]]


@given(
    st.lists(
        st.builds(
            release,
            st.integers(0, 5),
            phase=st.sampled_from(ReleasePhase),
            replicas=st.integers(0, 3),
            generation=st.integers(1, 3),
            applied_generation=st.integers(0, 3),
            observed=st.none() | st.builds(seen, st.integers(0, 4), generation=st.integers(1, 3)),
            unseen_since=st.none() | st.just(5),
            wanted=st.booleans(),
            retires_after=st.none() | st.just(3),
            stopped=st.booleans(),
            component_id=st.sampled_from(("c", "d")),
        ),
        max_size=12,
    )
)
def test_counts_agree_with_each_other_and_nothing_unseen_is_ready(releases: list[Release]) -> None:
    found = status_of(deployment(phase=DeploymentPhase.DEGRADED), releases, NAMES)

    for counted in (found.sites, found.releases, found.replicas):
        assert counted.ready + counted.unknown <= counted.desired
        assert counted.applied <= counted.desired
    assert sum(one.replicas.desired for one in found.components) == found.replicas.desired
    assert sum(one.replicas.ready for one in sites_of(releases)) == found.replicas.ready
    assert sum(one.retiring_ready_replicas for one in sites_of(releases)) == found.retiring_ready_replicas
    assert found.retiring_ready_replicas <= sum(one.running_replicas for one in releases if one.retires_after)
    assert sum(one.releases.desired for one in sites_of(releases)) + found.leaving == len(releases)
    if found.replicas.ready < found.replicas.desired or not found.replicas.desired:
        assert found.reasons

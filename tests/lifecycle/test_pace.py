"""Back-off, breakers, the worklist and damping: pace, by a clock that the test holds."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.port import NO_ANSWER, Condition
from graph.values import Finding, Health, HealthStatus
from lifecycle.backoff import Breakers, pause_s
from lifecycle.damping import Damper
from lifecycle.endpoints import Endpoints
from lifecycle.flows import Flow, Flows
from lifecycle.health import SITES_TOLD, among, cluster_health, finding_of, not_answering, site_health, with_finding
from lifecycle.settings import LifecycleSettings
from lifecycle.worklist import Entry, Worklist, way

SETTINGS = LifecycleSettings(concurrency=6, concurrency_per_cluster=4, concurrency_per_site=2)


@given(st.integers(0, 10_000), st.integers(0, 99), st.text(max_size=10))
def test_a_pause_grows_to_its_cap_and_is_the_same_for_the_same_seed(attempt: int, seed: int, key: str) -> None:
    pause = pause_s(attempt, base_s=0.5, cap_s=300, seed=seed, key=key)
    assert 0.25 <= pause <= 300
    assert pause == pause_s(attempt, base_s=0.5, cap_s=300, seed=seed, key=key)
    if attempt >= 12:
        assert pause >= 150


def test_pauses_of_a_site_are_spread() -> None:
    pauses = {round(pause_s(5, base_s=1, cap_s=300, seed=1, key=f"release_{n}"), 3) for n in range(100)}
    assert len(pauses) > 90


def breakers() -> Breakers:
    return Breakers(after=3, base_s=1.0, cap_s=60.0, seed=0)


def test_a_breaker_opens_after_some_unanswered_calls_and_lets_one_probe_at_a_time_through() -> None:
    breaker = breakers()
    for _ in range(2):
        breaker.unanswered("s", now=0)
        assert breaker.admit("s", now=0)
    breaker.unanswered("s", now=0)
    assert not breaker.admit("s", now=0)
    assert breaker.admit("t", now=0)
    opens = breaker.next_at("s", now=0)
    assert 0 < opens <= 1
    assert breaker.admit("s", now=opens)
    assert not breaker.admit("s", now=opens)
    breaker.unanswered("s", now=opens)
    assert breaker.next_at("s", now=0) > opens + 0.9
    later = breaker.next_at("s", now=0)
    assert breaker.admit("s", now=later)
    breaker.released("s")
    assert breaker.admit("s", now=later)
    assert breaker.answered("s")
    assert not breaker.answered("s")
    assert breaker.admit("s", now=later)
    assert breaker.admit("s", now=later)


def entry(number: int, site: str = "s", cluster: str = "c") -> Entry:
    return Entry(f"release_{number}", site, cluster)


def worklist(settings: LifecycleSettings = SETTINGS) -> tuple[Worklist, Breakers]:
    breaker = breakers()
    return Worklist(settings, breaker, Endpoints(breakers())), breaker


def take(
    work: Worklist, now: float = 0.0, *, connected: tuple[str, ...] = ("c", "d"), limit: int = 99, ahead: int = 0
) -> list[Entry]:
    return work.take(now=now, connected=connected, wants=lambda one: True, limit=limit, ahead=ahead).ready


def test_whoever_speaks_again_is_probed_sooner_and_not_at_every_word() -> None:
    breaker = breakers()
    assert not breaker.sooner("s", now=0), "it is not left alone"
    for _ in range(3):
        breaker.unanswered("s", now=100)
    pause = breaker.next_at("s", now=0) - 100
    assert breaker.sooner("s", now=100)
    assert breaker.next_at("s", now=0) == pytest.approx(100 + pause / 10)
    assert not breaker.sooner("s", now=100), "it was told already"
    assert not breaker.admit("s", now=100)
    assert breaker.admit("s", now=100 + pause / 10)
    assert not breaker.sooner("s", now=100 + pause / 10), "it is being probed"
    breaker.unanswered("s", now=200)
    assert breaker.next_at("s", now=0) - 200 > pause, "the next pause grows as if nothing had been said"
    assert breaker.sooner("s", now=200, share=0.0)
    assert breaker.admit("s", now=200)


def test_what_is_set_aside_counts_for_its_cluster_and_no_more_overall() -> None:
    work, _ = worklist()
    for number in range(40):
        work.ring(entry(number, f"s{number % 8}", "c" if number % 8 < 4 else "d"))
    first = take(work)
    for one in first:
        work.set_aside(one.release_id)
    second = take(work)
    assert Counter(one.cluster_id for one in first + second) == {"c": 4, "d": 4}
    work.set_aside("release_none")
    for one in first:
        work.finished(one.release_id, now=0)
    assert len(take(work)) == 4


def test_work_is_bounded_overall_by_cluster_and_by_site() -> None:
    work, _ = worklist()
    for number in range(40):
        work.ring(entry(number, f"s{number % 8}", "c" if number % 8 < 4 else "d"))
    first = take(work)
    assert len(first) == 6
    assert max(Counter(one.cluster_id for one in first).values()) <= 4
    assert max(Counter(one.site_id for one in first).values()) <= 2
    assert take(work) == []
    done = []
    while first:
        for one in first:
            work.finished(one.release_id, now=0)
        done += first
        first = take(work)
    assert len({one.release_id for one in done}) == 40


def test_some_are_taken_ahead_of_slots_overall_and_of_a_cluster_and_none_of_a_site() -> None:
    work, _ = worklist()
    for number in range(60):
        work.ring(entry(number, f"s{number % 12}", "c" if number % 12 < 6 else "d"))
    first = take(work, ahead=3)
    assert len(first) == 6 + 3
    assert max(Counter(one.cluster_id for one in first).values()) <= 4 + 3
    assert max(Counter(one.site_id for one in first).values()) <= 2
    assert take(work, ahead=3) == []


def test_what_is_taken_ahead_is_taken_several_at_a_time_and_a_slot_is_filled_at_once() -> None:
    work, _ = worklist()
    for number in range(60):
        work.ring(entry(number, f"s{number}", "cd"[number % 2]))
    first = take(work, ahead=4)
    work.returned(first[0].release_id)
    assert take(work, ahead=4) == []
    work.returned(first[1].release_id)
    assert len(take(work, ahead=4)) == 2
    for one in first[2:7]:
        work.finished(one.release_id, now=0)
    assert len(take(work, ahead=0)) == 1


def test_sites_take_turns() -> None:
    work, _ = worklist(dataclasses.replace(SETTINGS, concurrency=2, concurrency_per_site=1))
    for number in range(6):
        work.ring(entry(number, "busy"))
    work.ring(entry(9, "small"))
    assert {one.site_id for one in take(work)} == {"busy", "small"}


def test_clusters_take_turns_within_an_operation_and_the_sites_of_each() -> None:
    work, _ = worklist(dataclasses.replace(SETTINGS, concurrency_per_cluster=6))
    for number in range(60):
        work.ring(entry(number, f"s{number % 20}", f"c{number // 20}"))
    clusters, done = ("c0", "c1", "c2"), Counter[str]()
    for _ in range(10):
        taken = take(work, connected=clusters)
        assert Counter(one.cluster_id for one in taken) == {"c0": 2, "c1": 2, "c2": 2}
        assert len({one.way for one in taken}) == 6
        for one in taken:
            done[one.way] += 1
            work.finished(one.release_id, now=0)
    assert set(done.values()) == {1}
    assert not work


def test_a_slow_cluster_does_not_have_all_slots_before_the_others_have_had_one() -> None:
    work, _ = worklist(dataclasses.replace(SETTINGS, concurrency_per_cluster=6))
    for number in range(60):
        work.ring(entry(number, f"s{number % 20}", f"c{number // 20}"))
    began = Counter[str]()
    for _ in range(8):
        taken = take(work, connected=("c0", "c1", "c2"))
        began.update(one.cluster_id for one in taken)
        for one in taken:
            if one.cluster_id != "c0":
                work.finished(one.release_id, now=0)
    assert began["c0"] == 6
    assert min(began["c1"], began["c2"]) >= 5


def test_what_rings_while_it_is_worked_on_is_looked_at_again_afterwards() -> None:
    work, _ = worklist()
    work.ring(entry(1))
    [one] = take(work)
    work.ring(entry(1))
    work.ring(entry(1), due=5.0)
    assert take(work) == []
    work.finished(one.release_id, now=1)
    assert take(work, 2.0) == []
    assert take(work, 5.0) == [one]
    work.finished(one.release_id, now=5)
    assert take(work, 6.0) == []
    assert len(work) == 0


def test_the_earlier_of_two_times_holds() -> None:
    work, _ = worklist()
    work.ring(entry(1), due=9.0)
    work.ring(entry(1), due=4.0)
    work.ring(entry(1), due=7.0)
    assert work.next_due(now=0.0, connected=("c", "d")) == 4.0
    assert take(work, 3.9) == []
    assert take(work, 4.0) == [entry(1)]
    assert take(work, 10.0) == []


def test_clusters_that_are_not_connected_keep_their_work() -> None:
    work, _ = worklist()
    work.ring(entry(1, "s", "c"))
    work.ring(entry(2, "t", "d"))
    assert take(work, connected=("d",)) == [entry(2, "t", "d")]
    assert take(work, connected=("c",)) == [entry(1, "s", "c")]


def test_a_site_that_is_left_alone_has_its_work_parked_until_the_probe() -> None:
    work, breaker = worklist()
    for _ in range(3):
        breaker.unanswered(way("c", "s"), now=0)
    for number in range(5):
        work.ring(entry(number))
    work.ring(entry(9, "t"))
    taken = work.take(now=0.0, connected=("c",), wants=lambda one: True, limit=99)
    assert taken.ready == [entry(9, "t")]
    assert len(taken.parked) == 5
    assert work.next_due(now=0.0, connected=("c", "d")) == breaker.next_at(way("c", "s"), now=0)
    probe = take(work, breaker.next_at(way("c", "s"), now=0))
    assert len(probe) == 1
    breaker.answered(way("c", "s"))
    work.finished(probe[0].release_id, now=2)
    assert len(take(work, 99.0)) == 2


def test_a_cluster_that_does_not_reach_a_site_or_hangs_there_holds_up_no_other_cluster() -> None:
    work, breaker = worklist()
    for number in range(9):
        work.ring(entry(number, "s", "c"))
    hanging = take(work)
    assert len(hanging) == SETTINGS.concurrency_per_site
    for _ in range(3):
        breaker.unanswered(way("c", "s"), now=0)
    work.ring(entry(10, "s", "d"))
    assert take(work) == [entry(10, "s", "d")]


def test_what_has_nothing_to_do_is_dropped() -> None:
    work, _ = worklist()
    for number in range(5):
        work.ring(entry(number))
    taken = work.take(now=0, connected=("c",), wants=lambda one: one == entry(3), limit=99)
    assert taken.ready == [entry(3)]
    assert len(work) == 0


def test_what_is_to_be_looked_at_later_is_when_that_is_found_while_it_is_asked_about() -> None:
    work, _ = worklist()
    work.ring(entry(1))

    def later(one: Entry) -> bool:
        work.ring(one, due=5.0, now=0.0)
        return False

    assert work.take(now=0.0, connected=("c",), wants=later, limit=99).ready == []
    assert work.next_due(now=0.0, connected=("c", "d")) == 5.0
    assert take(work, 5.0) == [entry(1)]


def test_a_flicker_is_not_believed_and_a_change_that_lasts_is() -> None:
    damper = Damper(down_after_s=2.0, up_after_s=1.0)
    up, down = Condition(True), Condition(False, "away")
    damper.report({"s": up}, now=0)
    assert damper.settle(now=0) == {"s": up}
    damper.report({"s": down}, now=1)
    damper.report({"s": up}, now=2)
    assert damper.settle(now=9) == {}
    damper.report({"s": down}, now=10)
    assert damper.settle(now=11.9) == {}
    damper.report({"s": Condition(False, "still away")}, now=11.9)
    assert damper.settle(now=12) == {"s": Condition(False, "still away")}
    damper.report({"s": up}, now=12.5)
    assert damper.settle(now=13) == {}
    assert damper.settle(now=13.5) == {"s": up}
    assert damper.believed("s") == up
    damper.keep([])
    assert damper.believed("s") is None


READY, DOWN, DEGRADED = HealthStatus.READY, HealthStatus.DOWN, HealthStatus.DEGRADED


def found(**findings: str) -> list[Finding]:
    """What clusters found, by id: `away ...` or what else is wrong."""
    return [
        Finding(f"cluster_{one}", what.startswith("away"), what.removeprefix("away ")) for one, what in findings.items()
    ]


@pytest.mark.parametrize(
    ("before", "serving", "ready", "nodes", "status", "expected"),
    [
        ({}, ["c"], True, (2, 2), READY, []),
        ({}, ["c"], True, (0, 0), READY, []),
        ({}, ["c"], True, (2, 1), DEGRADED, ["c: 1 of its 2 nodes are not ready"]),
        ({}, ["c"], True, (2, 0), DOWN, ["c: away: none of its 2 nodes is ready"]),
        ({}, ["c"], False, (2, 2), DOWN, ["c: away: cut"]),
        ({}, ["c", "d"], False, (2, 2), DEGRADED, ["c: away: cut"]),
        ({"d": "away cut"}, ["c", "d"], False, (2, 2), DOWN, ["c: away: cut", "d: away: cut"]),
        ({"c": "away cut", "d": "away cut"}, ["c", "d"], True, (1, 1), DEGRADED, ["d: away: cut"]),
        ({"c": "away cut"}, ["c"], True, (1, 1), READY, []),
        ({"gone": "away cut"}, ["c"], True, (1, 1), READY, []),
    ],
)
def test_a_sites_health_is_made_from_what_all_its_clusters_find(
    before: dict[str, str],
    serving: list[str],
    ready: bool,
    nodes: tuple[int, int],
    status: HealthStatus,
    expected: list[str],
) -> None:
    names = {f"cluster_{one}": one for one in serving}
    condition = Condition(ready, None if ready else "cut")
    own = finding_of("cluster_c", condition, nodes=nodes[0], nodes_ready=nodes[1])
    findings = with_finding(among(found(**before), names), "cluster_c", own)
    health = site_health(Health(status=DOWN if before else READY), findings, names=names, at=7)
    assert (health.status, health.reasons) == (status, expected)


@pytest.mark.parametrize("name", ["labc: away", "labc", "x: away: y", "away"])
def test_a_name_that_looks_like_another_clusters_finding_owns_nothing_and_is_not_away(name: str) -> None:
    names = {"cluster_1": "labc", "cluster_2": name}
    findings = [Finding("cluster_1", True, "cut"), Finding("cluster_2", False, "1 of its 2 nodes are not ready")]
    health = site_health(Health(), findings, names=names, at=7)
    assert health.status is DEGRADED
    assert health.reasons == sorted(["labc: away: cut", f"{name}: 1 of its 2 nodes are not ready"])
    assert site_health(health, with_finding(findings, "cluster_2", None), names=names, at=8).reasons == [
        "labc: away: cut"
    ]


def test_a_cluster_that_is_renamed_keeps_what_it_found() -> None:
    findings = found(c="away cut")
    before = site_health(Health(), findings, names={"cluster_c": "old"}, at=7)
    after = site_health(before, findings, names={"cluster_c": "new"}, at=9)
    assert (after.status, after.reasons, after.observed_at) == (DOWN, ["new: away: cut"], 7)


def test_a_clusters_health_tells_of_some_sites_and_counts_the_rest() -> None:
    findings = [Finding(f"site_{n:02}", True, "cut") for n in range(SITES_TOLD + 3)]
    health = cluster_health(
        Health(), Condition(True), findings=findings, names={one.of: one.of[-2:] for one in findings}, at=1
    )
    assert health.status is DEGRADED
    assert (health.reasons[0], health.reasons[-1]) == ("site 00: away: cut", "and 3 more sites")
    assert len(health.reasons) == SITES_TOLD + 1


def test_that_something_does_not_answer_is_said_once() -> None:
    assert not_answering("site s1", NO_ANSWER) == not_answering("site s1", None) == "site s1 does not answer"
    assert not_answering("cluster c", "no route") == "cluster c does not answer: no route"


def test_health_that_is_as_it_was_is_the_same_value() -> None:
    before = Health(status=READY, observed_at=3)
    assert cluster_health(before, Condition(True), names={}, at=9) is before
    down = cluster_health(before, Condition(False, "no route"), names={}, at=9)
    assert (down.status, down.reasons, down.observed_at) == (DOWN, ["no route"], 9)
    assert cluster_health(down, Condition(False, "refused"), names={}, at=11).observed_at == 9


# Operations in turn


def of(flow: str, number: int, site: str = "s") -> Entry:
    return Entry(f"{flow}_{number}", f"{site}{number}", "c", flow)


WIDE = dataclasses.replace(SETTINGS, concurrency=4, concurrency_per_cluster=4, concurrency_per_site=4)


def served(work: Worklist, *, most: int) -> list[str]:
    """The flows that are served, in order, when each call ends before the next begins."""
    order: list[str] = []
    while len(order) < most and (taken := take(work, limit=1)):
        order.append(taken[0].flow)
        work.finished(taken[0].release_id, now=0)
    return order


def test_a_small_operation_is_not_queued_behind_a_large_one() -> None:
    work, _ = worklist(WIDE)
    for number in range(10_000):
        work.ring(of("mass", number))
    assert served(work, most=50) == ["mass"] * 50
    for number in range(10):
        work.ring(of("small", number))
    order = served(work, most=20)
    assert order.count("small") == 10
    assert order.index("small") <= 1


def test_a_large_operation_is_not_starved_by_small_ones_that_keep_coming() -> None:
    work, _ = worklist(WIDE)
    for number in range(200):
        work.ring(of("mass", number))
    order: list[str] = []
    for number in range(200):
        work.ring(of(f"small{number}", number))
        order += served(work, most=1)
    assert order.count("mass") >= 5


@given(
    sizes=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 80), min_size=1),
    finish=st.lists(st.integers(0, 3), max_size=30),
)
def test_whatever_waits_is_served_once_and_nothing_is_left(sizes: dict[str, int], finish: list[int]) -> None:
    work, _ = worklist(WIDE)
    for flow, size in sizes.items():
        for number in range(size):
            work.ring(of(flow, number % 7))
    begun: Counter[str] = Counter()
    running: list[Entry] = []
    waits = {f"{flow}_{number % 7}" for flow, size in sizes.items() for number in range(size)}
    for _ in range(1_000):
        taken = take(work)
        assert len(running) + len(taken) <= 4
        running += taken
        begun.update(one.release_id for one in taken)
        if not running:
            break
        at = finish.pop() % len(running) if finish else 0
        work.finished(running.pop(at).release_id, now=0)
    assert begun == Counter(dict.fromkeys(waits, 1))


# Endpoints


def endpoints() -> Endpoints:
    return Endpoints(breakers())


@pytest.mark.parametrize("connected", [("c", "d"), ("d",)], ids=["left-alone", "not-connected"])
def test_operations_behind_a_cluster_at_which_nothing_may_begin_are_asked_once_until_something_may(
    connected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Worklist(SETTINGS, breakers(), endpoint := endpoints())
    for _ in range(3):
        endpoint.breakers.unanswered("c", now=0.0)
    for number in range(40):
        work.ring(of(f"op{number}", number))
    asked: list[str] = []
    following = Flows.next

    def next_one(flows: Flows) -> Flow | None:
        found = following(flows)
        asked.extend([] if found is None else [found.name])
        return found

    monkeypatch.setattr(Flows, "next", next_one)
    assert take(work, connected=connected) == []
    assert len(asked) == 40
    work.ring(Entry("elsewhere", "t", "d", "op7"))
    asked.clear()
    assert [one.release_id for one in take(work, connected=connected)] == ["elsewhere"]
    assert set(asked) == {"op7"}
    later = endpoint.breakers.next_at("c", now=0.0)
    assert [one.flow for one in take(work, later)] == ["op0"]
    endpoint.breakers.answered("c")
    work.finished("op0_0", now=later)
    begun = {"op0_0", "elsewhere"}
    work.finished("elsewhere", now=later)
    while taken := take(work, later):
        for one in taken:
            begun.add(one.release_id)
            work.finished(one.release_id, now=later)
    assert len(begun) == 41


def test_an_operation_whose_cluster_comes_back_gets_its_turns_and_not_those_that_it_missed() -> None:
    work, _ = worklist(WIDE)
    for number in range(30):
        work.ring(Entry(f"away_{number}", f"s{number}", "c", "away"))
    for number in range(90):
        work.ring(Entry(f"here_{number}", f"s{number}", "d", "here"))

    def order(*connected: str) -> list[str]:
        found = []
        for _ in range(20):
            for one in take(work, connected=connected, limit=1):
                found.append(one.flow)
                work.finished(one.release_id, now=0.0)
        return found

    assert order("d") == ["here"] * 20
    took = Counter(order("c", "d"))
    assert took["here"] >= 2, "a small operation gets eight turns for one of a large one"
    assert took["away"] >= 10


@given(
    rings=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("cde"), st.sampled_from("st")), max_size=60),
    away=st.lists(st.sets(st.sampled_from("cde")), max_size=8),
)
def test_whatever_waits_begins_once_its_cluster_is_connected_whichever_were_not_meanwhile(
    rings: list[tuple[int, str, str]], away: list[set[str]]
) -> None:
    work, _ = worklist()
    begun: Counter[str] = Counter()
    entries = [Entry(f"release_{at}", site, one, f"op{flow}") for at, (flow, one, site) in enumerate(rings)]
    for at, one in enumerate(entries):
        work.ring(one)
        off = away[at % len(away)] if away else set()
        for taken in take(work, connected=tuple(set("cde") - off), limit=2):
            assert taken.cluster_id not in off
            begun[taken.release_id] += 1
            work.finished(taken.release_id, now=0.0)
    while taken_now := take(work, connected=("c", "d", "e")):
        for taken in taken_now:
            begun[taken.release_id] += 1
            work.finished(taken.release_id, now=0.0)
    assert begun == Counter({one.release_id: 1 for one in entries})


def test_calls_beyond_the_rate_of_an_endpoint_wait_for_their_turn() -> None:
    reached = endpoints()
    reached.limit("e", 10.0)
    assert reached.room("e", now=0.0, most=99) == 10
    reached.begun("e", 10)
    assert reached.room("e", now=0.0, most=99) == 0
    assert reached.next_at("e", now=0.0) == pytest.approx(0.1)
    assert reached.room("e", now=0.35, most=99) == 3
    reached.limit("e", 0.0)
    assert reached.room("e", now=0.35, most=99) == 99


@given(rate=st.floats(0.5, 50), steps=st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
def test_never_more_calls_begin_than_the_rate_allows(rate: float, steps: list[float]) -> None:
    reached, now, begun = endpoints(), 0.0, 0
    reached.limit("e", rate)
    for step in steps:
        now += step
        room = reached.room("e", now=now, most=1_000)
        reached.begun("e", room)
        begun += room
        assert begun <= max(rate, 1.0) + now * rate + 1e-6


def test_a_rate_below_one_a_second_still_lets_calls_begin() -> None:
    reached = endpoints()
    reached.limit("e", 0.25)
    assert reached.room("e", now=0.0, most=9) == 1
    reached.begun("e", 1)
    assert reached.room("e", now=3.9, most=9) == 0
    assert reached.room("e", now=4.0, most=9) == 1


def test_an_endpoint_that_does_not_answer_is_tried_by_one_call_whatever_the_sites() -> None:
    work, reached = Worklist(SETTINGS, breakers(), endpoint := endpoints()), ("c", "d")
    for cluster in reached:
        work.reach(cluster, "e")
    for _ in range(3):
        endpoint.breakers.unanswered("e", now=0.0)
    for number in range(4):
        work.ring(entry(number, f"s{number}", reached[number % 2]))
    assert take(work) == []
    opens = work.next_due(now=0.0, connected=("c", "d"))
    assert opens == endpoint.breakers.next_at("e", now=0) > 0
    [probe] = take(work, opens)
    assert take(work, opens) == []
    endpoint.breakers.answered("e")
    work.finished(probe.release_id, now=opens)
    assert len(take(work, opens)) == 3


def test_whoever_is_behind_a_probe_does_not_ask_again_and_again_until_it_ends() -> None:
    work, breaker = worklist()
    for _ in range(3):
        breaker.unanswered(way("c", "s"), now=0)
    for number in range(3):
        work.ring(entry(number))
    opens = breaker.next_at(way("c", "s"), now=0)
    assert take(work) == []
    taken = work.take(now=opens, connected=("c",), wants=lambda one: True, limit=9)
    assert (len(taken.ready), len(taken.parked)) == (1, 2)
    asked = work.next_due(now=opens, connected=("c",))
    assert asked is not None
    assert asked >= opens + 0.25
    breaker.released(way("c", "s"))
    assert len(take(work, asked)) == 1, "the end of the probe told nothing, so another begins"


def test_whoever_is_behind_the_probe_of_an_endpoint_does_not_ask_again_and_again_until_it_ends() -> None:
    work = Worklist(SETTINGS, breakers(), endpoint := endpoints())
    for _ in range(3):
        endpoint.breakers.unanswered("c", now=0.0)
    for number in range(2):
        work.ring(entry(number, f"s{number}"))
    opens = endpoint.breakers.next_at("c", now=0)
    assert len(take(work, opens)) == 1
    asked = work.next_due(now=opens, connected=("c",))
    assert asked is not None
    assert asked >= opens + 0.25


def test_what_waits_for_a_cluster_that_is_not_connected_has_nobody_look_at_its_endpoint() -> None:
    work = Worklist(SETTINGS, breakers(), endpoint := endpoints())
    for _ in range(3):
        endpoint.breakers.unanswered("c", now=0.0)
    work.ring(entry(1))
    later = endpoint.breakers.next_at("c", now=0) + 1
    assert work.next_due(now=later, connected=()) is None
    assert work.next_due(now=later, connected=("c",)) == later


def test_an_endpoint_is_told_of_a_call_that_was_begun_there_although_its_cluster_is_at_another_by_now() -> None:
    work, _ = worklist()
    work.reach("c", "e")
    work.ring(entry(1))
    take(work)
    work.reach("c", "f")
    assert (work.endpoint_taken("release_1"), work.endpoint_of("c")) == ("e", "f")


def test_a_probe_of_an_endpoint_that_nobody_has_work_for_is_given_back() -> None:
    work = Worklist(SETTINGS, breakers(), endpoint := endpoints())
    for _ in range(3):
        endpoint.breakers.unanswered("c", now=0.0)
    later = endpoint.breakers.next_at("c", now=0)
    work.ring(entry(1))
    assert work.take(now=later, connected=("c",), wants=lambda one: False, limit=9).ready == []
    work.ring(entry(2))
    assert len(take(work, later)) == 1

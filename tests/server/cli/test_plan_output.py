"""What is printed of a plan: which refusals come first, and how an amount reads."""

from __future__ import annotations

from typing import Any

import pytest

from server.cli.move_output import print_moves
from server.cli.plan_output import print_plan


def reason(rule: str, need: str, have: str | None, unit: str = "") -> dict[str, Any]:
    return {"rule": rule, "need": need, "have": have, "unit": unit, "message": f"{rule} {need}"}


def plan(**refusals: list[dict[str, Any]]) -> dict[str, Any]:
    """A plan that chose nothing; rules refused most in the order in which they are first named."""
    rules = list(dict.fromkeys(one["rule"] for reasons in refusals.values() for one in reasons))
    nodes = [
        {"site": {"id": name, "name": name, "__typename": "Site"}, "components": [], "reasons": reasons}
        for name, reasons in refusals.items()
    ]
    return {
        "feasible": True,
        "status": "FEASIBLE",
        "irreducible": [],
        "proven": True,
        "gap": 0.0,
        "boundKind": "EXACT",
        "revision": 1,
        "lookedAt": len(nodes),
        "passed": 0,
        "objective": {"sites": 0, "moves": 0, "tiers": []},
        "placements": [],
        "conflicts": [],
        "unmet": [],
        "refusalsByRule": [{"rule": one, "sites": 1} for one in rules],
        "refusals": {"totalCount": len(nodes), "nodes": nodes},
    }


def test_refusals_are_listed_by_rule_and_the_nearest_miss_first(capsys: pytest.CaptureFixture[str]) -> None:
    shown = plan(
        far=[reason("latency", "5", "50", "ms")],
        small=[reason("capacity", "1000", "900", "millicores")],
        near=[reason("latency", "5", "6", "ms")],
        tiny=[reason("capacity", "1000", "100", "millicores")],
        untold=[reason("capacity", "1000", None, "millicores")],
        both=[reason("latency", "5", "5.1", "ms"), reason("capacity", "2", "1", "a100")],
    )
    print_plan(shown, every_refusal=True)
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if line.split() and line.split()[0] in shown_names(shown)]
    assert names == ["near", "far", "both", "small", "tiny", "untold"]


def shown_names(shown: dict[str, Any]) -> set[str]:
    return {one["site"]["name"] for one in shown["refusals"]["nodes"]}


def test_a_site_that_was_refused_for_some_components_says_for_which(capsys: pytest.CaptureFixture[str]) -> None:
    shown = plan(graz=[reason("not_needed", "1.0000", "1.0000", "cost")])
    [node] = shown["refusals"]["nodes"]
    shown["refusals"]["nodes"] = [{**node, "components": [name]} for name in ("web", "db")]
    for every in (False, True):
        print_plan(shown, every_refusal=every)
        out = " ".join(capsys.readouterr().out.split())
        assert "graz for web" in out
        assert "graz for db" in out


def test_a_tie_is_no_need_and_one_replica_is_no_replicas(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(
        plan(
            twin=[reason("not_needed", "1.0000", "1.0000", "cost")],
            full=[reason("taint", "1", "0", "replicas")],
            untold=[reason("cordon", "1", None, "replicas")],
            large=[reason("capacity", str(18 * 2**30), str(1000), "bytes")],
        )
    )
    out = " ".join(capsys.readouterr().out.split())
    assert "twin (cost 1.0000, as with a chosen site)" in out
    assert "full (need 1 replica, have 0 replicas)" in out
    assert "large (need 18 GiB, have 1000 bytes)" in out
    assert "untold (need 1 replica, have less)" in out


def test_a_chosen_site_says_what_each_term_is_and_the_plan_how_good_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    site = {"id": "graz", "name": "graz", "__typename": "Site"}
    terms = [
        {"name": "sites", "value": 1.0, "unit": "sites", "scaled": 1.0, "weight": 1.0, "weighted": 1.0},
        {"name": "headroom", "value": 0.5, "unit": "share", "scaled": 0.5, "weight": 0.5, "weighted": 0.25},
    ]
    terms.append(
        {"name": "price", "value": 0.2, "unit": "price units/h", "scaled": 0.2, "weight": 0.5, "weighted": 0.1}
    )
    chosen = {"score": 1.35, "site": site, "terms": terms, "components": [], "serves": []}
    objective = {"sites": 1, "moves": 2, "tiers": [{"terms": ["sites"], "cost": 1.0, "bound": 1.0}]}
    shown = {**plan(), "placements": [chosen], "objective": objective}
    told = []
    two = [{"terms": ["sites"], "cost": 1.0, "bound": 1.0}, {"terms": ["price"], "cost": 0.5, "bound": 0.0}]
    unknown = [{**one, "bound": None} for one in two]
    for quality in (
        {},
        {"proven": False, "gap": 0.0123, "boundKind": "LP"},
        {"proven": False, "gap": None, "objective": {**objective, "tiers": unknown}},
        {"proven": False, "gap": None, "boundKind": "LP", "objective": {**objective, "tiers": two}},
    ):
        print_plan({**shown, **quality})
        told.append(" ".join(capsys.readouterr().out.split()))
    assert "graz 1.350 1 site → 1.000 50% → 0.250 0.2/h → 0.100" in told[0]
    assert "cost: sites 1; proved: nothing costs less; 2 moves" in told[0]
    assert "at most 1.23% above the best possible (LP); 2 moves" in told[1]
    assert "how far from the best possible is not known; 2 moves" in told[2]
    assert "cost: sites 1, then price 0.5; the best possible is at least 1, then 0 (LP); 2 moves" in told[3]


def test_a_plan_that_cannot_be_done_says_whether_that_is_proved(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan({**plan(), "feasible": False, "status": "INFEASIBLE", "irreducible": ["places", "max_sites"]})
    assert "proved: these cannot be kept together: places, max_sites" in capsys.readouterr().out
    print_plan({**plan(), "feasible": False, "status": "NOT_FOUND_WITHIN_LIMITS", "proven": False})
    assert "nothing was found; that there is nothing is not proved" in capsys.readouterr().out


def test_a_move_says_what_would_run_where_and_what_is_stuck_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    def step(name: str, outcome: str, after: list[str], why: str, **runs: dict[str, int]) -> dict[str, Any]:
        placements = [
            {
                "site": {"id": site, "name": site},
                "components": [
                    {"component": {"id": one, "name": one}, "replicas": many} for one, many in parts.items()
                ],
            }
            for site, parts in runs.items()
        ]
        return {
            "name": name,
            "outcome": outcome,
            "moves": len(runs),
            "why": why,
            "costBefore": None,
            "costAfter": None,
            "before": [{"id": "Vienna", "name": "Vienna"}],
            "after": [{"id": one, "name": one} for one in after],
            "decision": {
                "feasible": bool(runs),
                "objective": {"tiers": [{"cost": float(len(runs))}]},
                "placements": placements,
            },
        }

    steps = [
        step("asks", "MOVES", ["Graz"], "site Vienna is down", Graz={"web": 2, "api": 1}),
        step("wide", "MOVES", ["Graz", "Linz"], "", Graz={"web": 1}, Linz={"web": 3}),
        step("heavy", "STUCK", ["Vienna"], "no site has room"),
    ]
    print_moves({"feasible": False, "revision": 7, "steps": {"totalCount": 3, "nodes": steps}})
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "in part: 2 of 3 deployments would move, in moves: 3; 1 cannot go; at revision 7" in lines
    assert "DEPLOYMENT OUTCOME FROM TO RUNS THERE MOVES COST THEN WHY" in lines
    assert "asks MOVES Vienna Graz web×2, api×1 1 1 site Vienna is down" in lines
    assert "wide MOVES Vienna Graz, Linz Graz: web×1; Linz: web×3 2 2" in lines
    assert "heavy STUCK Vienna 0 no site has room" in lines

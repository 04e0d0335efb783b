"""Every word of a policy is in the documentation, and its examples are policies."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import get_type_hints

import msgspec
import numpy as np
import yaml

from graph.document_values import plain_value
from graph.kinds.policy import MOST_PRIORITY, ComponentPolicy, PlacementPolicy, ScoreWeights, SiteSelector
from graph.spelling import camel
from placement import arranging, bounding, choosing, guided, kept, narrowing, repair, sifting
from placement.batch import BatchLimits
from placement.coverage import MAX_TARGETS
from placement.division import Indivisible, divide
from placement.groups import MAX_ALTERNATIVES, MAX_CHOICES, MAX_DEPTH, MAX_GROUPS
from placement.policy_checks import MAX_POINTS
from placement.problem import MAX_COMPONENTS, MAX_REPLICAS, MAX_TOTAL
from placement.rules import RULES
from placement.scores import SCORES
from placement.solve import conflict, core, evaluation, mip, solve
from placement.solve.model import NOTHING, Limits

PAGE = (Path(__file__).parents[2] / "docs" / "placement.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## What a policy says") : PAGE.index("## Latency")]


def test_every_word_and_every_rule_is_documented() -> None:
    for struct in (PlacementPolicy, ComponentPolicy, SiteSelector):
        for one in msgspec.structs.fields(struct):
            assert re.search(rf"`{camel(one.name)}[`:]", SECTION), one.name
    for rule in RULES:
        assert f"| `{rule.name}` |" in PAGE, rule.name


def test_the_examples_are_policies() -> None:
    examples = re.findall(r"^\| .* \| `([a-zA-Z]+: .*)` \|$", SECTION, re.MULTILINE)
    assert len(examples) > 20
    names = {camel(one.name) for one in msgspec.structs.fields(PlacementPolicy)}
    for text in examples:
        value = yaml.safe_load(text.replace(", …", ""))
        (word,) = value
        declared = PlacementPolicy if word in names else SiteSelector
        assert plain_value(declared, value, (), "") != declared()


def test_the_written_out_policies_are_policies() -> None:
    blocks = re.findall(r"^    [a-zA-Z]+:\n(?:^     .*\n)+", PAGE, re.MULTILINE)
    assert len(blocks) == 6
    for block in blocks:
        assert plain_value(PlacementPolicy, yaml.safe_load(block), (), "") != PlacementPolicy()
    objectives = re.findall(r"^\| `(\[.*\])` \|", PAGE, re.MULTILINE)
    assert len(objectives) == 4
    for text in objectives:
        plain_value(PlacementPolicy, {"objective": yaml.safe_load(text)}, (), "")


def test_the_costs_are_those_of_the_scores() -> None:
    """Their units and scales; and the weights that count when none are given."""
    weights = ScoreWeights()
    for score in SCORES:
        weight = getattr(weights, score.term.name.lower())
        row = rf"^\| `{score.term.name}` \| .* \| {re.escape(score.unit)} \| {score.scale:g} \| {weight:g} \|$"
        assert re.search(row, PAGE, re.MULTILINE), score.name


def most(struct: type[msgspec.Struct], name: str) -> int:
    """The most entries of a list in a policy."""
    declared = get_type_hints(struct, include_extras=True)[name]
    return next(one.max_length for one in declared.__metadata__ if getattr(one, "max_length", None) is not None)


LIMITS, BATCH = Limits(), BatchLimits()
NUMBERS = [
    f"{MAX_COMPONENTS} components, {MAX_REPLICAS:,} replicas of each at a site",
    f"{most(SiteSelector, 'site_ids'):,} sites by id and {most(PlacementPolicy, 'pinned_site_ids'):,} pinned ones",
    f"{MAX_POINTS:,} points of all polygons together, {most(PlacementPolicy, 'groups')} groups at the top, "
    f"{most(PlacementPolicy, 'preferences')} preferences, {most(PlacementPolicy, 'spread')} spreads",
    f"{most(PlacementPolicy, 'near')} entries of `near`, {most(PlacementPolicy, 'latency')} of `latency` and "
    f"{most(PlacementPolicy, 'coverage')} of `coverage`, {MAX_TARGETS:,} places of both together",
    f"{most(PlacementPolicy, 'residency_region_ids'):,} regions in one list",
    f"{most(PlacementPolicy, 'affinity')} entries each of `affinity` and `antiAffinity`, "
    f"{most(PlacementPolicy, 'tolerations')} tolerations",
    f"at most {MAX_DEPTH} deep and {MAX_GROUPS:,} in all, {MAX_CHOICES} of them `anyOf`",
    f"an `anyOf` stands for at most {MAX_ALTERNATIVES} alternatives",
    f"from -{MOST_PRIORITY:,} to {MOST_PRIORITY:,}",
    f"up to {arranging.STEPS:,} steps at a site and {arranging.ALL_STEPS:,} in all",
    f"of more than {solve.LISTED} candidates of the only unit",
    f"of more than {solve.FEW} of one unit of several about {solve.BESIDE}",
    f"one has more than {narrowing.WIDE:,} candidates: each is cut to about {narrowing.KEPT}",
    f"one has more than {sifting.WIDE}: each to about {sifting.SEARCHED}",
    f"in reach of the {sifting.SAMPLED} or so best",
    f"{guided.STARS} of the best stars or {guided.MANY} for each that is open",
    f"{guided.ALONE} more of each unit",
    f"and again while that moves something, {choosing.POLISHED} times at most",
    f"more than {narrowing.NEAR} candidates what is open, the {narrowing.NEAR} that come first",
    f"as many as make {narrowing.MOST_EACH} together, {narrowing.LEAST_EACH} of each at least",
    f"each combination of alternatives ({LIMITS.alternatives} at most)",
    f"until none helps; {LIMITS.rounds} rounds",
    f"{LIMITS.core_joint_moves} at most before a core, else {LIMITS.joint_moves}",
    f"at most {LIMITS.exact_candidates:,} candidates that no other stands in for, with {core.MAX_WHOLE_ENTRIES:,} pairs",
    f"some {LIMITS.core_candidates} promising others of each unit",
    f"at most {LIMITS.steps:,} steps of the simplex",
    f"of more than {LIMITS.given:,} candidates ({choosing.GIVEN} in a narrowed model)",
    f"at most {LIMITS.mip_nodes} nodes of branch and bound and {LIMITS.mip_looks} looks",
    f"over at most {LIMITS.branched} candidates, HiGHS beginning",
    f"else over {mip.FEW}, as many of each unit",
    f"the choice made anew, {choosing.MAX_CUTS} times at most",
    f"a relative {evaluation.TOLERANCE:.0e}".replace("e-0", "e-"),
    f"{mip.PROOF:.0e} of the cost".replace("e-0", "e-"),
    f"({NOTHING:.0e} of the cost at most)".replace("e-0", "e-"),
    f"more than {bounding.MAX_PAIRS:,} pairs of sites and places",
    f"or {bounding.MAX_REACH:,} before",
    f"at most {conflict.MAX_CANDIDATES} candidates for whole sites",
    f"within {conflict.MAX_QUESTIONS} questions",
    f"totals go up to {MAX_TOTAL:,}",
    f"{BATCH.decisions:,} decisions, {BATCH.rounds} and {BATCH.fine_rounds} rounds of prices, {BATCH.exchanges} exchanges, "
    f"{BATCH.turns} turns of {BATCH.settlings} times",
    f"the counts of each search, {repair.MAX_SWAPS} exchanges",
    f"{kept.MOST_BYTES >> 20} mib when not given",
]


def test_numbers_are_those_of_the_code() -> None:
    told = " ".join(PAGE.split()).lower()
    assert not [one for one in NUMBERS if one.lower() not in told]


def test_the_example_of_a_division_is_how_it_is_divided() -> None:
    weights = np.array([170, 110, 60])
    totals, replicas = (
        re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.MULTILINE)[0].split(" | ") for name in ("total", "replicas")
    )
    for total, told in zip(totals, replicas, strict=True):
        found = divide(int(total), weights, ids=["a", "b", "c"], salt="app")
        assert not isinstance(found, Indivisible)
        assert " ".join(map(str, found.tolist())) == told


def test_the_example_of_a_cost_and_of_a_latency_add_up() -> None:
    sums = re.findall(r"((?:[0-9.]+ [x+] )+[0-9.]+) = ([0-9]+[.]?[0-9]+)", " ".join(PAGE.split()))
    assert len(sums) == 2
    for terms, told in sums:
        have = sum(math.prod(float(one) for one in term.split("x")) for term in terms.split("+"))
        assert round(have, 3) == float(told), terms

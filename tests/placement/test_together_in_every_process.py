"""What is decided together, and what is put right together, is the same in every process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hash_seeds import printed_by_each

HERE = Path(__file__).parent
SHORT = """
import hashlib, sys
sys.path[:0] = [{tests!r}, {root!r}]
import msgspec
from placement_graphs import Builder, amount, at
from graph.kinds.policy import ComponentPolicy, LatencyTarget, Place, PlacementPolicy, SiteSelector
from placement.batch import Asked, BatchLimits, decide_together
from placement.repair import Hit, repair
build = Builder()
sites = [build.site(nodes=1 + n % 2, position=at(n % 4, n % 3), node={{"capacity": amount(4000, 2**34)}}) for n in range(12)]
for n in range(18):
    build.link(sites[n % 12], sites[(n * 5 + 1) % 12], 1.0 + n % 3)
def policy(n, **more):
    targets = [LatencyTarget(place=Place(position=at(n % 4, 1)), within_ms=4.0)]
    apart = [ComponentPolicy(component=f"db{{n}}", apart=True, serves=[f"web{{n}}"], within_ms=3.0)] if n % 2 else []
    return PlacementPolicy(latency=targets, min_sites=1 + n % 2, components=apart, **more)
made = []
for n in range(9):
    web = build.component(name=f"web{{n}}", resources=amount(1100 + 300 * (n % 3)), replicas=2)
    made.append([web, build.component(name=f"db{{n}}", resources=amount(900))] if n % 2 else [web])
"""
TOGETHER = """
asked = [Asked(f"app-{{n}}", build.problem(*one, policy=policy(n)), n % 2) for n, one in enumerate(made)]
found = decide_together(asked, limits=BatchLimits(decisions=60, rounds=2, exchanges=10))
said = [[one, each.whole()] for one, each in found.placed.items()]
said += [[one.id, one.alone, one.verdict.whole()] for one in found.not_placed]
assert found.placed and found.not_placed, "there is too little room for all"
"""
REPAIRED = """
lost, deployments = sites[0], []
for n, one in enumerate(made[:6]):
    deployment = build.deployment()
    for part in one:
        for site in (lost, sites[1 + n]):
            node = next(iter(build.view.ids("Node", "site_id", site.id)))
            build.release(part, site, {{node: part.replicas}}, deployment_id=deployment.id)
    deployments.append(deployment)
kept = SiteSelector(excluded_site_ids=[lost.id])
hits = [
    Hit(one.id, build.problem(*made[n], policy=policy(n, sites=kept), excluding_deployment_id=one.id), n % 2)
    for n, one in enumerate(deployments)
]
found = repair(hits)
said = [[one.id, one.moves, one.least, one.alone, one.verdict.whole()] for one in found.repairs]
assert found.moves
"""
TOLD = """
print(hashlib.sha256(msgspec.json.encode(said)).hexdigest(), len(said))
"""


@pytest.mark.parametrize("script", [TOGETHER, REPAIRED], ids=["decide_together", "repair"])
def test_it_is_the_same_whatever_the_seed_of_hashes(script: str) -> None:
    whole = (SHORT + script + TOLD).format(tests=str(HERE), root=str(HERE.parents[1]))
    answers = printed_by_each(whole)
    assert len(answers) == 1
    assert answers != {""}

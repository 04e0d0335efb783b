"""How soon a small change is acknowledged while large ones converge.

The large ones are asked for first and answered, so what is timed runs beside their work on every site: claims, calls,
results, observation and books. When they have converged they are changed again, until there are enough answers.
"""

from __future__ import annotations

import time

from bench.measures.deploying import PHASE, asked
from bench.measures.edges import Edge
from bench.measures.requests import Caller

LARGE = 10
SMALL_SITES = 10
PAUSE_S = 0.1
SCALE = """mutation ($input: ScaleDeploymentInput!) { scaleDeployment(input: $input) {
  __typename ... on ScaleDeploymentPayload { operation { id } } ... on Error { message }
} }"""


def beside_mass_s(caller: Caller, edge: Edge, *, answers: int, within_s: float) -> list[float]:
    """Seconds until each of so many deployments to ten sites was acknowledged while ten to all sites converge.

    Raises RuntimeError when something is refused or takes too long.
    """
    deadline = time.monotonic() + within_s
    large = [asked(caller, edge, f"large-{number}") for number in range(LARGE)]
    waits: list[float] = []
    replicas, number = 1, 0
    while True:
        waiting = list(large)
        while waiting:
            first = number * SMALL_SITES % len(edge.site_ids)
            number += 1
            sent = time.perf_counter()
            asked(caller, edge, f"small-{number}", edge.site_ids[first : first + SMALL_SITES])
            took = time.perf_counter() - sent
            if caller.ask(PHASE, {"id": waiting[0]})["deployment"]["phase"] == "READY":
                waiting.pop(0)
                continue
            waits.append(took)
            if len(waits) == answers:
                return waits
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(waits)} deployments were acknowledged within {within_s:.0f} s")
            time.sleep(PAUSE_S)
        replicas = 3 - replicas
        for one in large:
            counts = [{"name": "web", "count": replicas}]
            answer = caller.ask(SCALE, {"input": {"id": one, "replicas": counts}})["scaleDeployment"]
            if answer["__typename"] != "ScaleDeploymentPayload":
                raise RuntimeError(f"the deployment was not scaled: {answer}")

"""A plan of moves for people: which deployment would go where, what that costs, and what cannot go."""

from __future__ import annotations

from rich.text import Text

from server.cli.api import Json
from server.cli.output import cell, console, plain_table

COST = "total sites latency headroom price moves"
STEP = (
    "outcome name moves why before { id name } after { id name } deployment { id name } "
    f"costBefore {{ {COST} }} costAfter {{ {COST} }}"
)
RUNS = "feasible objective { tiers { cost } } placements { site { id name } components { replicas component { id name } } }"
"""What of a step's decision says which replicas would run where, and what that costs."""
MOVES = (
    f"kind revision feasible moves stuck costBefore {{ {COST} }} costAfter {{ {COST} }} "
    f"steps {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {STEP} }} }}"
)
_STYLES = {"PLACES": "bold", "MOVES": "bold", "STAYS": "dim", "STUCK": "red"}


def print_moves(plan: Json) -> None:
    """The plan as a table, with what it comes to above it."""
    out = console()
    steps = plan["steps"]["nodes"]
    moving = sum(one["outcome"] == "MOVES" for one in steps)
    stuck = sum(one["outcome"] == "STUCK" for one in steps)
    moves = sum(one["moves"] for one in steps)
    verdict = Text("feasible", style="bold green") if plan["feasible"] else Text("in part", style="bold red")
    told = f": {moving} of {len(steps)} deployments would move, in moves: {moves}; {stuck} cannot go"
    out.print(Text.assemble(verdict, told, f"; at revision {plan['revision']}"), soft_wrap=True)
    if steps:
        now = any(one["costBefore"] for one in steps)
        then = any(_cost_then(one) for one in steps)
        runs = any((one.get("decision") or {}).get("placements") for one in steps)
        titles = ["DEPLOYMENT", "OUTCOME", "FROM", "TO", *(["RUNS THERE"] if runs else []), "MOVES"]
        titles += [*(["COST NOW"] if now else []), *(["COST THEN"] if then else []), "WHY"]
        table = plain_table(titles)
        for one in steps:
            before, after = _names(one["before"]), _names(one["after"])
            left, come = [x for x in before if x not in after], [x for x in after if x not in before]
            to = come or (after if one["outcome"] == "MOVES" else [])
            table.add_row(
                Text(cell(one["name"]), style="bold"),
                Text(one["outcome"], style=_STYLES.get(one["outcome"], "")),
                Text(cell(", ".join(left or before))),
                Text(cell(", ".join(to))),
                *([Text(cell(_runs(one["decision"], to)))] if runs else []),
                str(one["moves"]),
                *([_cost(one["costBefore"])] if now else []),
                *([_cost_then(one)] if then else []),
                Text(cell(one["why"] or "")),
            )
        out.print()
        out.print(table)
    left_out = plan["steps"]["totalCount"] - len(steps)
    if left_out > 0:
        out.print(Text(f"and {left_out} more deployments, planned once these are gone", style="dim"))


def print_reasons(reasons: list[Json]) -> None:
    """Why a kept plan cannot be applied any more."""
    table = plain_table(["REASON", "DEPLOYMENT", "MESSAGE"])
    for one in reasons:
        table.add_row(Text(one["code"], style="red"), Text(cell(one["deployment"])), Text(cell(one["message"])))
    console().print(table)


def _names(sites: list[Json]) -> list[str]:
    return [str(one["name"]) for one in sites]


def _runs(decision: Json | None, sites: list[str]) -> str:
    """`web×2, api×1`: the replicas at a site; of several sites `Graz: web×2; Linz: web×1`."""
    told = {
        one["site"]["name"]: ", ".join(f"{each['component']['name']}×{each['replicas']}" for each in one["components"])
        for one in (decision or {}).get("placements", [])
        if one["site"] is not None and one["site"]["name"] in sites
    }
    return "; ".join(told.values() if len(sites) == 1 else (f"{site}: {runs}" for site, runs in told.items()))


def _cost_then(step: Json) -> str:
    """What a step would cost: as the plan reckons it, else as its decision does, tier by tier."""
    decision = step.get("decision") or {}
    if step["costAfter"] is not None or not decision.get("placements"):
        return _cost(step["costAfter"])
    return ", then ".join(f"{one['cost']:.4g}" for one in decision["objective"]["tiers"])


def _cost(cost: Json | None) -> str:
    """`3.2 (sites 1, price 2.2)`: the sum, and the terms that it is made of."""
    if cost is None:
        return ""
    terms = ", ".join(f"{name} {cost[name]:.3g}" for name in COST.split()[1:] if cost[name])
    return f"{cost['total']:.4g}" + (f" ({terms})" if terms else "")

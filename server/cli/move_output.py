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
        costs = any(one["costAfter"] for one in steps)
        table = plain_table(
            ["DEPLOYMENT", "OUTCOME", "FROM", "TO", "MOVES", *(["COST NOW", "COST THEN"] if costs else []), "WHY"]
        )
        for one in steps:
            before, after = _names(one["before"]), _names(one["after"])
            left, come = [x for x in before if x not in after], [x for x in after if x not in before]
            table.add_row(
                Text(cell(one["name"]), style="bold"),
                Text(one["outcome"], style=_STYLES.get(one["outcome"], "")),
                Text(cell(", ".join(left or before))),
                Text(cell(", ".join(come or (after if one["outcome"] == "MOVES" else [])))),
                str(one["moves"]),
                *([_cost(one["costBefore"]), _cost(one["costAfter"])] if costs else []),
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


def _cost(cost: Json | None) -> str:
    """`3.2 (sites 1, price 2.2)`: the sum, and the terms that it is made of."""
    if cost is None:
        return ""
    terms = ", ".join(f"{name} {cost[name]:.3g}" for name in COST.split()[1:] if cost[name])
    return f"{cost['total']:.4g}" + (f" ({terms})" if terms else "")

"""A placement plan for people: what was chosen and why, and why everything else was not.

What is printed is the plan's own data; nothing is computed here but sums of what is shown.
"""

from __future__ import annotations

import math
from collections import defaultdict

from rich.console import Console
from rich.text import Text

from server.cli.api import Json
from server.cli.output import cell, console, plain_table, reference_text

REFUSALS = 500
EXAMPLES = 3
GIB = 2**30
PRICE = "price units/h"
COUNTED = ("replicas", "sites", "places", "moves", "domains")
"""Units that are words, of which one is written without the s."""
REFUSAL_NODES = "nodes { site { id name } components reasons { rule need have unit message } }"
PLAN = (
    "revision feasible status irreducible lookedAt passed transitSites iterations proven gap boundKind "
    "objective { sites score pricePerHour meanLatencyMs worstLatencyMs moves tiers { terms cost bound } } "
    "placements { score site { id name } terms { name value unit scaled weight weighted } "
    "components { replicas component { id name } cluster { id name } } serves { place latencyMs withinMs withinKm } } "
    "refusalsByRule { rule sites } "
    f"refusals(first: {REFUSALS}) {{ totalCount pageInfo {{ hasNextPage endCursor }} {REFUSAL_NODES} }} "
    "unmet { place withinMs withinKm latencyMs message site { id name } nearer { latencyMs rules site { id name } } } "
    "conflicts { rule message }"
)


def print_plan(plan: Json, *, every_refusal: bool = False) -> None:
    """The whole plan as tables."""
    out = console()
    verdict = Text("feasible", style="bold green") if plan["feasible"] else Text("cannot be done", style="bold red")
    looked = (
        f": {plan['lookedAt']} sites looked at, {plan['passed']} passed every rule, {plan['objective']['sites']} chosen"
    )
    out.print(Text.assemble(verdict, looked, f"; at revision {plan['revision']}"), soft_wrap=True)
    if plan["placements"]:
        _print_chosen(out, plan)
        out.print(_quality(plan), soft_wrap=True)
        _print_serves(out, plan)
    if plan["irreducible"]:
        together = ", ".join(map(cell, plan["irreducible"]))
        out.print(Text(f"proved: these cannot be kept together: {together}", style="red"), soft_wrap=True)
    elif plan["status"] == "NOT_FOUND_WITHIN_LIMITS":
        out.print(Text("nothing was found; that there is nothing is not proved", style="yellow"))
    for one in plan["conflicts"]:
        out.print(Text(f"\n{one['rule']}: {cell(one['message'])}", style="red"), soft_wrap=True)
    _print_unmet(out, plan)
    if every_refusal:
        _print_every_refusal(out, plan)
    else:
        _print_refusals(out, plan)


def print_site(plan: Json, site_id: str) -> None:
    """Why one site was chosen, or by which rules it was refused; `plan` has no refusal but its own."""
    out = console()
    chosen = [one for one in plan["placements"] if one["site"] and one["site"]["id"] == site_id]
    if chosen:
        out.print(Text("chosen", style="bold green"))
        _print_chosen(out, {**plan, "placements": chosen})
        _print_serves(out, {**plan, "placements": chosen})
    elif plan["refusals"]["nodes"]:
        out.print(Text("not chosen", style="bold red"))
        _print_every_refusal(out, plan)
    else:
        out.print(Text("not looked at: nothing can run there", style="bold red"))


def _quality(plan: Json) -> Text:
    """What it costs tier by tier, and how far that is from the best possible."""
    tiers = [f"{' + '.join(one['terms'])} {one['cost']:.4g}" for one in plan["objective"]["tiers"]]
    bounds = [one["bound"] for one in plan["objective"]["tiers"]]
    if plan["proven"]:
        far = "proved: nothing costs less"
    elif plan["gap"] is not None:
        far = f"at most {plan['gap']:.2%} above the best possible ({plan['boundKind']})"
    elif bounds and None not in bounds:
        far = f"the best possible is at least {', then '.join(f'{one:.4g}' for one in bounds)} ({plan['boundKind']})"
    else:
        far = "how far from the best possible is not known"
    moves = plan["objective"]["moves"]
    moved = f"; {moves} moves" if moves else ""
    return Text(f"cost: {', then '.join(tiers)}; {far}{moved}", style="dim")


def _print_chosen(out: Console, plan: Json) -> None:
    names = list(dict.fromkeys(term["name"] for one in plan["placements"] for term in one["terms"]))
    table = plain_table(["SITE", "COST", *(name.upper() for name in names), "RUNS", "CLUSTER"])
    for one in plan["placements"]:
        terms = {term["name"]: _term(term) for term in one["terms"]}
        runs = ", ".join(f"{each['component']['name']}×{each['replicas']}" for each in one["components"])
        clusters = {cell(each["cluster"]) for each in one["components"]} - {""}
        table.add_row(
            Text(cell(one["site"]), style="bold"),
            f"{one['score']:.3f}",
            *(terms.get(name, "") for name in names),
            Text(runs),
            Text(", ".join(sorted(clusters))),
        )
    out.print()
    out.print(table)


def _term(term: Json) -> str:
    """`6.1 ms → 0.61`: what was measured, and what that adds to the site's cost."""
    value, unit = term["value"], term["unit"]
    amount = f"{value:.4g}"
    told = f"{value:.0%}" if unit == "share" else f"{amount}/h" if unit == PRICE else _amount(amount, unit)
    return f"{told} → {term['weighted']:.3f}"


def _print_serves(out: Console, plan: Json) -> None:
    rows = [(served, one["site"]) for one in plan["placements"] for served in one["serves"]]
    if not rows:
        return
    table = plain_table(["PLACE", "SERVED FROM", "LATENCY", "WITHIN"])
    for served, site in sorted(rows, key=lambda row: row[0]["place"]):
        table.add_row(
            Text(cell(served["place"])),
            Text(cell(site), style="bold"),
            f"{served['latencyMs']:.2f} ms",
            _limit(served),
        )
    out.print()
    out.print(table)


def _limit(place: Json) -> str:
    """A place's limit, which is a latency or a distance."""
    return f"{place['withinMs']:g} ms" if place["withinKm"] is None else f"{place['withinKm']:g} km"


def _print_unmet(out: Console, plan: Json) -> None:
    for one in plan["unmet"]:
        out.print(Text(f"\n{cell(one['place'])} within {_limit(one)} cannot be served", style="red"))
        out.print(Text(f"  {cell(one['message'])}"), soft_wrap=True)
        for near in one["nearer"]:
            rules = ", ".join(near["rules"]) or "only its distance"
            out.print(
                Text(f"  {cell(near['site'])} is at {near['latencyMs']:.2f} ms, refused by {rules}"), soft_wrap=True
            )


def _print_refusals(out: Console, plan: Json) -> None:
    """By rule, each with the sites that came nearest to what was needed."""
    if not plan["refusalsByRule"]:
        return
    examples: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for refusal in plan["refusals"]["nodes"]:
        for reason in refusal["reasons"]:
            examples[reason["rule"]].append((_missing(reason), f"{_whom(refusal)} ({_need(reason)})"))
    table = plain_table(["REFUSED BY", "SITES", "SUCH AS"])
    for one in plan["refusalsByRule"]:
        shown = [text for _, text in sorted(examples[one["rule"]])[:EXAMPLES]]
        table.add_row(Text(one["rule"], style="yellow"), str(one["sites"]), Text("; ".join(shown)))
    out.print()
    out.print(table)
    out.print(Text("--all lists every refused site with its reasons, --why SITE one", style="dim"))


def _print_every_refusal(out: Console, plan: Json) -> None:
    """By the rules that refused, those that refused most first; below that, the nearest miss first."""
    table = plain_table(["REFUSED SITE", "RULE", "REASON", "NEED", "HAVE"])
    place = {one["rule"]: at for at, one in enumerate(plan["refusalsByRule"])}
    for refusal in sorted(plan["refusals"]["nodes"], key=lambda one: _nearness(one, place)):
        name = Text(f"{reference_text(refusal['site'] or {'id': '?'})}{_for(refusal)}", style="bold")
        for reason in refusal["reasons"]:
            table.add_row(
                name,
                Text(reason["rule"], style="yellow"),
                Text(cell(reason["message"])),
                Text(_amount(reason["need"], reason["unit"])),
                Text("" if reason["have"] is None else _amount(reason["have"], reason["unit"])),
            )
            name = Text("")
    out.print()
    out.print(table)
    left = plan["refusals"]["totalCount"] - len(plan["refusals"]["nodes"])
    if left > 0:
        out.print(
            Text(f"and {left} more refused sites; ask for a page of `refusals` with `edgeatlas query`", style="dim")
        )


def _whom(refusal: Json) -> str:
    """The site, and what it was refused for where that is not the whole app."""
    return f"{cell(refusal['site'])}{_for(refusal)}"


def _for(refusal: Json) -> str:
    return f" for {', '.join(map(cell, refusal['components']))}" if refusal["components"] else ""


def _nearness(refusal: Json, place: dict[str, int]) -> tuple[tuple[int, ...], float, str]:
    """By what refusals are sorted: the rules of a refusal by their places, how far it fell short at worst, its site."""
    rules = tuple(sorted({place.get(one["rule"], len(place)) for one in refusal["reasons"]}))
    return rules, max(map(_missing, refusal["reasons"]), default=math.inf), _whom(refusal)


def _missing(reason: Json) -> float:
    """How far what there is lies from what is needed, as a share of the greater.

    A share, since one rule may be short of bytes at one site and of accelerators at another. Words, and what is not told,
    are the farthest.
    """
    try:
        need, have = float(reason["need"]), float(reason["have"])
    except (TypeError, ValueError):
        return math.inf
    return abs(need - have) / max(abs(need), abs(have), 1e-9)


def _amount(value: str, unit: str) -> str:
    """A number with its unit, `1 replica`, `18 GiB`; words as they are."""
    if unit == "bytes" and value.isdecimal() and int(value) >= GIB:
        return f"{int(value) / GIB:.4g} GiB"
    one = unit.removesuffix("s") if value == "1" and unit in COUNTED else unit
    return f"{cell(value)} {one}".rstrip()


def _need(reason: Json) -> str:
    """What was needed and what there is, in brief; a cost that is tied says what decided."""
    need, have, unit = reason["need"], reason["have"], reason["unit"]
    if unit == "cost" and have is not None:
        if float(have) < float(need):
            return f"cost {cell(have)}, but see --why"
        return f"cost {cell(have)}, as with a chosen site" if need == have else f"cost {cell(have)}, not {cell(need)}"
    told = f"need {_amount(need, unit)}"
    return f"{told}, have less" if have is None else f"{told}, have {_amount(have, unit)}"

"""What stands against a policy as a whole. Which places cannot be served is said by placement/unmet.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement.decision import Reason, UnmetTarget
from placement.modelling import Modelled
from placement.placements import Layout
from placement.problem import Problem
from placement.solve.model import Broken, Choice
from placement.unmet import limit_of
from placement.wording import beyond, counted, listed, number, told_apart

_SERVES = {
    "latency": "is in time for",
    "distance": "is near enough to",
    "bandwidth": "has the bandwidth for",
    "places": "serves",
}
IN_WORDS = {"clients": "places"}
"""What is called otherwise in a policy than in a model."""


def conflicts_of(made: Modelled, choice: Choice, unmet: Sequence[UnmetTarget]) -> list[Reason]:
    """What the nearest choice does not keep, in the policy's words."""
    found = []
    # Where no site passes, all else follows from that.
    empty = {one.unit for one in choice.broken if one.rule == "no_site"}
    for one in choice.broken:
        if one.unit in empty and one.rule != "no_site":
            continue
        whose = made.units[one.unit] if one.unit < len(made.units) else None
        of = f" for {whose.words.name}" if whose is not None and len(made.units) > 1 else ""
        found.append(_clients(made, one, unmet, choice) if one.rule == "clients" else _REASONS[one.rule](made, one, of))
    return found


def against(problem: Problem, layout: Layout | None, *, dearest: float | None) -> list[Reason]:
    """What stands against a choice that keeps everything, but does not hold on nodes or once a total is divided.

    dearest: the least price that was found for what was divided, when it is above the policy's.
    """
    found = []
    if layout is not None and layout.undivided:
        found.append(
            Reason(
                rule="total",
                need="a total that the chosen sites take",
                have="another",
                unit="",
                message=layout.undivided,
                untold="the chosen sites do not take the total between them",
            )
        )
    elif layout is not None and layout.crowded:
        name = problem.sites[layout.crowded[0][1]].name
        found.append(
            Reason(
                rule="crowded",
                need="room for all that is chosen for a site",
                have="room for a part",
                unit="",
                message=f"what is chosen for {name!r} fits alone, but not on the same nodes, and no other choice was found",
            )
        )
    most = problem.policy.max_price_per_hour
    if dearest is not None and most is not None:
        need, have = _ceiling_words(dearest, most)
        found.append(
            Reason(
                rule="max_price_per_hour",
                need=need,
                have=have,
                unit="price units/h",
                message=f"it may cost at most {need} price units/h, and the least found is {have}",
            )
        )
    elif layout is not None and not found:
        found.append(
            Reason(
                rule="total",
                need="a part of the total at each site that the policy needs",
                have="none at some",
                unit="",
                message="the total leaves sites without replicas that the policy cannot do without",
            )
        )
    return found


def _no_site(made: Modelled, broken: Broken, of: str) -> Reason:
    screening, problem = made.screenings[broken.unit], made.problem
    counts = [(name, int(refused.sum())) for name, refused in screening.refused.items() if refused.any()]
    said = ", ".join(f"{name} refuses {count}" for name, count in sorted(counts, key=lambda one: (-one[1], one[0])))
    message = f"no site{of} passes: {said}" if len(problem) else "there is no site with role COMPUTE to place on"
    return Reason(rule="no_site", need=number(max(broken.need, 1)), have="0", unit="sites", message=message)


def _clients(made: Modelled, broken: Broken, unmet: Sequence[UnmetTarget], choice: Choice) -> Reason:
    unit = made.model.units[broken.unit]
    places, most, named = len(made.problem.targets), unit.max_open, _places(unmet)
    each_could = unit.clients is not None and bool((np.diff(unit.clients.cost.indptr) > 0).all())
    # Whether it is the number of sites that leaves them out, and not another word.
    full = most is not None and len(choice.open[broken.unit]) >= most
    if each_could and most is not None and full and (not choice.conflict or "max_sites" in choice.conflict):
        return Reason(
            rule="max_sites",
            need=str(most + 1),
            have=str(most),
            unit="sites",
            message=f"at most {counted(most, 'site')} {'leaves' if most == 1 else 'leave'} out {named}, "
            "though each could be served",
        )
    rule = limit_of(unmet)
    none = "no choice was found that keeps the rest and" if each_could else "no choice of sites that pass"
    return Reason(
        rule=rule,
        need=str(places),
        have=str(places - len(unmet)),
        unit="places",
        message=f"{none} {_SERVES[rule]} {named}",
    )


def _places(unmet: Sequence[UnmetTarget]) -> str:
    """The places by name; of many the first, for there may be thousands. Each is told of by itself in `unmet`."""
    return listed((one.place for one in unmet), between=", ")


def _min_sites(made: Modelled, broken: Broken, of: str) -> Reason:
    passed = int(np.count_nonzero(made.screenings[broken.unit].passed))
    wanted = f"at least {counted(int(broken.need), 'site')}{of} {'is' if broken.need == 1 else 'are'} wanted"
    pass_all = f"{counted(passed, 'site')} {'passes' if passed == 1 else 'pass'} every rule"
    found = (
        "" if passed == broken.have else f", and {broken.have:g} of them can be chosen with all else that is asked for"
    )
    return _counted("min_sites", broken, "sites", f"{wanted}; {pass_all}{found}")


def _max_sites(made: Modelled, broken: Broken, of: str) -> Reason:
    return _counted(
        "max_sites", broken, "sites", f"no choice{of} keeps the rest with at most {counted(int(broken.need), 'site')}"
    )


def _group(made: Modelled, broken: Broken, of: str) -> Reason:
    wanted = f"{counted(int(broken.need), 'site')} {'is' if broken.need == 1 else 'are'} wanted"
    return _counted("group", broken, "sites", f"{broken.label}: {wanted}, {broken.have:g} can be chosen")


def _spread(made: Modelled, broken: Broken, of: str) -> Reason:
    # What has too many sites in a domain names it.
    noun = "site" if broken.items else "domain"
    few = broken.have < broken.need
    wanted = (
        f"at {'least' if few else 'most'} {counted(int(broken.need), noun)}{' in each domain' if broken.items else ''}"
    )
    are = "is wanted" if broken.need == 1 and few else "are wanted" if few else "allowed"
    return _counted("spread", broken, f"{noun}s", f"{broken.label}: {wanted} {are}, {broken.have:g} found")


def _ceiling(made: Modelled, broken: Broken, of: str) -> Reason:
    moved = broken.label == "max_moves"
    need, have = _ceiling_words(broken.have, broken.need)
    unit, message = "price units/h", f"it may cost at most {need} price units/h, and the least found is {have}"
    if moved:
        unit, message = (
            "moves",
            f"at most {counted(int(broken.need), 'move')} may be made, and the least found is {have}",
        )
    return Reason(rule=broken.label or broken.rule, need=need, have=have, unit=unit, message=message)


def _total(made: Modelled, broken: Broken, of: str) -> Reason:
    share = broken.have / broken.need if broken.need else 1.0
    without = f"no choice{of} was found that keeps the rest and has room for all replicas"
    return Reason(
        rule="total",
        need="1",
        have=beyond(share, 1.0, digits=3),
        unit="share of the replicas",
        message=f"{without}; the nearest has room for {beyond(100.0 * share, 100.0, digits=0)}%",
        untold=without,
    )


def _serves(made: Modelled, broken: Broken, of: str) -> Reason:
    return _counted("serves", broken, "sites", f"{broken.label}: that holds for no choice that was found")


def _never_with(made: Modelled, broken: Broken, of: str) -> Reason:
    return _counted("never_with", broken, "sites", f"{broken.label}: no choice was found in which they share no site")


_REASONS = {
    "no_site": _no_site,
    "min_sites": _min_sites,
    "max_sites": _max_sites,
    "group": _group,
    "spread": _spread,
    "price_ceiling": _ceiling,
    "total": _total,
    "serves": _serves,
    "never_with": _never_with,
}


def _counted(rule: str, broken: Broken, unit: str, message: str) -> Reason:
    return Reason(rule=rule, need=number(broken.need), have=number(broken.have), unit=unit, message=message)


def _ceiling_words(have: float, most: float) -> tuple[str, str]:
    """What is allowed at most and what was found, in digits that show which is more."""
    if number(have) != number(most):
        return number(most), number(have)
    return told_apart(most, have, digits=7)

"""A decision as it was just made: with all that its words come from, so that they are made page by page.

What is filed is a whole `Decision`; a plan that is only looked at never needs the words of thousands of sites.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from placement.decision import Decision, SiteRefusal
from placement.refusals import Refusals
from placement.stopping import Stop, look

WORDS_BETWEEN_LOOKS = 256
"""Sites whose words are made before it is looked whether they are still wanted."""


class Verdict(Decision, frozen=True, kw_only=True, gc=True):
    """A decision whose refusals are in `told` instead of in `refusals`."""

    told: Refusals

    def whole(self, *, stop: Stop | None = None) -> Decision:
        """The decision with every site's words. At 10,000 sites some tenths of a second: not on the event loop.

        Raises Stopped when that is asked for meanwhile.
        """
        fields = {name: getattr(self, name) for name in Decision.__struct_fields__}
        refusals: list[SiteRefusal] = []
        for at in range(0, len(self.told), WORDS_BETWEEN_LOOKS):
            look(stop)
            refusals += self.told[at : at + WORDS_BETWEEN_LOOKS]
        return Decision(**{**fields, "refusals": refusals})


def refusals_page(
    decision: Decision, *, first: int, after: str | None = None, rule: str | None = None, site_id: str | None = None
) -> tuple[list[SiteRefusal], int, bool]:
    """A page of refusals by site id, how many there are in all, and whether there are more behind it.

    Pages end between sites: what is refused for several units is on one page, which then has some fewer, or more of a single
    site. after: the site id that the page before ended with. rule, site_id: only those by the rule, of the site.
    """
    if isinstance(decision, Verdict):
        told = decision.told
        places = told.where(rule=rule, site_id=site_id)
        begins = 0 if after is None else told.after(after)
        rest = places[places >= begins].tolist()
        # One site more than its units could fill shows where the last site of the page ends.
        shown = [told[at] for at in rest[: first + told.units]]
        count = _whole_sites(shown, first)
        return shown[:count], len(places), len(rest) > count
    wanted = [
        one
        for one in decision.refusals
        if (rule is None or any(reason.rule == rule for reason in one.reasons)) and site_id in (None, one.site_id)
    ]
    left = [one for one in wanted if after is None or one.site_id > after]
    count = _whole_sites(left, first)
    return left[:count], len(wanted), len(left) > count


def refusals_at(decision: Decision, site_ids: Collection[str]) -> list[SiteRefusal]:
    """Why some sites were not chosen, by site id; for few of them."""
    wanted = set(site_ids)
    if isinstance(decision, Verdict):
        told = decision.told
        return [told[at] for one in sorted(wanted) for at in told.where(site_id=one).tolist()]
    return [one for one in decision.refusals if one.site_id in wanted]


def sites_refused(decision: Decision, site_ids: Collection[str]) -> set[str]:
    """Those of some sites that could not have been chosen, whatever else was; of a filed decision all that were not."""
    if isinstance(decision, Verdict):
        return decision.told.ruled_out(site_ids)
    return {one.site_id for one in decision.refusals} & set(site_ids)


def refused_by_these_alone(
    decision: Decision, rules: Collection[str], *, apart: Collection[str] = ()
) -> dict[str, frozenset[str]]:
    """By site id the rules that refuse it, for sites that none but these keep from what is not apart.

    apart: names of the components that have sites of their own, which a filed decision does not tell.
    """
    if isinstance(decision, Verdict):
        return decision.told.refused_by_these_alone(rules)
    wanted, own = frozenset(rules), frozenset(apart)
    found: dict[str, frozenset[str]] = {}
    for refusal in decision.refusals:
        against = frozenset(one.rule for one in refusal.reasons)
        if against and against <= wanted and not own.intersection(refusal.components):
            found[refusal.site_id] = against
    return found


def _whole_sites(refusals: Sequence[SiteRefusal], first: int) -> int:
    """How many of the first are a page that ends between sites."""
    if not 0 < first < len(refusals):
        return min(first, len(refusals))
    ends = refusals[first].site_id
    count = first
    while count and refusals[count - 1].site_id == ends:
        count -= 1
    if count:
        return count
    while count < len(refusals) and refusals[count].site_id == ends:
        count += 1
    return count


def sites_by_rule(decision: Decision) -> dict[str, int]:
    """How many sites each rule refused."""
    if isinstance(decision, Verdict):
        return decision.told.by_rule()
    sites: dict[str, set[str]] = {}
    for refusal in decision.refusals:
        for reason in refusal.reasons:
            sites.setdefault(reason.rule, set()).add(refusal.site_id)
    return {rule: len(ids) for rule, ids in sites.items()}

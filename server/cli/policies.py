"""The placement policy from flags or a file, with names instead of ids.

`plan`, `deploy` and `update` share these. A place is a site, a region, or a position `longitude,latitude`; a name that
both a site and a region have is written `site/NAME` or `region/NAME`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import id_of
from server.cli.options import SelectorOption, seconds_of
from server.cli.policy_files import place_of, policy_in_file


@dataclass(frozen=True, kw_only=True)
class PlacementFlags:
    """Where, and how many. Each field is a flag of the commands that take them."""

    near: Annotated[
        list[str] | None,
        typer.Option(
            "--near",
            help="A place and its most latency: `Vienna:8ms`; a number alone is in milliseconds. Can be repeated.",
            metavar="PLACE:TIME",
        ),
    ] = None
    within: Annotated[
        str | None,
        typer.Option(
            "--within", help="The most latency, one way, for the places of --of: `8ms`, or 8.", metavar="TIME"
        ),
    ] = None
    of: Annotated[
        list[str] | None,
        typer.Option(
            "--of", help="A place: a site, a region, or `longitude,latitude`. Can be repeated.", metavar="PLACE"
        ),
    ] = None
    tier: Annotated[list[str] | None, typer.Option("--tier", help="Only sites of this tier. Can be repeated.")] = None
    region: Annotated[
        list[str] | None,
        typer.Option("--region", help="Only sites in this region or below. Can be repeated.", metavar="NAME"),
    ] = None
    site: Annotated[
        list[str] | None, typer.Option("--site", help="Only these sites. Can be repeated.", metavar="NAME")
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Never this site. Can be repeated.", metavar="NAME")
    ] = None
    selector: SelectorOption = None
    min_sites: Annotated[int | None, typer.Option("--min-sites", help="At least so many sites.", min=1)] = None
    max_sites: Annotated[int | None, typer.Option("--max-sites", help="At most so many sites.", min=1)] = None
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Every site that passes.")] = False
    replicas: Annotated[
        list[str] | None,
        typer.Option(
            "--replicas", help="Replicas of a component at each site: `web=3`. Can be repeated.", metavar="NAME=N"
        ),
    ] = None
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-f", help="A YAML file with the policy; flags win over it.", metavar="FILE"),
    ] = None


def policy_of(api: Api, given: PlacementFlags) -> Json | None:
    """The policy as the API takes it; None when nothing is said. Raises Failure."""
    policy: Json = policy_in_file(api, given.policy) if given.policy is not None else {}
    if (given.within is None) != (not given.of):
        raise Failure("--within and --of belong together", remedy="write --within 8ms --of Vienna", code=Exit.USAGE)
    targets = [_target(api, one) for one in given.near or ()]
    targets += [_within(api, place, str(given.within)) for place in given.of or ()]
    if targets:
        policy["latency"] = targets
    sites: Json = dict(policy.get("sites") or {})
    if given.site:
        sites["siteIds"] = [id_of(api, KINDS["Site"], one) for one in given.site]
    if given.exclude:
        sites["excludedSiteIds"] = [id_of(api, KINDS["Site"], one) for one in given.exclude]
    if given.region:
        sites["regionIds"] = [id_of(api, KINDS["Region"], one) for one in given.region]
    if given.tier:
        sites["tiers"] = [one.upper() for one in given.tier]
    if given.selector:
        sites["labels"] = given.selector
    if sites:
        policy["sites"] = sites
    counted = (("minSites", given.min_sites), ("maxSites", given.max_sites), ("everywhere", given.everywhere or None))
    policy.update((key, value) for key, value in counted if value is not None)
    return policy or None


def counts_of(given: list[str] | None) -> list[Json] | None:
    """`web=3` as the API takes counts. Raises Failure."""
    if not given:
        return None
    counts = []
    for one in given:
        name, _, count = one.rpartition("=")
        if not name or not count.isdecimal() or len(count) > 6:
            raise Failure(f"{one!r} is no number of replicas", remedy="write web=3", code=Exit.USAGE)
        counts.append({"name": name, "count": int(count)})
    return counts


def _target(api: Api, text: str) -> Json:
    place, colon, limit = text.rpartition(":")
    if not colon or not place:
        raise Failure(f"{text!r} is no place with its latency", remedy="write Vienna:8ms", code=Exit.USAGE)
    return _within(api, place, limit)


def _within(api: Api, place: str, limit: str) -> Json:
    return {"place": place_of(api, place), "withinMs": milliseconds_of(limit)}


def milliseconds_of(text: str) -> float:
    """Milliseconds of `8ms`, `8` or `0.5s`. Raises Failure."""
    plain = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", plain):
        plain += "ms"
    return round(seconds_of(plain, what="the latency", remedy="write 8ms or 0.5s") * 1000, 6)

"""What if, on the command line: flags for what a plan supposes of the graph, as the API takes it.

A flag that takes a value for something writes it behind an equals sign: `--price Vienna=0.4`. A link has no name: it is
written as its two sites, `Vienna--Graz`, which means all links between them, or as its id.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import entity_named, id_of, is_id
from server.cli.policies import milliseconds_of


@dataclass(frozen=True, kw_only=True)
class WhatIfFlags:
    """What is supposed of the graph. Each can be repeated."""

    lose: Annotated[
        list[str] | None, typer.Option("--lose", help="What if this site is lost? Can be repeated.", metavar="SITE")
    ] = None
    cut: Annotated[bool, typer.Option("--cut", help="With --lose: the links that end there are lost too.")] = False
    lose_link: Annotated[
        list[str] | None,
        typer.Option(
            "--lose-link",
            help="What if the links between two sites, `Vienna--Graz`, or the link with this id are lost? Can be repeated.",
            metavar="LINK",
        ),
    ] = None
    restore_link: Annotated[
        list[str] | None,
        typer.Option("--restore-link", help="What if such links are there again? Can be repeated.", metavar="LINK"),
    ] = None
    link_latency: Annotated[
        list[str] | None,
        typer.Option(
            "--link-latency",
            help="What if such links take so long? `Vienna--Graz=5ms`. Can be repeated.",
            metavar="LINK=TIME",
        ),
    ] = None
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price",
            help="What if a core costs so much at a site? `Vienna=0.4`. Can be repeated.",
            metavar="SITE=PRICE",
        ),
    ] = None
    demand: Annotated[
        list[str] | None,
        typer.Option(
            "--demand",
            help="What if demand is so many times what it is, `×2`, or that of a region, `europe=x0.5`? Can be repeated.",
            metavar="FACTOR",
        ),
    ] = None
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            "--capacity",
            help="What if a site offers so many times what it does? `Vienna=x2`. Can be repeated.",
            metavar="SITE=FACTOR",
        ),
    ] = None
    add_nodes: Annotated[
        list[str] | None,
        typer.Option(
            "--add-nodes",
            help="What if a site has so many nodes more, like its first? `Vienna=3`. Can be repeated.",
            metavar="SITE=N",
        ),
    ] = None
    cordoned: Annotated[
        list[str] | None,
        typer.Option(
            "--cordoned",
            help="What if a site, node or cluster is cordoned? `node/n1`. Can be repeated.",
            metavar="TARGET",
        ),
    ] = None


_FACTOR = re.compile(r"[x×*]?\s*(\d{1,6}(?:\.\d{1,6})?)")
_LINK_ENDS = "links { id fromSite { id } toSite { id } }"


def changes_of(api: Api, given: WhatIfFlags) -> list[Json]:
    """What is supposed, as the API takes it. Raises Failure."""
    site = KINDS["Site"]
    if given.cut and not given.lose:
        raise Failure("--cut belongs to --lose", remedy="write --lose Vienna --cut", code=Exit.USAGE)
    changes: list[Json] = [
        {"siteLost": {"siteId": id_of(api, site, one), "withLinks": given.cut}} for one in given.lose or ()
    ]
    for flag, links, state in (("--lose-link", given.lose_link, "DOWN"), ("--restore-link", given.restore_link, "UP")):
        changes += [
            {"link": {"linkId": link, "state": state}} for one in links or () for link in _links(api, one, flag=flag)
        ]
    for one in given.link_latency or ():
        name, value = _pair(one, flag="--link-latency", example="Vienna--Graz=5ms")
        took = milliseconds_of(value)
        changes += [{"link": {"linkId": link, "latencyMs": took}} for link in _links(api, name, flag="--link-latency")]
    for one in given.price or ():
        name, value = _pair(one, flag="--price", example="Vienna=0.4")
        price = _number(value, flag="--price", example="Vienna=0.4")
        changes.append({"price": {"siteId": id_of(api, site, name), "pricePerCoreHour": price}})
    for one in given.demand or ():
        name, equals, value = one.rpartition("=")
        regions = {"regionIds": [id_of(api, KINDS["Region"], name)]} if equals else {}
        changes.append({"demand": {"factor": _factor(value, flag="--demand", example="×2"), **regions}})
    for one in given.capacity or ():
        name, value = _pair(one, flag="--capacity", example="Vienna=x2")
        factor = _factor(value, flag="--capacity", example="Vienna=x2")
        changes.append({"capacity": {"siteIds": [id_of(api, site, name)], "factor": factor}})
    for one in given.add_nodes or ():
        name, value = _pair(one, flag="--add-nodes", example="Vienna=3")
        if not value.isdecimal() or len(value) > 4:
            raise Failure(f"--add-nodes {one!r} has no number", remedy="write Vienna=3", code=Exit.USAGE)
        changes.append({"nodesAdded": {"siteId": id_of(api, site, name), "count": int(value)}})
    for one in given.cordoned or ():
        found = entity_named(api, one, ("Site", "Node", "Cluster"))
        changes.append({"cordon": {"entityId": found["id"]}})
    return changes


def _pair(text: str, *, flag: str, example: str) -> tuple[str, str]:
    name, _, value = text.rpartition("=")
    if not name or not value:
        raise Failure(f"{flag} {text!r} is no name with a value", remedy=f"write {flag} {example}", code=Exit.USAGE)
    return name, value


def _number(text: str, *, flag: str, example: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise Failure(f"{flag}: {text!r} is no number from 0", remedy=f"write {flag} {example}", code=Exit.USAGE)
    return value


def _factor(text: str, *, flag: str, example: str) -> float:
    match = _FACTOR.fullmatch(text.strip())
    if match is None:
        raise Failure(f"{flag}: {text!r} is no factor", remedy=f"write {flag} {example}", code=Exit.USAGE)
    return float(match[1])


def _links(api: Api, text: str, *, flag: str) -> list[str]:
    """The ids of the links that a text means. Raises Failure."""
    if is_id(text):
        return [text]
    one, between, other = text.partition("--")
    if not between or not one or not other:
        raise Failure(f"{flag} {text!r} is no link", remedy=f"write {flag} Vienna--Graz, or an id", code=Exit.USAGE)
    site = KINDS["Site"]
    start, end = id_of(api, site, one), id_of(api, site, other)
    found = api.query(f"query($id: ID!) {{ site(id: $id) {{ {_LINK_ENDS} }} }}", {"id": start})["site"]
    links = [link["id"] for link in found["links"] if end in (link["fromSite"]["id"], link["toSite"]["id"])]
    if not links:
        raise Failure(f"no link joins {one} and {other}", remedy="see `edgeatlas get links`", code=Exit.NOT_FOUND)
    return links

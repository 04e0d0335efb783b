"""`plan` against a real server: dry runs with suppositions, drains, rebalances, and plans that are kept and applied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from server.cli.failures import Exit
from serverkit.commands import CommandLine


@pytest.fixture(scope="module")
def planned(cli: CommandLine) -> Iterator[str]:
    """A deployment that runs at one site."""
    cli("deploy", "hello/1.0", "--name", "planned", "--max-sites", "1", "--near", "Vienna:5ms", "--wait")
    yield "planned"
    cli("terminate", "planned", "--delete", "--yes", "--wait")


def site_of(cli: CommandLine, deployment: str) -> str:
    releases = cli.json("describe", "deployment", deployment)["releases"]["nodes"]
    [name] = {one["site"]["name"] for one in releases}
    return str(name)


def test_a_site_that_is_supposed_to_be_lost_is_not_chosen(cli: CommandLine) -> None:
    asked = ("plan", "hello/1.0", "--near", "Vienna:5ms", "--max-sites", "1")
    home = cli(*asked, "-o", "name").stdout.strip().removeprefix("site/")
    other = cli(*asked, "--lose", home, "-o", "name").stdout.strip().removeprefix("site/")
    assert home != other
    shown = cli(*asked, "--lose", home, "--why", home).stdout
    assert "not chosen" in shown
    assert "it is supposed to be lost" in shown
    assert "chosen" in cli(*asked, "--why", home).stdout.splitlines()[0]


def test_what_is_supposed_is_written_by_names(cli: CommandLine) -> None:
    asked = ("plan", "hello/1.0", "--near", "Vienna:5ms", "--max-sites", "1", "-o", "name")
    home = cli(*asked).stdout.strip().removeprefix("site/")
    for flags in (
        ["--price", f"{home}=99"],
        ["--demand", "×2", "--demand", "europe=x0.5"],
        ["--capacity", f"{home}=x2"],
        ["--add-nodes", f"{home}=3"],
        ["--cordoned", f"site/{home}"],
    ):
        assert cli(*asked, *flags).stdout.startswith("site/"), flags
    everything = cli("plan", "hello/1.0", "--site", home, "--capacity", f"{home}=0", code=int(Exit.REFUSED)).stdout
    assert "cannot be done" in everything
    cli("plan", "hello/1.0", "--site", home, "--capacity", f"{home}=0", "--add-nodes", f"{home}=1", code=4)


def test_links_are_named_by_their_ends(cli: CommandLine) -> None:
    link = cli.json("get", "links", "--limit", "1")[0]
    one, other = link["fromSite"]["name"], link["toSite"]["name"]
    for flags in (
        ["--lose-link", f"{one}--{other}"],
        ["--lose-link", link["id"], "--restore-link", link["id"]],
        ["--link-latency", f"{other}--{one}=5ms"],
    ):
        assert cli("plan", "hello/1.0", *flags, "-o", "name").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["hello/1.0", "--lose", "Atlantis"], Exit.NOT_FOUND, "no Site"),
        (["hello/1.0", "--cut"], Exit.USAGE, "belongs to --lose"),
        (["hello/1.0", "--lose-link", "Vienna"], Exit.USAGE, "is no link"),
        (["hello/1.0", "--lose-link", "Vienna--Lyon"], Exit.NOT_FOUND, "no link joins"),
        (["hello/1.0", "--price", "Vienna"], Exit.USAGE, "no name with a value"),
        (["hello/1.0", "--price", "Vienna=cheap"], Exit.USAGE, "is no number"),
        (["hello/1.0", "--price", "Vienna=nan"], Exit.USAGE, "is no number"),
        (["hello/1.0", "--demand", "twice"], Exit.USAGE, "is no factor"),
        (["hello/1.0", "--add-nodes", "Vienna=many"], Exit.USAGE, "has no number"),
        (["hello/1.0", "--add-nodes", "Vienna=0"], Exit.REFUSED, ""),
        (["hello/1.0", "--drain", "Vienna"], Exit.USAGE, "one of them"),
        (["--drain", "Vienna", "--rebalance"], Exit.USAGE, "leave out the others"),
        (["hello/1.0", "--move-penalty", "1"], Exit.USAGE, "belongs to --rebalance"),
        (["--drain", "Atlantis"], Exit.NOT_FOUND, "no Site or Node"),
        (["hello/1.0", "--save", "--expires", "1s"], Exit.REFUSED, "60 s"),
        (["hello/1.0", "--save", "--bound"], Exit.USAGE, "only looked at"),
        (["--drain", "Vienna", "--bound"], Exit.USAGE, "only looked at"),
        (["hello/1.0", "what"], Exit.USAGE, "what is 'what'"),
        (["apply"], Exit.USAGE, "which plan"),
        (["show"], Exit.USAGE, "which plan"),
        (["show", "plan_01JABCDEFGHJKMNPQRSTVWXYZ0"], Exit.NOT_FOUND, "get plans"),
        (["apply", "plan_01JABCDEFGHJKMNPQRSTVWXYZ0"], Exit.NOT_FOUND, "no Plan"),
    ],
)
def test_a_wrong_plan_is_told(cli: CommandLine, arguments: list[str], code: Exit, words: str) -> None:
    assert words in cli("plan", *arguments, code=int(code)).stderr


def test_a_bound_is_asked_for(cli: CommandLine) -> None:
    plain, bounded = cli.json("plan", "hello/1.0"), cli.json("plan", "hello/1.0", "--bound")
    assert (bounded["placements"], bounded["gap"]) == (plain["placements"], 0.0)
    assert "nothing costs less" in cli("plan", "hello/1.0", "--bound").stdout


def test_every_refusal_is_listed_page_by_page(cli: CommandLine) -> None:
    asked = ("plan", "hello/1.0", "--near", "Vienna:2ms")
    some, every = cli.json(*asked), cli.json(*asked, "--all")
    assert len(every["refusals"]["nodes"]) == every["refusals"]["totalCount"] == some["refusals"]["totalCount"]
    shown = cli(*asked, "--all").stdout
    assert shown.count("\n") > every["refusals"]["totalCount"]
    assert cli(*asked, "--json").stdout == cli(*asked, "-o", "json").stdout


def test_a_drain_is_planned_kept_and_applied(cli: CommandLine, planned: str) -> None:
    home = site_of(cli, planned)
    shown = cli("plan", "--drain", home).stdout
    for word in ("feasible", "1 of 1 deployments would move", "FROM", "TO", planned, home):
        assert word in shown
    found = cli.json("plan", "--drain", f"site/{home}")
    [step] = [one for one in found["steps"]["nodes"] if one["name"] == planned]
    [target] = [one["name"] for one in step["after"]]
    assert cli("plan", "--drain", home, "-o", "name").stdout == f"deployment/{planned}\n"
    kept = cli("plan", "--drain", home, "--save", "--expires", "2h")
    plan_id = next(word for word in kept.stderr.split() if word.startswith("plan/")).removeprefix("plan/")
    assert f"edgeatlas plan apply {plan_id}" in kept.stderr
    assert plan_id in cli("get", "plans", "-o", "name").stdout
    kept_one = cli("plan", "show", f"plan/{plan_id}")
    for word in (f"DRAIN of site {home}, OPEN", "1 of 1 deployments", "RUNS THERE", planned, home, target, "web×"):
        assert word in kept_one.stdout
    assert f"edgeatlas plan apply {plan_id}" in kept_one.stderr
    assert cli("plan", "show", plan_id, "-o", "name").stdout == f"deployment/{planned}\n"
    [same] = cli.json("plan", "show", plan_id)["steps"]["nodes"]
    assert same["after"] == step["after"]
    assert [one["site"]["name"] for one in same["decision"]["placements"]] == [target]
    told = cli("plan", "apply", plan_id, "--wait").stderr
    assert "DRAIN" in told
    done = cli("plan", "show", plan_id)
    assert "APPLIED" in done.stdout
    assert "plan apply" not in done.stderr
    assert site_of(cli, planned) == target
    again = cli("plan", "apply", plan_id, code=int(Exit.REFUSED))
    assert "APPLIED" in again.stdout
    assert "applied already" in again.stderr
    cli("delete", "plan", plan_id, "--yes")
    cli("uncordon", f"site/{home}")


def test_a_rebalance_with_a_lost_site_is_a_failover(cli: CommandLine, planned: str) -> None:
    home = site_of(cli, planned)
    still = cli.json("plan", "--rebalance", "--tenant", "shop", "--deployment", planned, "--move-penalty", "1000")
    assert [one["outcome"] for one in still["steps"]["nodes"]] == ["STAYS"]
    lost: dict[str, Any] = cli.json("plan", "--rebalance", "--tenant", "shop", "--deployment", planned, "--lose", home)
    [step] = lost["steps"]["nodes"]
    assert (step["outcome"], step["moves"] > 0) == ("MOVES", True)
    assert home not in {one["name"] for one in step["after"]}
    table = cli("plan", "--rebalance", "--tenant", "shop", "--deployment", planned, "--lose", home).stdout
    assert "COST THEN" in table
    cli("plan", "--rebalance", "--tenant", "shop", "--labelled", "team=none")


def test_a_deployment_is_kept_and_begun_later(cli: CommandLine) -> None:
    asked = ("plan", "hello/1.0", "--max-sites", "1", "--near", "Lyon:5ms")
    kept = cli.json(*asked, "--name", "kept", "--save")
    [site] = [one["site"]["name"] for one in kept["steps"]["nodes"][0]["decision"]["placements"]]
    shown = cli("plan", "show", kept["id"]).stdout
    for word in ("DEPLOYMENT of kept", "OPEN", "REFUSED BY", site):
        assert word in shown
    begun = cli.json("plan", "apply", f"plan/{kept['id']}", "--wait")
    [deployment] = begun["deployments"]
    assert site_of(cli, deployment["name"]) == site
    described = cli.json("describe", "plan", kept["id"])
    assert described["status"] == "APPLIED"
    assert deployment["name"] == "kept"
    shown = cli("plan", "hello/1.0", "--save").stdout
    assert "SITE" in shown
    for more in ((), ("--save",)):
        refused = " ".join(cli(*asked, "--name", "kept", *more, code=int(Exit.REFUSED)).stderr.split())
        assert "named 'kept'" in refused
        assert "choose another name, or give the deployment that it would replace" in refused
        assert cli(*asked, "--replace", "kept", *more, "-o", "name").stdout == f"site/{site}\n"
    cli("terminate", deployment["name"], "--delete", "--yes", "--wait")

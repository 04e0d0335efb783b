"""`plan`: what would be done, without doing it; kept with `--save`, and done later with `plan apply`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from graph.entity import KINDS
from server.cli.api import Api, Json, Refused
from server.cli.deploying import WishFlags, wished_of
from server.cli.failures import Exit, Failure
from server.cli.kept_plans import show_plan
from server.cli.lookup import entity_named, find, id_of, tenant_id
from server.cli.move_output import MOVES, STEP, print_moves, print_reasons
from server.cli.options import OutputOption, TimeoutOption, WaitOption, api_of, call_of, seconds_of
from server.cli.output import Output, print_data, say, without_typenames
from server.cli.plan_output import EXAMPLES, PLAN, REFUSAL_NODES, REFUSALS, print_plan, print_site
from server.cli.policies import PlacementFlags
from server.cli.supposing import WhatIfFlags, changes_of
from server.cli.targets import deployment_text
from server.cli.values import ValueFlags, put_values
from server.cli.waiting import DEFAULT_TIMEOUT, OPERATION, wait_for
from server.flag_groups import takes_flags

PAGE = 100
"""Deployments of a plan of moves: as many as the API plans at once."""
APPLY = "apply"
"""The word that has a kept plan done instead."""
SHOW = "show"
"""The word that has a kept plan shown."""
APPLIED = f"plan {{ id status }} operations {{ {OPERATION} }} deployments {{ id name phase }} revision"
OUTDATED = "... on PlanOutdated { reasons { code message deployment { id name } } }"


@dataclass(frozen=True, kw_only=True)
class MoveFlags:
    """Plans of what is there already, instead of an app version's."""

    drain: Annotated[
        str | None,
        typer.Option("--drain", help="Where would what runs on a site or node go? `node/n1`.", metavar="TARGET"),
    ] = None
    rebalance: Annotated[bool, typer.Option("--rebalance", help="Which deployments would gain by being moved?")] = False
    deployment: Annotated[
        list[str] | None,
        typer.Option("--deployment", help="With --rebalance: only this deployment. Can be repeated.", metavar="NAME"),
    ] = None
    labelled: Annotated[
        str | None,
        typer.Option(
            "--labelled", help="With --rebalance: only deployments with such labels: `team=blue`.", metavar="SELECTOR"
        ),
    ] = None
    move_penalty: Annotated[
        float | None, typer.Option("--move-penalty", help="With --rebalance: what a move costs.", min=0.0)
    ] = None
    max_moves: Annotated[
        int | None, typer.Option("--max-moves", help="With --rebalance: at most so many moves.", min=0)
    ] = None


@dataclass(frozen=True, kw_only=True)
class KeepFlags:
    """Whether it is kept, and how it is shown."""

    save: Annotated[bool, typer.Option("--save", help="Keep the plan; `plan apply ID` does it later.")] = False
    expires: Annotated[
        str | None,
        typer.Option("--expires", help="With --save: how long it can be applied, such as 4h; 1h.", metavar="TIME"),
    ] = None
    every: Annotated[bool, typer.Option("--all", "--refusals", help="List every refused site with its reasons.")] = (
        False
    )
    why: Annotated[
        str | None, typer.Option("--why", help="Only say why this site was chosen or refused.", metavar="SITE")
    ] = None
    bound: Annotated[
        bool,
        typer.Option("--bound", help="Also compute how far it is from the best possible at most; takes seconds."),
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="The same as `-o json`.")] = False
    output: OutputOption = Output.TABLE

    @property
    def form(self) -> Output:
        """How to print."""
        return Output.JSON if self.as_json else self.output


@takes_flags
def plan(
    ctx: typer.Context,
    wish: WishFlags,
    kept: Annotated[
        str | None, typer.Argument(help="With `plan show` and `plan apply`: the kept plan's id.", metavar="PLAN")
    ] = None,
    *,
    name: Annotated[str | None, typer.Option("--name", help="The deployment's name; the app's when not given.")] = None,
    where: PlacementFlags,
    what: ValueFlags,
    replace: Annotated[
        str | None, typer.Option("--replace", help="A deployment that it would replace.", metavar="NAME")
    ] = None,
    moves: MoveFlags,
    what_if: WhatIfFlags,
    keep: KeepFlags,
    wait: WaitOption = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
) -> None:
    """Say where an app would run, and why not elsewhere; or what a drain or a rebalance would move. Nothing is changed.

    A deployment that is there already is planned anew with --replace, and another of its app with --name.

    Flags such as --lose and --price suppose something of the network first. With --save the plan is kept;
    `edgeatlas plan apply PLAN` does it, unless too much has changed. See what is kept with `edgeatlas get plans`, and
    what one would do with `edgeatlas plan show PLAN`.

    Exit code 4 says that it cannot be done.

    Example: edgeatlas plan hello/1.0 --within 8ms --of Vienna --of Lyon --tier REGIONAL --lose Graz
    """
    api = api_of(ctx)
    if wish.app == APPLY:
        _apply(ctx, api, kept, wait=wait, seconds=seconds_of(timeout), output=keep.form)
        return
    if wish.app == SHOW:
        show_plan(api, kept, keep.form)
        return
    if kept is not None:
        raise Failure(f"what is {kept!r}?", remedy="write APP/VERSION, or `plan show PLAN`", code=Exit.USAGE)
    wanted = [bool(wish.app or wish.app_version), bool(moves.drain), moves.rebalance]
    if sum(wanted) > 1:
        raise Failure(
            "an app version, --drain or --rebalance: one of them", remedy="leave out the others", code=Exit.USAGE
        )
    if not moves.rebalance and (moves.deployment or moves.labelled or moves.move_penalty or moves.max_moves):
        raise Failure("that belongs to --rebalance", remedy="give --rebalance", code=Exit.USAGE)
    if keep.bound and (keep.save or moves.drain or moves.rebalance):
        raise Failure("--bound is for an app version's plan that is only looked at", code=Exit.USAGE)
    changes = changes_of(api, what_if)
    if moves.drain:
        target = entity_named(api, moves.drain, ("Site", "Node"))["id"]
        feasible = _moves(api, "drain", {"id": target}, changes, keep)
    elif moves.rebalance:
        feasible = _moves(api, "rebalance", _rebalancing(api, wish, moves), changes, keep)
    else:
        feasible = _deployment(api, wish, where, what, changes, keep, name=name, replace=replace)
    if not feasible:
        raise typer.Exit(int(Exit.REFUSED))


def _deployment(
    api: Api,
    wish: WishFlags,
    where: PlacementFlags,
    what: ValueFlags,
    changes: list[Json],
    keep: KeepFlags,
    *,
    name: str | None,
    replace: str | None,
) -> bool:
    values, version = wished_of(api, wish, where, name=name)
    put_values(api, what, values, version=version, before=[])
    named = deployment_text(replace, None, tenant=wish.tenant) if replace else None
    instead = find(api, KINDS["Deployment"], named)["id"] if named else None
    site = id_of(api, KINDS["Site"], keep.why) if keep.why else None
    if keep.save:
        found = _kept(api, {"deployment": values, "replaces": instead}, changes, keep, decision=PLAN, steps=1)
        shown = found["steps"]["nodes"][0]["decision"]
    else:
        found = shown = _asked(api, values, instead, changes, PLAN, bound=keep.bound)
        if keep.every or site:
            shown["refusals"] = _all_refusals(api, values, instead, changes, shown["refusals"], site=site)
        elif keep.form is Output.TABLE:
            shown["refusals"] = _with_examples(api, values, instead, changes, shown)
    if keep.form in (Output.JSON, Output.YAML):
        print_data(without_typenames(found), keep.form)
    elif keep.form is Output.NAME:
        for one in shown["placements"]:
            typer.echo(f"site/{one['site']['name']}")
    elif site is not None:
        print_site(shown, site)
    else:
        print_plan(shown, every_refusal=keep.every)
    if keep.save:
        _say_kept(found)
    return bool(shown["feasible"])


def _asked(
    api: Api,
    values: Json,
    instead: str | None,
    changes: list[Json],
    selection: str,
    *,
    bound: bool = False,
    declared: str = "",
    **more: Any,
) -> Json:
    document = (
        f"query($input: DeployInput!, $replace: ID, $whatIf: [ChangeInput!], $bound: Boolean!{declared}) {{ "
        f"planDeployment(input: $input, deployment: $replace, whatIf: $whatIf, bound: $bound) {{ {selection} }} }}"
    )
    given = {"input": values, "replace": instead, "whatIf": changes, "bound": bound, **more}
    found: Json = api.query(document, given)["planDeployment"]
    return found


def _all_refusals(
    api: Api, values: Json, instead: str | None, changes: list[Json], first: Json, *, site: str | None
) -> Json:
    """Every refusal, page by page; or that of one site."""
    selection = (
        f"refusals(first: {REFUSALS}, after: $after, filter: $filter) "
        f"{{ totalCount pageInfo {{ hasNextPage endCursor }} {REFUSAL_NODES} }}"
    )
    declared = ", $after: String, $filter: RefusalFilter"
    if site is not None:
        given: Json = {"after": None, "filter": {"site": site}}
        one: Json = _asked(api, values, instead, changes, selection, declared=declared, **given)["refusals"]
        return one
    page = first
    nodes = list(first["nodes"])
    while page["pageInfo"]["hasNextPage"]:
        given = {"after": page["pageInfo"]["endCursor"], "filter": None}
        page = _asked(api, values, instead, changes, selection, declared=declared, **given)["refusals"]
        nodes += page["nodes"]
    return {**first, "nodes": nodes}


def _with_examples(api: Api, values: Json, instead: str | None, changes: list[Json], plan: Json) -> Json:
    """The first page of refusals, with some by each rule that refused none of that page's sites."""
    first: Json = plan["refusals"]
    told = {reason["rule"] for one in first["nodes"] for reason in one["reasons"]}
    missing = [one["rule"] for one in plan["refusalsByRule"] if one["rule"] not in told]
    if not missing:
        return first
    declared = "".join(f", $f{at}: RefusalFilter" for at in range(len(missing)))
    selection = " ".join(
        f"r{at}: refusals(first: {EXAMPLES}, filter: $f{at}) {{ {REFUSAL_NODES} }}" for at in range(len(missing))
    )
    filters: dict[str, Any] = {f"f{at}": {"rule": rule} for at, rule in enumerate(missing)}
    found = _asked(api, values, instead, changes, selection, declared=declared, **filters)
    there = {(one["site"]["id"], *one["components"]) for one in first["nodes"] if one["site"]}
    more = [
        one
        for at in range(len(missing))
        for one in found[f"r{at}"]["nodes"]
        if one["site"] and (one["site"]["id"], *one["components"]) not in there
    ]
    return {**first, "nodes": [*first["nodes"], *more]}


def _moves(api: Api, what: str, values: Json, changes: list[Json], keep: KeepFlags) -> bool:
    """A drain or a rebalance; whether nothing is stuck."""
    if keep.save:
        found = _kept(api, {what: values}, changes, keep, decision="feasible", steps=PAGE)
        shown: Json = {**found, "revision": found["plannedAtRevision"]}
    else:
        name = what[0].upper() + what[1:]
        document = (
            f"query($input: Plan{name}Input!, $whatIf: [ChangeInput!]) {{ "
            f"found: plan{name}(input: $input, whatIf: $whatIf, first: {PAGE}) {{ {MOVES} }} }}"
        )
        found = shown = api.query(document, {"input": values, "whatIf": changes})["found"]
    if keep.form in (Output.JSON, Output.YAML):
        print_data(without_typenames(found), keep.form)
    elif keep.form is Output.NAME:
        for one in shown["steps"]["nodes"]:
            if one["outcome"] == "MOVES":
                typer.echo(f"deployment/{one['name']}")
    else:
        print_moves(shown)
    if keep.save:
        _say_kept(found)
    return bool(shown["feasible"])


def _rebalancing(api: Api, wish: WishFlags, moves: MoveFlags) -> Json:
    values: Json = {
        "tenantId": tenant_id(api, wish.tenant),
        "labels": moves.labelled,
        "movePenalty": moves.move_penalty,
        "maxMoves": moves.max_moves,
    }
    if moves.deployment:
        kind = KINDS["Deployment"]
        named = [deployment_text(one, None, tenant=wish.tenant) for one in moves.deployment]
        values["deploymentIds"] = [id_of(api, kind, one) for one in named]
    return {name: value for name, value in values.items() if value is not None}


def _kept(api: Api, values: Json, changes: list[Json], keep: KeepFlags, *, decision: str, steps: int) -> Json:
    given: Json = {**values, "whatIf": changes}
    if keep.expires is not None:
        given["expiresInSeconds"] = round(seconds_of(keep.expires, what="--expires"))
    selection = (
        f"plan {{ id kind feasible expiresAt plannedAtRevision "
        f"steps(first: {steps}) {{ totalCount nodes {{ {STEP} decision {{ {decision} }} }} }} }} revision"
    )
    found: Json = api.mutate("createPlan", given, selection)["plan"]
    return found


def _say_kept(found: Json) -> None:
    say(f"plan/{found['id']} is kept until {found['expiresAt']}")
    say(f"do it with `edgeatlas plan apply {found['id']}`", style="dim")


def _apply(ctx: typer.Context, api: Api, kept: str | None, *, wait: bool, seconds: float, output: Output) -> None:
    if kept is None:
        raise Failure("which plan?", remedy="write `plan apply PLAN`; see `edgeatlas get plans`", code=Exit.USAGE)
    try:
        payload = api.mutate("applyPlan", {"id": kept.removeprefix("plan/")}, APPLIED, extra=OUTDATED)
    except Refused as refused:
        if refused.error.get("reasons") and output in (Output.TABLE, Output.WIDE):
            print_reasons(refused.error["reasons"])
        raise
    if output in (Output.JSON, Output.YAML):
        print_data(without_typenames(payload), output)
    elif output is Output.NAME:
        for one in payload["operations"]:
            typer.echo(f"operation/{one['id']}")
    else:
        for one in payload["deployments"]:
            say(f"deployment/{one['name']} {one['phase']}")
        for one in payload["operations"]:
            say(f"operation/{one['id']} {one['kind']} {one['status']}")
    if wait:
        for one in payload["operations"]:
            wait_for(call_of(ctx).chosen()[1], one, timeout_s=seconds)

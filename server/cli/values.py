"""The profile and the values of a deployment from flags and files.

`deploy` and `update` share these. What is given with `update` is added to the overrides that there are, in the place of
those of the same path at the same sites, so that one value can be changed without naming the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from graph.entity import KINDS
from graph.kinds.overrides import MAX_DOCUMENT
from graph.refusal import InvalidInput
from graph.yaml_values import values_in
from server.cli.api import Api, Json
from server.cli.failures import Exit, Failure
from server.cli.lookup import find, id_of, is_id

OVERRIDES = "component path value document siteIds siteSelector"


@dataclass(frozen=True, kw_only=True)
class ValueFlags:
    """With which values. Each field is a flag of the commands that take them."""

    profile: Annotated[
        str | None, typer.Option("--profile", help="The profile of the version to run with.", metavar="NAME")
    ] = None
    values: Annotated[
        list[str] | None,
        typer.Option("--values", help="A values file for a component. Can be repeated.", metavar="COMPONENT=FILE"),
    ] = None
    set_values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One value: `web:image.tag=2.1`. It is read as YAML: quote what is to be text. Can be repeated.",
            metavar="COMPONENT:PATH=VALUE",
        ),
    ] = None
    at_site: Annotated[
        list[str] | None,
        typer.Option("--at", help="The values are for this site alone. Can be repeated.", metavar="SITE"),
    ] = None
    at_sites_with: Annotated[
        str | None,
        typer.Option(
            "--at-sites-with", help="The values are for sites with labels that match alone.", metavar="SELECTOR"
        ),
    ] = None
    reset_values: Annotated[bool, typer.Option("--reset-values", help="Take away all overrides that there are.")] = (
        False
    )


def put_values(api: Api, given: ValueFlags, values: Json, *, version: Json, before: list[Json]) -> None:
    """Puts the profile and the overrides into an input; `before` has the overrides that there are. Raises Failure."""
    if given.profile is not None:
        values["profileId"] = profile_id(api, given.profile, version)
    where: Json = {}
    if given.at_site:
        where["siteIds"] = [id_of(api, KINDS["Site"], one) for one in given.at_site]
    if given.at_sites_with:
        where["siteSelector"] = given.at_sites_with
    new = [{**_document(one), **where} for one in given.values or ()]
    new += [{**_value(one), **where} for one in given.set_values or ()]
    if where and not new:
        raise Failure("which values are for these sites?", remedy="give --set or --values", code=Exit.USAGE)
    if new or given.reset_values:
        replaced = {_place(one) for one in new}
        kept = [] if given.reset_values else [_given(one) for one in before if _place(one) not in replaced]
        values["overrides"] = kept + new


def profile_id(api: Api, text: str, version: Json) -> str:
    """The profile of a version that a name, a path or an id says. Raises Failure."""
    if is_id(text) or "/" in text:
        return id_of(api, KINDS["Profile"], text)
    path = f"{version['tenant']['name']}/{version['app']['name']}/{version['name']}/{text}"
    return str(find(api, KINDS["Profile"], path)["id"])


def _document(text: str) -> Json:
    component, equals, file = text.partition("=")
    if not equals or not component or not file:
        raise Failure(f"{text!r} is no values file", remedy="write web=values.yaml", code=Exit.USAGE)
    try:
        body = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise Failure(f"{file}: {problem}", code=Exit.USAGE) from None
    if len(body) > MAX_DOCUMENT:
        raise Failure(f"{file} has more than {MAX_DOCUMENT:,} characters", code=Exit.USAGE)
    return {"component": component, "document": body}


def _value(text: str) -> Json:
    place, equals, value = text.partition("=")
    component, colon, path = place.partition(":")
    if not equals or not colon or not component or not path:
        raise Failure(f"{text!r} is no value", remedy="write web:image.tag=2.1", code=Exit.USAGE)
    try:
        found: list[Any] = [one for _, one in values_in(value, "--set")]
    except InvalidInput as problem:
        raise Failure(problem.message, remedy=problem.remedy, code=Exit.USAGE) from None
    return {"component": component, "path": path, "value": found[0] if found else None}


def _place(override: Json) -> tuple[str, str | None, tuple[str, ...], str | None]:
    """What an override is of and for; another of the same takes its place."""
    sites = tuple(sorted(override.get("siteIds") or ()))
    return override["component"], override.get("path"), sites, override.get("siteSelector")


def _given(override: Json) -> Json:
    """An override as it was answered, as an input takes it."""
    return {key: value for key, value in override.items() if not key.startswith("__") and value is not None}

"""Policy files: read with names, and refused with the file's field for whatever is wrong in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.cli.api import Api
from server.cli.config import Context
from server.cli.failures import Exit, Failure
from server.cli.policy_files import policy_in_file
from serverkit.commands import CommandLine

AMBIGUOUS = {"code": "INVALID_INPUT", "argument": "within", "remedy": "say within which"}


def api_that(**found: Any) -> Api:
    """A client to which only these names are known, each with the answer of its lookup; any other is not there."""

    def answer(request: httpx.Request) -> httpx.Response:
        variables = json.loads(request.content)["variables"]
        one = found.get(variables["n"])
        if isinstance(one, dict) and "extensions" in one:
            return httpx.Response(200, json={"errors": [one]})
        return httpx.Response(200, json={"data": {"it": one}})

    return Api(Context(token="ea_1"), transport=httpx.MockTransport(answer), sleep=lambda seconds: None)


def silent() -> Api:
    """A client that is asked nothing."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.content)

    return Api(Context(token="ea_1"), transport=httpx.MockTransport(answer), sleep=lambda seconds: None)


def refusal(api: Api, folder: Path, text: str) -> Failure:
    file = folder / "p.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Failure) as caught:
        policy_in_file(api, file)
    return caught.value


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("weights: {latency: .nan}", "weights.latency", "no finite number"),
        ("latency: [{place: x, withinMs: -.inf}]", "latency[0].withinMs", "no finite number"),
        ("maxPricePerHour: .inf", "maxPricePerHour", "no finite number"),
        ("minSites: 2020-01-01", "minSites", "neither a text nor a number"),
        ("sites: {labels: !!binary aGk=}", "sites.labels", "neither a text nor a number"),
        ("7: true", None, "is no word"),
        ("latencyy: 3", "latencyy", "did you mean 'latency'?"),
        ("sites: {lables: gpu}", "sites.lables", "did you mean 'labels'?"),
        ("minSites: two", "minSites", "minSites must be a whole number, not a text"),
        ("weights: {price: -1}", "weights.price", "of at least 0"),
        ("spread: [{by: PLANET}]", "spread[0].by", "PLANET"),
        ("latency: 3", "latency", "latency must be a list, not a whole number"),
        ("latency: [{withinMs: 3}]", "latency[0]", "place"),
        (
            "components: [{component: web, apart: perhaps}]",
            "components[0].apart",
            "apart must be true or false, not a text",
        ),
        ("a: &a [x, x]\nb: &b [*a, *a]\n", "a", "PlacementPolicy has no 'a'"),
        ("groups: &a [*a]", None, "64 levels"),
        ("maxSites: 1\nminSites: 1\nmaxSites: 2\n", None, "key 'maxSites' is given twice"),
        ("weights: {price: 1, latency: 2, price: 3}\n", None, "key 'price' is given twice"),
    ],
)
def test_what_no_policy_can_have_is_told_with_its_field_and_asks_nobody(
    tmp_path: Path, text: str, field: str | None, words: str
) -> None:
    api = api_that() if "place: x" in text else silent()
    found = refusal(api, tmp_path, text)
    assert found.path == str(tmp_path / "p.yaml") + (f": {field}" if field else "")
    assert words in f"{found.message} {found.remedy}"
    assert found.remedy
    assert found.code == Exit.USAGE


def test_aliases_do_not_grow_without_end(tmp_path: Path) -> None:
    lines = ["a: &a0 [x, x, x, x]", *(f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 9))]
    assert "100,000 values" in refusal(silent(), tmp_path, "\n".join(lines)).message


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("sites: {siteIds: [Hamburg]}", "sites.siteIds[0]", "there is no Site 'Hamburg'"),
        ("sites: {regionIds: [Here, Nowhere]}", "sites.regionIds[1]", "there is no Region 'Nowhere'"),
        ("groups: [{anyOf: [{sites: {siteIds: [A]}}]}]", "groups[0].anyOf[0].sites.siteIds[0]", "no Site 'A'"),
        ("near: [{siteId: B, withinMs: 3}]", "near[0].siteId", "no Site 'B'"),
        ("latency: [{place: Atlantis, withinMs: 3}]", "latency[0].place", "no Site or Region 'Atlantis'"),
        ("pinnedSiteIds: [C]", "pinnedSiteIds[0]", "no Site 'C'"),
    ],
)
def test_a_name_that_is_not_there_is_told_with_its_field(tmp_path: Path, text: str, field: str, words: str) -> None:
    found = refusal(api_that(Here={"id": "region_1"}), tmp_path, text)
    assert (found.path, found.code) == (f"{tmp_path / 'p.yaml'}: {field}", Exit.NOT_FOUND)
    assert words in found.message
    assert "`edgeatlas get " in str(found.remedy)


def test_a_file_that_is_not_there_or_no_yaml_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be read: No such file or directory") as missing:
        policy_in_file(silent(), tmp_path / "none.yaml")
    assert missing.value.remedy == "name a file with a policy"
    assert refusal(silent(), tmp_path, "{").remedy == "write sites, latency, minSites, … in YAML"


def test_a_name_that_several_have_is_told_with_its_field_and_how_to_write_it(tmp_path: Path) -> None:
    api = api_that(vision={"message": "2 apps are named 'vision'", "extensions": AMBIGUOUS})
    found = refusal(api, tmp_path, "affinity: [{appIds: [vision]}]")
    assert (found.message, found.path) == (
        "2 apps are named 'vision'",
        f"{tmp_path / 'p.yaml'}: affinity[0].appIds[0]",
    )
    assert "TENANT/NAME" in str(found.remedy)


def test_names_and_places_become_ids(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "sites: {siteIds: [A, 7]}\nlatency:\n- {place: A, withinMs: 3}\n- {place: '16.4,48.2', withinMs: 4.5}\n"
        "near: [{siteId: A, withinMs: 2}]\n"
    )
    site = {"id": "site_1", "name": "A", "__typename": "Site"}
    seven = {"id": "site_7", "name": "7", "__typename": "Site"}

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        known = {"A": site, "7": seven}.get(asked["variables"]["n"]) if "site(" in asked["query"] else None
        return httpx.Response(200, json={"data": {"it": known}})

    api = Api(Context(token="ea_1"), transport=httpx.MockTransport(answer), sleep=lambda seconds: None)
    assert policy_in_file(api, file) == {
        "sites": {"siteIds": ["site_1", "site_7"]},
        "latency": [
            {"place": {"name": "A", "siteId": "site_1"}, "withinMs": 3},
            {"place": {"name": "16.4,48.2", "position": {"longitude": 16.4, "latitude": 48.2}}, "withinMs": 4.5},
        ],
        "near": [{"siteId": "site_1", "withinMs": 2}],
    }


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_no_number_that_is_none_is_sent(number: str) -> None:
    with pytest.raises(Failure, match="cannot be sent") as caught:
        silent().query("query($x: Float) { x(x: $x) }", {"x": float(number)})
    assert (caught.value.code, caught.value.remedy) == (Exit.USAGE, "give finite numbers")


def test_a_wrong_file_ends_a_command_and_says_where(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    for text, words, code in (
        ("weights: {latency: .nan}", "weights.latency", Exit.USAGE),
        ("sites: {siteIds: [Hamburgo]}", "sites.siteIds[0]", Exit.NOT_FOUND),
        ("latencyy: 3", "did you mean 'latency'?", Exit.USAGE),
    ):
        file.write_text(text)
        for command in ("plan", "deploy"):
            assert words in cli(command, "hello/1.0", "-f", str(file), code=int(code)).stderr

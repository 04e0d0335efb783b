"""What a batch file says is what the API is asked for: every verb, and all that a deployment can be wished to have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.cli.batch_items import WORDS
from server.cli.failures import Exit
from serverkit.commands import CommandLine

APP = """kind: App
metadata: {name: batched, tenant: shop}
---
kind: AppVersion
metadata: {name: "1", tenant: shop}
spec: {app: batched}
---
kind: Profile
metadata: {name: small, tenant: shop}
spec: {appVersion: batched/1, values: {web: {size: S}}}
---
kind: Component
metadata: {name: web, tenant: shop}
spec:
  appVersion: batched/1
  artifact: {type: CONTAINER_IMAGE, reference: docker.io/library/nginx:1.27}
  resources: {cpuMillicores: 100, memoryBytes: 67108864}
"""
AT_VIENNA = {"sites": {"siteIds": ["Vienna"]}, "maxSites": 1}
SHOWN = (
    "phase displayName labels { key value } profile { name } overrides { component path value siteIds }"
    " failover { mode tolerationSeconds single } driftPolicy requiresApproval releases(first: 5) { nodes { replicas } }"
)


class Batch:
    """Sends items as one file."""

    def __init__(self, cli: CommandLine, path: Path) -> None:
        self.cli = cli
        self.path = path

    def __call__(self, *items: dict[str, Any], code: int = 0, wait: bool = False) -> list[dict[str, Any]]:
        """The answers to items, by their order."""
        self.path.write_text(yaml.safe_dump(list(items)))
        waiting = ("--wait", "--timeout", "180s") if wait else ()
        answers: list[dict[str, Any]] = json.loads(
            self.cli("batch", str(self.path), "--yes", *waiting, "-o", "json", code=code).stdout
        )
        return answers

    def shown(self, name: str) -> dict[str, Any]:
        """What the API says of a deployment."""
        text = f'{{ deployments(first: 1, filter: {{ name: {{ eq: "{name}" }} }}) {{ nodes {{ {SHOWN} }} }} }}'
        found: dict[str, Any] = json.loads(self.cli("query", "-", given=text).stdout)["deployments"]["nodes"][0]
        return found


@pytest.fixture
def batch(cli: CommandLine, tmp_path: Path) -> Iterator[Batch]:
    (tmp_path / "app.yaml").write_text(APP)
    cli("apply", "-f", str(tmp_path / "app.yaml"))
    run = Batch(cli, tmp_path / "batch.yaml")
    yield run
    run({"terminate": "wished", "delete": True}, wait=True)


def test_all_that_a_deployment_can_be_wished_to_have_is_said_in_an_item(batch: Batch, cli: CommandLine) -> None:
    vienna = cli.json("get", "site", "Vienna")["id"]
    begun = {
        "deploy": "batched/1",
        "name": "wished",
        "displayName": "As wished",
        "labels": {"team": "blue"},
        "policy": AT_VIENNA,
        "profile": "small",
        "values": {"web": {"colour": "red"}},
        "overrides": [{"component": "web", "path": "size", "value": "M", "sites": ["Vienna"]}],
        "failover": {"mode": False, "tolerationSeconds": 60},
        "driftPolicy": "report",
    }
    batch(begun, wait=True)
    found = batch.shown("wished")
    assert (found["displayName"], found["labels"]) == ("As wished", [{"key": "team", "value": "blue"}])
    assert found["profile"] == {"name": "small"}
    assert found["overrides"] == [
        {"component": "web", "path": None, "value": {"colour": "red"}, "siteIds": []},
        {"component": "web", "path": "size", "value": "M", "siteIds": [vienna]},
    ]
    assert found["failover"] == {"mode": "OFF", "tolerationSeconds": 60, "single": False}
    assert (found["driftPolicy"], found["requiresApproval"]) == ("REPORT", False)

    changed = {
        "update": "wished",
        "profile": None,
        "values": {"web": {"colour": "green"}},
        "failover": {"mode": "apply", "single": True},
        "driftPolicy": "CORRECT",
    }
    relabelled = {"relabel": "wished", "displayName": None, "labels": {"stage": "test"}}
    batch(changed, relabelled, wait=True)
    found = batch.shown("wished")
    assert (found["displayName"], found["labels"]) == (None, [{"key": "stage", "value": "test"}])
    assert found["profile"] is None
    assert [one["value"] for one in found["overrides"]] == [{"colour": "green"}], "an update replaces them whole"
    assert found["failover"] == {"mode": "APPLY", "tolerationSeconds": 300, "single": True}
    assert found["driftPolicy"] == "CORRECT"
    batch({"update": "wished", "overrides": []}, wait=True)
    assert batch.shown("wished")["overrides"] == []


def test_a_site_is_adjusted_and_operations_are_cancelled_and_tried_again(batch: Batch) -> None:
    batch({"deploy": "batched/1", "name": "wished", "policy": AT_VIENNA}, wait=True)
    batch({"adjustSite": "wished", "site": "Vienna", "replicas": {"web": 3}}, wait=True)
    assert batch.shown("wished")["releases"]["nodes"] == [{"replicas": 3}]
    [answer] = batch({"adjustSite": "wished", "site": "Vienna"}, wait=True)
    assert batch.shown("wished")["releases"]["nodes"] == [{"replicas": 1}]

    ended = answer["operation"]["id"]
    answers = batch({"cancel": ended}, {"retry": f"operation/{ended}", "deadline": "1m"}, code=int(Exit.REFUSED))
    assert [one["code"] for one in answers] == ["INVALID_STATE", "INVALID_STATE"], "it has ended well"

    [waits] = batch({"update": "wished", "requiresApproval": True}, {"scale": "wished", "replicas": {"web": 2}})[1:]
    [taken_back] = batch({"cancel": waits["operation"]["id"]}, wait=True)
    assert taken_back["operation"]["status"] in ("CANCELLED", "CANCELLING")
    assert batch.shown("wished")["requiresApproval"] is True


WRONG = (
    ("- adjustSite: wished\n", "which site"),
    ("- adjustSite: wished\n  site: Vienna\n  replicas: [3]\n", "no numbers by component"),
    ("- relabel: wished\n", "nothing to change"),
    ("- relabel: wished\n  labels: [blue]\n", "labels are no texts"),
    ("- relabel: wished\n  displayName: 1.0\n", "displayName is no text"),
    ("- scale: wished\n", "how many replicas"),
    ("- cancel: wished\n", "no operation's id"),
    ("- cancel: wished\n  tenant: shop\n", "nothing beside its id"),
    ("- retry: wished\n", "no operation's id"),
    ("- update: wished\n  driftPolicy: always\n", "none of CORRECT, REPORT"),
    ("- update: wished\n  requiresApproval: please\n", "neither true nor false"),
    ("- update: wished\n  failover: APPLY\n", "failover is no policy"),
    ("- update: wished\n  failover: {mode: MAYBE}\n", "failover.mode"),
    ("- update: wished\n  failover: {moves: 3}\n", "failover.moves"),
    ("- update: wished\n  values: {web: red}\n", "no mappings by component"),
    ("- update: wished\n  values: {web: {since: 2020-01-01}}\n", "values cannot be sent"),
    ("- update: wished\n  overrides: {web: {a: 1}}\n", "no list of overrides"),
    ("- update: wished\n  overrides: [{path: a}]\n", "overrides[0]"),
    ("- update: wished\n  overrides: [{component: web, sites: Vienna}]\n", "no list of names"),
    ("- update: wished\n  profile: [small]\n", "profile is no name"),
    ("- deploy: batched/1\n  whenPossible: soon\n", "neither true nor false"),
)


def test_what_is_wrong_in_an_item_is_told_in_its_words_and_nothing_is_asked_for(batch: Batch) -> None:
    batch({"deploy": "batched/1", "name": "wished", "policy": AT_VIENNA}, wait=True)
    before = batch.shown("wished")
    for text, told in WRONG:
        batch.path.write_text(text)
        assert told in batch.cli("batch", str(batch.path), "--yes", code=int(Exit.USAGE)).stderr, text
    assert batch.shown("wished") == before


def test_every_verb_that_the_api_has_for_many_has_its_word() -> None:
    schema = (Path(__file__).resolve().parents[3] / "schema" / "schema.graphql").read_text(encoding="utf-8")
    many = {line.strip().removesuffix("Many(") for line in schema.splitlines() if line.strip().endswith("Many(")}
    assert many == set(WORDS)

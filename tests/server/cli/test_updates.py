"""Updates from the command line start from what waits, and are never laid over what they have not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.cli.failures import Exit, Failure
from server.cli.labelling import labelled
from serverkit.commands import CommandLine


@pytest.fixture
def gated(cli: CommandLine, tmp_path: Path) -> Any:
    """A deployment whose changes wait, of which one runs."""
    name = f"gated-{tmp_path.name.replace('_', '-')}"[:40].lower()
    cli("deploy", "hello/1.0", "--name", name, "--within", "8ms", "--of", "Vienna", "--requires-approval")
    cli("approve", name, "--revision", "1", "--wait")
    yield name
    cli("terminate", name, "--delete", "--yes", "--wait")


def shown(cli: CommandLine, name: str) -> Any:
    fields = "overrides { path value } failover { mode maxMoves } driftPolicy requiresApproval"
    nodes = f"nodes {{ phase {fields} proposal {{ number {fields} }} }}"
    text = f'{{ deployments(filter: {{ name: {{ eq: "{name}" }} }}) {{ {nodes} }} }}'
    return json.loads(cli("query", "-", given=text).stdout)["deployments"]["nodes"][0]


def test_what_is_added_is_added_to_what_waits(cli: CommandLine, gated: str) -> None:
    cli("update", gated, "--set", "web:a=1", "--failover", "report")
    cli("update", gated, "--set", "web:b=2", "--failover-moves", "3", "--drift-policy", "report")
    found = shown(cli, gated)
    assert found["overrides"] == []
    assert found["proposal"] == {
        "number": 3,
        "overrides": [{"path": "a", "value": 1}, {"path": "b", "value": 2}],
        "failover": {"mode": "REPORT", "maxMoves": 3},
        "driftPolicy": "REPORT",
        "requiresApproval": True,
    }
    refused = cli("update", gated, "--drift-policy", "report", code=int(Exit.REFUSED))
    assert "nothing to approve" in refused.stderr
    assert "PENDING_APPROVAL" in cli("pause", gated, "--wait").stderr
    paused = json.loads(cli("resume", gated, "-o", "json").stdout)
    assert paused["deployment"]["phase"] == "PENDING_APPROVAL"
    cli("approve", gated, "--revision", "3", "--wait")
    assert (shown(cli, gated)["driftPolicy"], shown(cli, gated)["proposal"]) == ("REPORT", None)


def test_a_pause_is_printed_like_the_others_and_waits_until_nothing_is_under_way(cli: CommandLine, gated: str) -> None:
    paused = json.loads(cli("pause", gated, "--wait", "--timeout", "180s", "-o", "json").stdout)
    assert paused["deployment"]["phase"] == "PAUSED"
    assert cli("pause", gated, "-o", "name").stdout == f"deployment/{gated}\n"
    cli("wait", gated, "--for", "quiet")
    cli("resume", gated, "--wait")


def test_a_deployment_is_labelled(cli: CommandLine, gated: str) -> None:
    cli("label", gated, "team=blue", "stage=test", "--display-name", "The shop")
    assert f"deployment/{gated}" in cli("label", "deployment", gated, "stage-", "-o", "name").stdout
    found = cli.json("get", "deployment", gated)
    assert {one["key"]: one["value"] for one in found["labels"]} == {"team": "blue"}
    assert found["displayName"] == "The shop"
    assert "nothing to change" in cli("label", gated, code=int(Exit.USAGE)).stderr


def test_labels_are_set_and_taken_away() -> None:
    assert labelled({"a": "1", "b": "2"}, ["a=3", "b-", "c=x=y", "d-"]) == {"a": "3", "c": "x=y"}
    for wrong in ("a", "=b", "-"):
        with pytest.raises(Failure, match="no label"):
            labelled({}, [wrong])


def test_a_batch_holds_takes_back_and_changes_sites(cli: CommandLine, gated: str, tmp_path: Path) -> None:
    path = tmp_path / "batch.yaml"
    asked = [
        {"pause": gated},
        {"resume": gated},
        {"scale": gated, "replicas": {"web": 2}},
        {"approve": gated, "revision": 2},
        {"rollback": gated, "to": 1},
        {"rollback": gated, "to": 9},
        {"addSites": gated, "sites": ["Vienna"]},
        {"addSites": gated, "sites": ["Lyon"]},
        {"stop": gated},
        {"resume": gated},
    ]
    path.write_text(yaml.safe_dump(asked))
    result = cli("batch", str(path), "--yes", "-o", "json", code=int(Exit.REFUSED))
    answers = json.loads(result.stdout)
    assert [one["item"] for one in answers] == list(range(1, 11))
    codes = [one.get("code") for one in answers]
    assert codes == [None] * 5 + ["INVALID_INPUT", "INVALID_STATE", None, None, None], answers
    assert "at all of these sites already" in answers[6]["message"]
    for text, told in (
        ("- scale: x\n", "how many replicas"),
        ("- rollback: x\n", "which revision"),
        ("- addSites: x\n  sites: Vienna\n", "no list of names"),
    ):
        path.write_text(text.replace("x", gated))
        assert told in cli("batch", str(path), "--yes", code=int(Exit.USAGE)).stderr

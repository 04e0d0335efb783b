"""`simulate`: a simulated backend that a server reaches with a token, and what it refuses to start with."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest

from driverkit.simulated_process import SimulatedProcess, simulated_process
from server.cli.failures import Exit
from serverkit.commands import CommandLine

LONGEST_S = 60.0


def health_of(cli: CommandLine, cluster: str, status: str) -> dict[str, object]:
    """The cluster's health once it has a status."""
    end = time.monotonic() + LONGEST_S
    while True:
        health: dict[str, object] = cli.json("describe", "cluster", cluster)["health"]
        if health["status"] == status or time.monotonic() > end:
            assert health["status"] == status, health
            return health
        time.sleep(0.05)


def test_a_server_reaches_a_backend_with_the_token_of_a_secret(cli: CommandLine, tmp_path: Path) -> None:
    with simulated_process(tmp_path / "edge") as process:
        spec = {
            "driver": "simulated",
            "sites": ["Cork"],
            "endpoint": process.endpoint,
            "configuration": {"cluster": "apart"},
        }
        cluster = {"kind": "Cluster", "metadata": {"name": "apart"}, "spec": spec}
        cli("apply", "-f", "-", "--name", "apart", given=json.dumps(cluster))
        assert "does not know this token" in str(health_of(cli, "apart", "DOWN")["reasons"])
        cli("secret", "create", "edge-token", f"token=@{tmp_path}/edge/token")
        spec["credentials"] = "edge-token"
        cli("apply", "-f", "-", "--name", "apart", given=json.dumps(cluster))
        health_of(cli, "apart", "READY")
        cli("delete", "cluster", "apart", "--yes")
        cli("secret", "delete", "edge-token", "--yes")


def test_settings_of_a_file_hold_for_clusters_that_were_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "behaviour.yaml").write_text("seed: 9\nsites:\n  Cork: {latencyMs: 3}\n")
    process = SimulatedProcess(tmp_path / "edge", flags=("--behaviour", str(tmp_path / "behaviour.yaml"))).start()
    try:
        address = process.endpoint.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(address[0], int(address[1]), timeout=LONGEST_S)
        connection.request("GET", "/v1/clusters/new/behaviour", headers={"authorization": f"Bearer {process.token}"})
        told = json.loads(connection.getresponse().read())
        assert (told["seed"], told["sites"]) == (9, {"Cork": {"latencyMs": 3}})
        connection.close()
    finally:
        assert process.stop() == 0


@pytest.mark.parametrize(
    ("files", "flags", "words"),
    [
        ({"b.yaml": "latency: 3"}, ["--behaviour", "b.yaml"], "latency: a simulated cluster has no such setting"),
        ({"b.yaml": "[1]"}, ["--behaviour", "b.yaml"], "has no settings"),
        ({"b.yaml": "a: ["}, ["--behaviour", "b.yaml"], "cannot be read"),
        ({}, ["--behaviour", "b.yaml"], "cannot be read"),
        ({}, ["--token-file", "token"], "cannot be read"),
        ({"token": "two words"}, ["--token-file", "token"], "has no token"),
        ({"edge": "a file"}, ["--folder", "edge"], "cannot be used"),
    ],
)
def test_a_wrong_start_is_refused_with_its_reason(
    alone: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    flags: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    refused = alone("simulate", "--port", "0", *flags, code=int(Exit.USAGE))
    assert words in " ".join(refused.stderr.split())


def test_a_port_that_is_taken_is_told(alone: CommandLine, tmp_path: Path) -> None:
    with simulated_process(tmp_path) as process:
        port = process.endpoint.rpartition(":")[2]
        refused = alone("simulate", "--port", port, code=int(Exit.USAGE))
        assert f"cannot listen on 127.0.0.1:{port}" in " ".join(refused.stderr.split())

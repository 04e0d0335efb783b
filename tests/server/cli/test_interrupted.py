"""What goes on while the server is killed and started again: work, waiting and watching."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from faultkit.convergence import converging
from server.cli.failures import Exit
from serverkit.commands import LONGEST_S, Begun, CommandLine
from serverkit.process import RunningServer

SITES = ("Krakow", "Poznan", "Szczecin", "Wroclaw")
NODES = [
    {
        "kind": "Node",
        "metadata": {"name": f"box-{at}"},
        "spec": {"site": site, "cluster": "slow", "capacity": {"cpuMillicores": 8_000, "memoryBytes": 2**34}},
    }
    for at, site in enumerate(SITES)
]
CLUSTER = {
    "kind": "Cluster",
    "metadata": {"name": "slow"},
    "spec": {"driver": "simulated", "sites": list(SITES), "configuration": {"readyAfterMs": 4_000, "latencyMs": 200}},
}
WALK = Path(__file__).resolve().parents[3] / "docs" / "examples" / "walk.yaml"


def test_a_deployment_is_waited_for_and_watched_over_a_kill_of_the_server(
    start_server: Callable[..., RunningServer], tmp_path: Path, converged: Callable[[float], None]
) -> None:
    server = start_server()
    run = CommandLine(
        {"XDG_CONFIG_HOME": str(tmp_path), "EDGEATLAS_URL": "", "EDGEATLAS_TOKEN": "", "EDGEATLAS_CONTEXT": ""}
    )
    run("login", "--link", server.link)
    run("import", "topohub:sndlib/polska")
    run("apply", "-f", str(WALK))
    run("apply", "-f", "-", "--name", "slow", given=json.dumps([CLUSTER, *NODES]))
    watching = Begun(run, "watch", "releases", "--for", f"{LONGEST_S:.0f}s", "--lines")
    watching.until(lambda: bool(watching.out))  # the table, before anything changes
    deploying = Begun(run, "deploy", "hello/1.0", "--everywhere", "--wait", "--timeout", f"{LONGEST_S:.0f}s")
    deploying.until(lambda: bool(run.json("operation", "list", "--running")))
    assert server.kill() != 0
    time.sleep(0.5)
    server.start()
    with converging() as took:
        assert deploying.ended() == 0, deploying.out + deploying.err
    converged(took.seconds)
    assert "SUCCEEDED" in deploying.err
    assert run.json("get", "deployment", "hello")["phase"] == "READY"
    watching.until(lambda: watching.out.count("→ READY") + watching.out.count("phase READY") >= len(SITES))
    watching.process.terminate()
    watching.ended()
    assert "connecting again" in watching.err


def test_a_link_for_a_user_is_made_where_the_data_is_once_the_server_is_stopped(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server()
    here = CommandLine({**server.environment, "EDGEATLAS_URL": "", "EDGEATLAS_TOKEN": "", "EDGEATLAS_CONTEXT": ""})
    refused = here("user", "link", "admin", code=int(Exit.UNAVAILABLE))
    assert "log in to the server as an administrator; or stop the server" in refused.stderr
    assert server.stop() in (0, -signal.SIGTERM)
    assert "no User 'nobody'" in here("user", "link", "nobody", code=int(Exit.NOT_FOUND)).stderr
    link = here("user", "link", "admin", "--public-url", server.url).stdout.strip()
    server.start()
    here("login", "--link", link)
    assert here("whoami", "-o", "name").stdout == "admin\n"
    for path in Path(server.environment["XDG_DATA_HOME"]).rglob("*"):
        assert not path.stat().st_mode & 0o077, path


def test_a_link_for_a_user_is_made_by_the_running_server_for_an_administrator(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server()
    here = CommandLine({**server.environment, "EDGEATLAS_URL": "", "EDGEATLAS_TOKEN": "", "EDGEATLAS_CONTEXT": ""})
    here("login", "--link", server.link)
    here("user", "create", "mara", "--role", "OPERATOR", "--no-password")
    made = here("user", "link", "mara")
    link = made.stdout.strip()
    assert link.startswith(f"{server.url}/auth/link?token=")
    assert link not in made.stderr
    mara = CommandLine({**here.environment, "XDG_CONFIG_HOME": str(tmp_path)})
    mara("login", "--link", link)
    assert mara("whoami", "-o", "name").stdout == "mara\n"
    assert "used already" in mara("login", "--link", link, code=int(Exit.REFUSED)).stderr
    assert "no User 'admin'" in mara("user", "link", "admin", code=int(Exit.NOT_FOUND)).stderr, "nor does she see it"
    assert "MANAGE_INSTALLATION" in mara("user", "link", "mara", code=int(Exit.REFUSED)).stderr
    assert "no User 'nobody'" in here("user", "link", "nobody", code=int(Exit.NOT_FOUND)).stderr
    assert "is in use by process" in here("user", "link", "mara", "--offline", code=int(Exit.UNAVAILABLE)).stderr
    token = link.partition("token=")[2]
    assert not [line for line in server.lines if token in line]
    server.stop()
    for path in server.folder.rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes(), path
    assert here("user", "link", "mara").stdout.startswith("http"), "nobody answers, so the store is read"

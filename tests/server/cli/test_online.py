"""The command line at a real server: the main job, and everything else that a user types."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from server.cli import holding, waiting
from server.cli.failures import Exit
from serverkit.commands import LONGEST_S, Begun, CommandLine
from serverkit.process import RunningServer

FIVE = [word for city in ("Vienna", "München", "Milano", "Brussels", "Zürich") for word in ("--of", city)]
SITES = "id,name,lat,lon\n1,Aš,50.2,12.2\n2,Cheb,50.1,12.4\n3,Sokolov,50.2,12.6\n"
LINKS = "from,to,latency_ms\n1,2,0.3\n2,3,0.3\n"


@pytest.fixture
def deployment(cli: CommandLine, request: pytest.FixtureRequest) -> Iterator[str]:
    """A deployment of the walk's app within 8 ms of five cities, gone after the test."""
    name = f"t{abs(hash(request.node.name)) % 10**8}"
    cli("deploy", "hello/1.0", "--name", name, "--within", "8ms", *FIVE, "--wait", "--timeout", "180s")
    yield name
    result = cli._runner.invoke(_app(), ["terminate", name, "--delete", "--yes", "--wait"], env=cli.environment)
    assert result.exit_code in (0, int(Exit.NOT_FOUND)), result.stderr


def _app() -> Any:
    from server.cli.application import app

    return app


# Signing in


def test_a_link_works_once_and_leaves_a_token_that_only_its_owner_can_read(
    cli: CommandLine, running_server: RunningServer, tmp_path: Path
) -> None:
    path = Path(cli.environment["XDG_CONFIG_HOME"]) / "edgeatlas" / "config.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli("whoami", "-o", "name").stdout == "admin\n"
    assert "ADMIN in every tenant" in cli("whoami").stdout
    other = CommandLine({**cli.environment, "XDG_CONFIG_HOME": str(tmp_path)})
    assert "used already" in other("login", "--link", running_server.link, code=int(Exit.REFUSED)).stderr
    assert not (tmp_path / "edgeatlas").exists()


def test_a_user_signs_in_by_password_and_out_again(
    cli: CommandLine, running_server: RunningServer, tmp_path: Path
) -> None:
    cli("user", "create", "mara", "--role", "developer@shop", "--password-stdin", given="correct horse battery\n")
    mara = CommandLine({**cli.environment, "XDG_CONFIG_HOME": str(tmp_path)})
    login = ["login", "--url", running_server.url, "--user", "mara", "--password-stdin"]
    mara(*login, code=int(Exit.REFUSED), given="wrong\n")
    mara(*login, given="correct horse battery\n")
    assert "DEVELOPER in shop" in mara("whoami").stdout
    assert mara("delete", "site", "Graz", "--yes", code=int(Exit.REFUSED)).stderr.count("error:") == 1
    assert "mara" in cli("user", "list").stdout
    mara("user", "passwd", "--password-stdin", given="correct horse battery\nanother good one\n")
    assert mara.json("token", "list")[0]["name"].startswith("edgeatlas on ")
    mara("logout")
    assert mara("context", "list").stdout.count("http") == 0
    mara(*login, given="another good one\n")


def test_without_a_token_nothing_is_shown(cli: CommandLine, running_server: RunningServer, tmp_path: Path) -> None:
    nobody = CommandLine({**cli.environment, "XDG_CONFIG_HOME": str(tmp_path)})
    result = nobody("--url", running_server.url, "get", "sites", code=int(Exit.REFUSED))
    assert "edgeatlas login" in result.stderr
    result = CommandLine({**nobody.environment, "EDGEATLAS_TOKEN": "ea_none"})(
        "--url", running_server.url, "whoami", code=4
    )
    assert "not valid any more" in result.stderr


def test_a_token_for_a_program_is_printed_once_and_can_be_ended(
    cli: CommandLine, running_server: RunningServer, tmp_path: Path
) -> None:
    token = cli("token", "create", "ci", "--role", "viewer", "--days", "1").stdout.strip()
    program = CommandLine({**cli.environment, "XDG_CONFIG_HOME": str(tmp_path), "EDGEATLAS_TOKEN": token})
    assert program("--url", running_server.url, "get", "site", "Wien", code=int(Exit.NOT_FOUND))
    assert program("--url", running_server.url, "get", "site", "Vienna", "-o", "name").stdout == "site/Vienna\n"
    cli("token", "delete", "ci")
    program("--url", running_server.url, "whoami", code=int(Exit.REFUSED))


def test_a_secret_is_kept_and_never_shown(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("s3cr3t-value")
    cli("secret", "create", "registry", f"token=@{tmp_path}/token.txt", "--tenant", "shop")
    cli("secret", "set", "shop/registry", "password=-", given="other-s3cr3t")
    shown = cli("secret", "list", "-o", "json").stdout + cli("describe", "secret", "shop/registry").stdout
    assert "s3cr3t" not in shown
    assert '"password"' in shown
    cli("secret", "delete", "shop/registry", "--yes")


# The graph


def test_a_repeated_import_changes_only_what_changed_and_only_its_own(cli: CommandLine, tmp_path: Path) -> None:
    def run(*more: str, code: int = 0) -> tuple[dict[str, list[str]], str]:
        files = ["--sites-csv", f"{tmp_path}/sites.csv", "--links-csv", f"{tmp_path}/links.csv"]
        result = cli("import", "--name", "small", *files, *more, code=code)
        rows = [line.split() for line in result.stdout.splitlines()[1:]]
        return {row[0]: row[1:] for row in rows}, result.stderr

    (tmp_path / "sites.csv").write_text(SITES)
    (tmp_path / "links.csv").write_text(LINKS)
    planned, told = run("--plan")
    assert (planned["Site"], "would be: 6 created" in told) == (["3", "-", "-", "-", "-"], True)
    assert run()[0]["Link"] == ["2", "-", "-", "-", "-"]
    cli("cordon", "site/Cheb")
    assert all(row == ["-", "-", row[2], "-", "-"] for row in run()[0].values())
    (tmp_path / "sites.csv").write_text(
        SITES.replace("Aš", "Asch").replace("3,Sokolov,50.2,12.6", "4,Ostrov,50.3,12.9")
    )
    (tmp_path / "links.csv").write_text(LINKS.replace("2,3,0.3", "2,4,0.4").replace("1,2,0.3", "1,2,0.5"))
    changed, _ = run()
    assert changed["Site"] == ["1", "1", "1", "1", "-"]
    assert changed["Link"] == ["1", "1", "-", "1", "-"]
    region = json.dumps({"region": cli.json("get", "region", "small")["id"]})
    names = cli("get", "sites", "--filter", region, "-o", "name")
    assert names.stdout.split() == ["site/Asch", "site/Cheb", "site/Ostrov"]
    assert cli.json("get", "site", "Cheb")["schedulable"] is False
    (tmp_path / "sites.csv").write_text(SITES + "5,Vienna,1,1\n6,Bad,x,1\n")
    _, told = run(code=int(Exit.REFUSED))
    assert "sites.csv:6: latitude 'x' is no number" in told
    (tmp_path / "sites.csv").write_text(SITES + "4,Ostrov,50.3,12.9\n5,Vienna,1,1\n")
    _, told = run(code=int(Exit.REFUSED))
    assert "was made by IMPORT 'europe'" in told
    assert "sites.csv:6: Site Vienna at metadata.name" in told
    assert "--prefix" in told


def test_documents_are_applied_pruned_and_told(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "1.yaml").write_text(
        "kind: Region\nmetadata: {name: R1}\n---\nkind: Region\nmetadata: {name: R2}\nspec: {parent: R1}\n"
    )
    applied = cli("apply", "-f", str(tmp_path), "--name", "regions")
    assert "applied: 2 created" in applied.stderr
    (tmp_path / "1.yaml").write_text("kind: Region\nmetadata: {name: R1, displayName: One}\nspec: {parent: Nowhere}\n")
    refused = cli("apply", "-f", str(tmp_path), "--name", "regions", code=int(Exit.REFUSED))
    assert f"{tmp_path}/1.yaml:1: Region R1 at spec.parent" in refused.stderr
    result = cli(
        "apply",
        "-f",
        "-",
        "--name",
        "regions",
        "--prune",
        given="kind: Region\nmetadata: {name: R1, displayName: One}\n",
    )
    assert [line.split()[1:3] for line in result.stdout.splitlines()[1:]] == [["R2", "DELETED"], ["R1", "UPDATED"]]
    result = cli("apply", "-f", "-", "--prune", code=int(Exit.USAGE), given="kind: Region\nmetadata: {name: R1}\n")
    assert "--name" in result.stderr


def test_entities_are_listed_in_every_form(cli: CommandLine) -> None:
    few = [
        "get",
        "sites",
        "-l",
        "type=city",
        "--filter",
        '{"tier": {"eq": "REGIONAL"}}',
        "--sort",
        "-name",
        "--limit",
        "3",
    ]
    table = cli(*few)
    assert "NAME" in table.stdout.splitlines()[0]
    assert "there are more than these 3" in table.stderr
    names = [one["name"] for one in cli.json(*few)]
    assert names == sorted(names, reverse=True)
    assert [one["name"] for one in yaml.safe_load(cli(*few, "-o", "yaml").stdout)] == names
    assert cli(*few, "-o", "name").stdout.split("\n")[:3] == [f"site/{name}" for name in names]
    assert "LABELS" in cli(*few, "-o", "wide").stdout
    assert len(cli.json("get", "sites", "--limit", "0")) >= 852
    assert cli("get", "sites", "-l", "a b c", code=int(Exit.REFUSED)).stderr.startswith("error:")
    assert "no JSON" in cli("get", "sites", "--filter", "x", code=int(Exit.USAGE)).stderr
    assert cli("get", "site", "Atlantis", code=int(Exit.NOT_FOUND))


def test_every_kind_can_be_listed(cli: CommandLine) -> None:
    from graph.entity import KINDS

    for kind in KINDS.values():
        cli("get", kind.plural, "--limit", "3")
    assert "are not of something" in cli("get", "sites", "--of", "site_1", code=int(Exit.USAGE)).stderr


def test_an_entity_is_described_with_what_belongs_to_it(cli: CommandLine) -> None:
    shown = cli("describe", "site", "Vienna").stdout
    assert "nodes (2)" in shown
    assert "Vienna-n1" in shown
    assert cli.json("describe", "site", "Vienna")["nodes"]["totalCount"] == 2


def test_what_others_depend_on_is_not_deleted_and_they_are_named(cli: CommandLine) -> None:
    cli(
        "apply",
        "-f",
        "-",
        "--name",
        "gone",
        given="kind: Region\nmetadata: {name: G1}\n---\nkind: Region\nmetadata: {name: G2}\nspec: {parent: G1}\n",
    )
    refused = cli("delete", "region", "G1", "--yes", code=int(Exit.REFUSED))
    assert "Region G2 depends on it" in refused.stderr
    assert "nobody is there to ask" in cli("delete", "region", "G2", code=int(Exit.USAGE)).stderr.lower()
    cli("delete", "region", "G2", "--yes")
    cli("delete", "region", "G1", "--yes")
    cli("delete", "region", "G1", "--yes", code=int(Exit.NOT_FOUND))


def test_a_query_is_sent_as_it_stands(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "q.graphql").write_text(
        "query($n: String!, $f: Int) { site(name: $n) { name nodes(first: $f) { totalCount } } }"
    )
    result = cli("query", str(tmp_path / "q.graphql"), "--var", "n=Vienna", "--var", "f:=1")
    assert json.loads(result.stdout) == {"site": {"name": "Vienna", "nodes": {"totalCount": 2}}}
    assert cli("query", "-", code=int(Exit.REFUSED), given="{ nothing }").stderr.startswith("error: Cannot query")


def test_the_doctor_sees_the_server(cli: CommandLine) -> None:
    findings = {one["name"]: one for one in cli.json("doctor")}
    assert findings["token"]["text"] == "you are admin"
    assert findings["graph"]["state"] == "ok"


# Apps in places


def test_a_plan_says_where_why_and_why_not_elsewhere(cli: CommandLine) -> None:
    shown = cli("plan", "hello/1.0", "--within", "2ms", *FIVE, "--tier", "metro").stdout
    assert "sites looked at" in shown
    for word in ("LATENCY", "HEADROOM", "SERVED FROM", "REFUSED BY", "tier", "need METRO, have DISTRICT"):
        assert word in shown
    every = cli("plan", "hello/1.0", "--near", "Vienna:2ms", "--refusals").stdout
    assert "REFUSED SITE" in every
    plan = cli.json(
        "plan", "shop/hello", "--near", "16.37,48.21:8", "--near", "region/europe:30ms", "--replicas", "web=3"
    )
    assert plan["feasible"]
    assert {one["place"] for each in plan["placements"] for one in each["serves"]} == {"16.37,48.21", "europe"}


def test_what_cannot_be_placed_ends_with_the_plan_and_its_near_misses(cli: CommandLine) -> None:
    result = cli("plan", "hello/1.0", "--near", "Reykjavík:0.2ms", "--exclude", "Reykjavík", code=int(Exit.REFUSED))
    assert "cannot be done" in result.stdout
    assert "Reykjavík within 0.2 ms cannot be served" in result.stdout
    result = cli(
        "deploy", "hello/1.0", "--name", "never", "--tier", "NATIONAL", "-l", "type=none", code=int(Exit.REFUSED)
    )
    assert "cannot be done" in result.stdout
    assert "error:" in result.stderr
    cli("get", "deployment", "never", code=int(Exit.NOT_FOUND))


def test_a_policy_can_come_from_a_file_with_names(cli: CommandLine, tmp_path: Path) -> None:
    policy = {
        "sites": {"siteIds": ["Graz", "Linz"], "excludedSiteIds": []},
        "latency": [{"place": "Vienna", "withinMs": 9}],
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True))
    cli("plan", "hello/1.0", "-f", f"{tmp_path}/p.yaml", code=int(Exit.NOT_FOUND))
    policy["sites"]["siteIds"] = ["Graz"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True))
    assert cli("plan", "hello/1.0", "-f", f"{tmp_path}/p.yaml", "-o", "name").stdout == "site/Graz\n"


def test_a_policy_file_has_names_in_every_word(cli: CommandLine, tmp_path: Path) -> None:
    policy = {
        "groups": [
            {"anyOf": [{"sites": {"siteIds": ["Graz"]}}, {"allOf": [{"sites": {"siteIds": ["Linz", "Vienna"]}}]}]}
        ],
        "preferences": [{"siteIds": ["Graz"]}, {"labels": "type"}],
        "pinnedSiteIds": ["Graz"],
        "near": [{"siteId": "Vienna", "withinMs": 50}],
        "spread": [{"by": "SITE", "maxSitesEach": 1}],
        "maxSites": 1,
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True))
    answer = cli("plan", "hello/1.0", "-f", f"{tmp_path}/p.yaml", "-o", "name", code=int(Exit.NOT_FOUND))
    assert "Linz" in answer.stderr
    policy["groups"][0]["anyOf"].pop()
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True))
    assert cli("plan", "hello/1.0", "-f", f"{tmp_path}/p.yaml", "-o", "name").stdout == "site/Graz\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing/1"], Exit.NOT_FOUND, "there is no app version"),
        ([], Exit.USAGE, "which app version"),
        (["hello/1.0", "--near", "Vienna"], Exit.USAGE, "no place with its latency"),
        (["hello/1.0", "--near", "Atlantis:8ms"], Exit.NOT_FOUND, "no Site or Region"),
        (["hello/1.0", "--within", "8ms"], Exit.USAGE, "belong together"),
        (["hello/1.0", "--replicas", "none=2"], Exit.REFUSED, "none"),
    ],
)
def test_a_wrong_plan_is_told(cli: CommandLine, arguments: list[str], code: Exit, words: str) -> None:
    assert words in cli("plan", *arguments, code=int(code)).stderr


def test_a_deployment_is_paused_stopped_resumed_and_taken_back(cli: CommandLine, deployment: str) -> None:
    assert "PAUSED" in cli("pause", deployment).stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holding, "waited_for", Mock(side_effect=KeyboardInterrupt))
        result = cli("pause", deployment, "--wait", code=int(Exit.INTERRUPTED))
    assert f"{deployment} stays paused" in result.stderr
    assert f"edgeatlas wait {deployment} --for quiet" in result.stderr
    cli("resume", deployment, "--wait")
    cli("stop", deployment, "--yes", "--wait")
    assert cli.json("get", "deployment", deployment)["phase"] == "STOPPED"
    cli("resume", deployment, "--wait")
    cli("scale", deployment, "web=4", "--wait")
    cli("rollback", deployment, "--to", "1", "--wait")
    found = cli.json("get", "deployment", deployment)
    assert (found["phase"], found["revisionNumber"]) == ("READY", 3)
    there = cli.json("describe", "deployment", deployment)["releases"]["nodes"][0]["site"]["name"]
    cli("adjust-site", deployment, there, "web=2", "--wait")
    elsewhere = next(
        one["name"] for one in cli.json("get", "sites") if one["name"] != there and one["role"] == "COMPUTE"
    )
    cli("add-sites", deployment, elsewhere, "--wait")
    cli("remove-sites", deployment, elsewhere, "--wait")
    after = cli.json("describe", "deployment", deployment)["releases"]["nodes"]
    assert elsewhere not in {one["site"]["name"] for one in after}
    assert "it has 1 to 6" in cli("rollback", deployment, "--to", "9", code=int(Exit.REFUSED)).stderr


def test_an_app_is_deployed_scaled_updated_drained_and_terminated(cli: CommandLine, deployment: str) -> None:
    found = cli.json("get", "deployment", deployment)
    assert (found["phase"], found["appVersion"]["name"]) == ("READY", "1.0")
    cli("scale", deployment, "web=4", "--wait")
    cli("update", deployment, "--to", "1.1", "--wait")
    found = cli.json("describe", "deployment", deployment)
    assert found["appVersion"]["name"] == "1.1"
    site = found["releases"]["nodes"][0]["site"]["name"]
    cli("drain", f"site/{site}", "--yes", "--wait")
    releases = cli.json("describe", "deployment", deployment)["releases"]["nodes"]
    assert site not in {one["site"]["name"] for one in releases}
    cli("uncordon", f"site/{site}")
    operations = [one for one in cli.json("operation", "list") if (one["subject"] or {}).get("name") == deployment]
    assert {one["kind"] for one in operations} >= {"DEPLOY", "SCALE", "UPDATE"}
    assert {one["requestedBy"]["name"] for one in operations} == {"admin"}
    assert operations[0]["id"] in cli("operation", "list").stdout
    revisions = cli.json("get", "deploymentrevisions", "--of", found["id"], "--sort", "id")
    assert [one["number"] for one in revisions] == list(range(1, len(revisions) + 1))
    accepted = cli.json("get", "events", "--of", found["id"], "-f", '{"reason": {"eq": "DeploymentAccepted"}}')
    assert {one["reason"] for one in accepted} == {"DeploymentAccepted"}
    described = cli("describe", "deployment", deployment).stdout
    assert f"revisions ({len(revisions)})" in described
    assert f"currentRevision: {len(revisions)}\n" in described
    shown = cli("operation", "show", operations[-1]["id"]).stdout
    assert "SUCCEEDED" in shown
    assert " by admin\n" in shown
    row = next(one for one in cli("get", "operations").stdout.splitlines() if operations[-1]["id"] in one)
    assert " admin " in row
    assert "user_" not in row
    cli("operation", "wait", operations[-1]["id"])
    cli("operation", "cancel", operations[-1]["id"], code=int(Exit.REFUSED))
    assert "nothing to change" in cli("update", deployment, code=int(Exit.USAGE)).stderr
    cli("terminate", deployment, "--delete", "--yes", "--wait")
    cli("get", "deployment", deployment, code=int(Exit.NOT_FOUND))


@contextmanager
def interrupted_while_it_waits() -> Iterator[None]:
    """Whoever waits for an operation gets what Ctrl-C sends, once the server has told of it."""
    subscribe = waiting.subscribe

    async def told_once(*given: Any, **named: Any) -> AsyncIterator[Any]:
        async with aclosing(subscribe(*given, **named)) as events:
            async for data in events:
                yield data
                os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waiting, "subscribe", told_once)
            yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_waiting_ends_with_a_code_of_its_own_when_time_is_up_or_work_failed(cli: CommandLine, tmp_path: Path) -> None:
    slow = {
        "kind": "Cluster",
        "metadata": {"name": "slow"},
        "spec": {"driver": "simulated", "sites": ["Cork"], "configuration": {"readyAfterMs": 60_000}},
    }
    node = {
        "kind": "Node",
        "metadata": {"name": "slow-1"},
        "spec": {"site": "Cork", "cluster": "slow", "capacity": {"cpuMillicores": 96_000, "memoryBytes": 2**40}},
    }
    cli("apply", "-f", "-", "--name", "slow", given=json.dumps([slow, node]))
    cli("cordon", "cluster/lab")
    try:
        deploy = ["deploy", "hello/1.0", "--name", "slow", "--site", "Cork", "--wait", "--timeout", "1s"]
        result = cli(*deploy, code=int(Exit.TIMED_OUT))
        assert "it goes on" in result.stderr
        (operation,) = [one["id"] for one in cli.json("operation", "list", "--running")]
        with interrupted_while_it_waits():
            result = cli("operation", "wait", operation, code=int(Exit.INTERRUPTED))
        assert f"operation {operation} goes on" in result.stderr
        assert f"edgeatlas operation wait {operation}" in result.stderr
        cli("operation", "cancel", operation, "--wait")
        cli("operation", "wait", operation, code=int(Exit.FAILED))
    finally:
        cli("uncordon", "cluster/lab")


# Watching


def test_a_thing_is_named_in_either_spelling_and_with_its_tenant(cli: CommandLine, deployment: str) -> None:
    cli("cordon", "site", "Vienna")
    cli("uncordon", "Sites/Vienna")
    assert cli.json("describe", "site/Vienna")["name"] == "Vienna"
    assert [one["name"] for one in cli.json("get", "site/Vienna", "site/Brussels")] == ["Vienna", "Brussels"]
    for named in (["deployment", deployment], [f"deployment/{deployment}"], [f"deployment/shop/{deployment}"]):
        assert cli.json("describe", *named, "--tenant", "shop")["name"] == deployment
        cli("scale", *named, "web=2", "--tenant", "shop", "--wait")
    cli("describe", "deployment", deployment, "--tenant", "nobody", code=int(Exit.NOT_FOUND))
    assert "leave out --tenant" in cli("describe", "user", "admin", "-t", "shop", code=int(Exit.USAGE)).stderr


def test_a_deployment_is_watched_while_it_changes(cli: CommandLine, deployment: str) -> None:
    watching = Begun(cli, "watch", "deployment", deployment, "--for", f"{LONGEST_S:.0f}s")
    watching.until(lambda: "SITE" in watching.out)
    cli("scale", deployment, "web=5", "--wait")
    watching.until(lambda: "replicas 2 → 5" in watching.out and "→ READY" in watching.out)
    watching.process.terminate()
    watching.ended()


# Many at once, and waiting


def test_many_deployments_are_begun_changed_and_ended_by_a_file_with_an_answer_for_each(
    cli: CommandLine, tmp_path: Path
) -> None:
    within = {"latency": [{"place": "Vienna", "withinMs": 8}], "maxSites": 1}
    begin = [
        {"deploy": "hello/1.0", "name": "many-a", "policy": within, "deadline": "10m"},
        {"deploy": "hello/1.0", "name": "many-b", "policy": within, "replicas": {"web": 2}},
        {"deploy": "hello/1.0", "name": "many-a", "policy": within},
    ]
    path = tmp_path / "begin.yaml"
    path.write_text(yaml.safe_dump(begin))
    try:
        result = cli("batch", str(path), "--wait", "--timeout", "180s", "-o", "json", code=int(Exit.REFUSED))
        answers = json.loads(result.stdout)
        assert [one["item"] for one in answers] == [1, 2, 3]
        assert [one.get("code") for one in answers] == [None, None, "ALREADY_EXISTS"]
        assert "1 of 3 were refused" in result.stderr
        for name in ("many-a", "many-b"):
            cli("wait", name, "--timeout", "180s")
        path.write_text(
            yaml.safe_dump([{"update": "many-a", "to": "1.1"}, {"update": "many-b", "replicas": {"web": 1}}])
        )
        cli("batch", str(path), "--wait", "--timeout", "180s")
        assert cli.json("get", "deployment", "many-a")["appVersion"]["name"] == "1.1"
        assert "READY" in cli("get", "deployment", "many-b").stdout
    finally:
        path.write_text(yaml.safe_dump([{"terminate": name, "delete": True} for name in ("many-a", "many-b")]))
        cli("batch", str(path), "--yes", "--wait", "--timeout", "180s")
    cli("wait", "many-a", "--for", "gone")


def test_what_is_wrong_in_a_batch_is_told_with_its_item_and_nothing_is_asked_for(
    cli: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "batch.yaml"
    for text, told, code in (
        ("- deploy: hello/1.0\n  to: x\n", "item 1 has 'to'", Exit.USAGE),
        ("- deploy: hello/1.0\n  update: x\n", "item 1 is not one of", Exit.USAGE),
        ("deploy: x\n", "is no list of items", Exit.USAGE),
        ("[]\n", "has no items: the list is empty", Exit.USAGE),
        ("- deploy: hello/1.0\n  replicas: {web: -1}\n", "replicas are no numbers", Exit.USAGE),
    ):
        path.write_text(text)
        assert told in cli("batch", str(path), "--yes", code=int(code)).stderr
    assert "standard input has no items" in cli("batch", "-", code=int(Exit.USAGE), given="[]").stderr


def test_an_item_names_what_an_earlier_one_of_the_file_begins(cli: CommandLine, tmp_path: Path) -> None:
    within = {"latency": [{"place": "Vienna", "withinMs": 8}], "maxSites": 1}
    path = tmp_path / "batch.yaml"
    asked: list[dict[str, object]] = [
        {"terminate": "begun-here"},
        {"deploy": "hello/1.0", "name": "begun-here", "policy": within},
        {"relabel": "shop/begun-here", "labels": {"batched": "yes"}},
        {"scale": "begun-here", "replicas": {"web": [1]}},
        {"addSites": "begun-here", "sites": ["Nowhere"]},
        {"terminate": "deployment/begun-here", "delete": True},
    ]
    path.write_text(yaml.safe_dump(asked))
    assert "numbers by component" in cli("batch", str(path), "--yes", code=int(Exit.USAGE)).stderr
    cli("get", "deployment", "begun-here", code=int(Exit.NOT_FOUND))
    asked[3] = {"update": "begun-here", "driftPolicy": "NEVER"}
    path.write_text(yaml.safe_dump(asked))
    assert "Stop or remove deployment/begun-here" in cli("batch", str(path), code=int(Exit.USAGE)).stderr
    result = cli("batch", str(path), "--yes", "-o", "json", code=int(Exit.REFUSED))
    answers = json.loads(result.stdout)
    assert [one["item"] for one in answers] == [1, 2, 3, 4, 5, 6]
    codes = ["NOT_FOUND", None, None, "INVALID_INPUT", "NOT_FOUND", None]
    assert [one.get("code") for one in answers] == codes, "it was not there before the second"
    assert answers[3]["path"].endswith("item 4")
    assert "'Nowhere'" in answers[4]["message"]
    assert len({one["deployment"]["id"] for one in answers if "deployment" in one}) == 1
    cli("wait", "begun-here", "--for", "gone", "--timeout", "180s")
    gone = next(one["deployment"]["id"] for one in answers if "deployment" in one)
    listed = cli("get", "events", "--of", gone, "-f", '{"reason": {"eq": "TerminationRequested"}}').stdout
    assert "SUBJECT" in listed.splitlines()[0]
    assert " begun-here " in listed.splitlines()[1], "what is gone is told by the name that it had"
    assert gone in cli("get", "operations", "--of", gone).stdout, "or else by its id"


def test_whose_records_are_listed_is_named_as_everywhere_else(cli: CommandLine, deployment: str) -> None:
    found = cli.json("get", "deployment", deployment)["id"]
    for kind in ("events", "operations", "deploymentRevisions"):
        by_id = [one["id"] for one in cli.json("get", kind, "--of", found)]
        assert by_id, kind
        for named in (deployment, f"deployment/{deployment}", f"shop/{deployment}", f"deployment/{found}"):
            assert [one["id"] for one in cli.json("get", kind, "--of", named)] == by_id, (kind, named)
        of_shop = cli.json("get", kind, "--of", deployment, "--tenant", "shop")
        assert [one["id"] for one in of_shop] == by_id
        missing = cli("get", kind, "--of", "nosuchthing", code=int(Exit.NOT_FOUND)).stderr
        assert "there is no Deployment" in missing
        assert "'nosuchthing'" in missing
        assert "edgeatlas get deployments" in missing
    cli("cordon", "site/Vienna")
    cli("uncordon", "site/Vienna")
    site = cli.json("get", "site", "Vienna")["id"]
    assert cli.json("get", "events", "--of", "Vienna") == cli.json("get", "events", "--of", site)
    assert "takes no --of" in cli("get", "events", "--of", deployment, "--watch", code=int(Exit.USAGE)).stderr
    told = cli("get", "--help").stdout
    assert "deploymentRevisions" in told
    assert "and revisions" not in told


def test_an_item_that_names_what_is_not_there_is_refused_alone(
    cli: CommandLine, deployment: str, tmp_path: Path
) -> None:
    path = tmp_path / "batch.yaml"
    labels = {"relabel": deployment, "labels": {"batched": "yes"}}
    asked = [{"terminate": "nothing-such"}, labels, {"addSites": deployment, "sites": ["Nowhere"]}, labels]
    path.write_text(yaml.safe_dump([*asked, {"deploy": "hello/nothing", "name": "never"}]))
    result = cli("batch", str(path), "--yes", "-o", "json", code=int(Exit.REFUSED))
    answers = json.loads(result.stdout)
    assert [(one["item"], one.get("code")) for one in answers] == [
        (1, "NOT_FOUND"),
        (2, None),
        (3, "NOT_FOUND"),
        (4, None),
        (5, "NOT_FOUND"),
    ]
    assert "'nothing-such'" in answers[0]["message"]
    assert "'Nowhere'" in answers[2]["message"]
    assert "3 of 5 were refused" in result.stderr
    assert {"key": "batched", "value": "yes"} in cli.json("get", "deployment", deployment)["labels"]


def test_an_item_that_names_what_may_be_several_things_is_refused_alone(
    cli: CommandLine, deployment: str, tmp_path: Path
) -> None:
    apps = "".join(f"kind: App\nmetadata: {{name: in-both, tenant: {one}}}\n---\n" for one in ("shop", "other"))
    (tmp_path / "apps.yaml").write_text(f"kind: Tenant\nmetadata: {{name: other}}\n---\n{apps}")
    cli("apply", "-f", str(tmp_path / "apps.yaml"))
    path = tmp_path / "batch.yaml"
    labels = {"relabel": deployment, "labels": {"beside": "yes"}}
    path.write_text(yaml.safe_dump([{"deploy": "in-both/1", "name": "never"}, labels]))
    result = cli("batch", str(path), "--yes", "-o", "json", code=int(Exit.REFUSED))
    first, second = json.loads(result.stdout)
    assert (first["item"], first["code"], first["retryable"]) == (1, "INVALID_INPUT", False)
    assert "2 apps are named 'in-both'" in first["message"]
    assert "TENANT/NAME" in first["remedy"]
    assert (second["item"], second["deployment"]["name"]) == (2, deployment)
    assert "1 of 2 were refused" in result.stderr
    assert {"key": "beside", "value": "yes"} in cli.json("get", "deployment", deployment)["labels"]
    cli("delete", "app", "shop/in-both", "--yes")
    cli("delete", "tenant", "other", "--cascade", "--yes")


def test_a_wait_that_takes_too_long_says_what_is_missing(cli: CommandLine, deployment: str) -> None:
    late = cli("wait", deployment, "--for", "gone", "--timeout", "300ms", code=int(Exit.TIMED_OUT))
    assert "is not gone within" in late.stderr
    assert "replicas are ready" in cli("wait", deployment, "--for", "applied").stderr
    cli("scale", deployment, "web=1", "--deadline", "10m", "--wait")

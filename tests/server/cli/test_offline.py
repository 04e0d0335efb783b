"""The command line without a server: usage, configuration, printing, completion."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema

from graph.entity import KINDS
from server.cli.api import Api
from server.cli.application import app
from server.cli.config import Config, Context, checked_url, chosen_context, config_path, load_config, save_config
from server.cli.failures import Exit, Failure, exit_of
from server.cli.kinds import kind_named
from server.cli.options import seconds_of
from server.cli.output import age, cell, printable, reference_text, size_text
from server.cli.policies import counts_of, milliseconds_of
from server.cli.reading import NOT_DELETED
from serverkit.commands import CommandLine


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get", "sites"], Exit.UNAVAILABLE, "no server answers at http://127.0.0.1:9"),
        (["get", "nothing"], Exit.USAGE, "there is no kind 'nothing'"),
        (["get"], Exit.USAGE, "Missing argument"),
        (["delete", "deployment/x", "--yes"], Exit.USAGE, "edgeatlas terminate NAME --delete"),
        (["delete", "ops", "x"], Exit.USAGE, "edgeatlas operation cancel ID"),
        (["frobnicate"], Exit.USAGE, "No such command"),
        (["worker"], Exit.USAGE, "its workers run inside"),
        (["worker", "--store", "bolt://127.0.0.1:9"], Exit.USAGE, "give the setting nats"),
        (["get", "sites", "--context", "x"], Exit.USAGE, "No such option"),
        (["--context", "x", "get", "sites"], Exit.NOT_FOUND, "there is no context 'x'"),
        (["--url", "ftp://x", "get", "sites"], Exit.USAGE, "is no server's URL"),
        (["login"], Exit.USAGE, "nobody is there to ask"),
        (["login", "--link", "hello"], Exit.USAGE, "no sign-in link"),
        (["login", "--link", ""], Exit.USAGE, "no sign-in link"),
        (["login", "--link", "http://127.0.0.1:9/auth/link?token=x"], Exit.UNAVAILABLE, "no server answers"),
        (["logout"], Exit.REFUSED, "not signed in"),
        (["whoami"], Exit.UNAVAILABLE, "no server answers"),
        (["apply", "-f", "/none/there.yaml"], Exit.USAGE, "cannot be read"),
        (["apply", "-f", "/none/there.yaml", "-f", "/none/there.yaml"], Exit.USAGE, "is given twice"),
        (["apply", "-f", "/none/there.yaml", "--name", "a/b"], Exit.USAGE, "no slashes"),
        (["apply", "-f", "/dev/null"], Exit.USAGE, "there are no documents"),
        (["apply", "-f", "/dev/null", "--prune"], Exit.USAGE, "--allow-empty"),
        (["apply", "-f", "-", "--prune"], Exit.USAGE, "give --name"),
        (["import", "/none/there.json"], Exit.REFUSED, "cannot be read"),
        (["import", "topohub:backbone/europe", "--tier", "HUGE"], Exit.USAGE, "there is no tier"),
        (["import", "topohub:backbone/europe", "--format", "doc"], Exit.USAGE, "there is no format"),
        (["import", "topohub:backbone/europe", "--node-size", "cpu=x"], Exit.USAGE, "--node-size"),
        (["import"], Exit.REFUSED, "names no input"),
        (["import", "topohub:backbone/europe", "--prefix", "a/b"], Exit.USAGE, "--prefix"),
        (["operation", "wait", "x", "--timeout", "soon"], Exit.USAGE, "is no time"),
        (["context", "use", "x"], Exit.NOT_FOUND, "there is no context"),
        (["query", "/none/there"], Exit.USAGE, "cannot be read"),
        (["user", "create", "x", "--role", "KING"], Exit.USAGE, "there is no role"),
        (["secret", "create", "x", "key=value"], Exit.USAGE, "visible to everybody"),
        (["watch", "events"], Exit.USAGE, "are not watched"),
        (["describe", "site"], Exit.USAGE, "write site NAME, or site/NAME"),
        (["describe", "site/a", "b"], Exit.USAGE, "one at a time"),
        (["delete", "site"], Exit.USAGE, "which sites?"),
        (["delete", "site/a", "region/b"], Exit.USAGE, "things of one kind"),
        (["terminate", "site", "a"], Exit.USAGE, "write deployment NAME"),
        (["scale", "deployment", "hello"], Exit.USAGE, "write web=3"),
        (["scale", "hello", "3"], Exit.USAGE, "is no number of replicas"),
        (["serve", "--port", "none"], Exit.USAGE, "port"),
    ],
)
def test_what_goes_wrong_is_told_with_an_exit_code(
    alone: CommandLine, arguments: list[str], code: Exit, words: str
) -> None:
    result = alone(*arguments, code=int(code))
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_import_can_be_printed_as_documents_without_a_server(alone: CommandLine) -> None:
    documents = alone.json("import", "topohub:sndlib/polska", "--documents")
    assert {one["kind"] for one in documents} == {"Region", "Site", "Link"}


def test_the_schema_is_printed(alone: CommandLine) -> None:
    assert "type Query" in alone("schema").stdout


def test_documents_that_cannot_be_read_are_told_with_file_and_line(alone: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Site\nmetadata: {name: A}\n---\nkind: Nothing\nmetadata: {name: B}\n")
    result = alone("apply", "-f", str(tmp_path), code=int(Exit.REFUSED))
    assert f"{tmp_path}/a.yaml:4" in result.stderr
    (tmp_path / "a.yaml").write_bytes(b"kind: Site\n# M\xfcnchen\n")
    assert "a.yaml:2 is no UTF-8" in alone("apply", "-f", str(tmp_path), code=int(Exit.USAGE)).stderr


def test_doctor_finds_nothing_wrong_on_a_fresh_machine(alone: CommandLine) -> None:
    findings = {one["name"]: one for one in alone.json("doctor", "--offline")}
    assert findings["python"]["state"] == "ok"
    assert findings["data folder"]["text"].endswith("will be made at the first start")
    assert findings["signed in"]["state"] == "note"


def test_doctor_tells_of_files_that_others_can_read(alone: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "edgeatlas"
    folder.mkdir(parents=True)
    for name in ("key", "config.toml"):
        (folder / name).write_text("")
        (folder / name).chmod(0o644)
    result = alone("doctor", "--offline", code=int(Exit.ERROR))
    assert result.stdout.count("run chmod 600") == 2


def test_shells_get_their_completion(alone: CommandLine) -> None:
    environment = {"_EDGEATLAS_COMPLETE": "complete_bash", "COMP_WORDS": "edgeatlas op", "COMP_CWORD": "1"}
    completing = CommandLine(alone.environment | environment)
    result = completing._runner.invoke(app, [], env=completing.environment, prog_name="edgeatlas")
    assert result.stdout.split() == ["operation"]


# Kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("site", "Site"),
        ("Sites", "Site"),
        ("nod", "Node"),
        ("app", "App"),
        ("app-version", "AppVersion"),
        ("app_versions", "AppVersion"),
        ("deploy", "Deployment"),
        ("deployments", "Deployment"),
        ("op", "Operation"),
        ("token", "ApiToken"),
    ],
)
def test_a_kind_can_be_spelled_in_any_sensible_way(text: str, kind: str) -> None:
    assert kind_named(text).name == kind


def test_every_kind_is_found_by_its_name_and_plural() -> None:
    for kind in KINDS.values():
        assert kind_named(kind.name) is kind
        assert kind_named(kind.plural.upper()) is kind


def test_a_spelling_that_may_be_several_kinds_is_told_with_them() -> None:
    with pytest.raises(Failure, match="Secret, Service"):
        kind_named("se")


# Configuration


def test_tokens_are_kept_in_a_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = config_path({"XDG_CONFIG_HOME": str(tmp_path)})
    config = Config().with_context('the "lab"', Context(url="https://lab.example", token="ea_1", user="Żółw"))
    save_config(config, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_config(path) == config
    save_config(config.with_context("other", Context(token="ea_2")), path)
    assert load_config(path).current == "other"
    assert [one.name for one in path.parent.iterdir()] == ["config.toml"]


def test_a_token_is_not_sent_to_another_server(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    save_config(
        Config().with_context("default", Context(url="http://a.example", token="ea_1")), config_path(environment)
    )
    assert chosen_context(environment=environment)[1].token == "ea_1"
    assert chosen_context(url="http://a.example/", environment=environment)[1].token == "ea_1"
    assert chosen_context(url="http://b.example", environment=environment)[1].token == ""
    assert chosen_context(environment=environment | {"EDGEATLAS_URL": "http://b.example"})[1].token == ""
    assert chosen_context(environment=environment | {"EDGEATLAS_TOKEN": "ea_3"})[1].token == "ea_3"


def test_a_token_is_not_shown_by_accident() -> None:
    assert "ea_secret" not in repr(Context(token="ea_secret"))


def test_a_damaged_configuration_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("current =")
    with pytest.raises(Failure, match="cannot be read"):
        load_config(path)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("127.0.0.1:8800", "http://127.0.0.1:8800"),
        ("https://x.example/", "https://x.example"),
        ("http://[::1]:8800/edge/", "http://[::1]:8800/edge"),
        ("http://u:p@x", None),
        ("http://", None),
        ("file:///etc/passwd", None),
        ("http://x:99999999", None),
    ],
)
def test_urls_are_checked(given: str, url: str | None) -> None:
    if url is None:
        with pytest.raises(Failure, match="no server's URL"):
            checked_url(given)
    else:
        assert checked_url(given) == url


# The client


def client(*answers: Any) -> tuple[Api, list[httpx.Request]]:
    """A client whose network gives these answers in turn; an exception is raised."""
    sent: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        one = waiting.pop(0)
        if isinstance(one, Exception):
            raise one
        return httpx.Response(200, json=one)

    return Api(Context(token="ea_1"), transport=httpx.MockTransport(answer), sleep=lambda seconds: None), sent


def test_a_mutation_whose_reply_was_lost_is_sent_again_under_the_same_key() -> None:
    made = {"data": {"createSite": {"__typename": "CreateSitePayload", "revision": 3}}}
    api, sent = client(httpx.ReadError("gone"), httpx.ConnectError("restarting"), made)
    assert api.mutate("createSite", {"name": "x"}, "revision")["revision"] == 3
    assert len(sent) == 3
    assert len({request.content for request in sent}) == 1
    assert b"idempotencyKey" in sent[0].content


def test_a_mutation_without_a_key_is_not_sent_twice() -> None:
    api, sent = client(httpx.ReadError("gone"))
    with pytest.raises(Failure, match="broke") as failure:
        api.mutate("setPassword", {"password": "x"}, "revision", key=False)
    assert (len(sent), failure.value.code) == (1, Exit.UNAVAILABLE)


LATE = {"errors": [{"message": "late", "extensions": {"code": "EXECUTION_TIMEOUT", "retryable": True}}]}


def test_a_mutation_that_the_server_had_no_time_to_answer_is_sent_again_under_the_same_key() -> None:
    made = {"data": {"createSite": {"__typename": "CreateSitePayload", "revision": 3}}}
    api, sent = client(LATE, LATE, made)
    assert api.mutate("createSite", {"name": "x"}, "revision")["revision"] == 3
    assert len(sent) == 3
    assert len({request.content for request in sent}) == 1
    api, sent = client(LATE, made)
    with pytest.raises(Failure, match="late") as failure:
        api.mutate("setPassword", {"password": "x"}, "revision", key=False)
    assert (len(sent), failure.value.code) == (1, Exit.UNAVAILABLE)
    api, sent = client(*[LATE] * 9)
    with pytest.raises(Failure, match="late"):
        api.mutate("createSite", {"name": "x"}, "revision")
    assert len(sent) == 5, "not without end"
    api, sent = client(LATE)
    with pytest.raises(Failure, match="late"):
        api.query("{ x }")
    assert len(sent) == 1, "what is too much for a query is too much again"


def test_a_typed_error_is_told_with_its_remedy_and_path() -> None:
    error = {
        "__typename": "InUse", "code": "IN_USE", "message": "2 depend on it", "remedy": "delete these first",
        "path": "input.id", "retryable": False, "dependentCount": 30,
        "dependents": [{"id": "node_1", "__typename": "Node", "name": "box"}],
    }  # fmt: skip
    api, _ = client({"data": {"deleteSite": error}})
    with pytest.raises(Failure) as failure:
        api.mutate("deleteSite", {"id": "x"}, "revision")
    found = failure.value
    assert (found.message, found.remedy, found.path) == ("2 depend on it", "delete these first", "input.id")
    assert found.details == ("Node box depends on it", "and 29 more")
    assert found.code == Exit.REFUSED


@pytest.mark.parametrize(
    ("extensions", "code"),
    [
        ({"code": "NOT_FOUND"}, Exit.NOT_FOUND),
        ({"code": "UNAUTHENTICATED"}, Exit.REFUSED),
        ({"code": "STORE_UNAVAILABLE", "retryable": True}, Exit.UNAVAILABLE),
        ({"code": "REVISION_NOT_REACHED", "retryable": True}, Exit.UNAVAILABLE),
        ({"code": "INTERNAL", "correlationId": "abc"}, Exit.ERROR),
        ({}, Exit.REFUSED),
    ],
)
def test_top_level_errors_have_exit_codes(extensions: dict[str, Any], code: Exit) -> None:
    api, _ = client({"errors": [{"message": "no", "extensions": extensions}]})
    with pytest.raises(Failure) as failure:
        api.query("{ x }")
    assert failure.value.code == code
    assert ("abc" in failure.value.message) == ("correlationId" in extensions)


def test_what_is_no_graphql_server_is_told() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(404, text="<html>"))
    with pytest.raises(Failure, match="answered 404 without a GraphQL answer"):
        Api(Context(), transport=transport).query("{ x }")


def test_exit_codes_of_errors() -> None:
    assert exit_of("UNAVAILABLE") == Exit.UNAVAILABLE
    assert exit_of("CONFLICT") == Exit.REFUSED
    assert exit_of("CAPACITY_GONE", retryable=True) == Exit.UNAVAILABLE


# Printing


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (1.50, "1.5"),
        ([{"key": "zone", "value": "west"}, {"key": "gpu", "value": ""}], "zone=west, gpu="),
        ({"id": "site_1", "name": "Łódź"}, "Łódź"),
        ({"id": "site_1"}, "site_1"),
        ({"status": "READY", "reasons": []}, "READY"),
        ({"longitude": 13.4, "latitude": 52.5}, "52.50, 13.40"),
        (
            {
                "cpuMillicores": 1500,
                "memoryBytes": 2**36,
                "storageBytes": 0,
                "accelerators": [{"model": "l4", "count": 2}],
            },
            "1.5 cpu 64 GiB 2×l4",
        ),
        ({"total": 6, "done": 2, "waiting": 0, "failed": 0}, "2/6"),
        ([{"name": "web", "count": 3}], "web=3"),
        ({"kind": "IMPORT", "name": "europe"}, "IMPORT:europe"),
    ],
)
def test_a_value_in_one_line(value: Any, text: str) -> None:
    assert cell(value) == text


def test_a_text_cannot_command_the_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\x07") == "a\\u001b[2Jb\\u202ec\\u0007"
    assert cell({"id": "x", "name": "evil\x1b]0;x\x07"}) == "evil\\u001b]0;x\\u0007"


def test_names_are_told_with_what_scopes_them() -> None:
    app = {"__typename": "App", "name": "hello"}
    version = {"__typename": "AppVersion", "name": "1.0", "app": app}
    assert reference_text(version) == "hello/1.0"
    assert reference_text({"__typename": "Component", "name": "web", "appVersion": version}) == "hello/1.0/web"
    assert reference_text({"__typename": "Deployment", "name": "hello", "appVersion": version}) == "hello"


def test_ages_and_sizes() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    stamps = ["2026-01-09T23:59:55Z", "2026-01-09T23:40:00Z", "2026-01-08T21:00:00Z", "2026-01-01T00:00:00Z", None]
    assert [age(one, now=now) for one in stamps] == ["5s", "20m", "27h", "9d", ""]
    assert [size_text(one) for one in (0, 1536, 2**36)] == ["0 B", "1.5 KiB", "64 GiB"]


# What is typed


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("7", 7)])
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(("text", "expected"), [("8ms", 8), ("8", 8), ("0.5s", 500), ("2.5", 2.5)])
def test_latencies(text: str, expected: float) -> None:
    assert milliseconds_of(text) == expected


def test_what_is_no_latency_is_told_how_latencies_are_written() -> None:
    with pytest.raises(Failure, match="the latency '-5ms' is no time") as wrong:
        milliseconds_of("-5ms")
    assert wrong.value.remedy == "write 8ms or 0.5s"


def test_replicas() -> None:
    assert counts_of(["web=3", "a=b=1"]) == [{"name": "web", "count": 3}, {"name": "a=b", "count": 1}]
    assert counts_of(None) is None
    for wrong in ("web", "web=", "web=-1", "=3", "web=9999999"):
        with pytest.raises(Failure, match="no number of replicas"):
            counts_of([wrong])


def test_each_kind_is_deleted_or_says_what_is_done_instead() -> None:
    mutations = build_schema((Path(__file__).parents[3] / "schema" / "schema.graphql").read_text()).mutation_type
    assert mutations is not None
    without = {name for name in KINDS if f"delete{name}" not in mutations.fields}
    assert without == set(NOT_DELETED)

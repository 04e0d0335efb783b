"""The playground's examples: valid by the schema that is checked in, and run in their order by the whole server."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from websockets.sync.client import connect

if TYPE_CHECKING:
    from conftest import RunningServer

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema" / "schema.graphql"
FILES = sorted((ROOT / "ui" / "src" / "examples").glob("*.graphql"))
READY_LIMIT_S = 120.0
DIRECTIVE = re.compile(r"# (group|variables|lookup(?: (\w+))?): (.*)")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One file, read as ui/src/examples.ts reads it."""

    document: str
    variables: dict[str, object]
    lookups: dict[str, str]


def read_example(path: Path) -> Example:
    text = path.read_text(encoding="utf-8")
    variables: dict[str, object] = {}
    lookups: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if directive := DIRECTIVE.fullmatch(line):
            if directive[1] == "variables":
                variables = json.loads(directive[3])
            elif directive[1].startswith("lookup"):
                lookups[directive[2]] = directive[3]
    return Example(document=text, variables=variables, lookups=lookups)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    if not SCHEMA.exists():
        pytest.skip("schema/schema.graphql is not there yet")
    return build_schema(SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_and_its_lookups_are_valid(schema: GraphQLSchema, path: Path) -> None:
    example = read_example(path)
    for document in (example.document, *example.lookups.values()):
        errors = validate(schema, parse(document))
        assert not errors, [error.message for error in errors]
    (operation,) = (each for each in parse(example.document).definitions if isinstance(each, OperationDefinitionNode))
    declared = {each.variable.name.value for each in operation.variable_definitions or ()}
    given = {**example.variables, **dict.fromkeys(example.lookups, "found")}
    assert set(given) <= declared
    values = get_variable_values(schema, operation.variable_definitions or (), given)
    assert not isinstance(values, list), [error.message for error in values]


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("server/plain/plain.html", r'<textarea id="query"[^>]*>(.*?)</textarea>'),
        ("ui/src/api/session.ts", r'VIEWER_QUERY = "(.*)"'),
    ],
)
def test_what_the_pages_ask_by_themselves_is_valid(schema: GraphQLSchema, path: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.DOTALL if "textarea" in pattern else 0)
    assert found
    assert validate(schema, parse(found[1])) == []


def test_there_are_examples_of_the_main_jobs() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    jobs = ["sites(", "path(", "reachable(", "planDeployment(", "deploy(", "operation(", "changes(", "topology("]
    jobs += ["applyDocuments(", "createSite(", "updateSite(", "deleteSite(", "events("]
    assert [job for job in jobs if job not in text] == []


class Session:
    """What the page does with an example, without the page: its lookups, then the operation."""

    def __init__(self, server: "RunningServer") -> None:
        self._origin = server.origin
        self._http = httpx.Client(base_url=server.origin, headers={"X-EdgeAtlas-CSRF": "1"}, timeout=60)
        assert self._http.get(server.link).status_code == 303

    def post(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def first_event(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        cookie = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        with connect(
            self._origin.replace("http", "ws", 1) + "/graphql",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]  # a NewType of str
            additional_headers={"Cookie": cookie, "Origin": self._origin},
        ) as socket:
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(timeout=60))["type"] == "connection_ack"
            payload = {"query": query, "variables": variables}
            socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            message = json.loads(socket.recv(timeout=60))
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        data: dict[str, Any] = message["payload"]["data"]
        return data

    def run(self, example: Example) -> dict[str, Any]:
        variables = dict(example.variables)
        for name, lookup in example.lookups.items():
            found = first_text(self.post(lookup, {}))
            assert found is not None, f"nothing was found for ${name}"
            variables[name] = found
        (operation,) = (
            each for each in parse(example.document).definitions if isinstance(each, OperationDefinitionNode)
        )
        live = operation.operation.value == "subscription"
        return (self.first_event if live else self.post)(example.document, variables)


def first_text(data: object) -> str | None:
    if isinstance(data, str):
        return data
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return next((found for value in values if (found := first_text(value)) is not None), None)


def test_the_examples_run_as_they_stand_and_deploy_where_their_plan_says(server: "RunningServer") -> None:
    session = Session(server)
    begin = next(path for path in FILES if path.stem == "400-apply")
    planned: set[str] = set()
    for path in (begin, *FILES, begin):
        answers = session.run(read_example(path))
        for field, answer in answers.items():
            assert answer not in (None, [], {}), (path.stem, field)
            refused = isinstance(answer, dict) and "remedy" in answer
            assert refused is (path.stem == "440-in-use"), (path.stem, answer)
        if path.stem == "210-plan":
            planned = {placement["site"]["name"] for placement in answers["planDeployment"]["placements"]}
        if path.stem == "230-deployment":
            assert planned
            assert ready_at(session, read_example(path)) == planned


def ready_at(session: Session, example: Example) -> set[str]:
    """The sites of the deployment that the example shows, once it is ready."""
    deadline = time.monotonic() + READY_LIMIT_S
    while (deployment := session.run(example)["deployment"])["phase"] != "READY":
        assert time.monotonic() < deadline, deployment
        time.sleep(0.1)
    return {release["site"]["name"] for release in deployment["releases"]["nodes"]}

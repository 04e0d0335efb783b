"""The playground's examples, against the schema that is checked in."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schema" / "schema.graphql"
FILES = sorted((ROOT / "ui" / "src" / "examples").glob("*.graphql"))
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


def test_there_are_examples_of_the_main_jobs() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
    jobs = ["sites(", "path(", "reachable(", "planDeployment(", "deploy(", "operation(", "changes(", "topology("]
    jobs += ["applyDocuments(", "createSite(", "updateSite(", "deleteSite(", "events("]
    assert [job for job in jobs if job not in text] == []

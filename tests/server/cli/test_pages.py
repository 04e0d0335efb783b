"""The pages on the command line say what it does: commands, walk and examples."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from server.cli.reference import commands, has_settings, markdown
from server.importers import CsvFiles, ImportOptions, documents_of, read_network
from serverkit.commands import CommandLine

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "docs" / "examples"


def test_the_page_of_the_commands_is_current() -> None:
    """When this fails: python -m server.cli.reference docs/cli.md"""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == markdown()


def typed(page: str) -> list[list[str]]:
    """The commands that a page tells a reader to type."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"(?:^|`)\s*edgeatlas ([a-z][^`\n#]*)", text, flags=re.MULTILINE)
    return [shlex.split(one) for one in found]


@pytest.mark.parametrize(
    "page", ["README.md", "docs/import.md", "docs/cli.md", "docs/placement.md", "docs/placement-walk.md"]
)
def test_every_command_of_a_page_exists_with_its_options(page: str) -> None:
    known = {words[1:]: callback for words, callback in commands()}
    options = {
        words: set(re.findall(r"--[a-z][a-z-]*", section))
        for section in markdown().split("\n## edgeatlas ")[1:]
        if (words := tuple(section.partition("\n")[0].split()))
    }
    for words in typed(page):
        name = next((tuple(words[:count]) for count in (2, 1) if tuple(words[:count]) in known), None)
        assert name is not None, words
        if not has_settings(known[name]):
            assert {one for one in words if one.startswith("--")} <= options[name] | {"--help"}, words


def documents_shown() -> list[tuple[str, str]]:
    """(page and line, text) of every block of YAML that shows a document."""
    found = []
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^```ya?ml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            if re.search(r"^\s*(- )?kind:", block[1], flags=re.MULTILINE):
                line = text.count("\n", 0, block.start()) + 1
                found.append((f"{page.relative_to(ROOT)}:{line}", block[1]))
    return found


def test_a_page_shows_documents() -> None:
    assert any(place.startswith("docs/simulated.md") for place, _ in documents_shown())


@pytest.mark.parametrize(("place", "text"), documents_shown(), ids=[place for place, _ in documents_shown()])
def test_a_document_of_a_page_can_be_applied_as_it_stands(cli: CommandLine, place: str, text: str) -> None:
    told = cli("apply", "-f", "-", "--name", "pages", "--plan", given=text)
    assert "CREATE" in told.stdout.upper(), place


def test_the_examples_of_a_network_are_imported() -> None:
    files = CsvFiles(sites=EXAMPLES / "sites.csv", nodes=EXAMPLES / "nodes.csv", links=EXAMPLES / "links.csv")
    network = read_network(None, files=files)
    documents = documents_of(network, ImportOptions(name="south", cluster="south"))
    kinds = [one["kind"] for one in documents]
    assert [kinds.count(one) for one in ("Region", "Site", "Link", "Cluster", "Node")] == [3, 4, 3, 1, 4]
    assert network.notes == []


def test_the_walk_can_be_walked(cli: CommandLine) -> None:
    policy = str(EXAMPLES / "five-cities.yaml")
    assert "feasible" in cli("plan", "hello/1.0", "-f", policy).stdout
    cli("deploy", "hello/1.0", "-f", policy, "--wait")
    cli("scale", "hello", "web=5", "--wait")
    cli("update", "hello", "--to", "1.1", "--wait")
    assert cli.json("get", "deployment", "hello")["phase"] == "READY"
    cli("terminate", "hello", "--delete", "--yes", "--wait")

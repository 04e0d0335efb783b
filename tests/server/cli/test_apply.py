"""`edgeatlas apply` at a real server: files, folders and standard input, dry runs, pruning, whose set it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.cli.failures import Exit
from serverkit.commands import CommandLine

REGIONS = (
    "kind: Region\nmetadata: {{name: {0}-1}}\n---\nkind: Region\nmetadata: {{name: {0}-2}}\nspec: {{parent: {0}-1}}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "set"
    made.mkdir()
    return made


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_a_folder_is_applied_as_one_set_of_its_name(cli: CommandLine, folder: Path) -> None:
    (folder / "a.yaml").write_text("kind: Region\nmetadata: {name: Fo-1}\n")
    (folder / "b.json").write_text(
        json.dumps({"kind": "Region", "metadata": {"name": "Fo-2"}, "spec": {"parent": "Fo-1"}})
    )
    (folder / "notes.txt").write_text("kind: Nothing")
    (folder / "below").mkdir()
    (folder / "below" / "c.yaml").write_text("kind: Nothing")
    (folder / "d.yaml").mkdir()
    done = cli("apply", "-f", str(folder))
    assert rows(done.stdout) == [["Region", "Fo-1", "CREATED"], ["Region", "Fo-2", "CREATED"]]
    assert "applied: 2 created" in done.stderr
    assert "(set set)" in done.stderr
    assert cli.json("get", "region", "Fo-1")["source"]["name"] == "set"
    again = cli("apply", "-f", str(folder / "a.yaml"), "-f", str(folder / "b.json"), "--name", "set")
    assert (again.stdout, "2 unchanged" in again.stderr) == ("", True)
    other = cli("apply", "-f", str(folder / "a.yaml"), code=int(Exit.REFUSED))
    assert "was made by DOCUMENTS 'set' of the installation" in other.stderr
    assert "--name" in other.stderr


@pytest.mark.parametrize("flag", ["--plan", "--dry-run"])
def test_a_dry_run_tells_and_changes_nothing(cli: CommandLine, folder: Path, flag: str) -> None:
    file = folder / "dry.yaml"
    file.write_text(REGIONS.format("Dry"))
    told = cli("apply", "-f", str(file), flag)
    assert "would be: 2 created" in told.stderr
    cli("get", "region", "Dry-1", code=int(Exit.NOT_FOUND))
    file.write_text(REGIONS.format("Dry").replace("parent: Dry-1", "parent: Nowhere"))
    refused = cli("apply", "-f", str(file), flag, code=int(Exit.REFUSED))
    assert f"{file}:4: Region Dry-2 at spec.parent" in refused.stderr
    assert refused.stdout == "", "nothing is shown as made that is not"


def test_each_form_of_output(cli: CommandLine, folder: Path) -> None:
    file = folder / "forms.yaml"
    file.write_text(REGIONS.format("Form"))
    assert cli("apply", "-f", str(file), "-o", "name").stdout.split() == ["region/Form-1", "region/Form-2"]
    wide = cli("apply", "-f", str(file), "-o", "wide").stdout
    assert [row[2] for row in rows(wide)] == ["UNCHANGED"] * 2
    assert f"{file}:4" in wide
    answer = cli.json("apply", "-f", str(file))
    assert (answer["applied"], answer["unchanged"]) == (True, 2)
    assert [one["where"] for one in answer["results"]] == [f"{file}:1", f"{file}:4"]


def test_a_set_is_emptied_only_with_the_word_for_it(cli: CommandLine, folder: Path) -> None:
    file = folder / "emptied.yaml"
    file.write_text(REGIONS.format("Em"))
    cli("apply", "-f", str(file))
    file.write_text("# nothing is left\n")
    for more in ([], ["--prune"]):
        refused = cli("apply", "-f", str(file), *more, code=int(Exit.USAGE))
        assert "there are no documents" in refused.stderr
        assert ("--allow-empty" in refused.stderr) is bool(more)
    told = cli("apply", "-f", str(file), "--prune", "--plan")
    assert {row[1] for row in rows(told.stdout)} == {"Em-1", "Em-2"}
    assert "would be: 2 deleted" in told.stderr
    cli("get", "region", "Em-1")
    assert "applied: 2 deleted" in cli("apply", "-f", str(file), "--prune", "--allow-empty").stderr
    cli("get", "region", "Em-1", code=int(Exit.NOT_FOUND))


def test_a_tenants_set_is_another_than_the_installations_of_the_same_name(cli: CommandLine, folder: Path) -> None:
    file = folder / "twice.yaml"
    file.write_text("kind: Tenant\nmetadata: {name: tw}\n---\nkind: App\nmetadata: {name: shared, tenant: tw}\n")
    cli("apply", "-f", str(file))
    own = folder / "own" / "twice.yaml"
    own.parent.mkdir()
    own.write_text('kind: App\nmetadata: {name: own}\n---\nkind: AppVersion\nmetadata: {name: "1"}\nspec: {app: own}\n')
    assert "whose App is it?" in cli("apply", "-f", str(own), code=int(Exit.REFUSED)).stderr
    cli("apply", "-f", str(own), "--tenant", "tw")
    pruned = cli("apply", "-f", str(file), "--prune")
    assert "2 unchanged" in pruned.stderr
    assert cli.json("get", "app", "tw/own")["tenant"]["name"] == "tw"
    own.write_text("")
    gone = cli("apply", "-f", str(own), "--tenant", "tw", "--prune", "--allow-empty")
    assert "2 deleted" in gone.stderr
    assert cli.json("get", "app", "tw/shared")["name"] == "shared"
    assert cli("apply", "-f", str(file), "--tenant", "nobody", code=int(Exit.NOT_FOUND))


def test_a_large_set_is_waited_for_and_what_is_not_listed_is_counted(cli: CommandLine, folder: Path) -> None:
    documents: list[dict[str, Any]] = [{"kind": "Region", "metadata": {"name": "Large"}}]
    documents += [
        {"kind": "Region", "metadata": {"name": f"Large-{n}"}, "spec": {"parent": "Large"}} for n in range(5_100)
    ]
    file = folder / "large.json"
    file.write_text(json.dumps(documents))
    done = cli("apply", "-f", str(file))
    assert "accepted: 5101 created" in done.stderr
    assert "and 3,101 more that are not listed" in done.stderr
    assert "SUCCEEDED" in done.stderr
    file.write_text(json.dumps(documents[:1]))
    begun = cli("apply", "-f", str(file), "--prune", "--no-wait")
    assert "edgeatlas operation show operation_" in begun.stderr

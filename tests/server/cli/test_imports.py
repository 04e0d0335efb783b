"""`import` at a server that has other imports: what is in the way is told once, with the option that avoids it."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.failures import Exit
from serverkit.commands import CommandLine


@pytest.mark.parametrize("plan", [["--plan"], []])
def test_names_that_another_import_has_are_avoided_by_the_option_that_the_refusal_names(
    cli: CommandLine, plan: list[str]
) -> None:
    again = ["import", "topohub:backbone/europe", "--name", "europe again"]
    refused = cli(*again, *plan, code=int(Exit.REFUSED)).stderr
    assert "was made by IMPORT 'europe'" in refused
    assert "849 more of kind Site for this reason" in refused
    assert "give a --prefix for names that others have, such as --prefix europe-again-" in refused
    assert "--cluster" not in refused
    assert refused.count("\n") < 10, "the reason is not told 852 times"
    assert ("nothing was imported" in refused) is not bool(plan)
    both = cli(*again, "--cluster", "lab", "--prefix", "Wien-", *plan, code=int(Exit.REFUSED)).stderr
    assert "Cluster 'lab' was made by IMPORT 'europe'" in both
    assert "give --cluster another name" in both
    assert "--prefix" not in both
    assert "2140 created" in cli(*again, "--prefix", "again-", "--plan").stderr


def test_refusals_of_the_server_name_the_lines_of_the_file(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text('{"nodes": [\n{"id": 1, "name": "Łódź-Süd"},\n{"id": 2,\n "name": "Łódź"}], "links": []}')
    refused = cli("import", str(path), code=int(Exit.REFUSED)).stderr
    assert "net.json:3 (nodes[1]): Site Łódź at metadata.name" in refused
    assert "error: refused: 1 of 3" in refused


def test_refusals_for_one_reason_are_counted_and_others_are_all_told(
    alone: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    from server.cli.applying import SHOWN_REFUSALS, print_refusals

    def refused(n: int, message: str) -> dict[str, object]:
        error = {"code": "X", "message": message, "remedy": None, "path": "metadata.name"}
        return {"kind": "Site", "name": f"s{n}", "where": f"f:{n}", "action": "REFUSED", "error": error}

    print_refusals({"results": [refused(n, f"Site 's{n}' is taken") for n in range(4)]})
    assert capsys.readouterr().err.count("is taken") == 4, "one that is left is told instead of counted"
    print_refusals({"results": [refused(n, f"Site 's{n}' is taken") for n in range(9)]})
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 4
    assert told[-1] == "and 6 more of kind Site for this reason: it is taken"
    print_refusals({"results": [refused(n, f"reason {n}") for n in range(SHOWN_REFUSALS + 5)]})
    told = capsys.readouterr().err.splitlines()
    assert (len(told), told[-1]) == (SHOWN_REFUSALS + 1, "and 5 more")

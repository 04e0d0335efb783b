"""A new kind is one class, an entry for who may, and the lists that it is to be in: everything else derives from the class.

It is declared in a process of its own, for the kinds of this one are the product's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "graphkit.new_kind", str(tmp_path_factory.mktemp("new-kind"))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def test_its_mutations_derive(found: dict[str, Any]) -> None:
    created = found["created"]
    assert created.pop("id").startswith("flavor_")
    assert created == {
        "name": "small",
        "grade": "BASIC",
        "pricePerHour": 0.0,
        "notes": {"a": [1]},
        "resources": {"cpuMillicores": 100},
        "app": {"name": "shop"},
        "tenant": {"name": "t"},
        "source": {"kind": "SYSTEM"},
    }
    assert found["updated"]["flavor"]["grade"] == "GOLD"
    assert found["updated"]["flavor"]["notes"] == {}
    assert found["deleted"]


def test_its_guards_derive_and_its_own_check_is_asked(found: dict[str, Any]) -> None:
    told = {
        name: (found[name].get("code"), found[name].get("path")) for name in ("taken", "empty", "negative", "dangling")
    }
    assert told == {
        "taken": ("ALREADY_EXISTS", "input.name"),
        "empty": ("INVALID_INPUT", "input.resources.cpuMillicores"),
        "negative": ("INVALID_INPUT", "input.pricePerHour"),
        "dangling": ("NOT_FOUND", "input.appId"),
    }
    # The tenant, its app, and the flavours that were left: applied, large.
    assert found["gone with its tenant"] == [4, 0]


def test_its_queries_filters_orders_and_relations_derive(found: dict[str, Any]) -> None:
    assert found["gold"] == {"totalCount": 2, "nodes": [{"name": "large"}, {"name": "small"}]}
    assert found["of app"]["nodes"] == [{"name": "small"}]
    assert found["by name"] == {"name": "small"}
    assert found["entity"] == {"__typename": "Flavor"}
    assert {one["name"] for one in found["of tenant"]["flavors"]["nodes"]} == {"large", "small"}
    assert found["of tenant"]["apps"]["nodes"] == [{"flavors": {"totalCount": 1}}]
    assert len(found["indexed"]) == 2


def test_it_is_applied_by_documents(found: dict[str, Any]) -> None:
    assert found["applied"]["applied"], found["applied"]
    assert found["applied"]["created"] == 1


def test_the_embedded_store_and_the_property_graph_keep_it(found: dict[str, Any]) -> None:
    assert found["same after a restart"]
    assert found["same as a vertex"]
    assert found["properties"]["resources_cpu_millicores"] == 100
    assert found["properties"]["grade"] == "GOLD"


def test_another_tenant_does_not_see_it(found: dict[str, Any]) -> None:
    assert found["seen"]["flavors"]["totalCount"] == 3
    assert found["unseen"]["flavors"]["totalCount"] == 0


def test_the_schema_has_all_of_it_and_nothing_undeclared(found: dict[str, Any]) -> None:
    assert found["undeclared"] == []
    assert found["kind without access"] == []
    assert not found["hidden"]
    assert found["schema"] == sorted(
        [
            "Flavor",
            "FlavorConnection",
            "FlavorEdge",
            "FlavorFilter",
            "FlavorOrder",
            "FlavorOrderField",
            "Grade",
            "GradeFilter",
            *(
                f"{verb}Flavor{part}"
                for verb in ("Create", "Update", "Delete")
                for part in ("Input", "Payload", "Result")
            ),
        ]
    )


def test_the_steps_that_contributing_tells_are_those_that_it_took() -> None:
    """CONTRIBUTING names each place that a new kind touches, by its path, and no other part of the program had to change."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text[text.index("## To add a kind") :]
    section = section[: section.index("\n## ", 5)]
    for place in (
        "graph/kinds/",
        "graph/kinds/__init__.py",
        "access/permissions.py",
        "resolvers/mutations/entities.py",
        "graph/documents.py",
        "schema/types/",
        "make schema",
        "make docs",
        "tests/graphkit/new_kind.py",
    ):
        assert place in section, place
    steps = (ROOT / "tests/graphkit/new_kind.py").read_text()
    for step in ("KIND_ACCESS", "EDITABLE", "APPLICABLE"):
        assert step in section
        assert step in steps

"""The frame: names, locks and targets that everything else relies on without looking."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN_PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; (.*?))?(?: \\)?$", re.MULTILINE)


def _pins(name: str) -> dict[str, set[Version]]:
    """Canonical name to the versions pinned in a lock; more than one where they depend on the Python."""
    pins: dict[str, set[Version]] = {}
    for pin in _PIN.finditer((ROOT / "requirements" / name).read_text()):
        pins.setdefault(canonicalize_name(pin[1]), set()).add(Version(pin[2]))
    return pins


def _group(name: str) -> list[Requirement]:
    """The requirements of a dependency group, with those of the groups that it includes."""
    found: list[Requirement] = []
    for each in PROJECT["dependency-groups"][name]:
        found += _group(each["include-group"]) if isinstance(each, dict) else [Requirement(each)]
    return found


DECLARED = {
    "runtime.txt": [Requirement(each) for each in PROJECT["project"]["dependencies"]],
    "build.txt": _group("build"),
    "uv.txt": _group("installer"),
}
DECLARED["dev.txt"] = DECLARED["runtime.txt"] + _group("dev")


def test_every_folder_that_is_an_import_package_is_in_the_wheel_and_in_the_layers() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"bench"}
    (layers,) = PROJECT["tool"]["importlinter"]["contracts"]
    layered = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    assert folders == set(OWN_PACKAGES) == layered == set(PROJECT["tool"]["importlinter"]["root_packages"])


def test_no_dependency_owns_one_of_our_top_level_names() -> None:
    ours = {*OWN_PACKAGES, "bench", "beds", "tests"}
    owners = {
        f"{distribution.name}: {top}"
        for distribution in metadata.distributions()
        if canonicalize_name(distribution.name) != "edgeatlas"
        for top in _top_level(distribution)
        if top in ours
    }
    assert owners == set()


def _top_level(distribution: metadata.Distribution) -> set[str]:
    """The names that a distribution brings to the import path, by the files that it installed."""
    paths = [Path(file) for file in distribution.files or [] if file.suffix in (".py", ".so", ".pyi")]
    return {
        path.parts[0] if len(path.parts) > 1 else path.name.split(".", 1)[0] for path in paths if path.parts[0] != ".."
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_url_and_no_host_and_holds_a_hash_for_each_pin(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host| @ ", text)
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if _PIN.match(block):
            assert "--hash=sha256:" in block, block.splitlines()[0]
    assert text.splitlines()[1] == "#    make lock"


def test_the_npm_lock_of_the_tests_names_no_host() -> None:
    assert "://" not in (ROOT / "tests" / "beds" / "node" / "package-lock.json").read_text()


@pytest.mark.parametrize("lock", DECLARED, ids=str)
def test_a_lock_holds_every_declared_dependency_at_a_version_that_satisfies_it(lock: str) -> None:
    pins = _pins(lock)
    for requirement in DECLARED[lock]:
        versions = pins.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement} is not in {lock}: run `make lock`"
        assert all(version in requirement.specifier for version in versions), f"{requirement}: {versions} in {lock}"


@pytest.mark.parametrize("lock", ["runtime.txt", "build.txt"])
def test_tests_run_on_the_versions_that_users_run_on(lock: str) -> None:
    dev = _pins("dev.txt")
    assert {name: pins for name, pins in _pins(lock).items() if dev.get(name) != pins} == {}


def test_this_environment_holds_what_the_lock_says() -> None:
    locked = _pins("dev.txt")
    found = {canonicalize_name(each.name): Version(each.version) for each in metadata.distributions()}
    beside = {"edgeatlas", "pip", "setuptools", "wheel", "uv"}
    strange = {name for name, version in found.items() if version not in locked.get(name, ())}
    assert strange <= beside


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


def test_every_target_has_help_or_is_a_step_of_set_up() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for_people, steps = makefile.split("# ---- set-up steps ----")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", for_people, re.MULTILINE))
    phony = set(re.findall(r"^\.PHONY: (\S+)$", for_people, re.MULTILINE))
    helped = {line.split()[1] for line in _make("help").stdout.splitlines() if line.startswith("  make ")}
    assert targets == phony == helped
    assert {"serve", "test", "lint", "bench", "chaos", "neo4j-up", "neo4j-down", "lock", "help", "clean"} <= targets
    assert "## " not in steps


def test_without_a_python_that_is_new_enough_make_says_what_to_do(tmp_path: Path) -> None:
    done = _make("neo4j-down", "PYTHON=")
    assert done.returncode != 0
    assert "no Python 3.11 or newer was found" in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr


def test_what_was_compiled_is_kept_also_where_an_image_says_not_to() -> None:
    done = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", "-", "shown"],
        input='shown:\n\t@echo "$${PYTHONDONTWRITEBYTECODE-kept}"\n',
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert done.stdout == "kept\n"


def test_a_benchmark_that_is_not_named_is_asked_for() -> None:
    assert "no benchmark is named" in _make("bench", "--dry-run").stdout
    assert "-m bench.spine_long --json" in _make("bench", "--dry-run", "NAME=spine-long", "JSON=1").stdout


def test_the_command_and_the_drivers_are_entry_points() -> None:
    assert PROJECT["project"]["scripts"]["edgeatlas"].startswith("server.cli")
    assert "simulated" in PROJECT["project"]["entry-points"]["edgeatlas.drivers"]


def test_no_folder_of_tests_is_a_package() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_where_types_are_not_checked_the_line_says_why() -> None:
    folders = [ROOT / name for name in (*OWN_PACKAGES, "bench", "tests")]
    unsaid = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in (*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py")))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# type: (?:ignore)(?!\[[a-z, -]+\]  # \w)", line)
    ]
    assert unsaid == []


def test_ci_lints_and_runs_the_tests_as_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("make lint\nmake test")
    assert "    make test " in (ROOT / "README.md").read_text()

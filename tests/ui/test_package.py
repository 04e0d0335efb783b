"""The pages in the packages that are built from a checkout, and what becomes of a package built without them."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from server.ui_build import FAILURE_NAME, STAMP_NAME, UiPaths, source_hash

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("access", "drivers", "graph", "lifecycle", "placement", "resolvers", "schema", "server")
LEFT_OUT = shutil.ignore_patterns("node_modules", "dist", "__pycache__")


def copy_checkout(target: Path, *, with_pages: bool) -> Path:
    """What a clone has, and with `with_pages` also the built pages, which are made from the same sources."""
    for name in (*PACKAGES, "ui"):
        ignore = LEFT_OUT if with_pages else shutil.ignore_patterns("node_modules", "dist", "__pycache__", "_ui")
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    for name in ("pyproject.toml", "hatch_build.py", ".gitignore", "README.md", "LICENSE", "CHANGELOG.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target / name)
    for name in ("README.md", "LICENSE"):  # hatchling wants what pyproject.toml names
        (target / name).touch()
    return target


def build(checkout: Path, kind: str, *, ui: str, without_npm: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EDGEATLAS_UI": ui}
    if without_npm:
        environment["PATH"] = str(checkout)
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", "out"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def names_in(checkout: Path, pattern: str) -> list[str]:
    (package,) = (checkout / "out").glob(pattern)
    if package.suffix == ".whl":
        return zipfile.ZipFile(package).namelist()
    with tarfile.open(package) as archive:
        return [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]


@pytest.mark.parametrize(("kind", "pattern"), [("wheel", "*.whl"), ("sdist", "*.tar.gz")])
def test_a_package_has_the_pages_and_builds_nothing_when_they_are_current(
    built_pages: UiPaths, tmp_path: Path, kind: str, pattern: str
) -> None:
    checkout = copy_checkout(tmp_path, with_pages=True)
    done = build(checkout, kind, ui="require", without_npm=True)
    assert done.returncode == 0, done.stderr
    names = names_in(checkout, pattern)
    assert {"server/_ui/index.html", "server/_ui/playground.html"} <= set(names)
    assert f"server/_ui/{STAMP_NAME}" in names
    assert {"server/plain/plain.html", "server/plain/table.html"} <= set(names)
    built = {f"server/_ui/assets/{path.name}" for path in (built_pages.built / "assets").iterdir()}
    assert built <= set(names)
    assert not [name for name in names if "node_modules" in name or name.endswith(".build-lock")]
    assert not [name for name in names if name.startswith("ui/generated")]
    assert ("ui/package-lock.json" in names) is (kind == "sdist")


def test_a_package_that_must_have_the_pages_is_not_made_without(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path, with_pages=False)
    done = build(checkout, "wheel", ui="require", without_npm=True)
    assert done.returncode != 0
    assert "npm is not on PATH" in done.stdout + done.stderr
    assert not list((checkout / "out").glob("*.whl"))


@pytest.mark.parametrize(
    ("ui", "reason"), [("auto", "npm is not on PATH"), ("skip", "it was built with EDGEATLAS_UI=skip")]
)
def test_a_package_without_the_pages_keeps_the_reason(tmp_path: Path, ui: str, reason: str) -> None:
    checkout = copy_checkout(tmp_path, with_pages=False)
    done = build(checkout, "wheel", ui=ui, without_npm=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "out").glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    assert reason in (installed / "server" / "_ui" / FAILURE_NAME).read_text()
    script = "from server.ui_build import *; print(ensure_built(say=print).reason)"
    told = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert reason in told.stdout, told.stderr


def test_a_package_made_from_changed_sources_does_not_pass_off_older_pages(
    built_pages: UiPaths, tmp_path: Path
) -> None:
    checkout = copy_checkout(tmp_path, with_pages=True)
    (checkout / "ui" / "src" / "new.ts").write_text("export {};\n")
    assert build(checkout, "wheel", ui="auto", without_npm=True).returncode == 0
    assert f"server/_ui/{STAMP_NAME}" not in names_in(checkout, "*.whl")


def test_an_unknown_word_for_the_pages_stops_the_build(tmp_path: Path) -> None:
    done = build(copy_checkout(tmp_path, with_pages=False), "wheel", ui="of course")
    assert done.returncode != 0
    assert "auto, require, skip" in done.stdout + done.stderr


def test_an_editable_install_does_not_build_the_pages(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path, with_pages=False)
    script = "from hatchling.build import build_editable; build_editable('.')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=checkout,
        env={**os.environ, "EDGEATLAS_UI": "require", "PATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (checkout / "server" / "_ui").exists()


def test_the_lock_of_the_npm_packages_names_no_registry() -> None:
    lock = (ROOT / "ui" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "registry" not in lock


def test_the_checkouts_pages_are_the_ones_of_its_sources(built_pages: UiPaths) -> None:
    assert (built_pages.built / STAMP_NAME).read_text().strip() == source_hash(built_pages.sources)

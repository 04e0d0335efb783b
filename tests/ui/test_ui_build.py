import os
import stat
import threading
import tomllib
from pathlib import Path

import pytest

from server.ui_build import (
    _SOURCE_DIRECTORIES,
    _SOURCE_FILES,
    FAILURE_NAME,
    LOCK_NAME,
    STAMP_NAME,
    UiBuildFailed,
    UiMode,
    UiPaths,
    copy_built,
    ensure_built,
    is_current,
    node_is_recent_enough,
    prebuilt,
    source_hash,
)

# Stands in for npm in these tests alone: what is asked is when a build is run and what becomes of its end, and the real
# one takes a minute. `test_package.py` and `test_playground.py` run the real one.
NPM = """#!/bin/sh
echo "$*" >> "{log}"
case "$1" in
ci) mkdir -p node_modules; {install} ;;
run) mkdir -p dist/assets; echo "$(cat src/main.ts)" | tee dist/index.html > dist/playground.html
    echo 1 > dist/assets/a-1.js; {build} ;;
esac
"""


class Checkout:
    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = UiPaths(sources=root / "ui", built=root / "server" / "_ui")
        self.bin = root / "bin"
        self.log = root / "npm.log"
        self.said: list[str] = []
        (self.paths.sources / "src").mkdir(parents=True)
        self.bin.mkdir()
        (self.paths.sources / "src" / "main.ts").write_text("one")
        (self.paths.sources / "package.json").write_text("{}")
        (self.paths.sources / "package-lock.json").write_text("{}")
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin")
        self.tool("node", "#!/bin/sh\necho v22.12.0\n")
        self.npm()

    def tool(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def npm(self, *, install: str = "true", build: str = "true") -> None:
        self.tool("npm", NPM.format(log=self.log, install=install, build=build))

    def runs(self) -> list[str]:
        return [line.split()[0] for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def build(self, mode: UiMode = UiMode.AUTO):  # type: ignore[no-untyped-def]  # a test's shorthand
        return ensure_built(mode, say=self.said.append, paths=self.paths)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path, monkeypatch)


def test_missing_pages_are_built_once_and_visibly(checkout: Checkout) -> None:
    outcome = checkout.build()
    assert outcome.directory == checkout.paths.built
    assert (checkout.paths.built / "playground.html").read_text().strip() == "one"
    assert checkout.runs() == ["ci", "run"]
    assert any("Building" in line for line in checkout.said)
    assert checkout.build().directory == checkout.paths.built
    assert checkout.runs() == ["ci", "run"]


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        ("src/main.ts", ["run"]),
        ("src/deep/new.ts", ["run"]),
        ("playground.html", ["run"]),
        ("vite.config.ts", ["run"]),
        ("package.json", ["run"]),
        ("package-lock.json", ["ci", "run"]),
        ("src/main.test.ts", []),
        ("scripts/screenshot.mjs", []),
        ("src/.main.ts.swp", []),
        ("node_modules/x.js", []),
    ],
)
def test_pages_are_built_again_when_a_source_changed(checkout: Checkout, changed: str, runs: list[str]) -> None:
    checkout.build()
    path = checkout.paths.sources / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("two")
    assert is_current(checkout.paths) is (not runs)
    assert checkout.build().directory is not None
    assert checkout.runs()[2:] == runs


def test_files_of_the_build_before_do_not_stay(checkout: Checkout) -> None:
    checkout.build()
    (checkout.paths.built / "assets" / "old-1.js").write_text("old")
    (checkout.paths.sources / "src" / "main.ts").write_text("two")
    checkout.build()
    assert not (checkout.paths.built / "assets" / "old-1.js").exists()
    assert (checkout.paths.built / "playground.html").read_text().strip() == "two"


def test_the_hash_tells_apart_what_moved_between_names_and_contents(tmp_path: Path) -> None:
    hashes = set()
    for index, (name, content) in enumerate([("a", "bc"), ("ab", "c"), ("abc", "")]):
        sources = tmp_path / str(index)
        (sources / "src").mkdir(parents=True)
        (sources / "src" / name).write_text(content)
        hashes.add(source_hash(sources))
    assert len(hashes) == 3


def test_off_never_builds_but_serves_what_is_current(checkout: Checkout) -> None:
    outcome = checkout.build(UiMode.OFF)
    assert outcome.directory is None
    assert outcome.reason is not None
    assert "off" in outcome.reason
    assert checkout.runs() == []
    checkout.build()
    assert checkout.build(UiMode.OFF).directory is not None


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda checkout: checkout.npm(install="echo ENOTFOUND registry; exit 1"), ["npm ci", "ENOTFOUND registry"]),
        (
            lambda checkout: checkout.npm(build="echo Unexpected token; exit 3"),
            ["npm run build", "3", "Unexpected token"],
        ),
        (lambda checkout: checkout.npm(build="rm dist/playground.html"), ["playground.html"]),
        (lambda checkout: checkout.npm(build="rm dist/index.html"), ["index.html"]),
        (lambda checkout: checkout.tool("node", "#!/bin/sh\necho v18.20.4\n"), ["v18.20.4", "20.19"]),
        (lambda checkout: checkout.tool("node", "#!/bin/sh\nexit 1\n"), ["node --version"]),
    ],
)
def test_a_build_that_fails_leaves_its_reason(checkout: Checkout, break_it, words: list[str]) -> None:  # type: ignore[no-untyped-def]  # a table of callables
    break_it(checkout)
    outcome = checkout.build()
    assert outcome.directory is None
    assert all(word in (outcome.reason or "") for word in words)
    with pytest.raises(UiBuildFailed, match=words[0]):
        checkout.build(UiMode.REQUIRE)
    assert not (checkout.paths.built / STAMP_NAME).exists()


def test_a_machine_without_npm_is_told_what_to_install(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.paths.sources))
    assert "Install Node.js" in (checkout.build().reason or "")


def test_a_failed_build_of_changed_sources_does_not_serve_the_old_pages(checkout: Checkout) -> None:
    checkout.build()
    (checkout.paths.sources / "src" / "main.ts").write_text("two")
    checkout.npm(build="exit 1")
    assert checkout.build().directory is None
    checkout.npm()
    assert checkout.build().directory is not None
    assert not (checkout.paths.built / FAILURE_NAME).exists()


def test_an_installed_package_serves_what_it_brought_and_says_what_it_did_not(tmp_path: Path) -> None:
    paths = UiPaths(sources=tmp_path / "ui", built=tmp_path / "server" / "_ui")
    paths.built.mkdir(parents=True)
    (paths.built / FAILURE_NAME).write_text("npm is not on PATH.\n")
    outcome = ensure_built(UiMode.AUTO, say=lambda line: None, paths=paths)
    assert "npm is not on PATH." in (outcome.reason or "")
    (paths.built / STAMP_NAME).write_text("any\n")
    assert ensure_built(UiMode.REQUIRE, say=lambda line: None, paths=paths).directory == paths.built


def test_two_processes_that_start_together_build_once(checkout: Checkout) -> None:
    checkout.npm(build="sleep 0.3")
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(checkout.build())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert [outcome.directory for outcome in outcomes] == [checkout.paths.built] * 3
    assert checkout.runs() == ["ci", "run"]
    assert any("Another process" in line for line in checkout.said)


def test_waiting_for_another_build_has_an_end(checkout: Checkout) -> None:
    import fcntl

    checkout.paths.built.mkdir(parents=True)
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds * 1_000

    with (checkout.paths.built / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = ensure_built(
            UiMode.AUTO, say=checkout.said.append, paths=checkout.paths, clock=lambda: now, sleep=sleep
        )
    assert "too long" in (outcome.reason or "")
    assert checkout.runs() == []


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v18.20.4", False),
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.0", True),
        ("garbage", False),
    ],
)
def test_the_oldest_node_that_builds(version: str, enough: bool) -> None:
    assert node_is_recent_enough(version) is enough


def test_pages_that_were_built_elsewhere_are_served_as_they_are(checkout: Checkout, tmp_path: Path) -> None:
    built = checkout.build().directory
    assert built is not None
    out = tmp_path / "pages"
    copy_built(built, out)
    assert prebuilt(out).directory == out
    assert (out / STAMP_NAME).is_file()
    assert not (out / LOCK_NAME).exists()
    with pytest.raises(FileExistsError, match="not empty"):
        copy_built(built, out)


def test_a_folder_without_pages_is_refused_with_what_makes_one(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    with pytest.raises(UiBuildFailed, match=r"playground\.html, assets missing.*edgeatlas ui build --out"):
        prebuilt(tmp_path)


def test_an_installer_builds_again_whatever_the_pages_are_made_of() -> None:
    root = Path(__file__).resolve().parents[2]
    keys = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["cache-keys"]
    known = {key["file"] for key in keys}
    hashed = {f"ui/{name}" for name in _SOURCE_FILES} | {f"ui/{name}/**" for name in _SOURCE_DIRECTORIES}
    assert {"ui/*.html", *hashed} <= known

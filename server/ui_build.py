"""Whether the built web pages belong to these sources, and making them so.

Built pages are not kept in the repository, and a build hook alone is not enough: installers hide its warnings and cache
what it made, so a checkout would serve yesterday's pages, or none, and say nothing. Therefore `serve` is the authority:
it compares a stamp beside the built pages with the sources, builds once and visibly where it can, and otherwise keeps
the reason for the page that stands in. The wheel's build hook (`hatch_build.py`) runs this same module by its path,
outside the project's environment: it imports nothing but the standard library.

The built pages live in `server/_ui/`: `index.html` (the dashboard), `playground.html`, `assets/` with content hashes in the
names, `.ui-hash` (the stamp, written last, so that a build cut short is not taken for one) and `.build-failed` (the reason
of the last build that failed, in plain text).
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

BUILD_COMMAND: Final = "edgeatlas ui build"
"""What a reader of the stand-in page types to build the pages and to see all that goes wrong."""
NODE_WANTED: Final = "Node.js 20.19 or newer"
"""What the build needs, for people; `node_is_recent_enough` is exact."""

STAMP_NAME: Final = ".ui-hash"
FAILURE_NAME: Final = ".build-failed"
LOCK_NAME: Final = ".build-lock"
PAGES: Final = ("index.html", "playground.html")
"""What a build makes besides `assets/`: the dashboard and the playground."""

_SOURCE_DIRECTORIES: Final = ("src", "public")
_SOURCE_FILES: Final = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "licenses.ts")
_INSTALL_LIMIT_S: Final = 900.0
_BUILD_LIMIT_S: Final = 600.0
_LOCK_LIMIT_S: Final = _INSTALL_LIMIT_S + _BUILD_LIMIT_S
_KEPT_OUTPUT_LINES: Final = 30
_KEPT_REASON_CHARACTERS: Final = 4_000

_CHECKOUT: Final = Path(__file__).resolve().parent.parent


class UiMode(StrEnum):
    """What `ensure_built` may do about pages that are missing or older than their sources."""

    AUTO = "auto"
    """Build when that is possible; otherwise go on with the stand-in page."""
    REQUIRE = "require"
    """Build, and refuse to go on without."""
    OFF = "off"
    """Use what is there when it is current, never build."""


class UiBuildFailed(RuntimeError):
    """The pages could not be built; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class UiBuild:
    """The outcome: a directory of built pages, or the reason why there is none (exactly one of the two is set)."""

    directory: Path | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class UiPaths:
    """Where the sources and the built pages are; `sources` need not exist (an installed wheel has none)."""

    sources: Path = _CHECKOUT / "ui"
    built: Path = _CHECKOUT / "server" / "_ui"

    def has_sources(self) -> bool:
        """Whether this is a checkout (or an unpacked sdist), from which the pages can be built."""
        return (self.sources / "package-lock.json").is_file()


Say = Callable[[str], None]
"""Takes one line of progress, for a person to read."""


def source_hash(sources: Path) -> str:
    """SHA-256 (hex) of every file that the built pages depend on, the lock file of their dependencies among them."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(sources), key=lambda each: each.relative_to(sources).as_posix()):
        name = path.relative_to(sources).as_posix().encode()
        content = path.read_bytes()
        digest.update(b"%d:%b%d:" % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def _source_files(sources: Path) -> Iterator[Path]:
    yield from sources.glob("*.html")
    for name in _SOURCE_FILES:
        if (path := sources / name).is_file():
            yield path
    for directory in _SOURCE_DIRECTORIES:
        for path in (sources / directory).rglob("*"):
            if path.is_file() and ".test." not in path.name and not path.name.startswith("."):
                yield path


def is_current(paths: UiPaths) -> bool:
    """Whether built pages are there and made from the sources beside them; without sources, whether they are there."""
    stamp = paths.built / STAMP_NAME
    try:
        built_from = stamp.read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return not paths.has_sources() or built_from == source_hash(paths.sources)


def ensure_built(
    mode: UiMode = UiMode.AUTO,
    *,
    say: Say,
    paths: UiPaths | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> UiBuild:
    """The built pages, made first where `mode` and this machine allow it.

    Blocks for as long as a build takes (at most 25 minutes, in practice one); call it before the event loop starts.
    Raises `UiBuildFailed` in mode `require` only.
    """
    paths = paths or UiPaths()
    if is_current(paths):
        return UiBuild(directory=paths.built)
    try:
        if not paths.has_sources():
            raise UiBuildFailed(_reason_of_an_installation_without_pages(paths))
        if mode is UiMode.OFF:
            raise UiBuildFailed("The pages are not built, or are older than their sources, and building is off.")
        npm = find_npm()
        with _locked(paths, say=say, clock=clock, sleep=sleep):
            if not is_current(paths):  # Another process may have built them while this one waited.
                _build(paths, npm=npm, say=say)
    except UiBuildFailed as failure:
        if mode is UiMode.REQUIRE:
            raise
        return UiBuild(directory=None, reason=str(failure))
    return UiBuild(directory=paths.built)


def prebuilt(directory: Path) -> UiBuild:
    """Pages that were built elsewhere, in `directory`: served as they are, whatever the sources here.

    Raises `UiBuildFailed` when the folder holds none.
    """
    missing = [name for name in PAGES if not (directory / name).is_file()]
    if not (directory / "assets").is_dir():
        missing.append("assets")
    if missing:
        raise UiBuildFailed(
            f"ui_dist: {directory} holds no built pages ({', '.join(missing)} missing). "
            f"Make it with `{BUILD_COMMAND} --out FOLDER` on a machine with Node.js, or leave ui_dist out."
        )
    return UiBuild(directory=directory)


def copy_built(built: Path, out: Path) -> None:
    """Copies built pages to a folder that is empty or not there yet. Raises FileExistsError, or another OSError."""
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    shutil.copytree(built, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(LOCK_NAME, FAILURE_NAME))


def _reason_of_an_installation_without_pages(paths: UiPaths) -> str:
    try:
        kept = (paths.built / FAILURE_NAME).read_text(encoding="utf-8").strip()
    except OSError:
        kept = "the reason was not kept"
    return f"This package was made without its web pages: {kept}"


def find_npm() -> str:
    """The path of npm. Raises `UiBuildFailed` when npm or Node.js is missing, or Node.js is too old for the build."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        missing = "npm" if npm is None else "node"
        raise UiBuildFailed(f"{missing} is not on PATH. Install {NODE_WANTED} (with npm), then start again.")
    try:
        version = subprocess.run(  # noqa: S603 - found on PATH, no input of a caller
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise UiBuildFailed(f"`node --version` failed: {error}") from error
    if not node_is_recent_enough(version):
        raise UiBuildFailed(
            f"Node.js {version} at {node} is too old: the build needs 20.19 or a later 20, or 22.12 or later."
        )
    return npm


def node_is_recent_enough(version: str) -> bool:
    """Whether Vite 8 runs on this Node.js (its `engines`: `^20.19.0 || >=22.12.0`); `version` is like `v20.19.4`."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match is None:
        return False
    release = int(match[1]), int(match[2])
    return (20, 19) <= release < (21, 0) or release >= (22, 12)


@contextmanager
def _locked(paths: UiPaths, *, say: Say, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[None]:
    """One build at a time on this machine; waits at most `_LOCK_LIMIT_S`."""
    try:
        paths.built.mkdir(parents=True, exist_ok=True)
        lock = (paths.built / LOCK_NAME).open("w")
    except OSError as error:
        raise UiBuildFailed(f"The pages cannot be written: {error}") from error
    with lock:
        deadline, told = clock() + _LOCK_LIMIT_S, False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock() >= deadline:
                    raise UiBuildFailed("Another process has been building the pages for too long.") from None
            if not told:
                say("Another process is building the web pages; waiting for it.")
                told = True
            sleep(0.25)
        yield


def _build(paths: UiPaths, *, npm: str, say: Say) -> None:
    built_from = source_hash(paths.sources)
    try:
        install_dependencies(paths.sources, npm=npm, say=say)
        say("Building the web pages (about 15 seconds).")
        _run([npm, "run", "build"], cwd=paths.sources, limit_s=_BUILD_LIMIT_S)
        _replace(paths.built, produced=paths.sources / "dist", built_from=built_from)
    except UiBuildFailed as failure:
        keep_failure(paths.built, reason=str(failure))
        raise
    except OSError as error:
        keep_failure(paths.built, reason=str(error))
        raise UiBuildFailed(f"The pages cannot be written: {error}") from error
    say("The web pages are built.")


def install_dependencies(sources: Path, *, npm: str, say: Say) -> None:
    """`npm ci`, unless what is installed already came from this lock file. No package's install script is run.

    `npm` is what `find_npm` returned. Raises `UiBuildFailed` with the end of npm's output.
    """
    wanted = hashlib.sha256((sources / "package-lock.json").read_bytes()).hexdigest()
    installed = sources / "node_modules" / ".edgeatlas-lock-hash"
    if installed.is_file() and installed.read_text(encoding="utf-8") == wanted:
        return
    say("Fetching what the web pages are built with (npm ci; about a minute, once).")
    command = [npm, "ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    _run(command, cwd=sources, limit_s=_INSTALL_LIMIT_S)
    installed.write_text(wanted, encoding="utf-8")


def _run(command: list[str], *, cwd: Path, limit_s: float) -> None:
    shown = " ".join(["npm", *command[1:]])
    try:
        done = subprocess.run(  # noqa: S603 - npm from PATH with fixed arguments
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env={**os.environ, "CI": "1", "NO_COLOR": "1", "NODE_ENV": "production"},
        )
    except subprocess.TimeoutExpired as error:
        raise UiBuildFailed(f"`{shown}` in ui/ did not end within {limit_s:.0f} s.") from error
    except OSError as error:
        raise UiBuildFailed(f"`{shown}` could not be started: {error}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-_KEPT_OUTPUT_LINES:])
        raise UiBuildFailed(f"`{shown}` in ui/ ended with {done.returncode}:\n{tail}"[:_KEPT_REASON_CHARACTERS])


def _replace(built: Path, *, produced: Path, built_from: str) -> None:
    """Puts the produced pages in place of the old ones: the stamp goes first and comes last."""
    for page in PAGES:
        if not (produced / page).is_file():
            raise UiBuildFailed(f"The build ended well but made no {produced / page}.")
    for path in [built / STAMP_NAME, *(each for each in built.iterdir() if each.name not in (STAMP_NAME, LOCK_NAME))]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.copytree(produced, built, dirs_exist_ok=True)
    (built / STAMP_NAME).write_text(built_from + "\n", encoding="utf-8")


def keep_failure(built: Path, *, reason: str) -> None:
    """Writes why the pages could not be built where the stand-in page of an installed package finds it.

    Older pages that may still lie there lose their stamp: they are not these sources'.
    """
    try:
        built.mkdir(parents=True, exist_ok=True)
        (built / STAMP_NAME).unlink(missing_ok=True)
        (built / FAILURE_NAME).write_text(reason[:_KEPT_REASON_CHARACTERS] + "\n", encoding="utf-8")
    except OSError:
        # The reason is also raised; only an installed package, which has no checkout to write to, would read the file.
        return

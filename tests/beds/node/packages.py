"""npm packages that tests run with Node: today `graphql-http`, whose audits say whether an endpoint keeps the standard.

They are installed once, from the lock beside this file and without running install scripts, into a folder of the cache
named by that lock. A script of a test is run beside them, for modules are looked up from where a script lies.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from beds.parts import PartMissing, cache_folder, made_once, run, say

HERE = Path(__file__).parent
LEAST_NODE = 18


def node() -> str:
    """The node command; PartMissing when there is none or it is too old."""
    found = shutil.which("node")
    if not found:
        raise PartMissing(f"no node found: install Node {LEAST_NODE} or newer with npm")
    try:
        told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=180, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PartMissing(f"{found} does not run ({error}): install Node {LEAST_NODE} or newer") from error
    version = re.match(r"v(\d+)", told)
    if not version or int(version[1]) < LEAST_NODE:
        raise PartMissing(f"{found} is {told.strip()}: Node {LEAST_NODE} or newer is needed")
    return found


def installed() -> Path:
    """The folder that holds node_modules, installed if it is not there yet."""
    node()
    manifests = [HERE / "package.json", HERE / "package-lock.json"]
    name = hashlib.sha256(b"\0".join(path.read_bytes() for path in manifests)).hexdigest()[:12]
    cache = cache_folder("node")

    def install(scratch: Path) -> None:
        npm = shutil.which("npm")
        if not npm:
            raise PartMissing("the packages are not in the cache and there is no npm to fetch them")
        say("fetching npm packages, once")
        for path in manifests:
            shutil.copy(path, scratch)
        downloads = os.environ.get("NPM_CONFIG_CACHE") or str(cache_folder("npm"))
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", downloads]
        run(command, what="npm", watch=scratch, timeout_s=300, cwd=scratch)

    return made_once(cache / f"packages-{name}", install)


def ready() -> str:
    """Have the packages; a line on where they are. PartMissing otherwise."""
    return str(installed())


@dataclass(frozen=True)
class NodePackages:
    """The node command and the folder that holds node_modules."""

    node: str
    folder: Path

    def run(
        self, script: str, *arguments: str, env: Mapping[str, str] | None = None, timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run the text of an ES module that may import the packages; its output and exit status, not checked."""
        with tempfile.TemporaryDirectory(prefix="edgeatlas-node-") as scratch:
            (Path(scratch) / "node_modules").symlink_to(self.folder / "node_modules")
            path = Path(scratch) / "script.mjs"
            path.write_text(script)
            return subprocess.run(
                [self.node, str(path), *arguments],
                cwd=scratch,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )

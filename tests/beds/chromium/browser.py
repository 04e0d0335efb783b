"""A Chromium of the machine, for tests of what a person sees.

Browsers are not fetched from anywhere but the system's packages: a found one is used, and as root on Debian the
package `chromium` is installed when `make test` or CI asks. Run as root it needs `--no-sandbox`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from beds.parts import PartMissing, already_prepared, run, say

COMMANDS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def browser(*, install: bool = False) -> str:
    """The path of a Chromium; with `install` and as root, from Debian's packages. PartMissing otherwise."""
    given = os.environ.get("CHROMIUM")
    if given:
        if not Path(given).exists():
            raise PartMissing(f"CHROMIUM is {given}, which does not exist")
        return given
    if found := _found():
        return found
    if not install:
        raise PartMissing(
            "no chromium found: install it, set CHROMIUM to its path, or run `make test` as root on Debian"
        )
    apt = shutil.which("apt-get")
    if not apt:
        raise PartMissing("no chromium found and no apt-get to install it: install it or set CHROMIUM to its path")
    if os.geteuid() != 0:
        raise PartMissing("no chromium found, and installing it needs root: apt-get install chromium, or set CHROMIUM")
    say("installing Debian's package chromium, once (about 100 MB)")
    archives, quiet = Path("/var/cache/apt"), {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run([apt, "update", "-qq"], what="apt-get update", watch=archives, timeout_s=300, env=quiet)
    command = [apt, "install", "-y", "-qq", "--no-install-recommends", "chromium"]
    run(command, what="apt-get install chromium", watch=archives, timeout_s=900, env=quiet)
    if found := _found():
        return found
    raise PartMissing("Debian's package chromium was installed but brought no command of that name")


def ready(*, install: bool) -> str:
    """Have a browser; its path. PartMissing otherwise."""
    return browser(install=install)


def wanted() -> str:
    """The browser for a fixture: installed only in CI, and only when `make test` has not tried before."""
    return browser(install=bool(os.environ.get("CI")) and not already_prepared())


def _found() -> str | None:
    return next((path for path in map(shutil.which, COMMANDS) if path), None)

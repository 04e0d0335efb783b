"""Puts the built web pages into the wheel and the sdist.

An installer hides what a build hook prints, so nothing here relies on being read: the reason of a failed build goes into
a file that the server's stand-in page shows. `EDGEATLAS_UI` chooses: `auto` (build where npm is, else go on without),
`require` (fail without: for releases), `skip`. An editable install builds nothing: `edgeatlas serve` does it when the
pages are wanted, and setting up a checkout stays quick. Run as a program, it brings a checkout's pages up to date.
"""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODES = ("auto", "require", "skip")


class UiBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # its parameter is the builder's configuration, unused
    """The `custom` hook of hatchling."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the pages before the files are collected; `version` is `standard` or `editable`."""
        if version == "editable":
            return
        reason = bring_up_to_date(Path(self.root), mode=chosen_mode(), say=self.app.display_info)
        if reason is not None:
            self.app.display_warning(f"The web pages are not in this package: {reason}")


def chosen_mode() -> str:
    """`EDGEATLAS_UI`, or `auto`. Raises ValueError for a word that is none of `MODES`."""
    mode = os.environ.get("EDGEATLAS_UI", "auto")
    if mode not in MODES:
        raise ValueError(f"EDGEATLAS_UI is {mode!r}; it is one of {', '.join(MODES)}.")
    return mode


def bring_up_to_date(root: Path, *, mode: str, say: Callable[[str], None]) -> str | None:
    """Builds the pages of the checkout at `root` as `mode` says; the reason, also kept as a file, when there are none."""
    ui = _ui_build(root / "server" / "ui_build.py")
    paths = ui.UiPaths(sources=root / "ui", built=root / "server" / "_ui")
    if mode == "skip":
        reason = None if ui.is_current(paths) else "it was built with EDGEATLAS_UI=skip"
    else:
        reason = ui.ensure_built(ui.UiMode(mode), say=say, paths=paths).reason
    if reason is not None:
        ui.keep_failure(paths.built, reason=reason)
    return reason


def _ui_build(path: Path) -> ModuleType:
    """`server/ui_build.py` by its path: the packages beside it need an environment that a build does not have."""
    spec = importlib.util.spec_from_file_location("edgeatlas_ui_build", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """The exit status: 0 with or without pages, unless `EDGEATLAS_UI=require`."""

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    mode = chosen_mode()
    try:
        reason = bring_up_to_date(Path(__file__).resolve().parent, mode=mode, say=say)
    except RuntimeError as failure:
        say(str(failure))
        return 1
    if reason is not None and mode == "auto":
        say(f"The web pages are not built; the server shows a plain page in their place. {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

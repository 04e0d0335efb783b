"""Puts the built web pages into the wheel and the sdist.

An installer hides what a build hook prints, so nothing here relies on being read: the reason of a failed build goes into
a file that the server's stand-in page shows. `EDGEATLAS_UI` chooses: `auto` (build where npm is, else go on without),
`require` (fail without: for releases), `skip`. An editable install builds nothing: `edgeatlas serve` does it when the
pages are wanted, and setting up a checkout stays quick.
"""

import importlib.util
import os
import sys
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
        mode = os.environ.get("EDGEATLAS_UI", "auto")
        if mode not in MODES:
            raise ValueError(f"EDGEATLAS_UI is {mode!r}; it is one of {', '.join(MODES)}.")
        if version == "editable":
            return
        root = Path(self.root)
        ui = _ui_build(root / "server" / "ui_build.py")
        paths = ui.UiPaths(sources=root / "ui", built=root / "server" / "_ui")
        if mode == "skip":
            if not ui.is_current(paths):
                ui.keep_failure(paths.built, reason="it was built with EDGEATLAS_UI=skip")
            return
        outcome = ui.ensure_built(ui.UiMode(mode), say=self.app.display_info, paths=paths)
        if outcome.reason is not None:
            ui.keep_failure(paths.built, reason=outcome.reason)
            self.app.display_warning(f"The web pages are not in this package: {outcome.reason}")


def _ui_build(path: Path) -> ModuleType:
    """`server/ui_build.py` by its path: the packages beside it need an environment that a build does not have."""
    spec = importlib.util.spec_from_file_location("edgeatlas_ui_build", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module

"""The command line: what it prints and how it exits, in this process, or in one of its own beside others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner, Result

from server.cli.application import app


class CommandLine:
    """Runs commands with an environment."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._runner = CliRunner()

    def __call__(self, *arguments: str, code: int = 0, given: str | None = None) -> Result:
        """Runs a command, which must exit with `code`."""
        result = self._runner.invoke(app, list(arguments), env=self.environment, input=given)
        shown = f"{' '.join(arguments)} ended with {result.exit_code}\n{result.stdout}\n{result.stderr}"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise AssertionError(shown) from result.exception
        assert result.exit_code == code, shown
        return result

    def json(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self(*arguments, "-o", "json").stdout)


LONGEST_S = 180.0
"""Far beyond what a command waits for on a machine with much else to do."""


class Begun:
    """A command as a process of its own, which is read while it prints."""

    def __init__(self, run: CommandLine, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments],
            env={**os.environ, **run.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        pipes = {"out": self.process.stdout, "err": self.process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, pipe), daemon=True) for name, pipe in pipes.items()
        ]
        for reader in self._readers:
            reader.start()

    @property
    def out(self) -> str:
        """What it has printed by now."""
        return "".join(self._lines["out"])

    @property
    def err(self) -> str:
        """What it has said beside that by now."""
        return "".join(self._lines["err"])

    def until(self, found: Callable[[], bool]) -> None:
        """Waits until that is so, while it runs."""
        deadline = time.monotonic() + LONGEST_S
        while not found():
            assert self.process.poll() is None, self.out + self.err
            assert time.monotonic() < deadline, self.out + self.err
            time.sleep(0.02)

    def ended(self) -> int:
        """Its exit code, once all is read that it has printed."""
        code = self.process.wait(LONGEST_S)
        for reader in self._readers:
            reader.join(LONGEST_S)
        return code

    def _read(self, name: str, pipe: Any) -> None:
        for line in pipe:
            self._lines[name].append(line)

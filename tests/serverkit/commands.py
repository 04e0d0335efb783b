"""The command line in this process: what it prints, and how it exits."""

from __future__ import annotations

import json
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

"""Every `--help`, of commands and of groups: an example that can be typed, and exit codes that there are."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from graph.entity import KINDS
from server.cli import failures
from server.cli.application import app
from server.cli.failures import Exit
from server.cli.kinds import kind_named
from serverkit.commands import CommandLine

ROOT: Any = typer.main.get_command(app)
DOCUMENTED = {int(code) for code in re.findall(r"^\| (\d+) \|", inspect.getdoc(failures) or "", re.MULTILINE)}


def walk(command: Any = ROOT, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command and each group of them as it is typed, the root among them."""
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*words, name))


TREE = dict(walk())
GROUPS = {words for words, command in TREE.items() if hasattr(command, "commands")}


def examples(words: tuple[str, ...]) -> list[str]:
    """The lines of a help that show what may be typed."""
    text = inspect.cleandoc(TREE[words].help or "").replace("\b", "")
    return [line.strip("` ") for line in text.partition("Example:")[2].split("\n") if "edgeatlas" in line]


def typed(example: str) -> list[str]:
    """The arguments of an example, without what is before and behind it in its pipe."""
    (own,) = [part for part in re.split(r" [|>] ", example) if part.strip().startswith("edgeatlas ")]
    return shlex.split(own)[1:]


def test_the_commands_that_users_are_told_of_are_there() -> None:
    expected = (
        "serve import apply get describe delete plan deploy scale terminate watch cordon uncordon drain login logout whoami "
        "doctor schema query"
    )
    assert {(name,) for name in expected.split()} <= set(TREE) - GROUPS
    assert {(), ("operation",), ("user",), ("token",), ("secret",), ("context",)} <= GROUPS


@pytest.mark.parametrize("words", TREE, ids=lambda words: " ".join(words) or "edgeatlas")
def test_a_help_shows_an_example(alone: CommandLine, words: tuple[str, ...]) -> None:
    shown = " ".join(alone(*words, "--help").stdout.split())
    assert examples(words), f"`edgeatlas {' '.join(words)} --help` shows no example"
    for example in examples(words):
        assert example in shown


@pytest.mark.parametrize("words", TREE, ids=lambda words: " ".join(words) or "edgeatlas")
def test_an_example_can_be_typed_as_it_stands(words: tuple[str, ...]) -> None:
    for example in examples(words):
        arguments = typed(example)
        assert tuple(arguments[: len(words)]) == words, f"{example!r} is not of this command"
        command, rest = ROOT, arguments
        while hasattr(command, "commands"):
            command, rest = command.commands[rest[0]], rest[1:]
        # What is not of the command, or lacks, is refused here as it would be when it is typed.
        context = command.make_context("edgeatlas", rest)
        assert context.args == []


@pytest.mark.parametrize("words", TREE, ids=lambda words: " ".join(words) or "edgeatlas")
def test_what_a_value_is_stands_in_capitals(words: tuple[str, ...]) -> None:
    for one in TREE[words].params:
        told = one.metavar or ""
        if one.param_type_name == "argument":
            assert told == told.upper() != "", one.name
            # What is required or may be repeated is shown in the usage line for all alike.
            assert not set(told) & set("[]{}…") or told.startswith("KEY"), told
        elif not one.is_flag and not one.type_descriptor.is_choice:
            assert told, one.name
            assert told == told.upper() or "|" in told, one.name


def test_whatever_names_a_deployment_takes_its_tenant() -> None:
    for words in ("plan", "deploy", "update", "scale", "terminate", "get", "describe", "delete", "watch"):
        assert "--tenant" in {opt for one in TREE[(words,)].params for opt in one.opts}, words


def test_a_group_lists_what_each_of_its_commands_is_for(alone: CommandLine) -> None:
    for words in GROUPS:
        shown = alone(*words, "--help").stdout
        for name, command in TREE[words].commands.items():
            assert re.search(rf"│ {name} +\S", shown), f"{' '.join(words)} {name}"
            assert "Example:" not in command.get_short_help_str(200)


def test_the_exit_codes_are_those_that_are_documented(alone: CommandLine) -> None:
    assert {int(code) for code in Exit} == DOCUMENTED
    told = " ".join(alone("--help").stdout.split()).partition("Exit codes: ")[2].partition(".")[0]
    assert {int(part.split()[0]) for part in told.split(", ")} == DOCUMENTED


def test_an_exit_code_that_a_help_speaks_of_is_one_that_there_is() -> None:
    for words, command in TREE.items():
        for code in re.findall(r"[Ee]xit code (\d+)", command.help or ""):
            assert int(code) in DOCUMENTED, words


def test_the_kinds_of_examples_are_kinds() -> None:
    for words in (("get",), ("describe",), ("delete",), ("watch",)):
        for example in examples(words):
            assert kind_named(typed(example)[1]) in KINDS.values()

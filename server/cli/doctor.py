"""`doctor`: what this machine has, whether a server could start here, and whether the chosen one answers."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.text import Text

from server.cli.api import Api
from server.cli.config import Context, config_path
from server.cli.failures import Exit, Failure
from server.cli.options import OutputOption, call_of
from server.cli.output import Output, console, plain_table, print_data
from server.settings import Settings
from server.settings_sources import load
from server.settings_values import SettingWrong

PROGRAM_TIMEOUT_S = 10.0
_STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: `ok`, `note` (works with less) or `wrong`."""

    name: str
    state: str
    text: str
    remedy: str = ""


def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Look at this machine only, ask no server.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check this machine, its settings and the server. Exit code 1 when something is wrong.

    Example: edgeatlas doctor
    """
    findings = [_python(), _program("node", "web pages", "install Node 20.19 or newer"), _ui()]
    findings.append(_program("java", "Neo4j's tests", "install a JDK 17; nothing else needs it", flag="-version"))
    try:
        settings = load()
    except SettingWrong as wrong:
        findings.append(Finding(name="settings", state="wrong", text=str(wrong)))
    else:
        findings += [_folder(settings.data_dir), _key(settings.key_file), _store(settings), _port(settings)]
    findings.append(_config())
    if not offline:
        findings += _server(lambda: call_of(ctx).chosen()[1])
    if output in (Output.JSON, Output.YAML):
        print_data([vars(one) for one in findings], output)
    else:
        table = plain_table(["", "", ""])
        table.show_header = False
        for one in findings:
            said = Text(one.text + (f"; {one.remedy}" if one.remedy and one.state != "ok" else ""))
            table.add_row(Text(one.state, style=_STYLES[one.state]), Text(one.name, style="bold"), said)
        console().print(table)
    if any(one.state == "wrong" for one in findings):
        raise typer.Exit(int(Exit.ERROR))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding(name="python", state="ok" if good else "wrong", text=version, remedy="use Python 3.11 or newer")


def _program(name: str, needed_for: str, remedy: str, *, flag: str = "--version") -> Finding:
    path = shutil.which(name)
    if path is None:
        return Finding(name=name, state="note", text=f"not found; {needed_for} do without", remedy=remedy)
    try:
        run = subprocess.run(  # noqa: S603 - a program from the user's own path, with a constant argument
            [path, flag], capture_output=True, text=True, timeout=PROGRAM_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return Finding(name=name, state="note", text=f"{path} does not run: {problem}", remedy=remedy)
    lines = (run.stdout or run.stderr).strip().splitlines()
    return Finding(name=name, state="ok" if run.returncode == 0 else "note", text=(lines or [path])[0], remedy=remedy)


def _ui() -> Finding:
    from server.ui_build import UiMode, ensure_built

    build = ensure_built(UiMode.OFF, say=lambda text: None)
    if build.directory is not None:
        return Finding(name="web pages", state="ok", text=str(build.directory))
    return Finding(
        name="web pages",
        state="note",
        text="not built; a plain table and a plain form stand in for the dashboard and the playground",
        remedy="`edgeatlas serve` builds them where Node is",
    )


def _folder(path: Path) -> Finding:
    if not path.exists():
        parent = next(one for one in path.parents if one.exists())
        if os.access(parent, os.W_OK):
            return Finding(name="data folder", state="ok", text=f"{path} will be made at the first start")
        return Finding(
            name="data folder",
            state="wrong",
            text=f"{path} cannot be made in {parent}",
            remedy="choose another --data-dir",
        )
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(
            name="data folder", state="wrong", text=f"{path} cannot be written", remedy="give yourself the right"
        )
    others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    free = shutil.disk_usage(path).free >> 20
    if others:
        return Finding(
            name="data folder", state="note", text=f"{path} is open to other users", remedy=f"run chmod 700 {path}"
        )
    state = "ok" if free > 512 else "note"
    return Finding(name="data folder", state=state, text=f"{path}, {free} MiB free", remedy="make room")


def _key(path: Path) -> Finding:
    if not path.exists():
        return Finding(name="key file", state="ok", text=f"{path} will be made at the first start")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            name="key file", state="wrong", text=f"{path} has mode {mode:04o}", remedy=f"run chmod 600 {path}"
        )
    return Finding(name="key file", state="ok", text=f"{path}, mode {mode:04o}; keep a copy of it apart from the data")


def _store(settings: Settings) -> Finding:
    target = settings.store_target()
    if target.kind == "sqlite":
        there = target.path is not None and target.path.exists()
        return Finding(name="store", state="ok", text=f"{target}{'' if there else ', made at the first start'}")
    host, _, port = target.url.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except OSError as problem:
        return Finding(
            name="store",
            state="wrong",
            text=f"{target} does not answer: {problem}",
            remedy="start it, or correct --store",
        )
    return Finding(name="store", state="ok", text=f"{target} answers")


def _port(settings: Settings) -> Finding:
    name = f"port {settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as problem:
            return Finding(
                name=name,
                state="note",
                text=f"taken or not allowed: {problem.strerror}",
                remedy="a server may run already",
            )
    return Finding(name=name, state="ok", text=f"free on {settings.host}")


def _config() -> Finding:
    path = config_path()
    if not path.exists():
        return Finding(name="signed in", state="note", text="not yet", remedy="run `edgeatlas login`")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Finding(
            name="signed in", state="wrong", text=f"{path} has mode {mode:04o}", remedy=f"run chmod 600 {path}"
        )
    return Finding(name="signed in", state="ok", text=f"tokens in {path}, mode {mode:04o}")


def _server(chosen: Callable[[], Context]) -> list[Finding]:
    """Whether the chosen server lives, is ready, and takes the token."""
    try:
        context = chosen()
        with Api(context) as api:
            ready = api.http.get("/readyz")
            findings = [Finding(name="server", state="ok", text=f"{context.url} answers: {ready.text.strip()[:200]}")]
            if not context.token:
                return [*findings, Finding(name="token", state="note", text="none", remedy="run `edgeatlas login`")]
            info = api.query("{ viewer { name } serverInfo { version store revision writable } }")
    except httpx.TransportError:
        return [
            Finding(name="server", state="note", text=f"{context.url} does not answer", remedy="run `edgeatlas serve`")
        ]
    except Failure as failure:
        return [Finding(name="server", state="wrong", text=failure.message, remedy=failure.remedy or "")]
    server = info["serverInfo"]
    text = f"EdgeAtlas {server['version']} on {server['store']}, revision {server['revision']}"
    state = "ok" if server["writable"] else "note"
    return [
        *findings,
        Finding(name="token", state="ok", text=f"you are {info['viewer']['name']}"),
        Finding(name="graph", state=state, text=text + ("" if server["writable"] else ", takes no changes now")),
    ]

"""Records the walk of README.md as a picture of a terminal: the real commands against a real server.

    python docs/record_walk.py docs/images/walk.svg

Everything happens in a folder of its own that is removed afterwards; the server listens on a free port of loopback.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS = 118
KEPT_LINES = 26
CITIES = ("Vienna", "München", "Milano", "Brussels", "Zürich")
PLACES = [part for city in CITIES for part in ("--of", city)]
STEPS: list[list[str]] = [
    ["import", "topohub:backbone/europe", "--cluster", "edge", "--nodes", "2"],
    ["apply", "-f", "docs/examples/walk.yaml"],
    ["plan", "hello/1.0", "--within", "8ms", *PLACES],
    ["deploy", "hello/1.0", "--within", "8ms", *PLACES, "--wait"],
    ["get", "releases"],
]
ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sys.executable).with_name("edgeatlas"))


def main(target: Path) -> int:
    """Runs the walk and writes the picture."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LANG": "C.UTF-8"}
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            environment.pop(name, None)
        with serving(environment) as link:
            subprocess.run([COMMAND, "login", "--link", link], env=environment, check=True, stdout=subprocess.DEVNULL)
            console = Console(record=True, width=COLUMNS, force_terminal=True, file=open(os.devnull, "w"))  # noqa: SIM115
            for step in STEPS:
                shown = " ".join(["edgeatlas", *step])
                console.print(Text(f"$ {shown}", style="bold green"))
                for line in kept(output_of([COMMAND, *step], environment)):
                    console.print(Text.from_ansi(line), overflow="crop", no_wrap=True)
                console.print()
    # Without the fonts that the format would fetch from elsewhere: a page of the documentation asks nobody.
    svg = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    target.write_text(console.export_svg(title="EdgeAtlas: from a network to a running app", code_format=svg))
    return 0


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[str]:
    """A server; gives its one-time sign-in link."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = Path(environment["HOME"]) / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [COMMAND, "serve", "--port", str(port), "--ui", "off"],
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        for _ in range(240):
            found = re.search(r"http://\S+/auth/link\S+", log.read_text())
            if found:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").close()
                yield found.group()
                return
            time.sleep(0.25)
        raise SystemExit(f"the server did not start:\n{log.read_text()}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def output_of(command: list[str], environment: dict[str, str]) -> str:
    """What a command writes to a terminal of our width."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=writer, stderr=writer, stdin=writer)
    os.close(writer)
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(reader, 65_536)
        except OSError:  # the other side is closed: the command has ended
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(reader)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{b''.join(chunks).decode()}")
    return b"".join(chunks).decode()


def kept(text: str) -> list[str]:
    """The lines as they stand at the end: without what progress bars drew and took away, and not too many."""
    settled = re.sub(r"\x1b\[(\?25[hl]|\d*[ABCDGJK]|2K)", "", text.replace("\r\n", "\n"))
    lines = [line.rpartition("\r")[2].rstrip() for line in settled.split("\n")]
    shown = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    while shown and not shown[-1]:
        shown.pop()
    return shown if len(shown) <= KEPT_LINES else [*shown[:KEPT_LINES], "…"]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

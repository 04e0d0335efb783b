"""Writers in a process of their own, to be killed or raced: `python -m storekit.writer_process URL MODE …`.

In mode `kill` the process forks a writer for a line `live SEED` of standard input and answers `forked PID`; a writer
prints each commit that it was told is durable, as `R revision key`, until it is killed. For `reap PID` it waits for one
that was killed and answers `gone PID STATUS`, so that one that ended by itself is found out. Forking spares the imports at
every kill. In mode `race` it opens the store, says `ready`, waits for a line, runs the named race once and prints its
answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from graph.ledger import Ledger
from graph.store import Store
from graph.stores import store_for
from storekit import races, wrappers
from storekit.processes import log_to_stderr

WRITERS = 12


def _store(url: str, control: str) -> Store:
    if control == "none":
        return store_for(url)
    made: Store = {"early": wrappers.AnswersEarly, "parts": wrappers.WritesInParts}[control](
        Path(url.removeprefix("sqlite:"))
    )
    return made


async def _write_until_killed(url: str, control: str, seed: int) -> None:
    random_ = random.Random(seed)
    async with Ledger(_store(url, control)).running() as ledger:

        async def writer(number: int) -> None:
            for step in range(1_000_000):
                key = f"{seed}-{number}-{step}"
                done = await ledger.commit(races.several_entities(key, random_.random()), races.REQUEST)
                os.write(1, f"R {done.revision} {key}\n".encode())

        await asyncio.gather(*(writer(number) for number in range(WRITERS)))


def _kill_mode(url: str, control: str) -> None:
    _store(url, control)  # imports what the store needs, before the forks
    for line in sys.stdin:
        command, number = line.split()
        if command == "live":
            pid = os.fork()
            if pid == 0:
                _live(url, control, int(number))
            os.write(1, f"forked {pid}\n".encode())
        else:
            _, status = os.waitpid(int(number), 0)
            os.write(1, f"gone {number} {os.waitstatus_to_exitcode(status)}\n".encode())


def _live(url: str, control: str, seed: int) -> NoReturn:
    os.close(0)
    try:
        asyncio.run(_write_until_killed(url, control, seed))
    except BaseException:  # noqa: BLE001 - whatever it was is printed, and is this process's end
        traceback.print_exc()
    finally:
        os._exit(1)


async def _race(url: str, name: str, arguments: list[str]) -> None:
    async with Ledger(store_for(url)).running() as ledger:
        await races.warm(ledger)
        os.write(1, b"ready\n")
        await asyncio.to_thread(sys.stdin.readline)
        answers = await races.RACES[name](ledger, *arguments)
        os.write(1, (json.dumps(answers) + "\n").encode())


def main() -> None:
    log_to_stderr()
    url, mode, *rest = sys.argv[1:]
    if mode == "kill":
        _kill_mode(url, rest[0])
    else:
        asyncio.run(_race(url, rest[0], rest[1:]))


if __name__ == "__main__":
    main()

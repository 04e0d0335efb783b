"""A writer whose files may not grow beyond a limit: `python -m storekit.full_disk PATH BYTES END CONTROL`.

It lowers RLIMIT_FSIZE once the store is open, commits until it is refused, then lifts the limit and commits again (END is
`mend`), or kills itself while the disk is full (`die`). It prints what it was told: `R revision key` for each durable
commit, `full` when it was refused for the first time, `code CODE` for each refusal.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from graph.ledger import Ledger
from graph.refusal import Refusal
from graph.stores.sqlite import SqliteStore
from storekit import races, wrappers
from storekit.processes import log_to_stderr

TRIES_WHILE_FULL = 5


async def _run(path: Path, limit: int, end: str, control: str) -> None:
    store = {"none": SqliteStore, "ignores": wrappers.IgnoresFullDisk}[control](path)
    async with Ledger(store, group_size=4).running() as ledger:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

        async def commit(key: str) -> bool:
            try:
                done = await ledger.commit(races.several_entities(key, 0.5), races.REQUEST)
            except Refusal as refusal:
                os.write(1, f"code {refusal.code}\n".encode())
                return False
            os.write(1, f"R {done.revision} {key}\n".encode())
            return True

        await commit("first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        number = 0
        while number < 200 and all(await asyncio.gather(*(commit(f"k-{number}-{part}") for part in range(6)))):
            number += 1
        os.write(1, b"full\n")
        for again in range(TRIES_WHILE_FULL):
            await commit(f"again-{again}")
        if end == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        for after in range(20):
            assert await commit(f"after-{after}"), "there is room again"


def main() -> None:
    log_to_stderr()
    path, limit, end, control = sys.argv[1:]
    asyncio.run(_run(Path(path), int(limit), end, control))


if __name__ == "__main__":
    main()

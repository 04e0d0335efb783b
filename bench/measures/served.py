"""A server process like an operator's, on a store that is there already, and what it uses.

It is the command `edgeatlas serve`, with uvicorn, sockets and a token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from access.tokens import new_token, token_hash
from bench.measures.processes import Process
from graph.edit import Edit
from graph.kinds import ApiToken, Role, RoleBinding, User
from graph.ledger import Ledger
from graph.request import Request
from graph.stores import store_for

_ADDRESS = re.compile(r"EdgeAtlas \S+ at https?://127\.0\.0\.1:(\d+)")


async def make_caller(store: str, *, role: Role = Role.ADMIN) -> str:
    """A user with a token in a store that no server owns; the token's text."""
    text = new_token()

    def make(edit: Edit) -> None:
        user = edit.create(User, name=f"bench-{role.name.lower()}")
        edit.create(RoleBinding, subject_id=user.id, role=role)
        edit.create(ApiToken, name="bench", owner_id=user.id, token_hash=token_hash(text))

    async with Ledger(store_for(store)).running() as ledger:
        await ledger.commit(make, Request(author="bench", action="prepare"))
    return text


class Served(Process):
    """A running server process and its `port`."""

    def __init__(
        self,
        folder: Path,
        *,
        store: str,
        token: str,
        start_s: float = 120.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Starts it and returns once it listens. Raises RuntimeError when it ends or takes longer than `start_s`."""
        self.token = token
        began = time.perf_counter()
        super().__init__(
            "serve",
            settings={
                **of_installation(folder, store=store),
                "PORT": "0",
                "UI": "off",
                # One mutation after another from one caller is what is measured; a day's worth of them is not kept.
                "CONNECTIONS_PER_USER": "5000",
                # A machine that is busy with other work must give figures that are bad, and not none.
                "EXECUTION_TIMEOUT_S": "120",
                **(settings or {}),
            },
        )
        self.port = 0
        self.until(self._listens, within_s=start_s, what="the server's address")
        self.listened_after_s = time.perf_counter() - began
        """From the start of the process, imports and all."""

    def _listens(self) -> bool:
        for line in list(self.said):
            found = _ADDRESS.search(line)
            if found:
                self.port = int(found[1])
        return self.port > 0


def of_installation(folder: Path, *, store: str) -> dict[str, str]:
    """The settings that all processes of one installation have."""
    return {
        "DATA_DIR": str(folder / "data"),
        "KEY_FILE": str(folder / "keys" / "key"),
        "STORE": store,
        "LOG_LEVEL": "warning",
        "LOG_FORMAT": "json",
    }

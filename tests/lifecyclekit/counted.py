"""How much of the graph is read to answer a question."""

from __future__ import annotations

from typing import Any

from graph.view import Reader


class Counted:
    """A reader that counts the releases that are read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.revision = reader.revision
        self.epoch = reader.epoch
        self.read = 0

    def get(self, entity_id: str) -> Any:
        self.read += entity_id.startswith("release_")
        return self._reader.get(entity_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

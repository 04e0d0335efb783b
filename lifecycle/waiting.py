"""Which releases wait for which others, so that they are looked at again when what they wait for changes.

A doorbell's memory and nothing more: whatever is lost of it is found again by the next sweep.
"""

from __future__ import annotations

from collections.abc import Iterator

from graph.kinds import Release
from graph.view import Reader, get_as
from lifecycle.gates import Gate, Gates
from lifecycle.todo import Todo, todo_in


class Waiting:
    """What waits for other components in one process."""

    def __init__(self) -> None:
        self._gates = Gates()
        self._here: dict[tuple[str, str], set[str]] = {}
        """Releases that wait for another component, by (deployment, site)."""
        self._gated: dict[Gate, set[str]] = {}
        """Releases that wait for what is to hold everywhere."""
        self._shut_by: dict[str, set[Gate]] = {}
        """By release, the gates that it was found to shut."""

    def step(self, reader: Reader, release: Release, *, now_ms: int) -> Todo:
        """The next step of a release in the view."""
        return todo_in(reader, release, now_ms=now_ms, gates=self._gates)

    def note(self, reader: Reader, release: Release, step: Todo) -> None:
        """Notes what a release waits for.

        What comes to its own site may change that: who waits for another elsewhere, for there is none here, is told too.
        """
        self._here.setdefault((release.deployment_id, release.site_id), set()).add(release.id)
        if step.gate is None:
            return
        shut_by = self._gates.answer(reader, step.gate).shut_by
        if shut_by is not None:  # else it waits for a time alone, and nobody's change would have it forgotten
            self._gated.setdefault(step.gate, set()).add(release.id)
            self._shut_by.setdefault(shut_by, set()).add(step.gate)

    def freed(self, reader: Reader, changed: Release) -> Iterator[Release]:
        """The releases that may go on because another one has changed."""
        waiting = list(self._here.pop((changed.deployment_id, changed.site_id), ()))
        for gate in self._shut_by.pop(changed.id, ()):
            shut_by = self._gates.answer(reader, gate).shut_by
            if shut_by is not None:
                self._shut_by.setdefault(shut_by, set()).add(gate)
            else:
                waiting += self._gated.pop(gate, ())
        for release_id in waiting:
            release = get_as(reader, Release, release_id)
            if release is not None:
                yield release

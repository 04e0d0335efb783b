"""A large set of documents cut into batches: each becomes one commit, so each stays well within a commit's limits.

How much a document changes is known from its trial: a deployment may bring a hundred releases with it, and a region may
have a boundary of a megabyte. Batches are kept as filed records beside their operation, numbered in the order of work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from graph.applying import Action, Outcome
from graph.change import Change, encode_entity
from graph.document_order import in_order
from graph.documents import Document
from graph.view import Reader

T = TypeVar("T")
BATCH_CHANGES = 1_000
BATCH_BYTES = 2 * 1024 * 1024
"""Of a batch as its trial had it; a commit may have four times as many, since the graph changes in between."""
COLLECTION = "document_batch"
OWN_CHANGES = 4
"""Changes that a deployment brings with it whatever its releases: itself, an operation, a revision and an event."""
PLACED_WEIGHT = 40
"""A deployment that changes counts as so many changes at least: it may be placed anew, and that is verified at head."""


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one commit of an operation applies."""

    documents: list[Document] = []
    deleted_ids: list[str] = []
    token_id: str | None = None
    """The API token that the set came with: what it may not, its batches may not."""
    tenant_id: str | None = None
    """The tenant whose set it is; None: the installation's."""


class Weight(msgspec.Struct, frozen=True):
    """How much of a commit something takes."""

    changes: int
    size_bytes: int


def batch_id(operation_id: str, number: int) -> str:
    """The id of an operation's batch by its number, from 0."""
    return f"{operation_id}_{number:06d}"


def size_of(change: Change) -> int:
    """About how many bytes a change has in the log."""
    return sum(len(encode_entity(value)) for value in (change.before, change.after) if value is not None)


def batches_of(
    documents: Sequence[Document],
    outcomes: Sequence[Outcome],
    *,
    sizes: Mapping[str, int],
    brought: Mapping[int, int],
    reader: Reader,
    token_id: str | None,
    tenant_id: str | None,
) -> list[Batch]:
    """What changes, in the order of its making: documents parents before children, then deletions children first.

    `outcomes` are those of the trial, `brought` is how many changes each document made there, by its position, `sizes` the
    bytes of each change by its entity; `reader` is the graph before the trial.
    """
    changing = [
        (documents[index], Weight(_changes_of(one, brought.get(index, 1), reader), _size_of(one, sizes)))
        for index in in_order(documents)
        if (one := outcomes[index]).action in (Action.CREATED, Action.UPDATED)
    ]
    gone = [
        (one.id, _weight_of_removal(one, sizes, reader))
        for one in outcomes[len(documents) :]
        if one.action is Action.DELETED and one.id is not None
    ]
    return [
        *(Batch(documents=part, token_id=token_id, tenant_id=tenant_id) for part in _cut(changing)),
        *(Batch(deleted_ids=part, token_id=token_id, tenant_id=tenant_id) for part in _cut(gone)),
    ]


def _changes_of(outcome: Outcome, brought: int, reader: Reader) -> int:
    if outcome.kind != "Deployment" or outcome.action is not Action.UPDATED:
        return max(1, brought)
    return max(PLACED_WEIGHT, brought, OWN_CHANGES + _releases_of(outcome, reader))


def _weight_of_removal(outcome: Outcome, sizes: Mapping[str, int], reader: Reader) -> Weight:
    changes = 1 + OWN_CHANGES + _releases_of(outcome, reader) if outcome.kind == "Deployment" else 1
    return Weight(changes, _size_of(outcome, sizes))


def _releases_of(outcome: Outcome, reader: Reader) -> int:
    return reader.count("Release", "deployment_id", outcome.id)


def _size_of(outcome: Outcome, sizes: Mapping[str, int]) -> int:
    return sizes.get(outcome.id or "", 0)


def _cut(weighed: Sequence[tuple[T, Weight]]) -> Iterator[list[T]]:
    part: list[T] = []
    changes = size_bytes = 0
    for one, weight in weighed:
        if part and (changes + weight.changes > BATCH_CHANGES or size_bytes + weight.size_bytes > BATCH_BYTES):
            yield part
            part, changes, size_bytes = [], 0, 0
        part.append(one)
        changes, size_bytes = changes + weight.changes, size_bytes + weight.size_bytes
    if part:
        yield part

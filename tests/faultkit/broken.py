"""A product with one defence taken away: the negative controls of the fault tests.

Each is the real thing but for one step. A check that does not fail over it checks nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import msgspec

from access.viewer import Viewer
from drivers.port import RemovalWork
from drivers.simulated.world import World
from graph import ledger
from graph.change import Commit
from graph.drafts import Draft, Group
from graph.edit import Edit
from graph.kinds import Deployment, Operation, OperationKind, OperationStatus, Release
from graph.ledger import Ledger
from graph.replica import Replica
from graph.request import Idempotency
from graph.view import get_as
from lifecycle import (
    autoscaling_samples,
    deployment_verbs,
    deployments,
    failing_over,
    failover_settling,
    nats_link,
    operation_verbs,
    operations,
    prometheus,
    reconciler,
    releases,
    rescaling,
    results,
    rings,
    todo,
    withdrawing,
    work,
)
from lifecycle.autoscaler import Autoscaler
from lifecycle.autoscaling_samples import Sampler, Seen
from lifecycle.bookkeeper import Bookkeeper
from lifecycle.connections import Connections
from lifecycle.leases import Leases
from lifecycle.prometheus import MetricsProblem, Prometheus, Values
from lifecycle.settings import LifecycleSettings
from lifecycle.work import Claim, Result


@contextlib.contextmanager
def without_the_fence() -> Iterator[None]:
    """A backend that takes whatever comes, older over newer, and remembers nothing of what was removed."""

    async def remove(self: World, given: RemovalWork, *, now: int = 0, by: str = "") -> bool:
        found = self.objects.get(given.name)
        if found is not None:
            self._forget(given.name, 0)
            self.effects.note("removed", given, now=now, by=by)
        return found is not None

    with mock.patch.object(World, "_check_fence", return_value=None), mock.patch.object(World, "remove", remove):
        yield


@contextlib.contextmanager
def without_idempotence() -> Iterator[None]:
    """A backend that does again what it has done."""
    with mock.patch("drivers.simulated.world.is_as_wanted", return_value=False):
        yield


@contextlib.contextmanager
def by_the_machines_clock() -> Iterator[None]:
    """Workers that hold what the graph says against the clock of their machine, whatever time it is in the graph."""

    def now_ms(self: Ledger) -> int:
        return self._time._clock_ms()

    with mock.patch.object(Ledger, "now_ms", now_ms):
        yield


@contextlib.contextmanager
def without_looking_for_keys() -> Iterator[None]:
    """A ledger that does not look whether the key of a change was used before: neither first nor at head."""
    inner = ledger.run_group

    def run_group(drafts: Sequence[Draft], *given: Any, **also: Any) -> Group:
        for one in drafts:
            one.request = msgspec.structs.replace(one.request, idempotency=None)
        return inner(drafts, *given, **also)

    async def recall(self: Ledger, idempotency: Idempotency) -> bytes | None:
        return None

    with mock.patch.object(ledger, "run_group", run_group), mock.patch.object(Ledger, "recall", recall):
        yield


@contextlib.contextmanager
def rolled_back_in_name_alone() -> Iterator[None]:
    """A rollback that gives the deployment its earlier intents, and leaves its releases as they are."""
    inner = deployments.update_deployment

    def update(*given: Any, **also: Any) -> Any:
        if also.get("kind") is not OperationKind.ROLLBACK:
            return inner(*given, **also)
        with mock.patch.object(deployments, "apply_decision", return_value=0):
            return inner(*given, **also)

    with mock.patch.object(deployment_verbs, "update_deployment", update):
        yield


@contextlib.contextmanager
def called_before_it_is_claimed() -> Iterator[None]:
    """The claim is committed after the call, with its result."""
    inner = work.record

    async def uncommitted(self: reconciler.Reconciler, ids: list[str], *, parked: Any) -> list[Claim]:
        view = self._ledger.view
        wanted = {one: release.epoch for one in ids if (release := get_as(view, Release, one)) is not None}
        edit = Edit(view, at=self._clock.now_ms(), next_revision=view.revision + 1)
        return work.claim(edit, wanted)

    def both(edit: Edit, given: Sequence[Result], *, settings: LifecycleSettings) -> int:
        for one in given:
            work.claim(edit, {one.claim.release.id: one.claim.release.epoch - 1})
        return inner(edit, given, settings=settings)

    with (
        mock.patch.object(reconciler.Reconciler, "_claim", uncommitted),
        mock.patch.object(reconciler.Reconciler, "_holds", return_value=True),
        mock.patch.object(results, "record", both),
    ):
        yield


@contextlib.contextmanager
def called_whether_or_not_the_store_is_there() -> Iterator[None]:
    """A worker that does not ask for its store: it claims what it calls when there is one again."""

    async def nothing(self: reconciler.Reconciler) -> None:
        return None

    def begin(self: reconciler.Reconciler, group: asyncio.TaskGroup) -> None:
        for one in self._slots.begin(self._holds, now=self._clock.monotonic())[0]:
            group.create_task(self._call(one, group))

    with (
        called_before_it_is_claimed(),
        mock.patch.object(reconciler.Reconciler, "_store_back", nothing),
        mock.patch.object(reconciler.Reconciler, "_begin", begin),
    ):
        yield


@contextlib.contextmanager
def without_comparing_at_the_start() -> Iterator[None]:
    """A process that knows of work only what it is told of while it lives."""

    async def nothing(self: rings.Rings) -> None:
        await self._clock.sleep(1e9)

    with (
        mock.patch.object(rings.Rings, "sweep", nothing),
        mock.patch.object(rings.Rings, "cluster_connected", return_value=None),
    ):
        yield


@contextlib.contextmanager
def without_new_generations() -> Iterator[None]:
    """A change that forgets to begin a release anew: it stays at the generation that it has."""
    inner = releases._keep

    def keep(edit: Edit, deployment: Any, release: Release, want: Any, **given: Any) -> int:
        touched = inner(edit, deployment, release, want, **given)
        now = get_as(edit, Release, release.id)
        assert now is not None
        if now.wanted and release.wanted:
            edit.replace(now, generation=release.generation)
        return touched

    with mock.patch.object(releases, "_keep", keep):
        yield


@contextlib.contextmanager
def whoever_else_may_run() -> Iterator[None]:
    """A failover that asks nobody whether the old copy of what is single is gone."""
    with (
        mock.patch.object(failover_settling, "old_copies", return_value=[]),
        mock.patch.object(failing_over, "old_copies", return_value=[]),
        started_beside_the_old_copy(),
    ):
        yield


@contextlib.contextmanager
def started_beside_the_old_copy() -> Iterator[None]:
    """A worker that starts what is single though the old copy is still to be removed."""
    with mock.patch.object(todo, "old_copy", return_value=None):
        yield


@contextlib.contextmanager
def cancelled_by_forgetting() -> Iterator[None]:
    """A cancellation that only marks the operation, and leaves what it had begun as it is."""

    def cancel(edit: Edit, operation_id: str, **given: Any) -> tuple[Operation, Deployment | None]:
        operation = operations.running_operation(edit, operation_id)
        deployment = get_as(edit, Deployment, operation.subject_id)
        assert deployment is not None
        after = edit.replace(deployment, operation_id=None)
        return edit.replace(operation, status=OperationStatus.CANCELLED, finished_at=edit.at), after

    with mock.patch.object(operation_verbs, "cancel_operation", cancel):
        yield


@contextlib.contextmanager
def with_a_bucket_made_once() -> Iterator[None]:
    """Workers that write their leases where they once were, whether or not the broker still has that."""
    inner = Leases._make_bucket

    async def make(self: Leases, client: Any) -> None:
        if not self._told:
            await inner(self, client)

    with mock.patch.object(Leases, "_make_bucket", make):
        yield


@contextlib.contextmanager
def with_a_connection_made_once() -> Iterator[None]:
    """Workers that lose the broker for ever when the node that they are connected to dies."""
    inner = nats_link.nats.connect

    async def connect(*given: Any, **options: Any) -> Any:
        return await inner(*given, **{**options, "allow_reconnect": False})

    with mock.patch.object(nats_link.nats, "connect", connect):
        yield


@contextlib.contextmanager
def without_steps_remembered() -> Iterator[None]:
    """A scaling loop that does not read which changes were made before it began."""
    with mock.patch.object(Autoscaler, "_made_before", return_value=[]):
        yield


@contextlib.contextmanager
def scaled_whatever_has_changed_since() -> Iterator[None]:
    """A scaling loop that writes what it found, whoever has changed the site meanwhile."""
    with mock.patch.object(rescaling, "_may", return_value=True):
        yield


@contextlib.contextmanager
def whoever_asks() -> Iterator[None]:
    """A product in which whoever sees something may do anything with it."""
    with (
        mock.patch.object(Viewer, "may", return_value=True),
        mock.patch.object(Viewer, "may_anywhere", return_value=True),
        mock.patch.object(Viewer, "require"),
    ):
        yield


@contextlib.contextmanager
def waiting_for_any_metrics_server() -> Iterator[None]:
    """A scaling loop that waits for a metrics server for as long as that takes."""
    inner = Prometheus.__init__

    def made(self: Prometheus, endpoints: Any, *, timeout_s: float) -> None:
        inner(self, endpoints, timeout_s=3_600.0)

    async def in_its_time(read: Any, targets: Any, *, until: float) -> Any:
        return await read()

    with (
        mock.patch.object(Prometheus, "__init__", made),
        mock.patch.object(autoscaling_samples, "_in_time", in_its_time),
    ):
        yield


@contextlib.contextmanager
def believing_what_stands_still() -> Iterator[None]:
    """A scaling loop to which a value is new whenever it is told."""

    def note(self: Seen, at_ms: int, *, now: float) -> None:
        self.at_ms, self.moved_s = at_ms, now

    with mock.patch.object(Seen, "note", note):
        yield


@contextlib.contextmanager
def taking_any_sites_value() -> Iterator[None]:
    """A scaling loop that takes what was measured at one site for what is at another."""

    def value_of(reader: Any, values: Any, *, site_id: str, tenant_id: str) -> Any:
        return next(iter(values.values()), "the query gives no value for the site")

    with mock.patch.object(autoscaling_samples, "value_of", value_of):
        yield


@contextlib.contextmanager
def taking_no_number_for_none() -> Iterator[None]:
    """A scaling loop to which what is no number is 0."""
    with mock.patch.object(prometheus, "_number", return_value=0.0):
        yield


@contextlib.contextmanager
def keeping_what_is_wrong_to_itself() -> Iterator[None]:
    """A scaling loop to which a metrics server that is wrong has nothing to say."""
    inner = Prometheus.values

    async def values(self: Prometheus, *given: Any) -> Values:
        try:
            return await inner(self, *given)
        except MetricsProblem:
            return Values(0, {})

    with mock.patch.object(Prometheus, "values", values):
        yield


@contextlib.contextmanager
def ended_by_one_bad_answer() -> Iterator[None]:
    """A scaling loop whose round ends with what cannot be read of one answer."""

    async def of_query(self: Sampler, asked: Any, targets: Any) -> Any:
        await self._values(*asked)

    with mock.patch.object(Sampler, "_of_query", of_query):
        yield


@contextlib.contextmanager
def with_all_turns_for_one_tenant() -> Iterator[None]:
    """A scaling loop in which a tenant may have as many queries under way as a metrics server is asked at all."""
    with mock.patch.object(autoscaling_samples, "QUERIES_AT_ONCE_A_TENANT", autoscaling_samples.QUERIES_AT_ONCE):
        yield


@contextlib.contextmanager
def that_keeps_every_commit() -> Iterator[None]:
    """A process whose ledger holds on to all that ever went through it."""
    inner, kept = Replica.take_in, []

    def take_in(self: Replica, commits: Sequence[Commit]) -> None:
        kept.extend(commits)
        inner(self, commits)

    with mock.patch.object(Replica, "take_in", take_in):
        yield


@contextlib.contextmanager
def that_notes_who_has_gone() -> Iterator[None]:
    """A process that keeps the id of each deployment that was deleted, and nothing else of it."""
    inner, name = Bookkeeper.applied, "_has_gone"

    def applied(self: Bookkeeper, commit: Commit) -> None:
        inner(self, commit)
        gone = [one.id for one in commit.changes if one.kind == "Deployment" and one.after is None]
        vars(self).setdefault(name, set()).update(gone)

    with mock.patch.object(Bookkeeper, "applied", applied):
        yield


@contextlib.contextmanager
def that_keeps_the_pulse_of_each_connection() -> Iterator[None]:
    """A process that keeps one small object of each connection that has ended."""
    inner, kept = Connections._serve, []

    async def serve(self: Connections, cluster_id: str, inventory: Any, pulse: Any, link: Any) -> None:
        kept.append(pulse)
        await inner(self, cluster_id, inventory, pulse, link)

    with mock.patch.object(Connections, "_serve", serve):
        yield


@contextlib.contextmanager
def whose_connections_leave_a_task() -> Iterator[None]:
    """A process in which something of each connection to a cluster goes on for ever."""
    inner, left = Connections._serve, []

    async def serve(self: Connections, *given: Any) -> None:
        left.append(asyncio.create_task(asyncio.Event().wait()))
        await inner(self, *given)

    with mock.patch.object(Connections, "_serve", serve):
        yield


@contextlib.contextmanager
def withdrawn_once_replaced() -> Iterator[None]:
    """What was replaced goes at once, whatever still runs there that depends on it."""
    with mock.patch.object(withdrawing, "_holds", return_value=False):
        yield

"""The ledger over the embedded store: groups, answers, keys, lost replies, its clock and its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from graph import ledger as ledger_module
from graph.change import MAX_CHANGES, MAX_COMMIT_BYTES, Commit, Record
from graph.edit import Edit
from graph.entity import Source, SourceKind
from graph.kinds import Region, Site, Tenant
from graph.ledger import Ledger
from graph.refusal import AlreadyExists, IdempotencyMismatch, InvalidInput, LimitExceeded, Unavailable
from graph.request import Committed, Idempotency, Request
from graph.store import Compacted, Head, RecordPage, Store, StoreUnavailable, UnknownOutcome
from graph.stores.sqlite import SqliteStore
from graph.values import Position
from storekit.checks import check_whole
from storekit.graphs import Chain, head_of, write
from storekit.graphs import region as made
from storekit.wrappers import Away, LosesReplies, Wrapped

ASKED = Request(author="user_1", action="test")
OWN = Request(author="system", action="own", background=True)


class Clock:
    """A clock that shows what it is set to."""

    def __init__(self, at: int = 1_700_000_000_000) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "graph.db"


@contextlib.asynccontextmanager
async def ledger_on(store: Path | Store, **options: Any) -> AsyncIterator[Ledger]:
    kept = SqliteStore(store) if isinstance(store, Path) else store
    async with asyncio.timeout(60), Ledger(kept, **options).running() as ledger:
        yield ledger


def region(name: str, **fields: Any) -> Callable[[Edit], Region]:
    return lambda edit: edit.create(Region, name=name, **fields)


def keyed(key: str, digest: str = "d", **more: Any) -> Request:
    return Request(author="user_1", action="test", idempotency=Idempotency(key=key, body_digest=digest), **more)


def told(made: Region, revision: int) -> bytes:
    return msgspec.json.encode([made.id, revision])


def names(ledger: Ledger) -> list[str]:
    return [one.name for one in map(ledger.view.get, ledger.view.ids_by_name("Region")) if isinstance(one, Region)]


# A change and its answer


async def test_a_commit_answers_when_the_view_and_the_feed_have_it(path: Path) -> None:
    async with ledger_on(path) as ledger:
        done = await ledger.commit(region("a"), ASKED)
        assert (done.revision, done.replayed) == (1, None)
        assert ledger.view.revision == ledger.feed.revision == 1
        assert ledger.view.get(done.value.id) == done.value
        assert done.value.revision == 1
        (commit,) = ledger.feed.since(0)
        assert (commit.author, commit.action, commit.at) == ("user_1", "test", done.value.created_at)


async def test_who_asks_is_the_source_of_what_is_made(path: Path) -> None:
    source = Source(SourceKind.IMPORT, "topology")
    async with ledger_on(path) as ledger:
        done = await ledger.commit(region("a"), Request(author="u", action="t", source=source))
        assert done.value.source == source
        assert list(ledger.view.ids("Region", "source", "IMPORT:topology")) == [done.value.id]


async def test_a_change_that_changes_nothing_is_no_commit(path: Path) -> None:
    async with ledger_on(path) as ledger:
        made = (await ledger.commit(region("a"), ASKED)).value
        done = await ledger.commit(lambda edit: edit.replace(made, name="a"), ASKED)
        assert done.revision == 1
        assert done.value == made
        assert ledger.view.revision == 1
        assert len(await ledger.store.records(RecordPage(collection="audit"))) == 1


async def test_a_refused_change_leaves_nothing_anywhere(path: Path) -> None:
    def refused(edit: Edit) -> None:
        edit.create(Region, name="made-first")
        edit.next_number("counter")
        edit.keep_private("secret", b"value")
        edit.file(_record("r_1"))
        raise InvalidInput("no")

    async with ledger_on(path) as ledger:
        with pytest.raises(InvalidInput):
            await ledger.commit(refused, keyed("k"))
        assert ledger.view.revision == 0
        assert len(ledger.view) == 0
        assert ledger.view.counters == {}
        assert await ledger.store.private("secret") is None
        assert await ledger.store.record("things", "r_1") is None
        assert await ledger.store.records(RecordPage(collection="audit")) == []
        # The key is free: what was refused may be asked for again under it.
        assert (await ledger.commit(region("a"), keyed("k", "other"))).replayed is None


def _record(record_id: str) -> Record:
    return Record(collection="things", id=record_id, tenant_id=None, subject_id=None, at=1, body=msgspec.Raw(b"{}"))


async def test_records_and_private_values_are_in_the_same_commit(path: Path) -> None:
    def change(edit: Edit) -> None:
        edit.create(Region, name="a")
        edit.keep_private("secret", b"value")
        edit.file(_record("r_1"))

    async with ledger_on(path) as ledger:
        await ledger.commit(change, ASKED)
        assert await ledger.store.private("secret") == b"value"
        assert await ledger.store.record("things", "r_1") is not None
        await ledger.commit(lambda edit: edit.keep_private("secret", None), ASKED)
        assert await ledger.store.private("secret") is None


# Groups


async def test_drafts_of_one_group_see_each_other_and_fail_alone(path: Path) -> None:
    sizes: list[int] = []

    def broken(edit: Edit) -> None:
        edit.create(Region, name="broken")
        raise ZeroDivisionError

    async with ledger_on(path, on_group=lambda size, seconds: sizes.append(size)) as ledger:
        first = ledger.commit(region("a"), ASKED)
        rest = [region("b"), region("b"), broken, region("c"), lambda edit: list(edit.ids_by_name("Region"))]
        answers = await asyncio.gather(first, *(ledger.commit(one, ASKED) for one in rest), return_exceptions=True)
        assert max(sizes) > 1
        assert isinstance(answers[2], AlreadyExists)
        assert isinstance(answers[3], ZeroDivisionError)
        done = [one for one in answers if isinstance(one, Committed)]
        assert [one.revision for one in done] == [1, 2, 3, 3]
        assert done[-1].value == list(ledger.view.ids_by_name("Region"))
        assert names(ledger) == ["a", "b", "c"]
        await check_whole(ledger.store)


async def test_a_group_is_not_larger_than_it_may_be(path: Path) -> None:
    sizes: list[int] = []
    async with ledger_on(path, group_size=4, on_group=lambda size, seconds: sizes.append(size)) as ledger:
        await asyncio.gather(*(ledger.commit(region(f"r{n}"), ASKED) for n in range(20)))
        assert max(sizes) == 4
        assert sum(sizes) == 20


async def test_what_remembers_an_answer_wrongly_fails_alone(path: Path) -> None:
    def unsayable(made: Region, revision: int) -> bytes:
        raise TypeError("cannot be said")

    async with ledger_on(path) as ledger:
        answers = await asyncio.gather(
            ledger.commit(region("a"), ASKED),
            ledger.commit(region("b"), keyed("k"), remember=unsayable),
            ledger.commit(region("c"), ASKED),
            return_exceptions=True,
        )
        assert isinstance(answers[1], TypeError)
        assert names(ledger) == ["a", "c"]
        await check_whole(ledger.store)


async def test_of_many_who_wait_too_many_are_refused_at_once(path: Path) -> None:
    async with ledger_on(path, queue_size=5) as ledger:
        answers = await asyncio.gather(
            *(ledger.commit(region(f"r{n}"), ASKED) for n in range(12)), return_exceptions=True
        )
        refused = [one for one in answers if isinstance(one, Unavailable)]
        assert len(refused) == 7
        assert all(one.retryable for one in refused)
        assert len(names(ledger)) == 5


async def test_the_systems_own_changes_wait_for_room_and_keep_nobody_out(path: Path) -> None:
    async with ledger_on(path, queue_size=8) as ledger:
        waiting = [asyncio.create_task(ledger.commit(region(f"own{n}"), OWN)) for n in range(40)]
        await asyncio.sleep(0)
        await asyncio.gather(*(ledger.commit(region(f"asked{n}"), ASKED) for n in range(2)))
        await asyncio.gather(*waiting)
        assert len(names(ledger)) == 42


async def test_a_caller_that_gives_up_takes_nobody_with_it(path: Path) -> None:
    async with ledger_on(path) as ledger:
        gone = asyncio.create_task(ledger.commit(region("a"), ASKED))
        stays = asyncio.create_task(ledger.commit(region("b"), ASKED))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await stays).value.name == "b"
        assert "b" in names(ledger)


# What somebody waits for


def told_when_run(name: str, heard: list[str]) -> Callable[[Edit], Region]:
    def change(edit: Edit) -> Region:
        heard.append(f"{name} is run")
        return edit.create(Region, name=name)

    return change


async def answered(ledger: Ledger, name: str, heard: list[str], request: Request) -> None:
    await ledger.commit(told_when_run(name, heard), request)
    heard.append(f"{name} is answered")


async def test_the_systems_own_changes_are_held_back_while_one_that_is_asked_for_is_made_ready(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.courtesy.HOLD_S", 600.0)
    async with ledger_on(path) as ledger:
        heard: list[str] = []
        with ledger.expecting():
            own = asyncio.create_task(answered(ledger, "own", heard, OWN))
            for _ in range(20):
                await asyncio.sleep(0)
            assert heard == []
        await answered(ledger, "asked", heard, ASKED)
        await own
        assert heard == ["asked is run", "asked is answered", "own is run", "own is answered"]


async def test_what_is_asked_for_meanwhile_is_not_held_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.courtesy.HOLD_S", 600.0)
    async with ledger_on(path) as ledger:
        with ledger.expecting():
            assert (await ledger.commit(region("a"), ASKED)).revision == 1


@pytest.mark.parametrize("ends", ["by itself", "when the change is refused", "when the ledger stops"])
async def test_what_is_held_back_is_written_whatever_becomes_of_the_change(
    path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr("graph.courtesy.HOLD_S", 0.02 if ends == "by itself" else 600.0)
    async with contextlib.AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(ledger_on(path))
        expecting = ledger.expecting()
        expecting.__enter__()
        own = asyncio.create_task(ledger.commit(region("own"), OWN))
        await asyncio.sleep(0)
        if ends == "when the change is refused":
            with contextlib.suppress(InvalidInput), contextlib.ExitStack() as within:
                within.push(expecting)
                raise InvalidInput("no")
        if ends == "when the ledger stops":
            await stack.aclose()
        assert (await own).revision == 1


async def own_written_while_one_is_decided(ledger: Ledger, heard: list[str]) -> tuple[asyncio.Task[None], Any]:
    """A change of the system's own that is written and not answered yet, and what holds it back."""
    expecting = ledger.expecting()

    def change(edit: Edit) -> Region:
        expecting.__enter__()
        return told_when_run("own", heard)(edit)

    async def own() -> None:
        await ledger.commit(change, OWN)
        heard.append("own is answered")

    task = asyncio.create_task(own())
    assert await ledger.wait_for(1, timeout_s=60.0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert heard == ["own is run"]
    return task, expecting


async def test_what_the_systems_own_changes_set_off_waits_until_who_was_decided_is_answered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.courtesy.HOLD_S", 600.0)
    async with ledger_on(path) as ledger:
        heard: list[str] = []
        own, expecting = await own_written_while_one_is_decided(ledger, heard)
        expecting.__exit__(None, None, None)
        await answered(ledger, "asked", heard, ASKED)
        await own
        assert heard == ["own is run", "asked is run", "asked is answered", "own is answered"]


@pytest.mark.parametrize(
    "ends", ["by itself", "when nothing is changed", "when the ledger stops", "when its body fails"]
)
async def test_what_was_written_meanwhile_is_answered_whatever_becomes_of_the_change(
    path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr("graph.courtesy.HOLD_S", 600.0)
    async with contextlib.AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(ledger_on(path))
        own, expecting = await own_written_while_one_is_decided(ledger, [])
        if ends == "by itself":
            monkeypatch.setattr("graph.courtesy.HOLD_S", 0.0)
            ledger._ring()
        elif ends == "when nothing is changed":
            expecting.__exit__(None, None, None)
        elif ends == "when the ledger stops":
            await stack.aclose()
        else:
            problem = LookupError()
            assert not await stack.__aexit__(LookupError, problem, None)
        await asyncio.wait_for(own, 60)


async def test_whoever_was_answered_goes_on_before_the_next_changes_are_run(path: Path) -> None:
    async with ledger_on(path) as ledger:
        heard: list[str] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(answered(ledger, "own", heard, OWN))
            group.create_task(answered(ledger, "asked", heard, ASKED))
        assert heard == ["asked is run", "asked is answered", "own is run", "own is answered"]


# Who shares a transaction


class Busy(Wrapped):
    """A store whose lock another process holds until it is let go."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.free = asyncio.Event()
        self.waited_for = asyncio.Event()

    def begin(self) -> Any:
        transaction = super().begin()
        inner = transaction.head

        async def head(*, after: int | None = None) -> Head:
            self.waited_for.set()
            await self.free.wait()
            return await inner(after=after)

        transaction.head = head  # type: ignore[method-assign]  # the fault
        return transaction


async def test_what_comes_while_the_lock_is_waited_for_shares_the_transaction(path: Path) -> None:
    store = Busy(SqliteStore(path))
    groups: list[int] = []
    async with ledger_on(store, on_group=lambda drafts, seconds: groups.append(drafts)) as ledger:
        first = asyncio.create_task(ledger.commit(region("a"), ASKED))
        await store.waited_for.wait()
        second = asyncio.create_task(ledger.commit(region("b"), ASKED))
        await asyncio.sleep(0)
        store.free.set()
        assert {(await first).revision, (await second).revision} == {1, 2}
        assert groups == [2]


class Beside(Wrapped):
    """A shared store to which another process writes a commit after each transaction of ours, while `busy`.

    It is heard of under the lock alone.
    """

    shared = True
    busy = False

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        await context.__aexit__(kind, problem, trace)
        if self.busy:
            at = await head_of(self.inner)
            await write(self.inner, [Chain(at).commit((None, made(f"other-{at.revision}")))])

    async def commits_after(self, revision: int, *, limit: int = 1_000) -> Sequence[Commit]:
        return ()


async def test_the_systems_own_changes_are_gathered_while_others_write_and_only_then(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    store = Beside(SqliteStore(path))
    async with ledger_on(store, on_group=lambda drafts, seconds: groups.append(drafts)) as ledger:
        monkeypatch.setattr(ledger_module, "GATHER_S", 3_600.0)
        await ledger.commit(region("alone"), OWN)
        store.busy = True
        await ledger.commit(region("before the other's"), OWN)
        store.busy = False
        await ledger.commit(region("after it"), OWN)
        gathered = [asyncio.create_task(ledger.commit(region(f"own{n}"), OWN)) for n in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert groups == [1, 1, 1]
        # What somebody waits for is not held, and ends it.
        await ledger.commit(region("asked"), ASKED)
        await asyncio.gather(*gathered)
        assert sum(groups) == 7
        assert max(groups) >= 3
        await ledger.commit(region("alone again"), OWN)


# Idempotency keys


async def test_the_same_key_and_body_give_the_first_answer(path: Path) -> None:
    async with ledger_on(path) as ledger:
        first = await ledger.commit(region("a"), keyed("k"), remember=told)
        await ledger.commit(lambda edit: edit.replace(first.value, name="renamed"), ASKED)
        again = await ledger.commit(region("a"), keyed("k"), remember=told)
        assert again.replayed == told(first.value, 1)
        assert (again.value, again.revision) == (None, 1)
        assert ledger.view.revision == 2
        assert names(ledger) == ["renamed"]


async def test_the_same_key_with_another_body_is_refused(path: Path) -> None:
    async with ledger_on(path) as ledger:
        await ledger.commit(region("a"), keyed("k"))
        with pytest.raises(IdempotencyMismatch) as problem:
            await ledger.commit(region("b"), keyed("k", "other"))
        assert problem.value.path == "input.idempotencyKey"
        assert names(ledger) == ["a"]


async def test_a_key_that_is_raced_within_a_group_makes_one_thing(path: Path) -> None:
    async with ledger_on(path) as ledger:
        warm = ledger.commit(region("first"), ASKED)
        asked = [ledger.commit(region("a"), keyed("k"), remember=told) for _ in range(8)]
        other = ledger.commit(region("b"), keyed("k", "other"), remember=told)
        _, *answers, mismatched = await asyncio.gather(warm, *asked, other, return_exceptions=True)
        made = [one for one in answers if isinstance(one, Committed) and one.replayed is None]
        assert len(made) == 1
        assert {one.replayed for one in answers if isinstance(one, Committed)} == {None, told(made[0].value, 2)}
        assert isinstance(mismatched, IdempotencyMismatch)
        assert names(ledger) == ["a", "first"]


async def test_a_key_is_kept_over_a_restart(path: Path) -> None:
    async with ledger_on(path) as ledger:
        first = await ledger.commit(region("a"), keyed("k"), remember=told)
    async with ledger_on(path) as ledger:
        again = await ledger.commit(region("a"), keyed("k"), remember=told)
        assert again.replayed == told(first.value, 1)
        with pytest.raises(IdempotencyMismatch):
            await ledger.commit(region("b"), keyed("k", "other"))


async def test_a_key_of_a_change_that_changed_nothing_is_kept_too(path: Path) -> None:
    async with ledger_on(path) as ledger:
        await ledger.commit(lambda edit: "nothing", keyed("k"), remember=lambda made, revision: b'"said"')
        again = await ledger.commit(region("a"), keyed("k"))
        assert again.replayed == b'"said"'
        assert names(ledger) == []


async def test_keys_are_apart_by_their_whole_text(path: Path) -> None:
    async with ledger_on(path) as ledger:
        await ledger.commit(region("a"), keyed("ann:k"))
        assert (await ledger.commit(region("b"), keyed("bob:k"))).replayed is None


# Lost replies


@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("how", ["after", "before"])
async def test_a_lost_reply_is_answered_with_what_the_change_made(path: Path, how: str, with_key: bool) -> None:
    runs = 0

    def change(edit: Edit) -> tuple[Region, str]:
        nonlocal runs
        runs += 1
        return edit.create(Region, name="a"), f"shown once {runs}"

    store = LosesReplies(SqliteStore(path), lose=lambda number: how if number == 1 else None)
    async with ledger_on(store) as ledger:
        request = keyed("k") if with_key else ASKED
        done = await ledger.commit(change, request, remember=lambda made, revision: told(made[0], revision))
        assert done.replayed is None, "who asks for the first time is answered with the value itself"
        made, text = done.value
        assert ledger.view.get(made.id) == made
        assert text == f"shown once {runs}"
        assert runs == (1 if how == "after" else 2)
        assert ledger.view.revision == 1
        if with_key:
            again = await ledger.commit(change, request)
            assert again.replayed == told(made, 1)


async def test_a_group_whose_reply_was_lost_answers_each_with_its_own(path: Path) -> None:
    store = LosesReplies(SqliteStore(path), lose=lambda number: "after" if number == 2 else None)
    async with ledger_on(store) as ledger:
        answers = await asyncio.gather(*(ledger.commit(region(f"r{n}"), ASKED) for n in range(10)))
        assert [one.value.name for one in answers] == [f"r{n}" for n in range(10)]
        assert [one.revision for one in answers] == list(range(1, 11))
        await check_whole(store.inner)


class LosesThenAway(Wrapped):
    """Loses the reply to a COMMIT that happened, and does not answer after it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.away = False

    def begin(self) -> Any:
        if self.away:
            raise StoreUnavailable("away on purpose")
        return super().begin()

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        await context.__aexit__(kind, problem, trace)
        self.away = True
        raise UnknownOutcome("lost on purpose")


async def test_a_reply_that_stays_lost_is_not_said_to_have_changed_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "RESEND_FOR_S", 0.15)
    store = LosesThenAway(SqliteStore(path))
    async with ledger_on(store) as ledger:
        with pytest.raises(Unavailable) as problem:
            await ledger.commit(region("a"), keyed("k"), remember=told)
        assert "may or may not" in problem.value.message
        assert "nothing was changed" not in f"{problem.value.message} {problem.value.remedy}"
        assert ledger.stale
        with pytest.raises(Unavailable) as problem:
            await ledger.commit(region("b"), ASKED)
        assert "nothing was changed" in (problem.value.remedy or "")
    # And it was made, once, which the key tells.
    async with ledger_on(path) as ledger:
        assert names(ledger) == ["a"]
        assert (await ledger.commit(region("a"), keyed("k"))).replayed is not None


# The store goes away


async def test_a_store_that_is_away_makes_the_view_stale_until_it_has_taken_a_commit(path: Path) -> None:
    store = Away(SqliteStore(path))
    async with ledger_on(store, clock_ms=Clock(5_000)) as ledger:
        await ledger.commit(region("a"), ASKED)
        assert ledger.writable
        store.away = True
        with pytest.raises(Unavailable) as problem:
            await ledger.commit(region("b"), ASKED)
        assert problem.value.retryable
        assert ledger.view.stale_since == 5.0
        assert not ledger.writable
        assert names(ledger) == ["a"]
        # A change that needs nothing of the store proves nothing about it.
        with pytest.raises(AlreadyExists):
            await ledger.commit(region("a"), ASKED)
        assert ledger.stale
        store.away = False
        assert (await ledger.commit(region("c"), ASKED)).revision == 2
        assert not ledger.stale
        assert ledger.writable


class Newer(Wrapped):
    """A store that a newer version has migrated."""

    newer = False

    def begin(self) -> Any:
        transaction = super().begin()
        if self.newer:
            inner = transaction.head

            async def head(*, after: int | None = None) -> Head:
                return msgspec.structs.replace(await inner(after=after), schema=99)

            transaction.head = head  # type: ignore[method-assign]  # the fault
        return transaction


async def test_a_store_of_a_newer_version_is_read_and_not_written(path: Path) -> None:
    store = Newer(SqliteStore(path))
    async with ledger_on(store) as ledger:
        await ledger.commit(region("a"), ASKED)
        store.newer = True
        for _ in range(2):
            with pytest.raises(Unavailable) as problem:
                await ledger.commit(region("b"), ASKED)
            assert problem.value.remedy == "upgrade this server"
        assert not ledger.writable
        assert names(ledger) == ["a"]


# The end


async def test_what_was_queued_is_written_before_the_end(path: Path) -> None:
    async with ledger_on(path, group_size=2) as ledger:
        asked = [asyncio.create_task(ledger.commit(region(f"r{n}"), ASKED)) for n in range(9)]
        await asyncio.sleep(0)
    assert [one.revision for one in await asyncio.gather(*asked)] == list(range(1, 10))


async def test_after_the_end_a_commit_is_refused_and_does_not_wait_for_ever(path: Path) -> None:
    async with ledger_on(path) as ledger:
        await ledger.commit(region("a"), ASKED)
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable) as problem:
            await ledger.commit(region("b"), ASKED)
    assert problem.value.retryable


class Slow(Wrapped):
    """A store whose COMMITs take as long as they are told to."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()

    async def leave(self, context: Any, kind: Any, problem: Any, trace: Any) -> None:
        self.began.set()
        await self.go_on.wait()
        await context.__aexit__(kind, problem, trace)


async def test_a_commit_under_way_at_the_end_is_told_that_nobody_knows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "RESEND_FOR_S", 0.1)
    store = Slow(SqliteStore(path))
    async with ledger_on(store, group_size=1) as ledger:
        under_way = asyncio.create_task(ledger.commit(region("a"), ASKED))
        await store.began.wait()
        waiting = asyncio.create_task(ledger.commit(region("b"), ASKED))
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        first, second = await asyncio.gather(under_way, waiting, return_exceptions=True)
    assert isinstance(first, Unavailable)
    assert "may or may not" in first.message
    assert isinstance(second, Unavailable)
    assert "nothing was changed" in (second.remedy or "")


async def test_when_the_body_fails_whoever_waits_is_told(path: Path) -> None:
    asked: list[asyncio.Task[Any]] = []
    store = Slow(SqliteStore(path))

    async def fail() -> None:
        async with ledger_on(store) as ledger:
            asked.append(asyncio.create_task(ledger.commit(region("a"), ASKED)))
            await store.began.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(Unavailable):
        await asked[0]


# Time


async def test_the_time_of_commits_rises_whatever_the_clock_does(path: Path) -> None:
    clock = Clock(1_000_000)
    times: list[int] = []
    jumps = itertools.cycle([1_000_000, 1_000_000, 999_000, 1_000_005, 5, 1_000_005])
    async with ledger_on(path, clock_ms=clock) as ledger:
        for number in range(12):
            clock.at = next(jumps)
            made = (await ledger.commit(region(f"r{number}"), ASKED)).value
            times.append(made.created_at)
            assert made.created_at == made.updated_at == ledger.view.at
        times.extend(
            one.value.created_at
            for one in await asyncio.gather(*(ledger.commit(region(f"g{n}"), ASKED) for n in range(5)))
        )
    async with ledger_on(path, clock_ms=Clock(7)) as ledger:
        times.append((await ledger.commit(region("after"), ASKED)).value.created_at)
        commits = await ledger.store.commits_after(0)
        assert [one.at for one in commits] == times
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert times[0] == 1_000_000


async def test_a_clock_that_goes_ahead_is_followed(path: Path) -> None:
    clock = Clock(1_000)
    async with ledger_on(path, clock_ms=clock) as ledger:
        await ledger.commit(region("a"), ASKED)
        clock.at = 90_000
        assert (await ledger.commit(region("b"), ASKED)).value.created_at == 90_000


# Limits


async def test_a_commit_has_at_most_so_many_changes(path: Path) -> None:
    def many(count: int, prefix: str) -> Callable[[Edit], None]:
        def change(edit: Edit) -> None:
            for number in range(count):
                edit.create(Tenant, name=f"{prefix}{number}")

        return change

    async with ledger_on(path) as ledger:
        await ledger.commit(many(MAX_CHANGES, "a"), ASKED)
        with pytest.raises(LimitExceeded):
            await ledger.commit(many(MAX_CHANGES + 1, "b"), ASKED)
        assert ledger.view.count("Tenant") == MAX_CHANGES


async def test_a_commit_has_at_most_so_many_bytes_also_when_it_is_one_change(path: Path) -> None:
    assert MAX_COMMIT_BYTES == 8 * 1024 * 1024
    point = Position(10.123456789, 50.123456789)
    ring = [point, Position(11.0, 50.0), Position(11.0, 51.0), *[point] * 200_000]
    async with ledger_on(path) as ledger:
        with pytest.raises(LimitExceeded):
            await ledger.commit(region("a", boundary=[ring]), ASKED)
        assert names(ledger) == []
        await ledger.commit(region("a", boundary=[[*ring[:1_000], ring[0]]]), ASKED)


# Reading what was committed


async def test_commits_are_read_from_memory_and_beyond_it_from_the_store(path: Path) -> None:
    async with ledger_on(path) as ledger:
        for number in range(12):
            await ledger.commit(region(f"r{number}"), ASKED)
        in_memory = list(await ledger.commits_after(2))
        assert [one.revision for one in in_memory] == list(range(3, 13))
        ledger.feed.restart(12)
        assert list(await ledger.commits_after(2)) == in_memory
        assert list(await ledger.commits_after(12)) == []
        assert list(await ledger.commits_after(99)) == []
        assert [one.revision for one in await ledger.commits_after(0, limit=5)] == [1, 2, 3, 4, 5]
        await ledger.store.compact(keep_commits=3, keep_after=0)
        with pytest.raises(Compacted) as problem:
            await ledger.commits_after(2)
        assert problem.value.oldest == 9
        assert [one.revision for one in await ledger.commits_after(9)] == [10, 11, 12]


async def test_no_commit_is_told_before_the_view_has_it(path: Path) -> None:
    class Ahead(Wrapped):
        async def commits_after(self, revision: int, *, limit: int = 1_000) -> Any:
            found = list(await self.inner.commits_after(revision, limit=limit))
            return [*found, *(msgspec.structs.replace(one, revision=one.revision + 1) for one in found[-1:])]

    async with ledger_on(Ahead(SqliteStore(path))) as ledger:
        await ledger.commit(region("a"), ASKED)
        ledger.feed.restart(1)
        assert [one.revision for one in await ledger.commits_after(0)] == [1]


async def test_a_revision_is_waited_for_within_its_time(path: Path) -> None:
    async with ledger_on(path) as ledger:
        assert await ledger.wait_for(0, timeout_s=0.0)
        assert not await ledger.wait_for(1, timeout_s=0.01)
        waiting = asyncio.create_task(ledger.wait_for(2, timeout_s=30.0))
        await ledger.commit(region("a"), ASKED)
        await asyncio.sleep(0)
        assert not waiting.done()
        await ledger.commit(region("b"), ASKED)
        assert await waiting


class Told:
    """A follower that counts."""

    def __init__(self) -> None:
        self.applies: list[int] = []
        self.reloads = 0

    def applied(self, commit: Commit) -> None:
        self.applies.append(commit.revision)

    def reloaded(self) -> None:
        self.reloads += 1


async def test_after_a_new_epoch_the_view_is_loaded_anew_before_anything_is_written(path: Path) -> None:
    async with ledger_on(path) as ledger:
        told_ = Told()
        ledger.view.follow(told_)
        await ledger.commit(region("a"), ASKED)
        before, view = ledger.view.epoch, ledger.view
        after = await ledger.store.new_epoch()
        await ledger.commit(region("b"), ASKED)
        assert before != after == ledger.view.epoch
        assert ledger.view is view, "whoever holds the view holds the right one"
        assert told_.reloads == 1
        assert told_.applies == [1, 2]
        assert names(ledger) == ["a", "b"]
        with pytest.raises(Compacted):
            ledger.feed.since(0)


async def test_a_restart_loads_what_was_there_with_its_counters(path: Path) -> None:
    def sites(edit: Edit) -> None:
        made = edit.create(Region, name="r", labels={"bare": ""})
        for number in range(3):
            edit.create(Site, name=f"s{number}", region_id=made.id)

    async with ledger_on(path) as ledger:
        await ledger.commit(sites, ASKED)
        site = ledger.view.find("Site", "s2")
        assert site is not None
        await ledger.commit(lambda edit: edit.delete(site), ASKED)
        kept = {key: ledger.view.get(key) for kind in ("Region", "Site") for key in ledger.view.ids(kind)}
    async with ledger_on(path) as ledger:
        assert {key: ledger.view.get(key) for kind in ("Region", "Site") for key in ledger.view.ids(kind)} == kept
        assert list(ledger.view.ids("Region", "label:bare")) == list(ledger.view.ids("Region"))
        made = await ledger.commit(
            lambda edit: edit.create(Site, name="s3", region_id=ledger.view.ids("Region")[0]), ASKED
        )
        assert made.value.ordinal == 3
        assert made.revision == 3


# The audit


async def test_every_commit_leaves_its_audit_and_what_is_not_audited_none(path: Path) -> None:
    asked = Request(author="user_7", action="createRegion", tenant_id=None, correlation_id="c-1")
    async with ledger_on(path) as ledger:
        made = (await ledger.commit(region("a"), asked)).value
        await ledger.commit(region("b"), Request(author="worker", action="observe", audited=False))
        (record,) = await ledger.store.records(RecordPage(collection="audit"))
        body = msgspec.json.decode(record.body)
        assert body == {
            "author": "user_7",
            "action": "createRegion",
            "outcome": "COMMITTED",
            "revision": 1,
            "correlation_id": "c-1",
            "change_count": 1,
            "changes": [{"id": made.id, "change": "CREATED"}],
        }
        assert (record.subject_id, record.at, record.tenant_id) == (made.id, made.created_at, None)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Failures on purpose are logged with their tracebacks, which are drawn without colours and locals."""
    import structlog

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    yield
    structlog.configure(**before)

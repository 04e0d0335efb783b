import msgspec
import pytest

from access.audit import A_MINUTE, MINUTE_MS, Audit, AuditBody
from graph.refusal import Forbidden, InvalidInput, Unavailable
from graph.store import RecordPage


@pytest.fixture
def audit(ledger, clock):
    return Audit(ledger, clock_ms=clock)


async def kept(ledger, **page):
    records = await ledger.store.records(RecordPage(collection="audit", limit=10_000, ascending=True, **page))
    return [(one, msgspec.json.decode(one.body, type=AuditBody)) for one in records]


async def test_a_refusal_is_kept_with_who_what_and_why_and_not_with_its_words(ledger, audit):
    refusal = InvalidInput("'hunter2' is no number", path="input.replicas")
    audit.refused(
        refusal, author="user_1", action="deploy", tenant_id="tenant_1", subject_id="app_1", correlation_id="c"
    )
    await audit.write()
    [(record, body)] = await kept(ledger)
    assert (record.tenant_id, record.subject_id) == ("tenant_1", "app_1")
    assert body == AuditBody(
        author="user_1",
        action="deploy",
        outcome="REFUSED",
        code="INVALID_INPUT",
        path="input.replicas",
        correlation_id="c",
    )
    assert b"hunter2" not in bytes(record.body)
    assert await kept(ledger, tenant_ids=["tenant_2"]) == []


async def test_one_caller_fills_no_disk_and_is_counted(ledger, audit, clock):
    for _ in range(1_000):
        audit.refused(Forbidden("no"), author="user_1", action="deleteSite")
        audit.refused(Forbidden("no"), author="user_2", action="deleteSite") if _ < 3 else None
    await audit.write(everything=True)
    bodies = [body for _, body in await kept(ledger)]
    assert sum(one.author == "user_2" for one in bodies) == 3
    mine = [one for one in bodies if one.author == "user_1"]
    assert len(mine) == A_MINUTE + 1
    assert mine[-1].count == 1_000 - A_MINUTE
    assert sum(one.count for one in mine) == 1_000


async def test_the_next_minute_begins_anew_and_tells_what_was_left_out(ledger, audit, clock):
    for _ in range(A_MINUTE + 5):
        audit.refused(Forbidden("no"), author="user_1", action="a")
    clock.forward(ms=MINUTE_MS)
    audit.refused(Forbidden("no"), author="user_1", action="b")
    await audit.write(everything=True)
    bodies = [body for _, body in await kept(ledger)]
    assert [(one.action, one.count) for one in bodies[-2:]] == [("*", 5), ("b", 1)]


async def test_what_waits_is_bounded_and_what_found_no_room_is_counted(ledger, clock):
    audit = Audit(ledger, clock_ms=clock, waiting=50)
    for one in range(200):
        audit.refused(Forbidden("no"), author=f"user_{one}", action="a")
    assert audit.dropped == 150
    await audit.write(everything=True)
    assert len(await kept(ledger)) == 50


async def test_a_batch_makes_no_commit_and_no_audit_of_itself(ledger, audit):
    before = ledger.view.revision
    audit.refused(Forbidden("no"), author="user_1", action="a")
    await audit.write(everything=True)
    assert ledger.view.revision == before
    assert len(await kept(ledger)) == 1


async def test_what_the_store_does_not_take_waits_and_is_kept_once(ledger, audit, monkeypatch):
    async def away(*_, **__):
        raise Unavailable("away")

    commit = ledger.commit
    monkeypatch.setattr(ledger, "commit", away)
    audit.refused(Forbidden("no"), author="user_1", action="a")
    await audit.write()
    monkeypatch.setattr(ledger, "commit", commit)
    await audit.write()
    await audit.write()
    assert len(await kept(ledger)) == 1


async def test_what_is_noted_is_written_in_the_background_and_at_the_end(ledger, clock):
    audit = Audit(ledger, clock_ms=clock, every_s=3_600)
    async with audit.running():
        for _ in range(A_MINUTE * 2):
            audit.refused(Forbidden("no"), author="user_1", action="a")
    bodies = [body for _, body in await kept(ledger)]
    assert sum(one.count for one in bodies) == A_MINUTE * 2

"""Leases over a real NATS server: fair shares, whoever comes, goes, dies, or is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

import lifecycle.leases
from faultkit import broken as without
from faultkit.convergence import HANGS_AFTER_S, converging
from lifecycle.share import ALL
from lifecyclekit.peers import Member, members, reached, settled, settled_again

SETTLE_S = 8.0
"""Twice a lease: where it must not happen it is not waited for any longer."""


@pytest.fixture
def by_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that do not expire within a test: that a worker has gone is known by its own word, and by nothing else."""
    monkeypatch.setattr(lifecycle.leases, "LEASE_S", 3_600.0)
    monkeypatch.setattr(lifecycle.leases, "ANSWER_S", 30.0)  # after an answer that did not come a lease is waited out


@pytest.mark.usefixtures("by_word")
async def test_workers_that_come_and_go_have_fair_shares(nats_server) -> None:
    async with members(nats_server.url, 3) as made:
        assert max(len(one.share.partitions) for one in made) == 22
        fourth = Member(nats_server.url).begin()
        made.append(fourth)
        await reached(lambda: settled(made), what="a fourth part")
        assert {len(one.share.partitions) for one in made} == {16}
        await made[0].stop()
        left = made.pop(0)
        await reached(lambda: settled(made), what="thirds again")
        assert left.share.partitions == frozenset()


async def test_the_share_of_a_worker_that_died_goes_to_the_others_when_its_lease_has_expired(
    nats_server, converged: Callable[[float], None]
) -> None:
    async with members(nats_server.url, 2) as made:
        await made[0].kill()
        assert made[1].share.workers == {one.share.worker for one in made}
        with converging() as took:
            await reached(lambda: made[1].share.partitions == ALL, what="the whole")
        converged(took.seconds)
        assert made[1].share.is_gone(made[0].share.worker)


@pytest.mark.usefixtures("by_word")
async def test_without_an_expiry_at_the_broker_the_share_of_a_dead_worker_is_nobodys(nats_server) -> None:
    """The negative control: leases that outlive their workers."""
    async with members(nats_server.url, 2) as made:
        await made[0].kill()
        with pytest.raises(AssertionError, match="the whole never came"):
            await reached(lambda: made[1].share.partitions == ALL, what="the whole", within_s=7)


@pytest.mark.usefixtures("by_word")
async def test_a_worker_that_leaves_counts_as_alive_until_it_has_ended(nats_server) -> None:
    async with members(nats_server.url, 2) as made:
        one, other = made
        await one.leases.leave()
        await reached(lambda: other.share.partitions == ALL, what="the whole")
        assert not other.share.is_gone(one.share.worker)
        await one.leases.end()
        await one.kill()
        await reached(lambda: other.share.is_gone(one.share.worker), what="its end")


async def test_without_the_broker_shares_stay_and_a_wiped_one_is_filled_again(
    nats_server, converged: Callable[[float], None]
) -> None:
    async with members(nats_server.url, 3) as made:
        before = [one.share.partitions for one in made]
        converged(await wiped(nats_server, made))
        assert [one.share.partitions for one in made] == before


async def test_workers_that_do_not_fill_a_wiped_broker_again_are_found_out(nats_server) -> None:
    async with members(nats_server.url, 2) as made:
        with without.with_a_bucket_made_once(), pytest.raises(AssertionError, match="the same shares never came"):
            await wiped(nats_server, made, within_s=SETTLE_S)


async def wiped(server, made: list[Member], *, within_s: float = HANGS_AFTER_S) -> float:
    """Kills and wipes the broker; gives the seconds from its start until shares were whole by what it says then."""
    before = [one.share.partitions for one in made]
    server.kill()
    await reached(lambda: all(one.share.workers is None for one in made), what="the broker's absence")
    server.wipe()
    assert [one.share.partitions for one in made] == before
    server.start()
    with converging() as took:
        await reached(settled_again(made), what="the same shares", within_s=within_s)
    return took.seconds


async def test_a_worker_that_never_met_a_broker_works_on_everything(nats_server, monkeypatch) -> None:
    monkeypatch.setattr(lifecycle.leases, "ALONE_AFTER_S", 0.5)
    nats_server.kill()
    alone = Member(nats_server.url).begin()
    try:
        assert alone.share.partitions == frozenset()
        await reached(lambda: alone.share.partitions == ALL, what="everything")
        nats_server.start()
        other = Member(nats_server.url).begin()
        try:
            await reached(lambda: settled([alone, other]), what="halves")
        finally:
            await other.kill()
    finally:
        await alone.kill()


async def test_installations_with_names_of_their_own_do_not_meet(nats_server) -> None:
    async with members(nats_server.url, 1, name="one") as [one], members(nats_server.url, 1, name="two") as [two]:
        assert one.share.partitions == two.share.partitions == ALL


async def test_three_nodes_keep_the_leases_when_one_dies(nats_cluster, converged: Callable[[float], None]) -> None:
    async with members(nats_cluster.url, 2, replicas=3) as made:
        before = [one.share.partitions for one in made]
        converged(await killed_in_turn(nats_cluster.nodes, made))
        assert [one.share.partitions for one in made] == before


async def test_workers_that_do_not_go_to_another_node_are_found_out(nats_cluster) -> None:
    """Whichever nodes the workers are connected to, one of three kills meets them."""
    with without.with_a_connection_made_once():
        async with members(nats_cluster.url, 2, replicas=3) as made:
            with pytest.raises(AssertionError, match="both workers never came"):
                await killed_in_turn(nats_cluster.nodes, made, within_s=SETTLE_S)


async def killed_in_turn(nodes, made: list[Member], *, within_s: float = HANGS_AFTER_S) -> float:
    """Kills each node and starts it again; gives the longest that shares then took to be whole by what the broker says."""
    longest_s = 0.0
    for node in nodes:
        node.kill()
        await asyncio.sleep(0.5)
        await reached(settled_again(made), what="both workers", within_s=within_s)
        node.start()
        with converging() as took:
            await reached(settled_again(made), what="both workers", within_s=within_s)
        longest_s = max(longest_s, took.seconds)
    return longest_s


@pytest.mark.parametrize("urls", ["http://x", "nats://", "nats://x:99999", "nats://x/a"])
def test_what_names_no_server_is_refused_without_its_password(urls: str) -> None:
    from lifecycle.nats_servers import servers_of, without_passwords

    with pytest.raises(ValueError) as refused:
        servers_of(urls.replace("//x", "//u:secret@x"))
    assert "secret" not in str(refused.value)
    assert "secret" not in without_passwords(urls.replace("//x", "//u:secret@x"))


def test_servers_are_named_with_their_password_and_logged_without() -> None:
    from lifecycle.nats_servers import servers_of, without_passwords

    assert servers_of("nats://u@x,tls://y:1", password="p") == ["nats://u:p@x:4222", "tls://y:1"]
    assert without_passwords("nats://u:p@x,tls://y:1") == "nats://x:4222,tls://y:1"

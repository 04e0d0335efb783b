"""Copies that run beside each other are found, and so is what excuses one."""

from __future__ import annotations

import pytest

from driverkit.copies import Copies
from driverkit.work import removal, work
from drivers.simulated.effects import Effect, EffectLog
from drivers.simulated.world import HAND

A, B, OTHER = "shop-web-a", "shop-web-b", "shop-db-b"
Told = tuple[str, str, int, int]
"""What was done, to which object, at which generation, with how many replicas."""


def effects(told: list[Told]) -> list[Effect]:
    log = EffectLog(100)
    for what, name, generation, replicas in told:
        by = HAND if what in ("vanished", "changed") else "c"
        subject = removal(generation, name) if what == "removed" else work(generation, name=name)
        log.note(what, subject, now=0, by=by, replicas=replicas)
    return list(log.after(0))


BESIDE = [f"{B} came while {A} was there"]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param([("applied", A, 1, 1), ("applied", B, 2, 1)], BESIDE, id="beside"),
        pytest.param([("applied", A, 1, 1), ("removed", A, 2, 0), ("applied", B, 2, 1)], [], id="after"),
        pytest.param([("applied", A, 1, 1), ("vanished", A, 1, 0), ("applied", B, 2, 1)], [], id="by hand"),
        pytest.param([("applied", A, 1, 1), ("applied", A, 2, 0), ("applied", B, 3, 1)], [], id="stopped"),
        pytest.param([("applied", A, 1, 1), ("applied", B, 2, 0), ("applied", B, 3, 1)], BESIDE, id="resumed"),
        pytest.param([("applied", A, 1, 1), ("applied", A, 2, 3)], [], id="more of it at its place"),
        pytest.param([("applied", A, 1, 1), ("applied", OTHER, 1, 1)], [], id="another component"),
        pytest.param([("applied", A, 1, 1), ("changed", B, 0, 1)], [], id="a hand's doing"),
    ],
)
def test_a_copy_that_comes_while_another_is_there_is_found(told: list[Told], found: list[str]) -> None:
    assert Copies().read(effects(told)) == found


def read(copies: Copies, told: list[Told], *, after: int) -> list[str]:
    return copies.read(one for one in effects(told) if one.number > after)


def test_who_declares_a_place_lost_answers_for_what_runs_there_and_for_what_was_sent() -> None:
    copies = Copies()
    told: list[Told] = [("applied", A, 1, 1)]
    assert copies.read(effects(told)) == []
    copies.declare_lost({A: 2})
    told += [("applied", B, 3, 1), ("applied", A, 2, 1)]
    assert read(copies, told, after=1) == []
    told += [("removed", B, 4, 0), ("removed", A, 4, 0), ("applied", A, 5, 1), ("applied", B, 6, 1)]
    assert read(copies, told, after=3) == BESIDE, "the word was over"
    assert copies.read_to == len(told)


def test_what_is_sent_to_a_lost_place_after_the_word_is_nobodys_answer() -> None:
    copies = Copies()
    told: list[Told] = [("applied", A, 1, 1)]
    copies.read(effects(told))
    copies.declare_lost({A: 1})
    told += [("vanished", A, 1, 0), ("applied", B, 2, 1), ("applied", A, 3, 1)]
    assert read(copies, told, after=1) == [f"{A} came while {B} was there"]


def test_a_word_excuses_nothing_once_all_was_at_rest() -> None:
    copies = Copies()
    copies.declare_lost({A: 9})
    copies.at_rest()
    assert copies.read(effects([("applied", A, 1, 1), ("applied", B, 2, 1)])) == BESIDE


def test_only_what_must_never_run_twice_is_looked_at() -> None:
    copies = Copies(of=lambda name: name.startswith("other-"))
    assert copies.read(effects([("applied", A, 1, 1), ("applied", B, 2, 1)])) == []
    assert copies.moved == 0

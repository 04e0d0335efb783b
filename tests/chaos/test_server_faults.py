"""A Neo4j server that is killed, stopped, frozen and out of disk under its writers, again and again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from beds.neo4j.server import Neo4jServer
from graph.store import Store
from storekit.fixtures import plain_logs
from storekit.server_faults import COMMITS, faults_under_load, found_wrong
from storekit.wrappers import AnswersEarlyAway, ForgetsDrafts

__all__ = ["plain_logs"]
FAULTS = {"kill": 10, "stop": 3, "freeze": 6, "blink": 12, "fill": 2}
MOST_FAULTS = {"kill": 6, "fill": 6, "blink": 40}
"""Until one comes between what a store said and what it then did: it is looked at after each."""


@pytest.mark.chaos
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_fails_again_and_again_has_all_that_it_acknowledged(
    neo4j_server: Neo4jServer, report: Callable[[str, Any], None], fault: str
) -> None:
    neo4j_server.clear()
    toll = await faults_under_load(neo4j_server, [fault] * FAULTS[fault])
    report(f"Neo4j server, {fault} under load", toll)
    assert toll.told >= 2 * COMMITS * toll.faults


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("fault", "cheating"),
    [
        ("kill", AnswersEarlyAway),
        ("fill", AnswersEarlyAway),
        ("blink", partial(ForgetsDrafts, lose=lambda number: None)),
    ],
)
async def test_a_store_that_cheats_is_found_out(
    neo4j_server: Neo4jServer, fault: str, cheating: Callable[[Store], Store]
) -> None:
    """A told commit that the server has not, or a draft that was made twice: whichever the fault brings out.

    A clean stop brings out neither: the server ends what is under way before it goes.
    """
    neo4j_server.clear()
    with pytest.raises((AssertionError, ExceptionGroup), check=found_wrong):
        await faults_under_load(neo4j_server, [fault] * MOST_FAULTS[fault], before=cheating)


@pytest.mark.parametrize(
    ("problem", "found"),
    [
        (AssertionError("a commit is missing"), True),
        (ExceptionGroup("writers", [TimeoutError(), ExceptionGroup("one", [AssertionError("made twice")])]), True),
        (TimeoutError(), False),
        (ExceptionGroup("writers", [TimeoutError(), OSError()]), False),
    ],
    ids=["a check", "a check in a group", "a wait", "waits in a group"],
)
def test_what_only_took_too_long_does_not_count_as_found_out(problem: Exception, found: bool) -> None:
    assert found_wrong(problem) is found

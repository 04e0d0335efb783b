"""Commits and changes: written and read again, and joined to their net effect."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings

from graph.change import Change, Commit, coalesced, decode_commit, decode_entity, encode_commit, total_changes
from graph.kinds import Region
from graphkit.programs import history, programs
from storekit.graphs import filed_entities, sample_graph


def commit(*changes: Change, revision: int = 1) -> Commit:
    return Commit(revision=revision, draft_id="d", at=revision, author="a", action="t", changes=list(changes))


def test_a_commit_with_every_kind_is_the_same_after_it_was_written_and_read() -> None:
    graph = [*sample_graph(11), *filed_entities(11)]
    made = [Change(one.SPEC.name, one.id, None, one) for one in graph]
    changed = [Change(one.SPEC.name, one.id, one, msgspec.structs.replace(one, display_name="後")) for one in graph]
    gone = [Change(one.SPEC.name, one.id, one, None) for one in graph]
    whole = Commit(
        revision=2**40,
        draft_id="01J",
        at=1_700_000_000_000,
        author="user_1",
        action="createSite",
        changes=[*made, *changed, *gone],
        counters={"Site.ordinal:region_1": 7},
    )
    again = decode_commit(encode_commit(whole))
    assert again == whole
    assert [type(one.value) for one in again.changes] == [type(one.value) for one in whole.changes]


def test_a_commit_without_changes_can_be_read() -> None:
    assert decode_commit(encode_commit(commit())) == commit()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"revision": 1}',
        b'{"revision":1,"draft_id":"d","at":1,"author":"a","action":"t","changes":[{"kind":"Region","id":"r","after":{}}]}',
    ],
)
def test_what_is_no_commit_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_commit(body)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        decode_entity("Spaceship", b"{}")


def test_a_changes_value_is_the_newest_that_there_is() -> None:
    old, new = Region(id="region_1", name="old"), Region(id="region_1", name="new")
    assert Change("Region", "region_1", old, new).value is new
    assert Change("Region", "region_1", old, None).value is old


@settings(max_examples=60, deadline=None)
@given(programs(longest=40))
def test_the_net_change_of_commits_is_from_the_first_value_to_the_last(program) -> None:
    _, model, commits = history(program, commits=8)
    net = coalesced(commits)
    assert {key: change.after for key, change in net.items() if change.after is not None} == model.entities
    assert all(change.before is None for change in net.values()), "from the beginning on everything is new"
    late = coalesced(commits[2:])
    state: dict[str, object] = {}
    for one in commits[:2]:
        for change in one.changes:
            state[change.id] = change.after
    for key, change in late.items():
        assert change.before == state.get(key)
        assert change.before is not None or change.after is not None
        assert change.after == model.entities.get(key)
    touched = {change.id for one in commits[2:] for change in one.changes}
    assert {key for key in touched if state.get(key) is not None or key in model.entities} == set(late)
    assert total_changes(commits) == sum(len(one.changes) for one in commits)

"""The view: its indexes say just what its entities say, however they came there."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.change import Change, Commit
from graph.edit import Edit
from graph.entity import Entity, ExternalId
from graph.identifiers import new_id
from graph.kinds import Operation, OperationKind, OperationStatus, Region, Site, Tenant, Tier
from graph.postings import index_text
from graph.view import View, each, get_as
from graphkit.programs import Model, check_reads, commit_of, history, programs, run


def loaded(entities: Iterable[Entity], like: View) -> View:
    view = View()
    view.load(entities)
    view.loaded(revision=like.revision, at=like.at, epoch=like.epoch, counters=like.counters)
    return view


@settings(max_examples=120, deadline=None)
@given(programs(longest=40))
def test_the_indexes_say_what_the_entities_say_after_any_commits(program) -> None:
    view, model, _ = history(program)
    check_reads(view, model)
    assert len(view) == len(model.entities)


@settings(max_examples=80, deadline=None)
@given(programs(longest=40), st.randoms(use_true_random=False))
def test_a_loaded_view_is_the_view_that_took_in_every_commit(program, random_: random.Random) -> None:
    view, model, _ = history(program)
    entities = list(model.entities.values())
    random_.shuffle(entities)
    again = loaded(entities, view)
    check_reads(again, model)
    assert again.counters == view.counters
    edit = Edit(again, at=9_000)
    run(edit, model, [(7, 3, 1), (6, 1, 2), (12, 0, 0)])
    if edit.changes:
        again.apply(commit_of(edit))
    check_reads(again, model)


@settings(max_examples=150, deadline=None)
@given(programs(longest=40), st.randoms(use_true_random=False))
def test_replay_converges_when_entities_were_read_at_different_moments(program, random_: random.Random) -> None:
    view, model, commits = history(program, commits=8)
    if not commits:
        return
    begin = random_.randrange(len(commits))
    states: list[dict[str, Entity]] = [{}]
    for commit in commits:
        state = dict(states[-1])
        for change in commit.changes:
            if change.after is None:
                state.pop(change.id, None)
            else:
                state[change.id] = change.after
        states.append(state)
    # Each entity is read at a moment of its own, none before the head that the load began with.
    every = {key for state in states for key in state}
    read = [states[random_.randrange(begin, len(states))].get(key) for key in every]
    random_.shuffle(read)
    view_again = View()
    view_again.load(one for one in read if one is not None)
    at = commits[begin - 1].at if begin else 0
    view_again.loaded(revision=begin, at=at, epoch="e", counters={})
    for commit in commits[begin:]:
        view_again.replay(commit)
    assert view_again.revision == view.revision
    assert view_again.at == view.at
    check_reads(view_again, model)


def test_a_name_that_changed_hands_while_it_was_read_is_the_new_holders() -> None:
    view = View()
    commits = []
    edit = Edit(view, at=1)
    old = edit.create(Region, name="x", external=ExternalId("system", "1"))
    view.apply(commit_of(edit))
    edit = Edit(view, at=2)
    edit.replace(old, name="y", external=None)
    commits.append(commit_of(edit))
    view.apply(commits[-1])
    edit = Edit(view, at=3)
    new = edit.create(Region, name="x", external=ExternalId("system", "1"))
    commits.append(commit_of(edit))
    view.apply(commits[-1])
    again = View()
    again.load([new, old])
    again.loaded(revision=1, at=1, epoch="", counters={})
    for commit in commits:
        again.replay(commit)
    assert again.find("Region", "x") == new
    assert again.find_external("system", "1") == new


def test_a_label_without_a_value_is_listed_once_after_a_load() -> None:
    region = Region(id="region_1", name="r", labels={"bare": ""})
    view = loaded([region], View())
    assert list(view.ids("Region", "label:bare")) == ["region_1"]
    assert view.count("Region", "label:bare") == 1


def test_a_gap_in_the_commits_is_refused_and_changes_nothing() -> None:
    view, _, _ = history([(0, 0, 0)])
    edit = Edit(view, at=5_000)
    edit.create(Tenant, name="other")
    with pytest.raises(ValueError, match="does not follow"):
        view.apply(commit_of(edit, revision=view.revision + 2))
    assert view.count("Tenant") == 1


class Notes:
    """A follower that writes down what it is told."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.told: list[int] = []
        self.reloads = 0

    def applied(self, commit: Commit) -> None:
        assert self.view.revision == commit.revision, "the view has it before anyone learns of it"
        self.told.append(commit.revision)

    def reloaded(self) -> None:
        self.reloads += 1


def test_followers_are_told_of_each_commit_after_the_view_has_it_until_they_leave() -> None:
    view = View()
    first, second = Notes(view), Notes(view)
    leave = view.follow(first)
    view.follow(second)
    for name in ("a", "b"):
        edit = Edit(view, at=view.at + 1)
        edit.create(Tenant, name=name)
        view.apply(commit_of(edit))
    leave()
    edit = Edit(view, at=view.at + 1)
    edit.create(Tenant, name="c")
    view.apply(commit_of(edit))
    assert first.told == [1, 2]
    assert second.told == [1, 2, 3]


def test_a_view_that_becomes_another_shows_its_graph_and_tells_its_own_followers() -> None:
    view, _, _ = history([(0, 0, 0), (0, 1, 4)])
    other, model, _ = history([(0, 0, 1), (0, 1, 8), (0, 1, 14)])
    other.epoch = "new"
    notes = Notes(view)
    view.follow(notes)
    view.become(other)
    assert notes.reloads == 1
    assert view.epoch == "new"
    assert view.revision == other.revision
    check_reads(view, model)
    edit = Edit(view, at=9_999)
    model = Model(model.entities.values())
    run(edit, model, [(0, 1, 3)])
    view.apply(commit_of(edit))
    check_reads(view, model)
    assert notes.told == [view.revision]


def test_counters_never_fall() -> None:
    view = View()
    for number, counters in enumerate([{"a": 5}, {"a": 3, "b": 1}], start=1):
        view.apply(
            Commit(
                revision=number, draft_id=str(number), at=number, author="", action="", changes=[], counters=counters
            )
        )
    assert view.counters == {"a": 5, "b": 1}


def test_an_operation_leaves_the_view_when_it_ends() -> None:
    view = View()
    edit = Edit(view, at=1)
    operation = edit.create(Operation, kind=OperationKind.DRAIN, external=ExternalId("x", "1"), labels={"a": "b"})
    view.apply(commit_of(edit))
    assert view.count("Operation", "status", "RUNNING") == 1
    edit = Edit(view, at=2)
    ended = edit.replace(operation, status=OperationStatus.SUCCEEDED)
    view.apply(commit_of(edit))
    assert view.get(operation.id) is None
    for field, value in (("status", "RUNNING"), ("status", "SUCCEEDED"), ("label:a", "b"), (None, None)):
        assert view.count("Operation", field, value) == 0
    assert view.find_external("x", "1") is None
    # Once more, as when a store's log is read again: nothing to take away is no error.
    view.apply(
        Commit(
            revision=3, draft_id="3", at=3, author="", action="", changes=[Change("Operation", ended.id, None, ended)]
        )
    )
    assert view.get(operation.id) is None


def test_reads_of_a_class_are_typed_and_in_order() -> None:
    view, _, _ = history([(0, 1, 0), (0, 1, 1), (0, 2, 2), (0, 2, 8)])
    sites = list(each(view, Site, "tier", index_text(Tier.DISTRICT)))
    assert [one.id for one in sites] == list(view.ids("Site"))
    assert get_as(view, Region, sites[0].id) is None
    assert get_as(view, Site, None) is None
    assert get_as(view, Site, new_id("site")) is None


def test_values_of_an_index_are_those_that_something_has() -> None:
    view, model, _ = history([(0, 1, 0), (0, 2, 1), (12, 1, 0)])
    there = {one.SPEC.name for one in model.entities.values()}
    assert there == {"Region"}
    assert dict(view.values("Site", "tier")) == {}
    assert set(view.values("Region", "level")) == {"WORLD"}

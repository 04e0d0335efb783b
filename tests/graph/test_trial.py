"""Trials: what is laid onto the head is what would have been made there, or the trial is overtaken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.applying import Action, Applier
from graph.change import Record
from graph.document_sets import SetName
from graph.documents import Document
from graph.edit import Edit
from graph.entity import ExternalId, SourceKind
from graph.feed import Feed
from graph.kinds import Node, NodeStatus, Region, Site, Tenant, Tier
from graph.refusal import LimitExceeded
from graph.trial import Trial
from graph.values import Health, HealthStatus
from graph.view import View
from graphkit.applied import Everything, doc
from graphkit.programs import NAMES, USED, Model, Step, commit_of, history, programs, run

SET = SetName(kind=SourceKind.DOCUMENTS, name="main")
Told = list[tuple[str, str, Action, list[str], str]]


def commit(view: View, feed: Feed, edit: Edit) -> None:
    if edit.changes:
        made = commit_of(edit)
        view.apply(made)
        feed.publish(made)


def applied(edit: Edit, documents: Sequence[Document]) -> Told:
    applier = Applier(edit, of=SET, rights=Everything())
    outcomes = applier.apply(documents)
    outcomes += applier.prune({one.id for one in outcomes if one.id is not None})
    return [(one.kind, one.name, one.action, one.changed, type(one.error).__name__) for one in outcomes]


def alike(edit: Edit) -> list[Any]:
    """Its changes and counters, with the ids of what it made by their order, since ids are new each time."""
    made = [one.id for one in edit.changes if one.before is None]
    changes = [(one.kind, one.id, one.before, one.after) for one in edit.changes]
    text = msgspec.json.encode([changes, edit.raised_counters]).decode()
    for nth, one in enumerate(made):
        text = text.replace(one, f"new {nth}")
    return list(json.loads(text))


NUMBERS = st.integers(0, 15)
WANTED = st.lists(
    st.tuples(st.sampled_from(["Region", "Site", "Node", "Link", "Tenant"]), NUMBERS, NUMBERS), max_size=8
)


def documents_of(wanted: Sequence[tuple[str, int, int]]) -> list[Document]:
    found = []
    for kind, a, b in wanted:
        name, other = NAMES[a % len(NAMES)], NAMES[b % len(NAMES)]
        spec: dict[str, Any] = {
            "Region": {"demand": float(b % 3), **({"parent": other} if b % 3 == 0 else {})},
            "Site": {"region": other, "displayName": f"no {b % 3}"},
            "Node": {"site": other, "labels": {"zone": f"z{b % 3}"}},
            "Link": {"fromSite": name, "toSite": other, "latencyMs": float(b)},
            "Tenant": {},
        }[kind]
        if b % 5 == 4 and kind != "Tenant":
            spec["external"] = {"system": "system-0", "id": str(a % 4)}
        found.append(doc(kind, name, **spec))
    return found


@settings(max_examples=150, deadline=None)
@given(programs(longest=12), WANTED, WANTED, programs(longest=3), st.booleans())
def test_what_is_laid_onto_the_head_is_what_would_be_made_there(
    earlier: list[Step],
    before: list[tuple[str, int, int]],
    wanted: list[tuple[str, int, int]],
    meanwhile: list[Step],
    grouped: bool,
) -> None:
    view, _, _ = history(earlier)
    feed = Feed(revision=view.revision)
    first = Edit(view, at=view.at + 1, source=SET.source)
    applied(first, documents_of(before))
    commit(view, feed, first)

    trial = Trial(view, at=view.at + 1, source=SET.source, max_changes=1_000)
    told = applied(trial, documents_of(wanted))

    between = Edit(view, at=view.at + 5)
    entities = [one for kind in USED for key in view.ids(kind) if (one := view.get(key)) is not None]
    run(between, Model(entities), meanwhile)
    if not grouped:
        commit(view, feed, between)
    base = between if grouped and between.changes else view
    head, anew = (Edit(base, at=view.at + 9, next_revision=view.revision + 2, source=SET.source) for _ in range(2))
    if trial.overtaken(feed, head=head):
        assert between.changes, "nothing overtakes a trial while nothing changes"
        return
    trial.lay_onto(head)
    assert applied(anew, documents_of(wanted)) == told
    assert alike(head) == alike(anew)


class World:
    def __init__(self) -> None:
        self.view = View()
        self.feed = Feed()
        edit = Edit(self.view, at=1)
        self.region = edit.create(Region, name="r", external=ExternalId("x", "1"))
        self.site = edit.create(Site, name="s", region_id=self.region.id)
        self.node = edit.create(Node, name="n", site_id=self.site.id)
        self.commit(edit)

    def commit(self, edit: Edit) -> None:
        commit(self.view, self.feed, edit)

    def trial(self) -> Trial:
        return Trial(self.view, at=self.view.at + 1, source=SET.source, max_changes=100)

    def change(self, kind: str = "Site", **fields: Any) -> None:
        edit = Edit(self.view, at=self.view.at + 1)
        found = self.view.get({"Site": self.site, "Region": self.region, "Node": self.node}[kind].id)
        assert found is not None
        edit.replace(found, **fields)
        self.commit(edit)


@pytest.fixture
def world() -> World:
    return World()


READY = Health(status=HealthStatus.READY, observed_at=7)


@pytest.mark.parametrize(
    ("read", "change", "overtaken"),
    [
        (lambda one, w: one.get(w.site.id), {"tier": Tier.METRO}, True),
        (lambda one, w: one.get(w.region.id), {"tier": Tier.METRO}, False),
        (lambda one, w: one.get(w.site.id), {"health": READY}, False),
        (lambda one, w: one.replace(w.site, display_name="S"), {"health": READY}, True),
        (lambda one, w: one.find("Site", "s"), {"tier": Tier.METRO}, True),
        (lambda one, w: one.find("Site", "t"), {"name": "t"}, True),
        (lambda one, w: one.find("Site", "t"), {"name": "u"}, False),
        (lambda one, w: one.find_external("x", "2"), {"external": ExternalId("x", "2")}, True),
        (lambda one, w: one.find_external("x", "3"), {"external": ExternalId("x", "2")}, False),
        (lambda one, w: one.ids("Site"), {"tier": Tier.METRO}, False),
        (lambda one, w: one.ids("Site", "tier", "METRO"), {"tier": Tier.METRO}, True),
        (lambda one, w: one.count("Site", "tier", "DISTRICT"), {"tier": Tier.METRO}, True),
        (lambda one, w: one.ids("Site", "label:a"), {"labels": {"a": "b"}}, True),
        (lambda one, w: list(one.dependents(w.region.id)), {"tier": Tier.METRO}, False),
        (lambda one, w: None, {"tier": Tier.METRO}, False),
    ],
)
def test_a_trial_is_overtaken_by_what_alters_an_answer_that_it_got(
    world: World, read: Any, change: dict[str, Any], overtaken: bool
) -> None:
    trial = world.trial()
    read(trial, world)
    assert not trial.overtaken(world.feed)
    world.change(**change)
    assert trial.overtaken(world.feed) is overtaken


def test_a_trial_is_overtaken_by_what_refers_to_what_it_deletes(world: World) -> None:
    trial = world.trial()
    trial.delete(world.node)
    edit = Edit(world.view, at=9)
    edit.create(Site, name="t", region_id=world.region.id)
    world.commit(edit)
    assert not trial.overtaken(world.feed)
    other = world.trial()
    assert list(other.dependents(world.site.id)), "the node"
    edit = Edit(world.view, at=99)
    edit.create(Node, name="m", site_id=world.site.id)
    world.commit(edit)
    assert other.overtaken(world.feed)


def test_a_trial_that_counted_is_overtaken_by_who_counts_the_same(world: World) -> None:
    trial = world.trial()
    made = trial.create(Site, name="t", region_id=world.region.id)
    assert made.ordinal == 1
    edit = Edit(world.view, at=9)
    edit.create(Site, name="u", region_id=world.region.id)
    assert trial.overtaken(world.feed, head=Edit(edit, at=9, next_revision=3))
    world.commit(edit)
    assert trial.overtaken(world.feed)


def test_what_is_read_after_the_noting_has_stopped_overtakes_nothing(world: World) -> None:
    trial = world.trial()
    trial.stop_noting()
    trial.get(world.site.id)
    world.change(tier=Tier.METRO)
    assert not trial.overtaken(world.feed)


def test_a_trial_is_overtaken_when_the_commits_since_are_not_kept_or_the_graph_is_another(world: World) -> None:
    trial = world.trial()
    world.change(tier=Tier.METRO)
    world.feed.restart(world.view.revision)
    assert trial.overtaken(world.feed)
    trial = world.trial()
    world.view.loaded(revision=world.view.revision, at=world.view.at, epoch="another", counters={})
    assert trial.overtaken(world.feed)


def test_what_is_laid_on_has_the_heads_time_and_revision_its_records_and_its_numbers(world: World) -> None:
    trial = world.trial()
    trial.replace(world.site, display_name="S")
    made = trial.create(Site, name="t", region_id=world.region.id)
    trial.file(
        Record(collection="decision", id="decision_1", tenant_id=None, subject_id=None, at=1, body=msgspec.Raw(b"{}"))
    )
    trial.keep_private("key", b"value")
    world.change("Node", status=NodeStatus.READY)
    head = Edit(world.view, at=5_000)
    assert not trial.overtaken(world.feed, head=head)
    trial.lay_onto(head)
    after = {one.id: one.after for one in head.changes}
    new, old = after[made.id], after[world.site.id]
    assert new is not None
    assert old is not None
    assert (new.revision, new.created_at, new.updated_at) == (3, 5_000, 5_000)
    assert (old.revision, old.created_at, old.updated_at) == (3, world.site.created_at, 5_000)
    assert head.find("Site", "t") == new
    assert [one.at for one in head.records] == [5_000]
    assert head.private == {"key": b"value"}
    world.commit(head)
    edit = Edit(world.view, at=9_000)
    assert edit.create(Site, name="u", region_id=world.region.id).ordinal == 2


def test_more_than_a_commit_takes_is_not_laid_on(world: World) -> None:
    trial = world.trial()
    for name in "abc":
        trial.create(Tenant, name=name)
    with pytest.raises(LimitExceeded):
        trial.lay_onto(Edit(world.view, at=9, max_changes=2))

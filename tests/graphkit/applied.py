"""Documents applied to a view, one set after another, and the small network that they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graph.applying import Action, Applier, Outcome
from graph.document_sets import SetName
from graph.documents import Document, document_from
from graph.edit import Edit
from graph.entity import Entity, Named, Source, SourceKind
from graph.view import Reader, View, each
from graphkit.programs import commit_of

MINE = Source(SourceKind.DOCUMENTS, "main")
OTHER = Source(SourceKind.IMPORT, "topology")


class Everything:
    """The rights of who may do all."""

    def reader(self, edit: Reader) -> Reader:
        return edit

    def check(self, entity: Entity, *, make: bool) -> None:
        return


def doc(kind: str, name: str, /, tenant: str | None = None, **spec: Any) -> Document:
    metadata = {"name": name, **({"tenant": tenant} if tenant else {})}
    for key in ("displayName", "labels", "external"):
        if key in spec:
            metadata[key] = spec.pop(key)
    return document_from({"kind": kind, "metadata": metadata, "spec": spec}, where=f"set.yaml:{kind}-{name}")


NETWORK = [
    doc("Region", "world", level="WORLD"),
    doc("Region", "europe", parent="world", level="CONTINENT"),
    doc("Region", "münchen", parent="europe", centre={"longitude": 11.5, "latitude": 48.1}, labels={"zone": "west"}),
    doc("Site", "a", region="münchen", tier="METRO", position={"longitude": 11.5, "latitude": 48.1}),
    doc("Site", "b", region="europe", displayName="Standort B"),
    doc("Link", "a-b", fromSite="a", toSite="b", latencyMs=1.5),
    doc("Cluster", "c", driver="simulated", sites=["a", "b"], configuration={"observeEveryMs": 20}),
    doc("Node", "n1", site="a", cluster="c", capacity={"cpuMillicores": 4000, "memoryBytes": 2**33}),
    doc("Node", "n2", site="b", taints=[{"key": "gpu", "value": "", "effect": "NO_SCHEDULE"}]),
    doc("Tenant", "acme"),
    doc("App", "shop", "acme", description="A shop."),
    doc("AppVersion", "1.4.2", "acme", app="shop"),
    doc(
        "Component",
        "api",
        "acme",
        appVersion="shop/1.4.2",
        artifact={"type": "CONTAINER_IMAGE", "reference": "example.org/api:1"},
        resources={"cpuMillicores": 100, "memoryBytes": 1000},
    ),
    doc("Service", "http", "acme", component="shop/1.4.2/api", ports=[{"name": "http", "port": 80}]),
    doc("Service", "dns", site="a", scope="CROSS_SITE"),
]


class World:
    """A view, and sets that are applied to it one after another."""

    def __init__(self) -> None:
        self.view = View()

    def change(self, function: Callable[[Edit], Any], *, source: Source = OTHER) -> Any:
        edit = Edit(self.view, at=self.view.at + 1, source=source)
        made = function(edit)
        self.view.apply(commit_of(edit))
        return made

    def apply(
        self,
        documents: Sequence[Document],
        *,
        source: Source = MINE,
        prune: bool = False,
        rights: Any = None,
        keep: bool = True,
        tenant_id: str | None = None,
    ) -> list[Outcome]:
        edit = Edit(self.view, at=self.view.at + 1, source=source, max_changes=10**6)
        of = SetName(kind=source.kind, name=source.name, tenant_id=tenant_id)
        applier = Applier(edit, of=of, rights=rights or Everything())
        outcomes = applier.apply(documents)
        if prune:
            outcomes.extend(applier.prune({one.id for one in outcomes if one.id is not None}))
        self.changes = edit.changes
        if keep and edit.changes and not any(one.action is Action.REFUSED for one in outcomes):
            self.view.apply(commit_of(edit))
        return outcomes

    def done(self, documents: Sequence[Document], **how: Any) -> list[Outcome]:
        """Applies what must not be refused."""
        outcomes = self.apply(documents, **how)
        assert [one.error for one in outcomes if one.error is not None] == []
        return outcomes

    def refused(self, *documents: Document, **how: Any) -> Any:
        """The refusal of the last of the documents."""
        outcome = self.apply(documents, **how)[-1]
        assert outcome.action is Action.REFUSED
        return outcome.error

    def one(self, kind: type[Entity], name: str) -> Any:
        (found,) = [one for one in each(self.view, kind) if isinstance(one, Named) and one.name == name]
        return found


def actions(outcomes: Sequence[Outcome]) -> set[Action]:
    return {one.action for one in outcomes}


def picture(view: View) -> set[tuple[object, ...]]:
    """The graph without ids, times and ordinals."""

    def named(entity_id: Any) -> Any:
        found = view.get(entity_id) if isinstance(entity_id, str) else None
        return found.name if isinstance(found, Named) else entity_id

    shown = set()
    for name in ("Tenant", "Region", "Site", "Link", "Cluster", "Node", "App", "AppVersion", "Component", "Service"):
        for one in map(view.get, view.ids(name)):
            assert one is not None
            fields = []
            for key in one.SPEC.fields:
                if key in ("id", "revision", "created_at", "updated_at", "ordinal"):
                    continue
                value = getattr(one, key)
                fields.append((key, repr([named(each) for each in value] if isinstance(value, list) else named(value))))
            shown.add((name, *fields))
    return shown

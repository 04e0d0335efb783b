"""A small builder of graphs to place on: a view and edits, without a store."""

from __future__ import annotations

from typing import Any, TypeVar

from graph.change import Commit
from graph.edit import Edit
from graph.entity import Entity
from graph.kinds import (
    App,
    AppVersion,
    Artifact,
    ArtifactType,
    Cluster,
    Component,
    Deployment,
    Instance,
    Link,
    Node,
    Region,
    Release,
    Site,
    Tenant,
)
from graph.kinds.apps import is_used
from graph.kinds.policy import PlacementPolicy
from graph.values import Accelerator, Position, Resources
from graph.view import View
from placement.decision import Decision
from placement.engine import decide
from placement.problem import Problem, problem_from

E = TypeVar("E", bound=Entity)
GIB = 2**30


def amount(cpu: int, memory: int = GIB, storage: int = 0, **accelerators: int) -> Resources:
    """Millicores, bytes, bytes, and accelerators by model."""
    return Resources(
        cpu_millicores=cpu,
        memory_bytes=memory,
        storage_bytes=storage,
        accelerators=[Accelerator(model, count) for model, count in accelerators.items()],
    )


class Builder:
    """A view that is filled by commits."""

    def __init__(self) -> None:
        self.view = View()
        self.ids = 0
        self.region = self.make(Region, name="region")
        self.tenant = self.make(Tenant, name="tenant")
        app = self.make(App, name="app", tenant_id=self.tenant.id)
        self.version = self.make(AppVersion, name="1", app_id=app.id, tenant_id=self.tenant.id)

    def _commit(self, edit: Edit) -> None:
        self.view.apply(
            Commit(
                revision=self.view.revision + 1,
                draft_id=f"draft_{self.view.revision}",
                at=edit.at,
                author="test",
                action="test",
                changes=edit.changes,
                counters=edit.raised_counters,
            )
        )

    def make(self, kind: type[E], **fields: Any) -> E:
        """A new entity, with an id that only depends on how many were made before."""
        self.ids += 1
        fields.setdefault("id", f"{kind.SPEC.prefix}_{self.ids:05}")
        if "name" in kind.SPEC.fields:
            fields.setdefault("name", fields["id"])
        edit = Edit(self.view, at=self.ids)
        made = edit.create(kind, **fields)
        self._commit(edit)
        return made

    def change(self, entity: E, **fields: Any) -> E:
        """The entity with some fields changed."""
        self.ids += 1
        edit = Edit(self.view, at=self.ids)
        changed = edit.replace(entity, **fields)
        self._commit(edit)
        return changed

    def remove(self, entity: Entity, *, cascade: bool = False) -> None:
        """Deletes an entity."""
        edit = Edit(self.view, at=self.ids)
        edit.delete(entity, cascade=cascade)
        self._commit(edit)

    def site(self, *, nodes: int = 1, node: dict[str, Any] | None = None, cluster: bool = True, **fields: Any) -> Site:
        """A site with a cluster and some nodes of 4 cores and 16 GiB."""
        fields.setdefault("region_id", self.region.id)
        site = self.make(Site, **fields)
        owner = {"tenant_id": site.tenant_id}
        under = self.cluster(site, **owner).id if cluster else None
        for _ in range(nodes):
            self.node(site, **{"cluster_id": under, **owner, **(node or {})})
        return site

    def cluster(self, *sites: Site, **fields: Any) -> Cluster:
        fields.setdefault("driver", "simulated")
        return self.make(Cluster, site_ids=[one.id for one in sites], **fields)

    def node(self, site: Site, **fields: Any) -> Node:
        fields.setdefault("capacity", amount(4000, 16 * GIB, 100 * GIB))
        return self.make(Node, site_id=site.id, **fields)

    def link(self, a: Site, b: Site, latency_ms: float, **fields: Any) -> Link:
        return self.make(Link, from_site_id=a.id, to_site_id=b.id, latency_ms=latency_ms, **fields)

    def component(self, *, resources: Resources | None = None, **fields: Any) -> Component:
        """A component of the version, or of the next one when that has been deployed and stays as it is."""
        if is_used(self.view, self.version):
            self.version = self.make(AppVersion, app_id=self.version.app_id, tenant_id=self.tenant.id)
        fields.setdefault("artifact", Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="example.org/app:1"))
        return self.make(
            Component,
            app_version_id=self.version.id,
            tenant_id=self.tenant.id,
            resources=resources or amount(1000),
            **fields,
        )

    def deployment(self) -> Deployment:
        return self.make(Deployment, tenant_id=self.tenant.id, app_version_id=self.version.id, policy=PlacementPolicy())

    def release(self, component: Component, site: Site, assignments: dict[str, int], **fields: Any) -> Release:
        fields.setdefault("deployment_id", None)
        if fields["deployment_id"] is None:
            fields["deployment_id"] = self.deployment().id
        fields.setdefault("resources", component.resources)
        fields.setdefault("replicas", sum(assignments.values()))
        return self.make(
            Release,
            tenant_id=self.tenant.id,
            component_id=component.id,
            site_id=site.id,
            assignments=assignments,
            **fields,
        )

    def instance(self, release: Release, node: Node | None, **fields: Any) -> Instance:
        return self.make(
            Instance,
            tenant_id=release.tenant_id,
            release_id=release.id,
            site_id=release.site_id,
            node_id=None if node is None else node.id,
            **fields,
        )

    def problem(self, *components: Component, policy: PlacementPolicy | None = None, **options: Any) -> Problem:
        return problem_from(
            options.pop("reader", self.view),
            components=components,
            policy=policy or PlacementPolicy(),
            replicas=options.pop("replicas", {}),
            **options,
        )

    def decide(self, *components: Component, policy: PlacementPolicy | None = None, **options: Any) -> Decision:
        return decide(self.problem(*components, policy=policy, **options)).whole()


def at(longitude: float, latitude: float) -> Position:
    """A position."""
    return Position(longitude=longitude, latitude=latitude)

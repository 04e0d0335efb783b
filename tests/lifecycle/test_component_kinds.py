"""Sorts of packages: what a backend does not take is not placed there, and the refusal says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.registry import DriverRegistry
from drivers.simulated import SimulatedDriver
from graph.edit import Edit
from graph.kinds import Artifact, ArtifactType, Cluster, Node, Site
from lifecycle.unplaceable import Unplaceable
from lifecyclekit.edge import NODE, edge_of
from placement.filed_decision import decision_filed, filed

CHART = Artifact(type=ArtifactType.HELM_CHART, reference="charts/shop")
HEAT = Artifact(type=ArtifactType.HEAT_TEMPLATE, reference="heat/shop")


CLOUDLET = Artifact(type=ArtifactType.VM_IMAGE, reference="glance:face-recognition-3")


class Machines(SimulatedDriver):
    """A backend that starts machines from images, and nothing else."""

    name = "machines"
    artifacts = frozenset({ArtifactType.VM_IMAGE})


class Stacks(SimulatedDriver):
    """A backend that takes Heat templates and nothing else."""

    name = "stacks"
    artifacts = frozenset({ArtifactType.HEAT_TEMPLATE})


async def test_a_cloudlet_is_a_machine_image_and_runs_where_machines_are_started(tmp_path: Path) -> None:
    async with edge_of(tmp_path, others=[Machines(), Stacks()]) as edge:
        await edge.network(sites=1)

        def others(edit: Edit) -> None:
            here = edge.site(0)
            for driver in ("machines", "stacks"):
                site = edit.create(Site, name=driver, region_id=here.region_id, position=here.position)
                cluster = edit.create(
                    Cluster, name=driver, driver=driver, site_ids=[site.id], configuration={"observeEveryMs": 20}
                )
                edit.create(Node, name=driver, site_id=site.id, cluster_id=cluster.id, capacity=NODE)
                edge.site_ids.append(site.id)

        await edge.change(others)
        await edge.version(vm={"artifact": CLOUDLET})
        first, machines, stacks = edge.site_ids
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        assert {one.site_id for one in edge.releases(deployment.id)} == {first, machines}
        with pytest.raises(Unplaceable):
            await edge.deploy("there", sites=[stacks])


async def test_a_component_runs_where_a_backend_takes_it_and_is_refused_elsewhere_with_the_reason(
    tmp_path: Path,
) -> None:
    async with edge_of(tmp_path, others=[Stacks()]) as edge:
        await edge.network(sites=1)

        def another(edit: Edit) -> None:
            here = edge.site(0)
            site = edit.create(Site, name="stacked", region_id=here.region_id, position=here.position)
            cluster = edit.create(
                Cluster, name="stacks", driver="stacks", site_ids=[site.id], configuration={"observeEveryMs": 20}
            )
            edit.create(Node, name="rack", site_id=site.id, cluster_id=cluster.id, capacity=NODE)
            edge.site_ids.append(site.id)

        await edge.change(another)
        await edge.version(web={"artifact": CHART}, db={"artifact": CHART})
        deployment, operation = await edge.deploy()
        await edge.succeeded(operation)
        assert {one.site_id for one in edge.releases(deployment.id)} == {edge.site_ids[0]}
        with pytest.raises(Unplaceable) as refused:
            await edge.deploy("there", sites=[edge.site_ids[1]])
        told_whole = decision_filed(filed(refused.value.decision))
        reasons = [reason.message for site in told_whole.refusals for reason in site.reasons]
        told = "has driver 'stacks', which is not installed here or does not take what is to run"
        assert any(told in one for one in reasons), reasons
        stack = await edge.version("stack", web={"artifact": HEAT})
        deployment, operation = await edge.deploy("both", app_version_id=stack)
        await edge.succeeded(operation)
        assert {one.site_id for one in edge.releases(deployment.id)} == set(edge.site_ids)
        mixed = await edge.version("mixed", web={"artifact": CHART}, vm={"artifact": HEAT})
        deployment, operation = await edge.deploy("mixed", app_version_id=mixed)
        await edge.succeeded(operation)
        assert {one.site_id for one in edge.releases(deployment.id)} == {edge.site_ids[0]}


def test_a_registry_tells_which_drivers_take_what() -> None:
    def broken() -> SimulatedDriver:
        raise ImportError("no such library")

    registry = DriverRegistry({"simulated": SimulatedDriver, "stacks": Stacks, "machines": Machines, "broken": broken})
    assert registry.taking({ArtifactType.HELM_CHART}) == {"simulated"}
    assert registry.taking({ArtifactType.VM_IMAGE}) == {"simulated", "machines"}
    assert registry.taking({ArtifactType.HEAT_TEMPLATE}) == {"simulated", "stacks"}
    assert registry.taking({ArtifactType.HEAT_TEMPLATE, ArtifactType.HELM_CHART}) == {"simulated"}
    assert registry.taking(()) == {"simulated", "stacks", "machines", "broken"}

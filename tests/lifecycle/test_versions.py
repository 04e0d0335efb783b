"""Versions that were deployed stay as they are, for as long as a deployment may go back to them."""

from __future__ import annotations

import pytest

from graph.kinds import AppVersion, Artifact, ArtifactType, Component
from graph.refusal import InUse, InvalidState
from graph.view import each, get_as
from lifecyclekit.edge import NEED

OTHER = Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:other")
STAYS = "what it is made of stays as it is"


def component(edge, version_id: str) -> Component:
    return next(each(edge.view, Component, "app_version_id", version_id))


async def more(edge, version_id: str, name: str = "more") -> None:
    await edge.change(
        lambda edit: edit.create(
            Component, name=name, app_version_id=version_id, tenant_id=edge.tenant_id, artifact=OTHER, resources=NEED
        )
    )


async def test_a_version_is_made_and_changed_freely_until_it_is_deployed(edge) -> None:
    await edge.network(sites=1)
    version = await edge.version()
    await edge.change(lambda edit: edit.replace(component(edge, version), artifact=OTHER))
    await more(edge, version)
    assert get_as(edge.view, AppVersion, version).used_at is None
    await edge.deploy()
    assert get_as(edge.view, AppVersion, version).used_at is not None
    for change in ({"artifact": Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="x")}, {"replicas": 2}):
        with pytest.raises(InvalidState, match=STAYS) as refused:
            await edge.change(lambda edit, change=change: edit.replace(component(edge, version), **change))
        assert refused.value.path == f"input.{next(iter(change))}"
        assert refused.value.remedy == "make a new version, and update the deployment to it"
    with pytest.raises(InvalidState, match=STAYS):
        await more(edge, version, "again")
    told = await edge.change(lambda edit: edit.replace(component(edge, version), display_name="x", labels={"a": "b"}))
    assert told.display_name == "x"


async def test_what_a_deployment_may_go_back_to_is_not_deleted(edge) -> None:
    await edge.network(sites=1)
    first = await edge.version()
    second = await edge.version("2", reference="shop:2")
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    with pytest.raises(InUse) as refused:
        await edge.change(lambda edit: edit.delete(component(edge, first)))
    assert refused.value.dependents == (deployment.id,)
    await edge.succeeded((await edge.update(deployment.id, app_version_id=second)).operation)
    assert edge.deployment(deployment.id).version_ids == [second, first]
    for cascade in (False, True):
        with pytest.raises(InUse) as refused:
            await edge.change(
                lambda edit, cascade=cascade: edit.delete(get_as(edit, AppVersion, first), cascade=cascade)
            )
        assert deployment.id in refused.value.dependents
    with pytest.raises(InUse):
        await edge.change(lambda edit: edit.delete(component(edge, first)))
    await edge.succeeded((await edge.rollback(deployment.id, 1)).operation)
    assert edge.deployment(deployment.id).version_ids == [first, second]
    await edge.succeeded((await edge.terminate(deployment.id, delete=True)).operation)
    await edge.until(lambda: edge.deployment(deployment.id) is None)
    await edge.change(lambda edit: edit.delete(get_as(edit, AppVersion, first), cascade=True))
    with pytest.raises(InvalidState, match=STAYS):
        await edge.change(lambda edit: edit.replace(component(edge, second), replicas=3))


async def test_a_change_that_was_only_proposed_has_used_its_version(edge) -> None:
    await edge.network(sites=1)
    await edge.version()
    second = await edge.version("2", reference="shop:2")
    deployment, operation = await edge.deploy()
    await edge.succeeded(operation)
    await edge.update(deployment.id, app_version_id=second, requires_approval=True)
    with pytest.raises(InvalidState, match=STAYS):
        await edge.change(lambda edit: edit.replace(component(edge, second), replicas=3))

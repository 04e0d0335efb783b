"""Packages in the graph: once in a tenant, and referred to by the components that name them."""

from __future__ import annotations

from typing import Any

import pytest

from graph.edit import Edit
from graph.kinds import App, AppVersion, Artifact, ArtifactType, Component, Package, Tenant
from graph.kinds.packages import digest_of, is_digest
from graph.refusal import AlreadyExists, InUse, InvalidInput, NotFound, Refusal
from graph.values import Resources
from graph.view import View

DIGEST = "sha256:" + "ab" * 32
NEED = Resources(cpu_millicores=100, memory_bytes=1 << 20)


@pytest.fixture
def edit() -> Edit:
    return Edit(View(), at=1_000)


def tenant(edit: Edit, name: str = "acme") -> str:
    return edit.create(Tenant, name=name).id


def package(edit: Edit, tenant_id: str, digest: str = DIGEST, **fields: Any) -> Package:
    given = {"size_bytes": 10, "file_name": "a.tgz", "media_type": "application/gzip", "type": ArtifactType.HELM_CHART}
    return edit.create(Package, tenant_id=tenant_id, digest=digest, **{**given, **fields})


def component(edit: Edit, tenant_id: str, reference: str = f"package:{DIGEST}", **fields: Any) -> Component:
    known = edit.find("App", "shop", tenant_id)
    app = known or edit.create(App, name="shop", tenant_id=tenant_id)
    version = edit.create(AppVersion, name=str(edit.revision + len(edit.changes)), app_id=app.id, tenant_id=tenant_id)
    artifact = Artifact(type=fields.pop("type", ArtifactType.HELM_CHART), reference=reference, **fields)
    return edit.create(
        Component, name="web", app_version_id=version.id, tenant_id=tenant_id, artifact=artifact, resources=NEED
    )


def test_a_digest_is_once_in_a_tenant(edit: Edit) -> None:
    mine, theirs = tenant(edit), tenant(edit, "other")
    first = package(edit, mine)
    package(edit, theirs)
    with pytest.raises(AlreadyExists) as refused:
        package(edit, mine)
    assert refused.value.existing_id == first.id


@pytest.mark.parametrize("digest", ["", "sha256:", DIGEST.upper(), DIGEST + "a", DIGEST[:-1], "md5:" + "a" * 64])
def test_a_digest_is_sha256_in_lower_case(edit: Edit, digest: str) -> None:
    assert not is_digest(digest)
    with pytest.raises(InvalidInput):
        package(edit, tenant(edit), digest)


def test_a_component_refers_to_the_package_that_it_names(edit: Edit) -> None:
    mine = tenant(edit)
    made = package(edit, mine)
    web = component(edit, mine)
    assert web.package_id == made.id
    with pytest.raises(InUse) as refused:
        edit.delete(made)
    assert refused.value.dependents == (web.id,)
    elsewhere = edit.replace(web, artifact=Artifact(type=ArtifactType.CONTAINER_IMAGE, reference="shop:1"))
    assert elsewhere.package_id is None
    again = edit.replace(elsewhere, artifact=web.artifact)
    assert again.package_id == made.id
    edit.delete(again)
    edit.delete(made)


def test_a_change_of_something_else_keeps_the_reference(edit: Edit) -> None:
    mine = tenant(edit)
    made = package(edit, mine)
    web = component(edit, mine)
    assert edit.replace(web, replicas=3).package_id == made.id


def test_a_package_of_another_tenant_is_not_there(edit: Edit) -> None:
    mine, theirs = tenant(edit), tenant(edit, "other")
    package(edit, theirs)
    with pytest.raises(NotFound) as refused:
        component(edit, mine)
    assert refused.value.path == "input.artifact.reference"


@pytest.mark.parametrize(
    ("reference", "fields", "problem", "path"),
    [
        ("package:sha256:" + "cd" * 32, {}, NotFound, "input.artifact.reference"),
        ("package:", {}, InvalidInput, "input.artifact.reference"),
        ("package:latest", {}, InvalidInput, "input.artifact.reference"),
        (f"package:{DIGEST}", {"type": ArtifactType.CSAR}, InvalidInput, "input.artifact.type"),
        (f"package:{DIGEST}", {"digest": "sha256:" + "cd" * 32}, InvalidInput, "input.artifact.digest"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    edit: Edit, reference: str, fields: dict[str, Any], problem: type[Refusal], path: str
) -> None:
    mine = tenant(edit)
    package(edit, mine)
    with pytest.raises(problem) as refused:
        component(edit, mine, reference, **fields)
    assert refused.value.path == path


def test_the_digest_may_be_told_twice(edit: Edit) -> None:
    mine = tenant(edit)
    package(edit, mine)
    assert component(edit, mine, digest=DIGEST).package_id is not None


def test_packages_go_with_their_tenant(edit: Edit) -> None:
    mine = tenant(edit)
    made = package(edit, mine)
    component(edit, mine)
    owner = edit.get(mine)
    assert owner is not None
    edit.delete(owner, cascade=True)
    assert edit.get(made.id) is None


def test_only_a_reference_of_its_scheme_names_a_package() -> None:
    assert digest_of(f"package:{DIGEST}") == DIGEST
    assert digest_of("registry.example/package:1") is None

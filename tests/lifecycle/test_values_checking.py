"""Values against schemas before anything runs: what is wrong is told with its component, site and place."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from drivers.packages.opening import open_package
from graph.kinds import Artifact, ArtifactType, Override, Package, Profile, Secret
from graph.kinds.packages import SCHEME
from graph.refusal import InvalidInput, LimitExceeded
from lifecycle import values_checking

SCHEMA = {
    "type": "object",
    "required": ["host"],
    "properties": {
        "host": {"type": "string", "pattern": "^[a-z.]+$"},
        "replicas": {"type": "integer", "minimum": 1},
        "password": {"type": "string", "minLength": 12},
    },
}


def override(path: str, value: Any, **fields: Any) -> Override:
    return Override(component="web", path=path, value=value, **fields)


async def refusal(edge, error: type[Exception] = InvalidInput, **given: Any) -> Any:
    before = edge.view.count("Deployment")
    with pytest.raises(error) as refused:
        await edge.deploy("refused", **given)
    assert edge.view.count("Deployment") == before
    return refused.value


async def test_what_is_wrong_is_told_before_anything_runs(edge) -> None:
    await edge.network(sites=2)
    await edge.version(web={"values_schema": SCHEMA})
    told = await refusal(edge, overrides=[override("replicas", 0)])
    assert told.message == (
        "values of component 'web' at site 's0': as a whole it has no 'host'; /replicas is less than 1"
    )
    assert told.path == "input.overrides"
    host = override("host", "shop.example")
    told = await refusal(edge, overrides=[host, override("host", 7, site_ids=[edge.site_ids[1]])])
    assert told.message == "values of component 'web' at site 's1': /host must be a string"
    deployment, operation = await edge.deploy(overrides=[host])
    await edge.succeeded(operation)
    with pytest.raises(InvalidInput, match="/host is not as its pattern says"):
        await edge.update(deployment.id, overrides=[override("host", "NOT A HOST")])
    assert edge.deployment(deployment.id).overrides == [host]


async def test_each_site_may_have_its_own_of_what_is_required(edge) -> None:
    await edge.network(sites=2)
    await edge.version(web={"values_schema": SCHEMA})
    own = [override("host", f"{name}.example", site_ids=[one]) for name, one in zip("ab", edge.site_ids, strict=True)]
    _, operation = await edge.deploy(overrides=own)
    await edge.succeeded(operation)
    told = await refusal(edge, overrides=own[:1])
    assert told.message.startswith("values of component 'web' at site 's1': as a whole it has no 'host'")


async def test_a_reference_to_a_secret_is_a_text_and_no_more_is_known(edge) -> None:
    await edge.network(sites=1)
    schema = {"properties": {"host": {"type": "integer"}, "password": SCHEMA["properties"]["password"]}}
    await edge.version(web={"values_schema": schema})
    secret = await edge.change(lambda edit: edit.create(Secret, name="s", tenant_id=edge.tenant_id, keys=["k"]))
    reference = {"secret": secret.id, "key": "k"}
    told = await refusal(edge, overrides=[override("host", reference)])
    assert told.message.endswith("/host must be an integer")
    _, operation = await edge.deploy(overrides=[override("password", reference)])
    assert operation is not None


async def test_a_schema_that_takes_too_long_is_refused_and_keeps_nobody_waiting(edge) -> None:
    await edge.network(sites=1)
    await edge.version(web={"values_schema": {"$ref": "#"}})
    told = await refusal(edge, LimitExceeded)
    assert told.message == "to check the values of component 'web' takes too many steps"


async def test_a_schema_that_is_none_is_refused_where_it_is_given(edge) -> None:
    await edge.network(sites=1)
    with pytest.raises(InvalidInput, match="/properties/q/type is 'nosuch', and a type is one of array") as refused:
        await edge.version(web={"values_schema": {"properties": {"q": {"type": "nosuch"}}}})
    assert refused.value.path is not None
    assert refused.value.path.endswith("valuesSchema")
    assert "drafts from 4 to 2020-12" in (refused.value.remedy or "")


async def test_values_that_are_laid_over_large_ones_again_for_each_site_count(edge, monkeypatch) -> None:
    await edge.network(sites=6)
    large = {f"k{number}": "x" for number in range(4_000)}
    await edge.version(web={"values_schema": {}, "configuration": {"all": large}})
    own = [override("host", f"h{number}", site_ids=[one]) for number, one in enumerate(edge.site_ids)]
    # 6 sites x 4,000 entries / 16 a step.
    monkeypatch.setattr(values_checking, "MAX_STEPS", 1_400)
    told = await refusal(edge, LimitExceeded, overrides=own)
    assert told.message == "to check the values of component 'web' takes too many steps"
    deployment, _ = await edge.deploy(overrides=[override("host", "the same everywhere")])
    assert deployment.revision_number == 1
    monkeypatch.setattr(values_checking, "MAX_STEPS", 1_600)
    deployment, _ = await edge.deploy("own", overrides=own)
    assert deployment.revision_number == 1


def chart(values: str, schema: Any) -> io.BytesIO:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, text in (
            ("shop/values.yaml", values),
            ("shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
            ("shop/values.schema.json", json.dumps(schema)),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    body.seek(0)
    return body


async def test_a_charts_own_schema_is_kept_to_with_its_own_values_below(edge) -> None:
    await edge.network(sites=1)
    opened = open_package(chart("host: shop.example\nreplicas: 2\n", SCHEMA))
    assert opened.contents.values_checked
    digest = f"sha256:{'a' * 64}"

    def keep(edit: Any) -> None:
        edit.create(
            Package,
            tenant_id=edge.tenant_id,
            digest=digest,
            size_bytes=1,
            file_name="shop.tgz",
            media_type=opened.media_type,
            type=opened.type,
            contents=opened.contents,
            schema_text=opened.schema_text,
            defaults_text=opened.defaults_text,
        )

    await edge.change(keep)
    packed = Artifact(type=ArtifactType.HELM_CHART, reference=f"{SCHEME}{digest}")
    version = await edge.version(web={"artifact": packed})
    assert (await refusal(edge, overrides=[override("replicas", "x")])).message.endswith("/replicas must be an integer")
    told = await refusal(edge, overrides=[override("host", None)])
    assert told.message.endswith("as a whole it has no 'host'"), "null takes the chart's own value away"
    wrong = await edge.change(
        lambda edit: edit.create(
            Profile, name="p", app_version_id=version, tenant_id=edge.tenant_id, values={"web": {"replicas": 0}}
        )
    )
    assert (await refusal(edge, profile_id=wrong.id)).message.endswith("/replicas is less than 1")
    deployment, _ = await edge.deploy()
    assert deployment.revision_number == 1


@pytest.mark.parametrize("values", ["a: &x 1\nb: *x\n", "a: 1\na: 2\n", "[1]", "k: '" + "x" * 300_000 + "'\n"])
def test_a_chart_whose_own_values_cannot_be_read_is_taken_and_not_checked(values: str) -> None:
    opened = open_package(chart(values, SCHEMA))
    assert (opened.contents.values_schema, opened.contents.values_checked) == (True, False)
    assert (opened.schema_text, opened.defaults_text) == (None, None)

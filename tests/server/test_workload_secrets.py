"""Secrets by reference in values: the tenant's own alone, and their plain text nowhere but in the driver's call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import drivers.simulated.backend as simulated_backend
from drivers.port import Permanent, ReleaseWork, WorkloadSecrets
from drivers.secret_values import revealed
from graph.kinds import Deployment, DeploymentPhase, Release, Role
from graph.view import each
from worldkit.running import application_in, data
from worldkit.two_tenants import two_tenants, wish_of

PLAIN = "correct horse battery staple"
ERROR = "... on Error { code message path }"


async def mutate(application: Any, viewer: Any, name: str, given: dict[str, Any], selected: str) -> dict[str, Any]:
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ {selected} }} {ERROR} }} }}"
    )
    answer: dict[str, Any] = (await data(application, text, {"input": given}, viewer=viewer))[name]
    return answer


async def secret_of(application: Any, viewer: Any, tenant_id: str | None) -> str:
    given = {"name": "db", "values": [{"key": "password", "value": PLAIN}]}
    owner = {"tenantId": tenant_id} if tenant_id else {}
    made = await mutate(application, viewer, "createSecret", {**given, **owner}, "secret { id }")
    assert made["__typename"] == "CreateSecretPayload", made
    secret_id: str = made["secret"]["id"]
    return secret_id


def files_with(folder: Path, text: bytes) -> list[str]:
    return [one.name for one in folder.rglob("*") if one.is_file() and text in one.read_bytes()]


async def test_a_secret_reaches_the_driver_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Mapping[str, Any]] = []

    async def watched(work: ReleaseWork, secrets: WorkloadSecrets) -> Mapping[str, Any]:
        told.append(await revealed(work, secrets))
        return told[-1]

    monkeypatch.setattr(simulated_backend, "revealed", watched)
    async with application_in(tmp_path) as application:
        made = await two_tenants(application)
        admin = made.viewers["a", Role.TENANT_ADMIN]
        wish = wish_of(application, made, "a", name="keeper", replicas=1)
        component = wish["replicas"][0]["name"]
        reference = {"secret": await secret_of(application, admin, wish["tenantId"]), "key": "password"}
        given = {**wish, "overrides": [{"component": component, "path": "db.password", "value": reference}]}
        begun = await mutate(application, admin, "deploy", given, "deployment { id } operation { id }")
        assert begun["__typename"] == "DeployPayload", begun
        view = application.ledger.view
        async with asyncio.timeout(60):
            while not any(one.get("db") == {"password": PLAIN} for one in told):
                await asyncio.sleep(0.02)
            while not all(
                one.phase is DeploymentPhase.READY
                for one in each(view, Deployment)
                if one.id == begun["deployment"]["id"]
            ):
                await asyncio.sleep(0.02)
        shown = await data(
            application,
            "query($id: ID!) { deployment(id: $id) { overrides { value } secrets { id } releases { nodes { values } }"
            " revisions { nodes { overrides { value } } } } events(first: 100) { nodes { message } } }",
            {"id": begun["deployment"]["id"]},
            viewer=admin,
        )
        assert PLAIN not in str(shown)
        assert shown["deployment"]["overrides"] == [{"value": reference}]
        assert shown["deployment"]["releases"]["nodes"][0]["values"]["db"] == {"password": reference}
        assert PLAIN not in str(list(each(view, Release)))
        kept = await mutate(application, admin, "deleteSecret", {"id": reference["secret"]}, "deletedIds")
        assert kept["code"] == "IN_USE", "what refers to it would not start again"
    assert files_with(tmp_path, PLAIN.encode()) == []
    out = capsys.readouterr()
    assert PLAIN not in out.out + out.err


async def test_another_tenants_secret_and_the_operators_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    async with application_in(tmp_path) as application:
        made = await two_tenants(application)
        admins = {one: made.viewers[one, Role.TENANT_ADMIN] for one in "ab"}
        wish = wish_of(application, made, "a", name="thief", replicas=1)
        component = wish["replicas"][0]["name"]
        theirs = wish_of(application, made, "b", name="x", replicas=1)["tenantId"]
        own = await secret_of(application, admins["a"], wish["tenantId"])
        foreign = [await secret_of(application, admins["b"], theirs), "secret_01M7YQ2Z3B4C5D6E7F8G9HJKMN"]
        for secret_id, key, code, last in (
            (foreign[0], "password", "NOT_FOUND", "secret"),
            (foreign[1], "password", "NOT_FOUND", "secret"),
            (own, "token", "INVALID_INPUT", "key"),
        ):
            override = {"component": component, "path": "p", "value": {"secret": secret_id, "key": key}}
            refused = await mutate(
                application, admins["a"], "deploy", {**wish, "overrides": [override]}, "deployment { id }"
            )
            assert (refused["code"], refused["path"]) == (code, f"input.overrides[0].p.{last}")
            profile = {
                "name": "p",
                "appVersionId": wish["appVersionId"],
                "values": {component: {"a": [{"secret": secret_id, "key": key}]}},
            }
            refused = await mutate(application, admins["a"], "createProfile", profile, "profile { id }")
            assert (refused["code"], refused["path"]) == (code, f"input.values.{component}.a[0].{last}")
        secrets = application.services.lifecycle.connections._workload_secrets
        assert await secrets(own, wish["tenantId"]) == {"password": PLAIN}
        with pytest.raises(Permanent):
            await secrets(foreign[0], wish["tenantId"])

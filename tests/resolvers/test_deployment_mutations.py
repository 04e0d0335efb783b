"""What a deployment is asked through the API beside where it runs: its deadline, and what happens when it drifts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.kinds import Role
from worldkit.running import application_in, data
from worldkit.two_tenants import two_tenants, wish_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
STARTED = "deployment { id driftPolicy } operation { id status deadlineAt createdAt }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    async with application_in(Path(tmp_path_factory.mktemp("deployments"))) as application:
        yield application, await two_tenants(application)


async def mutate(world: Any, name: str, given: dict[str, Any]) -> dict[str, Any]:
    application, made = world
    kind = name[0].upper() + name[1:]
    text = (
        f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ __typename "
        f"... on {kind}Payload {{ {STARTED} }} ... on Error {{ code message path }} }} }}"
    )
    answer: dict[str, Any] = (
        await data(application, text, {"input": given}, viewer=made.viewers["a", Role.TENANT_ADMIN])
    )[name]
    return answer


async def test_a_deployment_has_a_drift_policy_and_its_operation_a_deadline(world) -> None:
    application, made = world
    given = wish_of(application, made, "a", name="watched", replicas=1)
    begun = await mutate(world, "deploy", {**given, "driftPolicy": "REPORT", "deadlineSeconds": 600})
    assert begun["__typename"] == "DeployPayload", begun
    assert begun["deployment"]["driftPolicy"] == "REPORT"
    assert begun["operation"]["deadlineAt"] > begun["operation"]["createdAt"]
    deployment_id = begun["deployment"]["id"]
    changed = await mutate(world, "updateDeployment", {"id": deployment_id, "driftPolicy": "CORRECT"})
    assert changed["deployment"]["driftPolicy"] == "CORRECT"
    assert changed["operation"]["deadlineAt"] is None
    gone = await mutate(world, "terminateDeployment", {"id": deployment_id, "deadlineSeconds": 0.5})
    assert gone["operation"]["deadlineAt"] is not None


async def test_a_deadline_that_is_none_is_refused_with_its_field(world) -> None:
    application, made = world
    given = wish_of(application, made, "a", name="hasty", replicas=1)
    refused = await mutate(world, "deploy", {**given, "deadlineSeconds": 0})
    assert (refused["code"], refused["path"]) == ("INVALID_INPUT", "input.deadlineSeconds")

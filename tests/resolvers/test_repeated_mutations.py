"""What is kept of a change of a deployment is answered again as it was, when its idempotency key comes again."""

from __future__ import annotations

import msgspec
import pytest

from graph.kinds import Deployment, Operation, OperationKind
from resolvers.mutations.deployments import Kept

OPERATION = Operation(id="operation_1", kind=OperationKind.DEPLOY)
DEPLOYMENT = Deployment(id="deployment_1", name="shop", tenant_id="tenant_1", app_version_id="appversion_1")


@pytest.mark.parametrize("deployment", [DEPLOYMENT, None], ids=["with a deployment", "without"])
def test_what_was_answered_first_is_read_back(deployment: Deployment | None) -> None:
    body = msgspec.json.encode({"deployment": deployment, "operation": OPERATION, "revision": 7})
    kept = msgspec.json.decode(body, type=Kept)
    assert kept.shown == deployment
    assert kept.revision == 7

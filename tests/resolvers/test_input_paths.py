"""A mistake is told where it stands in the input, though the model has mappings where inputs have lists."""

from __future__ import annotations

from types import SimpleNamespace as Given

import pytest

from resolvers.input_paths import as_written

REPLICAS = [Given(name="api", count=1), Given(name="web.v2", count=-1)]
GIVEN = Given(replicas=REPLICAS, deployment=Given(own_replicas=REPLICAS, policy=Given(site_ids=["a"])))


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("input.replicas.api", "input.replicas[0]"),
        ("input.replicas.web.v2", "input.replicas[1]"),
        ("input.replicas.web.v2.count", "input.replicas[1].count"),
        ("input.deployment.ownReplicas.api", "input.deployment.ownReplicas[0]"),
        ("input.replicas.other", "input.replicas.other"),
        ("input.replicas[1].name", "input.replicas[1].name"),
        ("input.replicas", "input.replicas"),
        ("input.deployment.policy.siteIds[0]", "input.deployment.policy.siteIds[0]"),
        ("input.items[3].replicas.api", "input.items[3].replicas.api"),
        ("input", "input"),
        ("spec.replicas.api", "spec.replicas.api"),
        (None, None),
    ],
)
def test_a_name_becomes_its_place_in_the_list(path: str | None, written: str | None) -> None:
    assert as_written(path, GIVEN) == written
    assert as_written(path, None) == path

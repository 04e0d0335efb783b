"""The table of states and verbs, whole, and that the page has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.kinds import Deployment, DeploymentPhase
from graph.kinds.policy import PlacementPolicy
from graph.refusal import InvalidState
from lifecycle.verbs import REFUSED, Verb, check_verb, table

ALLOWED = {
    DeploymentPhase.PENDING_PLACEMENT: {Verb.UPDATE, Verb.SCALE, Verb.TERMINATE, Verb.DELETE, Verb.CANCEL},
    DeploymentPhase.PROGRESSING: set(Verb),
    DeploymentPhase.READY: set(Verb),
    DeploymentPhase.DEGRADED: set(Verb),
    DeploymentPhase.TERMINATING: {Verb.TERMINATE, Verb.DELETE, Verb.RETRY},
    DeploymentPhase.TERMINATED: {Verb.DELETE},
}


@pytest.mark.parametrize("phase", list(DeploymentPhase))
@pytest.mark.parametrize("verb", list(Verb))
def test_a_verb_is_granted_or_refused_with_a_reason(phase: DeploymentPhase, verb: Verb) -> None:
    deployment = Deployment(
        id="d", name="shop", tenant_id="t", app_version_id="v", policy=PlacementPolicy(), phase=phase
    )
    if verb in ALLOWED[phase]:
        check_verb(deployment, verb)
        return
    with pytest.raises(InvalidState) as refused:
        check_verb(deployment, verb)
    assert "'shop'" in refused.value.message
    assert REFUSED[phase, verb] in refused.value.message
    assert refused.value.remedy


def test_the_table_is_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text()
    assert table() in page

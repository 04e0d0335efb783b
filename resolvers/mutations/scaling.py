"""Scaling policies: created, changed and deleted by their fields, like other things that users own.

Apart from the derived ones, for a policy is of a deployment, and that is made by verbs of its own.
"""

from __future__ import annotations

from graph.kinds import ScalingPolicy
from resolvers.mutations.entities import Editing, mutations_of
from schema.vocabulary import Member


def scaling_mutations() -> dict[str, Member]:
    """`createScalingPolicy`, `updateScalingPolicy`, `deleteScalingPolicy`."""
    return mutations_of(ScalingPolicy.SPEC, Editing())

"""What the inputs and payloads of changes of deployments have in common."""

from __future__ import annotations

import strawberry

from schema.inputs import IDEMPOTENCY
from schema.vocabulary import Member

UNSET = strawberry.UNSET


EXPECTED_OF_DEPLOYMENT = (
    "The deployment's `revision` as it was seen: refused with Conflict when something was asked for of it since. What is "
    "done for it and observed of it does not count."
)


def optional(kind: str, text: str) -> Member:
    """A field of an input that may be left out."""
    return f"Optional[{kind}]", strawberry.field(description=text, default=UNSET)


def key_input() -> dict[str, Member]:
    """The idempotency key of an input."""
    return {"idempotency_key": optional("str", IDEMPOTENCY)}


def deadline_input() -> dict[str, Member]:
    """The deadline of an input."""
    return {
        "deadline_seconds": optional(
            "float",
            "How long the operation may take. When that is over it ends PARTIAL or FAILED and tells what is not done; what "
            "is wanted stays wanted and is worked on all the same. Without one it takes its time.",
        )
    }


def expected_input() -> dict[str, Member]:
    """The revision that a deployment is expected at."""
    return {"expected_revision": optional("BigInt", EXPECTED_OF_DEPLOYMENT)}


def id_input() -> dict[str, Member]:
    """The deployment that an input is about."""
    return {"id": ("ID", strawberry.field(description="The deployment."))}


def begun_fields() -> dict[str, Member]:
    """What the payload of a change has."""
    return {
        "deployment": ("Deployment", strawberry.field(description="The deployment as it is wanted now.")),
        "operation": ("Operation", strawberry.field(description="What sees it through.")),
    }

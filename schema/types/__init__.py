"""What the kinds' object types have beyond their own fields and references, a function a field."""

from schema.types import (  # noqa: F401 - importing declares
    actors,
    apps,
    deployments,
    infrastructure,
    plans,
    policies,
    scaling,
    statuses,
)

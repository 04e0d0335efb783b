"""What the kinds' object types have beyond their own fields and references, a function a field."""

from schema.types import apps, deployments, infrastructure  # noqa: F401 - importing declares

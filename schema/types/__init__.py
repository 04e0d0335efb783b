"""What the kinds' object types have beyond their own fields and references, a function a field."""

from schema.types import actors, apps, deployments, infrastructure, plans, policies, statuses  # noqa: F401 - importing declares

"""References to secrets in a component's values, turned into what they stand for in the very call that needs them.

What comes of it is for the backend alone: a driver keeps it nowhere, logs nothing of it, and puts none of it into an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.port import Permanent, ReleaseWork, WorkloadSecrets
from graph.secret_references import SecretReference, reference_in, references


async def revealed(work: ReleaseWork, secrets: WorkloadSecrets) -> Mapping[str, Any]:
    """The values of a release with its secrets in them; each secret is asked for once.

    Raises Permanent when a secret is not the tenant's or has no such key, Retryable when it cannot be read now.
    """
    wanted = {found.secret_id for _, found in references(work.configuration)}
    if not wanted:
        return work.configuration
    opened = {one: await secrets(one, work.tenant_id) for one in sorted(wanted)}
    for where, found in references(work.configuration):
        if found.key not in opened[found.secret_id]:
            raise Permanent(f"the secret {found.secret_id} that {where.lstrip('.')} refers to has no such key")
    filled: dict[str, Any] = _filled(dict(work.configuration), opened)
    return filled


def _filled(value: Any, opened: Mapping[str, Mapping[str, str]]) -> Any:
    if isinstance(value, list):
        return [_filled(one, opened) for one in value]
    if not isinstance(value, dict):
        return value
    found: SecretReference | None = reference_in(value)
    if found is not None:
        return opened[found.secret_id][found.key]
    return {key: _filled(one, opened) for key, one in value.items()}

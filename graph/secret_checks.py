"""Whether references to secrets may be made where they are: to the tenant's own secrets, and to values that they have.

A tenant's workloads get at that tenant's secrets and no other's, the operators' least of all: those open clusters. It is
looked at when values are defined, and once more by whoever hands the values out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graph.kinds.tenancy import Secret
from graph.refusal import InvalidInput, NotFound
from graph.secret_references import references

if TYPE_CHECKING:
    from graph.view import Reader


def secret_ids_in(*values: Any) -> list[str]:
    """The ids of the secrets that values refer to, in order."""
    return sorted({found.secret_id for one in values for _, found in references(one)})


def check_secrets(reader: Reader, values: Any, *, tenant_id: str, path: str) -> None:
    """Raises NotFound or InvalidInput when values refer to what is no secret of the tenant, or to a key that it has not."""
    for where, found in references(values):
        secret = reader.get(found.secret_id)
        if not isinstance(secret, Secret) or secret.tenant_id != tenant_id:
            raise NotFound(
                "Secret", found.secret_id, remedy="name a secret of the tenant", path=f"{path}{where}.secret"
            )
        if found.key not in secret.keys:
            raise InvalidInput(
                f"secret {secret.name!r} has no value under {found.key[:253]!r}",
                remedy="name one of its keys, or set it first",
                path=f"{path}{where}.key",
            )

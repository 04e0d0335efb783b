"""What tenants may have at sites, and what they have: counted as objects come and go, so that asking costs the same for
one object and for ten thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from drivers.port import ReleaseWork, Retryable

_Name = Annotated[str, msgspec.Meta(max_length=2048)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Quota(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A bound on what there is; of what is not given any amount."""

    tenant: _Name = ""
    """The tenant's id; empty: all of them together."""
    site: _Name = ""
    """Id or name; empty: all sites together."""
    objects: _Count | None = None
    replicas: _Count | None = None
    cpu_millicores: _Count | None = None
    memory_bytes: _Count | None = None


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """What an object takes."""

    objects: int = 0
    replicas: int = 0
    cpu_millicores: int = 0
    memory_bytes: int = 0

    def plus(self, other: Amount, *, times: int = 1) -> Amount:
        """The sum; with `times=-1` the difference."""
        return Amount(
            objects=self.objects + times * other.objects,
            replicas=self.replicas + times * other.replicas,
            cpu_millicores=self.cpu_millicores + times * other.cpu_millicores,
            memory_bytes=self.memory_bytes + times * other.memory_bytes,
        )


NOTHING = Amount()
Holder = tuple[str, str]
"""(tenant id, site id); an empty one stands for all."""


class Usage:
    """What there is, by tenant and site."""

    def __init__(self) -> None:
        self._held: dict[Holder, Amount] = {}

    def add(self, amount: Amount, *, tenant_id: str, site_id: str, times: int = 1) -> None:
        """Counts what came; with `times=-1` what went."""
        for holder in {(tenant_id, site_id), (tenant_id, ""), ("", site_id), ("", "")}:
            left = self._held.get(holder, NOTHING).plus(amount, times=times)
            if left == NOTHING:
                self._held.pop(holder, None)
            else:
                self._held[holder] = left

    def check(self, quotas: Sequence[Quota], work: ReleaseWork, *, held: Amount) -> None:
        """Raises Retryable when the work, in place of what it holds already, is over a quota: others may make room."""
        wanted = amount_of(work)
        for quota in quotas:
            if quota.tenant not in ("", work.tenant_id) or quota.site not in ("", work.site_id, work.site):
                continue
            others = self._held.get((quota.tenant, work.site_id if quota.site else ""), NOTHING).plus(held, times=-1)
            for what in Amount.__struct_fields__:
                most, need, used = getattr(quota, what), getattr(wanted, what), getattr(others, what)
                if most is not None and used + need > most and need > getattr(held, what):
                    whose = f"tenant {quota.tenant}" if quota.tenant else "all tenants"
                    where = f"site {work.site}" if quota.site else "all sites"
                    raise Retryable(
                        f"{work.name} is over the quota of {whose} at {where}: {what} {most}, others have {used}, it "
                        f"needs {need}"
                    )


def amount_of(work: ReleaseWork) -> Amount:
    """What a work takes."""
    return Amount(
        objects=1,
        replicas=work.replicas,
        cpu_millicores=work.resources.cpu_millicores * work.replicas,
        memory_bytes=work.resources.memory_bytes * work.replicas,
    )

"""Change functions of packages: leave asked, kept, collected, each at head.

What decides between a package that is removed because nothing refers to it and a component that comes to refer to it is the
order of their commits: the later one finds what the earlier one did. The same holds for two uploads of the same bytes, and
for a tenant's room.
"""

from __future__ import annotations

import msgspec

from access.rights import check_write
from access.viewer import Viewer, at_head
from drivers.packages.blobs import Blob
from drivers.packages.opening import Opened
from graph.edit import Edit
from graph.identifiers import name_problem
from graph.kinds import Package, Tenant
from graph.kinds.packages import is_digest, package_of
from graph.refusal import InvalidInput, InvalidState, LimitExceeded, NotFound
from graph.view import Reader, each, get_as
from lifecycle.packages_uploads import Leave
from lifecycle.plans_sweep import made_at_ms
from lifecycle.portions import portions, weight_of_change

MAX_PACKAGES = 10_000
"""Of one tenant."""
COLLECTED_A_COMMIT = 256
FRESH_MS = 3_600_000
"""How long after its id was made a package can still be kept; blobs without a package are left alone for much longer."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks leave to upload."""

    tenant_id: str
    file_name: str
    digest: str
    size_bytes: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """How much a package, and all of a tenant's together, may have."""

    package_bytes: int
    tenant_bytes: int


def allow_upload(edit: Edit, viewer: Viewer, upload: Upload, *, room: Room, path: str = "input") -> Package | None:
    """Whether the viewer may upload that now; the package when the tenant has these bytes already.

    A package that is asked for anew counts as used until now, so that it stays while a component is made.
    Raises InvalidInput, NotFound, Forbidden or LimitExceeded.
    """
    viewer = at_head(viewer, edit, at_ms=edit.at)
    _check_may(edit, viewer, upload.tenant_id, path=f"{path}.tenantId")
    if not is_digest(upload.digest):
        raise InvalidInput(
            "a digest is sha256: and 64 lower-case hexadecimal digits", remedy="see sha256sum", path=f"{path}.digest"
        )
    problem = name_problem(upload.file_name)
    if problem is not None:
        raise InvalidInput(problem, remedy="give the file's name without its folder", path=f"{path}.fileName")
    if upload.size_bytes < 1:
        raise InvalidInput("the file is empty", remedy="give a file with a package in it", path=f"{path}.sizeBytes")
    if upload.size_bytes > room.package_bytes:
        raise LimitExceeded(
            f"a package has at most {room.package_bytes} bytes",
            remedy="make it smaller, or have an administrator raise max_package_bytes",
            path=f"{path}.sizeBytes",
        )
    existing = package_of(edit, upload.tenant_id, upload.digest)
    if existing is not None:
        return _used_until_now(edit, existing)
    _check_room(edit, upload.tenant_id, upload.size_bytes, room=room, path=f"{path}.sizeBytes")
    return None


def keep_package(edit: Edit, leave: Leave, opened: Opened, *, package_id: str, room: Room) -> tuple[Package, bool]:
    """The package of uploaded bytes, and whether it is new: the same bytes are the same package of a tenant.

    Raises NotFound or Forbidden when who asked for leave may not any more, LimitExceeded, or InvalidState when the id was
    made long ago.
    """
    viewer = at_head(leave.viewer, edit, at_ms=edit.at)
    _check_may(edit, viewer, leave.tenant_id, path="tenantId")
    existing = package_of(edit, leave.tenant_id, leave.digest)
    if existing is not None:
        return _used_until_now(edit, existing), False
    if edit.at - made_at_ms(package_id) > FRESH_MS:
        raise InvalidState("keeping the package took too long", remedy="upload it again")
    _check_room(edit, leave.tenant_id, leave.size_bytes, room=room, path="file")
    made = edit.create(
        Package,
        id=package_id,
        tenant_id=leave.tenant_id,
        digest=leave.digest,
        size_bytes=leave.size_bytes,
        file_name=leave.file_name,
        media_type=opened.media_type,
        type=opened.type,
        contents=opened.contents,
        schema_text=opened.schema_text,
        defaults_text=opened.defaults_text,
        unused_since=edit.at,
    )
    return made, True


def unused_changed(reader: Reader, *, at: int, keep_ms: int) -> list[Package]:
    """The packages of which what `unused_since` says is not so, and those that nothing has referred to for `keep_ms`."""
    return [
        one
        for one in each(reader, Package)
        if (one.unused_since is None) is not _is_used(reader, one)
        or (one.unused_since is not None and one.unused_since + keep_ms <= at)
    ]


def collect(edit: Edit, *, keep_ms: int) -> list[Blob]:
    """Removes packages that nothing has referred to for `keep_ms`, and brings `unused_since` of the others up to date.

    At most COLLECTED_A_COMMIT of them, and what a commit takes. Gives the blobs of those removed.
    """
    gone = []
    some = unused_changed(edit, at=edit.at, keep_ms=keep_ms)[:COLLECTED_A_COMMIT]
    for package in next(portions(some, weight=weight_of_change), []):
        if _is_used(edit, package):
            edit.replace(package, unused_since=None)
        elif package.unused_since is None:
            edit.replace(package, unused_since=edit.at)
        else:
            edit.delete(package)
            gone.append(Blob(package.digest, package.id))
    return gone


def _is_used(reader: Reader, package: Package) -> bool:
    return bool(reader.ids("Component", "package_id", package.id))


def _used_until_now(edit: Edit, package: Package) -> Package:
    return package if package.unused_since is None else edit.replace(package, unused_since=edit.at)


def _check_may(edit: Edit, viewer: Viewer, tenant_id: str, *, path: str) -> None:
    check_write(viewer, Package.SPEC, tenant_id, make=True, path=path)
    if get_as(edit, Tenant, tenant_id) is None:
        raise NotFound("Tenant", tenant_id, path=path)


def _check_room(edit: Edit, tenant_id: str, size_bytes: int, *, room: Room, path: str) -> None:
    packages = list(each(edit, Package, "tenant_id", tenant_id))
    used = sum(one.size_bytes for one in packages)
    if used + size_bytes > room.tenant_bytes or len(packages) >= MAX_PACKAGES:
        raise LimitExceeded(
            f"the tenant has {len(packages)} packages with {used} bytes; it may have {MAX_PACKAGES} with "
            f"{room.tenant_bytes} together",
            remedy="delete packages that no component needs, or have an administrator raise package_quota_bytes",
            path=path,
        )

"""Packages: `requestUpload`, whose answer says where the bytes go, and `deletePackage`."""

from __future__ import annotations

import base64
from typing import Any

import strawberry

from access.permissions import Permission, declare_root, declare_value_types
from graph.kinds import Package
from graph.refusal import Unavailable
from lifecycle.packages_kept import Upload
from resolvers.answers import request_of, verb
from resolvers.context import Context
from resolvers.mutations.entities import Editing, mutations_of
from schema.results import Payload, payload_type, result_union
from schema.vocabulary import Member, input_type, object_type

UNSET = strawberry.UNSET
ACTION = "requestUpload"
PATH = "/uploads"
OCTETS = "application/octet-stream"


class UploadHeader:
    """A header to send, as the schema shows it."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value


class UploadOffer:
    """Where to send the bytes, as the schema shows it."""

    def __init__(self, url: str, headers: list[UploadHeader], expires_at: int) -> None:
        self.url = url
        self.method = "PUT"
        self.headers = headers
        self.expires_at = expires_at


async def _request(context: Context, given: Any) -> Payload:
    packages = context.services.lifecycle.packages
    if packages is None:
        raise Unavailable("this server keeps no packages", remedy="ask another")
    upload = Upload(
        tenant_id=given.tenant_id, file_name=given.file_name, digest=given.digest, size_bytes=given.size_bytes
    )
    request = request_of(context, ACTION, given, tenant_id=given.tenant_id)
    offered = await packages.request(context.viewer, upload, request)
    offer = None
    if offered.token is not None:
        digest = base64.b64encode(bytes.fromhex(given.digest.removeprefix("sha256:"))).decode()
        offer = UploadOffer(
            f"{context.services.public_url.rstrip('/')}{PATH}/{offered.token}",
            [
                UploadHeader("Content-Type", given.media_type or OCTETS),
                UploadHeader("Content-Length", str(given.size_bytes)),
                UploadHeader("Repr-Digest", f"sha-256=:{digest}:"),
            ],
            offered.expires_at,
        )
    return Payload("RequestUploadPayload", upload=offer, package=offered.package, revision=offered.revision)


def package_mutations() -> dict[str, Member]:
    """The mutations of this module."""
    input_type(
        "RequestUploadInput",
        {
            "tenant_id": ("ID", strawberry.field(description="The tenant whose package it is to be.")),
            "file_name": ("str", strawberry.field(description="What the file is called, without its folder.")),
            "media_type": (
                "Optional[str]",
                strawberry.field(
                    description="Sent back as the Content-Type to send. What the file is, is found in it.",
                    default=UNSET,
                ),
            ),
            "size_bytes": ("BigInt", strawberry.field(description="Its size in bytes.")),
            "digest": ("str", strawberry.field(description="`sha256:` and 64 lower-case hexadecimal digits of it.")),
        },
        description="A file that is to be uploaded.",
    )
    object_type(
        "UploadHeader",
        {
            "name": ("str", strawberry.field(description="The header's name.")),
            "value": ("str", strawberry.field(description="Its value.")),
        },
        description="A header of the upload's request.",
    )
    object_type(
        "UploadOffer",
        {
            "url": (
                "str",
                strawberry.field(
                    description="Where to send the bytes, once: an address, or a path of this server when it was not told "
                    "where it is reached (`public_url`). Whoever has it can upload this file; it is answered this once."
                ),
            ),
            "method": ("str", strawberry.field(description="The request's method: PUT.")),
            "headers": ("list[UploadHeader]", strawberry.field(description="Headers to send with the bytes.")),
            "expires_at": ("DateTime", strawberry.field(description="Until when the upload can be begun.")),
        },
        description="Where the bytes of a package go.",
    )
    payload_type(
        "RequestUploadPayload",
        {
            "upload": (
                "Optional[UploadOffer]",
                strawberry.field(description="Where to send the bytes; null when the tenant has them already."),
            ),
            "package": (
                "Optional[Package]",
                strawberry.field(description="The package, when the tenant has these bytes already."),
            ),
        },
        description="Where to send the bytes, or the package that they are.",
    )
    result_union("RequestUploadResult", "RequestUploadPayload")
    declare_value_types("UploadHeader", "UploadOffer")
    declare_root("Mutation", ACTION, Permission.WRITE_WORKLOADS)
    members = mutations_of(Package.SPEC, Editing(creatable=False, updatable=False))
    members["request_upload"] = (
        None,
        verb(
            ACTION,
            _request,
            description="Asks leave to upload a package: answers with a URL for one PUT of its bytes, within 15 minutes.",
        ),
    )
    return members

"""Why a package is refused, and how much of one is looked at before it is.

A package is whatever somebody sent. Every limit here bounds work that is done before anything is known of the sender's
intent, so each is counted while bytes come and never believed from a header.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from graph.json_schema_form import REMEDY
from graph.refusal import InvalidInput

SHOWN_CHARACTERS = 120
"""Of a member's name, in a refusal."""


class Flaw(enum.Enum):
    """What is wrong with a package; the value is the remedy."""

    TOO_LARGE = "make it smaller, or have images and data fetched from where they are kept"
    TOO_MANY_FILES = "pack fewer files"
    UNPACKS_TOO_LARGE = "pack less: images and data are fetched from where they are kept"
    EXPANDS_TOO_MUCH = "pack it anew without what is mostly repetition"
    ABSOLUTE_NAME = "pack it with names relative to its top folder"
    NAME_LEAVES = "pack it from its top folder, without .. in names"
    BAD_NAME = "use names of printable characters, parted by /, of at most 255 bytes each"
    LINK = "pack the files themselves in place of links"
    NO_PLAIN_FILE = "pack plain files and folders only"
    NAMED_TWICE = "pack each file once"
    NAMES_DIFFER_BY_CASE = "use names that differ by more than upper and lower case"
    ENCRYPTED = "pack it without a password"
    UNKNOWN_COMPRESSION = "pack it with deflate, as most programs do"
    DAMAGED = "pack and upload it again"
    NOT_SCHEMA = f"{REMEDY}, and pack and upload it again"
    NOT_YAML = "write YAML, without aliases that stand for much"
    UNKNOWN = "upload a Helm chart (.tgz), a CSAR (.zip), manifests or a Heat template (YAML, or an archive of it)"


class PackageRefused(InvalidInput):
    """A package that is not taken, with the member that is the reason; nothing of it was written anywhere."""

    code = "PACKAGE_REFUSED"

    def __init__(self, flaw: Flaw, message: str, *, member: str | None = None) -> None:
        shown = None if member is None else shown_name(member)
        super().__init__(f"{shown}: {message}" if shown else message, remedy=flaw.value, path="file")
        self.flaw = flaw
        self.member = shown


def shown_name(name: str) -> str:
    """A member's name as it can be told: printable and short."""
    text = name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}…"
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a package may be."""

    packed_bytes: int = 50 * 2**20
    unpacked_bytes: int = 200 * 2**20
    ratio: int = 100
    """Unpacked bytes for each packed one, beyond what is free of it."""
    free_of_ratio: int = 8 * 2**20
    """Unpacked bytes that may come of any few: thousands of small files in a tar archive are mostly padding."""
    files: int = 5_000
    """Members, folders among them."""


LIMITS = Limits()


class Meter:
    """Counts what comes out of a package, and refuses what is more than its limits."""

    def __init__(self, packed: int, limits: Limits) -> None:
        if packed > limits.packed_bytes:
            raise PackageRefused(
                Flaw.TOO_LARGE, f"it has {packed} bytes, and a package has at most {limits.packed_bytes}"
            )
        self.limits = limits
        self._by_ratio = max(limits.free_of_ratio, packed * limits.ratio)
        self.members = 0
        self.unpacked = 0

    def member(self, name: str) -> None:
        """A member begins. Raises PackageRefused."""
        self.members += 1
        if self.members > self.limits.files:
            raise PackageRefused(
                Flaw.TOO_MANY_FILES, f"a package has at most {self.limits.files} files and folders", member=name
            )

    def out(self, size: int, name: str | None = None) -> None:
        """So many bytes came out. Raises PackageRefused."""
        self.unpacked += size
        if self.unpacked > self.limits.unpacked_bytes:
            raise PackageRefused(
                Flaw.UNPACKS_TOO_LARGE,
                f"unpacked it has more than {self.limits.unpacked_bytes} bytes",
                member=name,
            )
        if self.unpacked > self._by_ratio:
            raise PackageRefused(
                Flaw.EXPANDS_TOO_MUCH, f"unpacked it has more than {self.limits.ratio} times its bytes", member=name
            )

"""Names of members: what every file system would take for the same place, inside the package's own folder.

Nothing is unpacked by these names here. But whoever does so later must find that two names are two files, and none of them
elsewhere, on a file system that folds case (HFS+, NTFS) as on one that does not; so a name with which that is in doubt is
refused when the package comes in.
"""

from __future__ import annotations

import re
import unicodedata

from drivers.packages.flaws import Flaw, PackageRefused

MAX_NAME_BYTES = 1_024
MAX_PART_BYTES = 255
MAX_DEPTH = 32
_DRIVE = re.compile(r"[A-Za-z]:")


class Names:
    """The names of one package's members so far."""

    def __init__(self, limit: int) -> None:
        """`limit` is how many names there may be, with those of folders that are only named within others."""
        self._limit = limit
        self._kinds: dict[str, bool] = {}
        """Whether each name is a folder: those of members, and folders that are only named within others."""
        self._folded: dict[str, str] = {}
        self._members: set[str] = set()

    def take(self, raw: bytes | str, *, folder: bool) -> str:
        """The plain name of a member, without `./` and a slash at its end; empty for the top itself.

        Raises PackageRefused.
        """
        name = _plain(raw)
        if name in self._members:
            raise PackageRefused(Flaw.NAMED_TWICE, "it is in the package twice", member=name)
        self._members.add(name)
        if not name and not folder:
            raise PackageRefused(Flaw.BAD_NAME, "a file without a name")
        parts = name.split("/") if name else []
        for depth in range(1, len(parts) + 1):
            self._place("/".join(parts[:depth]), folder=folder or depth < len(parts), member=name)
        return name

    def _place(self, name: str, *, folder: bool, member: str) -> None:
        known = self._kinds.get(name)
        if known is not None:
            if known and folder:
                return
            raise PackageRefused(Flaw.NAMED_TWICE, f"{name!r} is a file and a folder, or two files", member=member)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        other = self._folded.get(folded)
        if other is not None:
            raise PackageRefused(
                Flaw.NAMES_DIFFER_BY_CASE, "differs from another name by case or composition alone", member=member
            )
        if len(self._kinds) >= self._limit:
            raise PackageRefused(
                Flaw.TOO_MANY_FILES, f"a package has at most {self._limit} files and folders", member=member
            )
        self._kinds[name] = folder
        self._folded[folded] = name


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        shown = raw.decode("utf-8", "replace")
        raise PackageRefused(Flaw.BAD_NAME, "the name is no UTF-8", member=shown) from None


def _plain(raw: bytes | str) -> str:
    if isinstance(raw, bytes):
        raw = _decoded(raw)
    if raw.startswith(("/", "\\")) or _DRIVE.match(raw):
        raise PackageRefused(Flaw.ABSOLUTE_NAME, "the name is absolute", member=raw)
    if "\\" in raw or not raw.isprintable():
        raise PackageRefused(Flaw.BAD_NAME, "the name has a backslash or a character that is not printed", member=raw)
    if len(raw.encode()) > MAX_NAME_BYTES:
        raise PackageRefused(Flaw.BAD_NAME, f"the name has more than {MAX_NAME_BYTES} bytes", member=raw)
    while raw.startswith("./"):
        raw = raw[2:]
    name = raw.removesuffix("/")
    if name in ("", "."):
        return ""
    parts = name.split("/")
    if ".." in parts:
        raise PackageRefused(Flaw.NAME_LEAVES, "the name leaves the package's folder", member=raw)
    if "" in parts or "." in parts:
        raise PackageRefused(Flaw.BAD_NAME, "the name has an empty part", member=raw)
    if len(parts) > MAX_DEPTH:
        raise PackageRefused(Flaw.BAD_NAME, f"the name has more than {MAX_DEPTH} parts", member=raw)
    if any(len(one.encode()) > MAX_PART_BYTES for one in parts):
        raise PackageRefused(Flaw.BAD_NAME, f"a part of the name has more than {MAX_PART_BYTES} bytes", member=raw)
    if any(one != one.strip() or one.endswith(".") for one in parts):
        raise PackageRefused(Flaw.BAD_NAME, "a part of the name ends with a dot or has spaces around it", member=raw)
    return name

"""Values that override what an app version's components and profile say: for all of a deployment, or for some of its sites.

What is given is text and JSON of a stranger: bounded in size, depth and number before anything is made of it, and refused
with its place. A path names keys of mappings and nothing else: a list is replaced as a whole, as Helm does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from graph.entity import doc
from graph.refusal import InvalidInput, LimitExceeded
from graph.selectors import parse_selector
from graph.yaml_values import read_values

MAX_OVERRIDES = 256
MAX_PATH_KEYS = 16
MAX_PATH = 512
MAX_DOCUMENT = 65_536
MAX_VALUES_BYTES = 262_144
"""JSON bytes of a profile, or of all overrides of a deployment."""


class Override(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Values of one component that override others: at a path, or as a whole document; everywhere or at some sites.

    Of several the general ones come first: those for everywhere, then those by selector, then those for sites by name; and
    of those alike in that, in their order. They are merged as Helm merges: mappings key by key, a list replaces a list, and
    null takes away what is there, the package's own default included.
    """

    component: Annotated[str, msgspec.Meta(min_length=1, max_length=253, description="The component's name.")]
    path: Annotated[
        Annotated[str, msgspec.Meta(max_length=MAX_PATH)] | None,
        doc(
            "Which value: keys with dots between them, such as `image.tag`; a dot within a key is written `\\.`."
            " None: the values as a whole.",
        ),
    ] = None
    value: Annotated[
        Any,
        doc("The value there; without a path, a mapping. Null, or left out with a path: what is there is taken away."),
    ] = None
    document: Annotated[
        Annotated[str, msgspec.Meta(max_length=MAX_DOCUMENT)] | None,
        doc("Instead of a path and a value: the text of a values file, YAML or JSON, at most 65,536 characters."),
    ] = None
    site_ids: Annotated[
        list[str], msgspec.Meta(max_length=10_000, description="Only at these sites; empty: wherever it runs.")
    ] = []
    site_selector: Annotated[
        Annotated[str, msgspec.Meta(max_length=4_096)] | None,
        doc("Only at sites with labels that match, by a selector in Kubernetes syntax."),
    ] = None

    @property
    def generality(self) -> int:
        """0: everywhere, 1: by selector, 2: sites by name. What is more general is overridden by what is less."""
        return 2 if self.site_ids else 1 if self.site_selector else 0

    def mapping(self, *, path: str = "input") -> dict[str, Any]:
        """The values that it lays over others. Raises InvalidInput."""
        if self.document is not None:
            return read_values(self.document, path=f"{path}.document")
        if self.path is None:
            if not isinstance(self.value, dict):
                raise InvalidInput(
                    "values as a whole are a mapping",
                    remedy="give a path, a mapping, or a document",
                    path=f"{path}.value",
                )
            return self.value
        value = self.value
        for key in reversed(keys_of(self.path, path=f"{path}.path")):
            value = {key: value}
        found: dict[str, Any] = value
        return found


def keys_of(text: str, *, path: str) -> list[str]:
    """The keys that a path names. Raises InvalidInput."""
    keys = [""]
    escaped = False
    for one in text:
        if escaped:
            if one not in ".\\":
                raise InvalidInput(
                    "a backslash comes before a dot or a backslash", remedy="write \\. or \\\\", path=path
                )
            keys[-1] += one
            escaped = False
        elif one == "\\":
            escaped = True
        elif one == ".":
            keys.append("")
        else:
            keys[-1] += one
    if escaped or not all(keys):
        raise InvalidInput("a path is keys with a dot between each two", remedy="write image.tag", path=path)
    if len(keys) > MAX_PATH_KEYS:
        raise InvalidInput(f"a path has at most {MAX_PATH_KEYS} keys", remedy="give a document", path=path)
    return keys


def check_overrides(overrides: Sequence[Override], *, path: str) -> None:
    """Raises InvalidInput or LimitExceeded when one of them cannot be read, or they are too many or too large."""
    if len(overrides) > MAX_OVERRIDES:
        raise LimitExceeded(
            f"a deployment has at most {MAX_OVERRIDES} overrides, this one {len(overrides)}",
            remedy="give several values as one document",
            path=path,
        )
    for at, one in enumerate(overrides):
        where = f"{path}[{at}]"
        if one.document is not None and (one.path is not None or one.value is not None):
            raise InvalidInput(
                "a document is instead of a path and a value", remedy="give one", path=f"{where}.document"
            )
        one.mapping(path=where)
        if one.site_selector:
            parse_selector(one.site_selector, path=f"{where}.siteSelector")
    check_size(msgspec.json.encode(overrides), path=path)


def check_values(values: Mapping[str, Any], *, path: str) -> None:
    """Raises InvalidInput or LimitExceeded unless these are values by component name, and not too large."""
    for name, one in values.items():
        if not isinstance(one, dict):
            raise InvalidInput("a component's values are a mapping", remedy="write key: value", path=f"{path}.{name}")
    check_size(msgspec.json.encode(values), path=path)


def check_size(encoded: bytes, *, path: str) -> None:
    """Raises LimitExceeded when values have more than 256 KiB of JSON."""
    if len(encoded) > MAX_VALUES_BYTES:
        raise LimitExceeded(
            f"they have {len(encoded):,} bytes of JSON, and may have {MAX_VALUES_BYTES:,}",
            remedy="put what is large into the package",
            path=path,
        )

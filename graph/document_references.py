"""What documents refer to: by name, by a path of names such as `shop/1.4.2`, or by id.

A name is looked up in the document's tenant first, then among what belongs to nobody; what the applier does not see is as
if it were not there.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from typing import Any

from graph.document_values import MAX_REFERENCE
from graph.entity import KINDS, Entity, Field, Kind
from graph.kinds.overrides import Override
from graph.kinds.policy import NAMES, PlacementPolicy
from graph.refusal import InvalidInput, NotFound
from graph.spelling import camel
from graph.view import Reader

_POLICY_NAMES = {camel(field): kind for field, kind in NAMES.items()}
_ID = re.compile(r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}")


class References:
    """Finds what documents name in the part of the graph that their applier sees."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def of_field(self, field: Field, value: Any, tenant_id: str | None, path: str) -> Any:
        """The id, or the list of ids, of what a reference names. Raises InvalidInput or NotFound."""
        assert field.ref is not None
        if typing.get_origin(field.type) is list:
            if not isinstance(value, list):
                raise InvalidInput("a list of names or ids", remedy="write a list", path=path)
            return [self.named(field.ref.kinds[0], one, tenant_id, f"{path}[{at}]") for at, one in enumerate(value)]
        return self.named(field.ref.kinds[0], value, tenant_id, path)

    def in_value(self, field: Field, value: Any, tenant_id: str | None, path: str) -> Any:
        """A plain value with ids where a document has names: in placement policies, and for the sites of overrides.

        Raises as `named` does.
        """
        if field.type is PlacementPolicy:
            return self._in_words(value, tenant_id, path)
        if field.type == list[Override] and isinstance(value, list):
            return [self._in_override(one, tenant_id, f"{path}[{at}]") for at, one in enumerate(value)]
        return value

    def _in_override(self, value: Any, tenant_id: str | None, path: str) -> Any:
        """Only an override's own words: its value is data, whatever its keys are called."""
        if not isinstance(value, dict) or not isinstance(value.get("siteIds"), list):
            return value
        return {**value, "siteIds": self._in_word("Site", value["siteIds"], tenant_id, f"{path}.siteIds")}

    def _in_words(self, value: Any, tenant_id: str | None, path: str) -> Any:
        if isinstance(value, list):
            return [self._in_words(one, tenant_id, f"{path}[{at}]") for at, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        return {
            key: self._in_word(_POLICY_NAMES.get(key), one, tenant_id, f"{path}.{key}") for key, one in value.items()
        }

    def _in_word(self, kind_name: str | None, value: Any, tenant_id: str | None, path: str) -> Any:
        if kind_name is None or value is None:
            return self._in_words(value, tenant_id, path)
        if isinstance(value, list):
            return [self.named(kind_name, one, tenant_id, f"{path}[{at}]") for at, one in enumerate(value)]
        return self.named(kind_name, value, tenant_id, path)

    def named(self, kind_name: str, value: Any, tenant_id: str | None, path: str) -> str:
        """The id of what a text names. Raises InvalidInput or NotFound."""
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"the name or id of a {kind_name}", remedy="give text", path=path)
        if len(value) > MAX_REFERENCE:
            raise InvalidInput(
                f"the name or id of a {kind_name} has at most {MAX_REFERENCE} characters",
                remedy="name one that exists or is in the same set",
                path=path,
            )
        kind = KINDS[kind_name]
        if _ID.fullmatch(value):
            found = self._reader.get(value)
        else:
            found = self._by_path(kind, value.split("/"), tenant_id)
        if found is None or found.SPEC is not kind:
            if kind_name == "Secret":
                value = "***"  # it may be the secret itself, put into the wrong place
            raise NotFound(kind_name, value, path=path, remedy="name one that exists or is in the same set")
        return found.id

    def _by_path(self, kind: Kind, path: Sequence[str], tenant_id: str | None) -> Entity | None:
        *outer, name = path
        scope_kind = _scope_kind(kind)
        if outer and scope_kind is not None:
            parent = self._by_path(scope_kind, outer, tenant_id)
            return None if parent is None else self._reader.find(kind.name, name, parent.id)
        if outer:
            return None
        scopes = [tenant_id, ""] if tenant_id is not None else [""]
        for scope in scopes:
            found = self._reader.find(kind.name, name, scope or "")
            if found is not None:
                return found
        return None


def _scope_kind(kind: Kind) -> Kind | None:
    for name in kind.scope:
        ref = kind.fields[name].ref
        if ref is not None and ref.kinds[0] != "Tenant":
            return KINDS[ref.kinds[0]]
        if ref is not None:
            return KINDS["Tenant"]
    return None

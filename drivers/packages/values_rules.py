"""What a chart says of its values: their JSON Schema, and those that it has of its own.

They are kept with the package, for values are checked where nothing can be awaited. A chart whose own values cannot be read
as documents are (with aliases, keys given twice), or are too large, is taken all the same: values are not checked by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from graph.kinds.overrides import MAX_VALUES_BYTES
from graph.refusal import InvalidInput
from graph.yaml_values import read_values

VALUES_SCHEMA = "values.schema.json"
VALUES = "values.yaml"


def values_rules(bodies: Mapping[str, bytes]) -> tuple[str, str] | None:
    """The schema and the values of the chart among some files, both as JSON; None when values cannot be checked by them."""
    at = next((name for name in bodies if name.count("/") == 1 and name.endswith(f"/{VALUES_SCHEMA}")), None)
    if at is None:
        return None
    body = bodies.get(f"{at.removesuffix(VALUES_SCHEMA)}{VALUES}", b"")
    try:
        schema = msgspec.json.encode(msgspec.json.decode(bodies[at], type=dict))
        defaults = msgspec.json.encode(read_values(body.decode("utf-8"), path=VALUES))
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidInput, RecursionError):
        return None
    if max(len(schema), len(defaults)) > MAX_VALUES_BYTES:
        return None
    return schema.decode(), defaults.decode()

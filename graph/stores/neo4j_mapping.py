"""An entity as flat properties, and back: what makes the stored graph one that Cypher can ask.

A property graph's properties are scalars and lists of scalars. So a nested value is flattened under its field's name
(`capacity_cpu_millicores`, `position_longitude`), labels and counts become lists of `key=value`, enums their names, and only
what cannot be flat (lists of structs, free JSON) is one JSON string in `<field>_json`. Everything is derived once from the
kinds' annotations: a new kind or field needs nothing here, and one that cannot be kept exactly ends the import.

Defaults are written, for `WHERE n.schedulable` must find them; null and empty collections are absent, as is usual in a
property graph. Rows are read by position, not by name: names would be two thirds of what a start transfers.
"""

from __future__ import annotations

import enum
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

import graph.kinds  # noqa: F401 - declares the kinds, all of which have a codec
from graph.entity import INDEXED, KINDS, Entity, Kind, without_none

T = TypeVar("T")
Properties = dict[str, Any]
Row = Sequence[Any]
"""An entity's property values in the order of its codec's `columns`; None where it has no such property."""

_ABSENT: Any = object()
_MEMO_SIZE = 4_096
_MEMO_SLOTS = 16


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """How one field, or one nested value, is kept."""

    put: Callable[[Any, Properties], None]
    """Adds a value's properties."""
    get: Callable[[Row], Any]
    """The value, or _ABSENT when the default holds."""
    anchor: int | None
    """A column that is set whenever the value is not None."""
    plain: int | None = None
    """The column, when the value is the property itself and absent stands for the default."""
    exact: bool = True
    """Whether equal properties mean the very same value, so that it may be shared (not so with floats: -0.0, NaN)."""


class Codec:
    """The mapping of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.columns: list[str] = []
        """Every property that the kind may have, in the order of a `Row`."""
        whole = _struct(kind.type, "", self.columns, kind=kind)
        self._put = whole.put
        self._get = whole.get
        self.derived = _scope_is_derived(kind)
        """Whether `name_scope` is kept beside the name, for its uniqueness constraint."""
        names = [*self.columns, *(["name_scope"] if self.derived else [])]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise TypeError(f"kind {kind.name} has two fields that are kept as the property {min(twice)}")

    def properties(self, entity: Entity) -> Properties:
        """The entity's properties; absent ones are left out."""
        found: Properties = {}
        self._put(entity, found)
        if self.derived:
            found["name_scope"] = self.kind.scope_of(entity)
        return found

    def entity(self, row: Row) -> Entity:
        """The entity that these properties are. Raises TypeError, ValueError or KeyError when they are none of its kind."""
        found: Entity = self._get(row)
        return found

    def row(self, properties: Mapping[str, Any]) -> list[Any]:
        """Properties in the order in which `entity` reads them."""
        return [properties.get(name) for name in self.columns]


def _scope_is_derived(kind: Kind) -> bool:
    return kind.named and bool(kind.scope) and not (len(kind.scope) == 1 and kind.fields[kind.scope[0]].required)


# Structs


def _struct(
    cls: type[msgspec.Struct], prefix: str, columns: list[str], *, kind: Kind | None = None, default: Any = None
) -> _Part:
    hints = typing.get_type_hints(cls)
    first = len(columns)
    fields = [
        (info, _part(hints[info.name], prefix + info.name, columns, default=_default(info)))
        for info in msgspec.structs.fields(cls)
    ]
    end = len(columns)
    puts = [(info.name, part.put) for info, part in fields]
    shared = _shared(kind)
    plain = [(info.name, part.plain) for info, part in fields if part.plain is not None and info.name not in shared]
    common = [(info.name, part.plain) for info, part in fields if part.plain is not None and info.name in shared]
    gets = [(info.name, part.get) for info, part in fields if part.plain is None]
    intern = sys.intern

    def put(value: Any, into: Properties) -> None:
        for name, each in puts:
            each(getattr(value, name), into)

    def build(row: Row) -> Any:
        values: dict[str, Any] = {}
        for name, column in plain:
            value = row[column]
            if value is not None:
                values[name] = value
        for name, column in common:
            value = row[column]
            if value is not None:
                values[name] = intern(value)
        for name, get in gets:
            value = get(row)
            if value is not _ABSENT:
                values[name] = value
        return cls(**values)

    exact = all(part.exact for _, part in fields)
    anchor = next((part.anchor for info, part in fields if part.anchor is not None), None)
    if kind is None and exact and 0 < end - first <= _MEMO_SLOTS:
        return _Part(put=put, get=_memoized(build, first, end, default=default), anchor=anchor)
    return _Part(put=put, get=build, anchor=anchor, exact=exact)


def _shared(kind: Kind | None) -> frozenset[str]:
    """Text fields whose values recur in many entities: references and indexed fields are kept once in memory."""
    if kind is None:
        return frozenset()
    return frozenset(
        field.name
        for field in kind.fields.values()
        if without_none(field.type) is str and (field.ref is not None or INDEXED in field.marks)
    )


def _memoized(build: Callable[[Row], T], first: int, end: int, *, default: Any) -> Callable[[Row], T]:
    """Gives equal nested values as one object: 90,000 machines have some dozens of different capacities.

    The field's default is given as itself, for that is how msgspec knows what the log leaves out.
    """
    memo: dict[tuple[Any, ...], T] = {}

    def get(row: Row) -> T:
        key = tuple(row[first:end])
        try:
            found = memo.get(key)
        except TypeError:  # a list is among the values
            return build(row)
        if found is None:
            found = build(row)
            if found == default:
                found = default
            if len(memo) < _MEMO_SIZE:
                memo[key] = found
        return found

    return get


def _optional(part: _Part, name: str, columns: list[str], *, default: Any) -> _Part:
    """A nested value that may be null: told by a property that it always has, else by a mark of its own."""
    mark: str | None = None
    anchor = part.anchor
    if anchor is None:
        mark = f"{name}_present"
        anchor = len(columns)
        columns.append(mark)
    inner_put, inner_get, absent = part.put, part.get, _ABSENT if default is None else None

    def put(value: Any, into: Properties) -> None:
        if value is not None:
            inner_put(value, into)
            if mark is not None:
                into[mark] = True

    def get(row: Row) -> Any:
        return absent if row[anchor] is None else inner_get(row)

    return _Part(put=put, get=get, anchor=None, exact=part.exact)


# Fields


def _part(annotation: Any, name: str, columns: list[str], *, default: Any) -> _Part:
    inner = without_none(annotation)
    optional = inner is not annotation
    if (
        isinstance(inner, type)
        and issubclass(inner, msgspec.Struct)
        and not _is_tagged(inner)
        and not _holds_itself(inner)
    ):
        nested = _struct(inner, f"{name}_", columns, default=default)
        return _optional(nested, name, columns, default=default) if optional else nested
    scalar = _scalar(inner)
    if scalar is not None:
        return _scalar_part(scalar, name, columns, optional=optional, default=default, exact=inner is not float)
    origin, arguments = typing.get_origin(inner), typing.get_args(inner)
    empty: Callable[[], Any] | None = {list: list, dict: dict}.get(origin)
    flat = _flat_list(origin, arguments)
    if flat is not None:
        return _collection(flat, name, columns, empty=empty, optional=optional, default=default)
    return _collection(_json(annotation), f"{name}_json", columns, empty=empty, optional=optional, default=default)


class _Form(msgspec.Struct, frozen=True):
    """A value as one property, and back."""

    encode: Callable[[Any], Any] | None
    decode: Callable[[Any], Any] | None


_IDENTITY = _Form(None, None)


def _scalar(cls: Any) -> _Form | None:
    if cls in (str, int, bool):
        return _IDENTITY
    if cls is float:
        return _Form(float, None)
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        return _Form(_name_of, dict(cls.__members__).__getitem__)
    return None


def _name_of(value: enum.Enum) -> str:
    return value.name


def _scalar_part(form: _Form, name: str, columns: list[str], *, optional: bool, default: Any, exact: bool) -> _Part:
    column = len(columns)
    columns.append(name)
    encode, decode = form.encode, form.decode
    absent = None if optional and default is not None else _ABSENT

    def put(value: Any, into: Properties) -> None:
        if value is not None:
            into[name] = value if encode is None else encode(value)

    def get(row: Row) -> Any:
        value = row[column]
        if value is None:
            return absent
        return value if decode is None else decode(value)

    return _Part(
        put=put,
        get=get,
        anchor=None if optional else column,
        plain=column if decode is None and absent is _ABSENT else None,
        exact=exact,
    )


def _collection(
    form: _Form, name: str, columns: list[str], *, empty: Callable[[], Any] | None, optional: bool, default: Any
) -> _Part:
    """A list, an object or free JSON; empty is absent, unless null is another value of the field."""
    column = len(columns)
    columns.append(name)
    encode, decode = form.encode, form.decode
    make = None if optional else empty
    is_default = default == (None if make is None else make())

    def put(value: Any, into: Properties) -> None:
        if value is None or (make is not None and not value):
            return
        into[name] = list(value) if encode is None else encode(value)

    def get(row: Row) -> Any:
        value = row[column]
        if value is not None:
            return value if decode is None else decode(value)
        if is_default:
            return _ABSENT
        return None if make is None else make()

    return _Part(put=put, get=get, anchor=None)


def _flat_list(origin: Any, arguments: Sequence[Any]) -> _Form | None:
    """Lists of scalars, lists of (text, whole number) structs and objects of text or whole numbers can be flat."""
    if origin is list:
        element = arguments[0]
        scalar = _scalar(element)
        if scalar is not None:
            return _each(scalar)
        if _is_count(element):
            first, second = element.__struct_fields__
            return _Form(
                lambda value: [f"{getattr(one, first)}={getattr(one, second)}" for one in value],
                lambda value: [
                    element(**{first: text, second: int(count)})
                    for text, _, count in (one.rpartition("=") for one in value)
                ],
            )
    if origin is dict and arguments[0] is str:
        if arguments[1] is str:
            return _Form(_pairs, _from_pairs)
        if arguments[1] is int:
            return _Form(
                lambda value: [f"{key}={count}" for key, count in value.items()],
                lambda value: {key: int(count) for key, _, count in (one.rpartition("=") for one in value)},
            )
    return None


def _each(form: _Form) -> _Form:
    encode, decode = form.encode, form.decode
    return _Form(
        None if encode is None else lambda value: [encode(one) for one in value],
        None if decode is None else lambda value: [decode(one) for one in value],
    )


def _is_count(cls: Any) -> bool:
    """A struct of a text and a whole number: kept as `text=number`, as accelerators are."""
    if not (isinstance(cls, type) and issubclass(cls, msgspec.Struct)):
        return False
    hints = typing.get_type_hints(cls)
    return [hints[name] for name in cls.__struct_fields__] == [str, int]


def _pairs(value: Mapping[str, str]) -> list[str]:
    """`key=value`; in a key, `=` and `%` are written as in URLs. No label key has either."""
    return [f"{key.replace('%', '%25').replace('=', '%3D')}={text}" for key, text in value.items()]


def _from_pairs(value: Iterable[str]) -> dict[str, str]:
    found = {}
    for one in value:
        key, _, text = one.partition("=")
        found[key.replace("%3D", "=").replace("%25", "%") if "%" in key else key] = text
    return found


def _json(annotation: Any) -> _Form:
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(annotation)
    encoder = msgspec.json.Encoder()
    return _Form(lambda value: encoder.encode(value).decode(), decoder.decode)


def _default(info: Any) -> Any:
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return info.default


def _is_tagged(cls: type[msgspec.Struct]) -> bool:
    return cls.__struct_config__.tag is not None


def _holds_itself(cls: type[msgspec.Struct], seen: frozenset[Any] = frozenset()) -> bool:
    """Whether flattening the struct would never end."""
    if cls in seen:
        return True
    inner = [without_none(one) for one in typing.get_type_hints(cls).values()]
    return any(
        _holds_itself(one, seen | {cls}) for one in inner if isinstance(one, type) and issubclass(one, msgspec.Struct)
    )


CODECS: dict[str, Codec] = {name: Codec(kind) for name, kind in KINDS.items()}
"""Every kind's codec by its name."""

"""Makes typed values of JSON.

Members that a type does not have are left out, because newer servers have more of them; what is
missing or of another type is refused.
"""

from __future__ import annotations

import dataclasses
import types
from datetime import datetime
from functools import lru_cache
from typing import Any, Callable, Dict, List, Literal, Type, TypeVar, Union, cast
from typing import get_args, get_origin, get_type_hints, is_typeddict

T = TypeVar("T")


class Mismatch(Exception):
    """Says where a value is not what the contract says, and nothing of the value."""

    def __init__(self, wanted: str, place: str = "") -> None:
        super().__init__(wanted)
        self.wanted, self.place = wanted, place

    def __str__(self) -> str:
        return f"{self.place.lstrip('.') or 'it'} is not {self.wanted}"

    def within(self, place: str) -> Mismatch:
        return Mismatch(self.wanted, place + self.place)


def decode(kind: Type[T], value: Any) -> T:
    read: Callable[[Any], T] = _decoder(cast(Any, kind))
    return read(value)


@lru_cache(maxsize=None)
def _decoder(kind: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is list:
        return _list(_decoder(arguments[0]))
    if origin is dict:
        return _dict(_decoder(arguments[1]))
    if origin is Literal:
        # The values of newer servers may be others; what is no text differs between types.
        return _scalar(str, "text")
    if kind is datetime:
        return _time
    if is_typeddict(kind):
        return _scalar(dict, "an object")
    return {
        str: _scalar(str, "text"),
        int: _scalar(int, "a whole number"),
        float: _scalar((float, int), "a number"),
        bool: _scalar(bool, "true or false"),
        type(None): _scalar(type(None), "null"),
    }[kind]


def _scalar(kind: Any, wanted: str) -> Callable[[Any], Any]:
    numeric = kind is not bool

    def read(value: Any) -> Any:
        # In Python, truth values are numbers.
        if not isinstance(value, kind) or numeric and isinstance(value, bool):
            raise Mismatch(wanted)
        return value

    return read


def _time(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Mismatch("a time") from None


def _list(item: Callable[[Any], Any]) -> Callable[[Any], List[Any]]:
    def read(value: Any) -> List[Any]:
        if not isinstance(value, list):
            raise Mismatch("a list")
        out: List[Any] = []
        try:
            for part in value:
                out.append(item(part))
        except Mismatch as mismatch:
            raise mismatch.within(f"[{len(out)}]") from None
        return out

    return read


def _dict(item: Callable[[Any], Any]) -> Callable[[Any], Dict[str, Any]]:
    def read(value: Any) -> Dict[str, Any]:
        if not isinstance(value, dict):
            raise Mismatch("an object")
        return {key: item(part) for key, part in value.items()}

    return read


def _dataclass(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch("an object")
        out = {}
        for field, name, read_field, required in _fields(kind):
            if name in value:
                try:
                    out[field] = read_field(value[name])
                except Mismatch as mismatch:
                    raise mismatch.within(f".{name}") from None
            elif required:
                raise Mismatch("there", f".{name}")
        return kind(**out)

    return read


@lru_cache(maxsize=None)
def _fields(kind: Any) -> List[Any]:
    """Looked up with the first value, because types may contain themselves."""
    hints = get_type_hints(kind)
    return [
        (f.name, f.metadata.get("json") or camel(f.name), _decoder(hints[f.name]), f.default is dataclasses.MISSING)
        for f in dataclasses.fields(kind)
    ]


def _union(kinds: Any) -> Callable[[Any], Any]:
    others = [kind for kind in kinds if kind is not type(None)]
    variants = _decoder(others[0]) if len(others) == 1 else _variants(others)
    if len(others) == len(kinds):
        return variants
    return lambda value: None if value is None else variants(value)


def _variants(kinds: Any) -> Callable[[Any], Any]:
    """The first type that fits, or the one whose `type` the value has."""
    by_type = {}
    for kind in kinds:
        if dataclasses.is_dataclass(kind):
            for name in get_args(get_type_hints(kind).get("type")):
                by_type[name] = _decoder(kind)
    decoders = [_decoder(kind) for kind in kinds]

    def read(value: Any) -> Any:
        if by_type and isinstance(value, dict):
            decoder = by_type.get(str(value.get("type")))
            return (decoder or _unknown)(value)
        for decoder in decoders:
            try:
                return decoder(value)
            except Mismatch:
                pass
        return _unknown(value)

    return read


def _unknown(value: Any) -> Any:
    raise Mismatch("of a known type")


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

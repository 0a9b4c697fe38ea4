"""Messages as plain Python values and as JSON text, by an encoder compiled for each message class.

The result is that of protobuf's own ``MessageToDict`` and ``MessageToJson``; those ask every field of every
message for its kind. Here that is asked once per class: a function is written out for it, as ``dataclasses``
does, with one line a field.
"""

from __future__ import annotations

import base64
import json
import keyword
import math
import struct
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["enum_names", "is_repeated", "is_special", "to_dict", "to_json"]

_INT64 = {3, 4, 6, 16, 18}
_DOUBLE, _FLOAT, _BOOL, _STRING, _GROUP, _MESSAGE, _BYTES, _ENUM = 1, 2, 8, 9, 10, 11, 12, 14

# HasField and an attribute take 0.08 and 0.05 us a field of the class, ListFields 0.2 us a field that is set:
# classes of up to this many fields are asked field by field, wider ones, sparse as a rule, for their list.
_WIDE = 24

# Scalars that are written at once where all of them are there. More would more often lack one: messages grow at
# their end, and what is newest most senders leave out.
_RUN = 3

_Encoder = Callable[[Any], Any]


def to_dict(message: Message, *, lower_camel: bool = False) -> dict[str, Any]:
    """What ``ftwire.body.to_dict`` says, without the compiled core."""
    found: dict[str, Any] = (_camel_dicts if lower_camel else _dicts).encoder(message.DESCRIPTOR)(message)
    return found


def to_json(message: Message, *, lower_camel: bool = False, indent: int | None = None) -> str:
    """What ``ftwire.body.to_json`` says, without the compiled core."""
    if indent is None:
        try:
            text: str = (_camel_texts if lower_camel else _texts).encoder(message.DESCRIPTOR)(message)
        except TypeError:
            # A string field holds bytes that are no UTF-8: rare enough to be found out this way.
            pass
        else:
            return text
    return json.dumps(to_dict(message, lower_camel=lower_camel), indent=indent)


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether a field is a list, asked in the way that this protobuf knows (``label`` ended with 7)."""
    known = getattr(field, "is_repeated", None)
    return bool(field.label == 3 if known is None else known)  # type: ignore[attr-defined]


def enum_names(enum: Any) -> dict[int, str]:
    """Return the names of an enum's values by number; of aliases the one that protobuf writes."""
    # values_by_number looks a number up, but lists the aliases too.
    return {value.number: enum.values_by_number[value.number].name for value in enum.values}


def is_special(descriptor: Descriptor) -> bool:
    """Whether a message is written by rules of its own: maps, extensions and protobuf's well-known types.

    The vendor's schema has none.
    """
    return (
        descriptor.full_name.startswith("google.protobuf.")
        or bool(descriptor.is_extendable)
        or any(
            field.message_type is not None and field.message_type.GetOptions().map_entry for field in descriptor.fields
        )
    )


class _Compiler:
    """Encoders of one kind; ``_DictCompiler`` and ``_TextCompiler`` say what they look like."""

    prologue: str
    epilogue: str

    def __init__(self, *, lower_camel: bool) -> None:
        self._lower_camel = lower_camel
        self._encoders: dict[Descriptor, _Encoder] = {}

    def encoder(self, descriptor: Any) -> _Encoder:
        found = self._encoders.get(descriptor)
        if found is None:
            if is_special(descriptor):
                found = self.fallback
            else:
                # A message may hold itself: whoever asks meanwhile gets a function that looks again later.
                self._encoders[descriptor] = lambda message: self._encoders[descriptor](message)
                found = self._compile(descriptor)
            self._encoders[descriptor] = found
        return found

    def _compile(self, descriptor: Descriptor) -> _Encoder:
        namespace: dict[str, Any] = {
            "quote": encode_basestring_ascii,
            "not_finite": _not_finite,
            "shortest": _shortest,
            "base64": _base64,
            "booleans": ("false", "true"),
        }
        fields = sorted(descriptor.fields, key=lambda field: field.number)
        wide = len(fields) > _WIDE or any(not (is_repeated(field) or field.has_presence) for field in fields)
        body = [self.prologue]
        if wide:
            namespace["table"] = table = {}
            for field in fields:
                table[field] = (self._name(field), self._value_function(field, namespace))
            body.append("for field, value in message.ListFields():")
            body.append("    name, convert = table[field]")
            body.append("    " + self.store("name", "convert(value)"))
        else:
            body.append("has = message.HasField")
            run: list[FieldDescriptor] = []
            for field in fields:
                if not is_repeated(field) and field.type not in (_MESSAGE, _GROUP):
                    run.append(field)
                    continue
                body += self._runs_lines(run, namespace)
                run.clear()
                body += self._field_lines(field, namespace)
            if len(run) == len(fields) <= 2 * _RUN:
                body += self._run_lines(run, namespace, whole=True)
            else:
                body += self._runs_lines(run, namespace)
        body.append(self.epilogue)
        source = "def encode(message):\n" + "\n".join(f"    {line}" for line in body)
        # Only names from a descriptor, written as literals, enter the source.
        exec(source, namespace)  # noqa: S102
        encode: _Encoder = namespace["encode"]
        return encode

    def _name(self, field: FieldDescriptor) -> str:
        return field.json_name if self._lower_camel else field.name

    def _field_lines(self, field: FieldDescriptor, namespace: dict[str, Any]) -> list[str]:
        get, name = _getter(field), repr(self._name(field))
        if is_repeated(field):
            item = self.value("item", field, namespace)
            return [
                f"value = {get}",
                "if value:",
                "    " + self.store(name, self.list_of(item)),
            ]
        return [
            f"if has({field.name!r}):",
            f"    value = {get}",
            "    " + self.store(name, self.value("value", field, namespace)),
        ]

    def _runs_lines(self, fields: list[FieldDescriptor], namespace: dict[str, Any]) -> list[str]:
        lines = []
        for start in range(0, len(fields), _RUN):
            lines += self._run_lines(fields[start : start + _RUN], namespace, whole=False)
        return lines

    def _run_lines(self, run: list[FieldDescriptor], namespace: dict[str, Any], *, whole: bool) -> list[str]:
        """Scalars that follow each other: all at once where all are there and usual, else one by one."""
        if not run:
            return []
        lines = [f"v{field.number} = {_getter(field)}" for field in run]
        each: list[str] = []
        usual: list[str] = []
        for field in run:
            it = f"v{field.number}"
            # What is not zero is there: HasField takes longer than all the rest.
            there = f"has({field.name!r})" if field.default_value else f"({it} or has({field.name!r}))"
            value = self.value(it, field, namespace)
            each += [f"if {there}:", "    " + self.store(repr(self._name(field)), value)]
            usual.append(there)
            if field.type in (_DOUBLE, _FLOAT):
                usual.append(f"{it} - {it} == 0.0")
            elif field.type == _STRING:
                usual.append(f"{it}.__class__ is str")
        if len(run) == 1:
            return lines + each
        return [
            *lines,
            f"if {' and '.join(usual)}:",
            *("    " + line for line in self.store_run(run, namespace, whole=whole)),
            "else:",
            *("    " + line for line in each),
        ]

    def _value_function(self, field: FieldDescriptor, namespace: dict[str, Any]) -> _Encoder:
        expression = self.value("value", field, namespace)
        if is_repeated(field):
            expression = self.list_of(self.value("item", field, namespace))
        # Each converter is compiled beside the encoders of the messages it calls.
        function: _Encoder = eval(f"lambda value: {expression}", namespace)  # noqa: S307 - as above
        return function

    def nested(self, field: FieldDescriptor, namespace: dict[str, Any]) -> str:
        name = f"encode_{field.number}"
        namespace[name] = self.encoder(field.message_type)
        return name

    def enum_names(self, field: FieldDescriptor, namespace: dict[str, Any]) -> str:
        name = f"names_{field.number}"
        enum = field.enum_type
        namespace[name] = self.enum_table(enum_names(enum))
        return name

    def fallback(self, message: Message) -> Any:
        raise NotImplementedError

    def enum_table(self, names: dict[int, str]) -> dict[int, Any]:
        raise NotImplementedError

    def store(self, name: str, value: str) -> str:
        raise NotImplementedError

    def store_run(self, run: list[FieldDescriptor], namespace: dict[str, Any], *, whole: bool) -> list[str]:
        """Store ``v1``, ``v2``, ... of these fields, all there and all usual; ``whole``: and return."""
        raise NotImplementedError

    def list_of(self, item: str) -> str:
        raise NotImplementedError

    def value(self, it: str, field: FieldDescriptor, namespace: dict[str, Any]) -> str:
        raise NotImplementedError


class _DictCompiler(_Compiler):
    prologue = "result = {}"
    epilogue = "return result"

    def fallback(self, message: Message) -> Any:
        from google.protobuf.json_format import MessageToDict

        return MessageToDict(message, preserving_proto_field_name=not self._lower_camel)

    def enum_table(self, names: dict[int, str]) -> dict[int, Any]:
        return dict(names)

    def store(self, name: str, value: str) -> str:
        return f"result[{name}] = {value}"

    def store_run(self, run: list[FieldDescriptor], namespace: dict[str, Any], *, whole: bool) -> list[str]:
        pairs = []
        for field in run:
            it = f"v{field.number}"
            if field.type == _FLOAT:
                value = f"shortest({it})"
            else:
                value = it if field.type in (_DOUBLE, _STRING) else self.value(it, field, namespace)
            pairs.append((repr(self._name(field)), value))
        if whole:
            return ["return {" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"]
        return [f"result[{name}] = {value}" for name, value in pairs]

    def list_of(self, item: str) -> str:
        return f"[{item} for item in value]"

    def value(self, it: str, field: FieldDescriptor, namespace: dict[str, Any]) -> str:
        kind = field.type
        if kind in (_MESSAGE, _GROUP):
            return f"{self.nested(field, namespace)}({it})"
        if kind == _ENUM:
            return f"{self.enum_names(field, namespace)}.get({it}, {it})"
        if kind in _INT64:
            return f"str({it})"
        if kind == _STRING:
            return f"{it} if {it}.__class__ is str else str({it})"
        if kind == _DOUBLE:
            # Infinity and NaN are what does not give zero.
            return f"{it} if {it} - {it} == 0.0 else not_finite({it})"
        if kind == _FLOAT:
            return f"shortest({it}) if {it} - {it} == 0.0 else not_finite({it})"
        return f"base64({it})" if kind == _BYTES else it


_WRAPPERS = {_STRING: "quote({})", _FLOAT: "shortest({})", _BOOL: "booleans[{}]", _BYTES: "quote(base64({}))"}
"""What makes JSON of a usual value, by the type of its field."""


class _TextCompiler(_Compiler):
    prologue = "parts = []; add = parts.append"
    epilogue = "return '{' + ', '.join(parts) + '}'"

    def fallback(self, message: Message) -> Any:
        from google.protobuf.json_format import MessageToJson

        return MessageToJson(message, preserving_proto_field_name=not self._lower_camel, indent=None)

    def enum_table(self, names: dict[int, str]) -> dict[int, Any]:
        return {number: encode_basestring_ascii(name) for number, name in names.items()}

    def _name(self, field: FieldDescriptor) -> str:
        return encode_basestring_ascii(super()._name(field)) + ": "

    def store(self, name: str, value: str) -> str:
        return f"add({name} + ({value}))"

    def store_run(self, run: list[FieldDescriptor], namespace: dict[str, Any], *, whole: bool) -> list[str]:
        pieces = []
        for field in run:
            it, kind = f"v{field.number}", field.type
            if kind == _ENUM:
                value = f"{{{self.enum_names(field, namespace)}.get({it}) or {it}}}"
            elif kind in _INT64:
                value = f'"{{{it}}}"'
            elif kind == _DOUBLE:
                value = f"{{{it}!r}}"
            else:
                value = "{" + _WRAPPERS.get(kind, "{}").format(it) + "}"
            pieces.append(self._name(field).replace("{", "{{").replace("}", "}}") + value)
        text = ", ".join(pieces)
        # The expressions hold no quotes and no backslashes, so that repr leaves them as they are.
        return [f"return f{'{{' + text + '}}'!r}"] if whole else [f"add(f{text!r})"]

    def list_of(self, item: str) -> str:
        if item.endswith("(item)") and item.count("(") == 1:
            return f"'[' + ', '.join(map({item.removesuffix('(item)')}, value)) + ']'"
        return f"'[' + ', '.join([{item} for item in value]) + ']'"

    def value(self, it: str, field: FieldDescriptor, namespace: dict[str, Any]) -> str:
        kind = field.type
        if kind in (_MESSAGE, _GROUP):
            return f"{self.nested(field, namespace)}({it})"
        if kind == _ENUM:
            return f"({self.enum_names(field, namespace)}.get({it}) or str({it}))"
        if kind in _INT64:
            return f"f'\"{{{it}}}\"'"
        if kind == _STRING:
            return f"quote({it})"
        if kind == _DOUBLE:
            return f"repr({it}) if {it} - {it} == 0.0 else quote(not_finite({it}))"
        if kind == _FLOAT:
            return f"repr(shortest({it})) if {it} - {it} == 0.0 else quote(not_finite({it}))"
        if kind == _BOOL:
            return f"'true' if {it} else 'false'"
        return f"quote(base64({it}))" if kind == _BYTES else f"str({it})"


def _getter(field: FieldDescriptor) -> str:
    plain = field.name.isidentifier() and not keyword.iskeyword(field.name)
    return f"message.{field.name}" if plain else f"getattr(message, {field.name!r})"


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _shortest(value: float) -> float:
    """The float with the fewest digits that four bytes cannot tell from this one: 0.9, not 0.8999999762."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.unpack("<f", struct.pack("<f", short))[0] == value:
                return short
        except OverflowError:
            # Rounded up beyond the largest four-byte float.
            continue
    # Nine digits tell any two four-byte floats apart.
    return float(f"{value:.9g}")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_dicts = _DictCompiler(lower_camel=False)
_camel_dicts = _DictCompiler(lower_camel=True)
_texts = _TextCompiler(lower_camel=False)
_camel_texts = _TextCompiler(lower_camel=True)

"""Messages and bodies without their secrets: keys, passwords, and who the user is.

This module alone decides what is hidden. Renderers and the comparison read messages from a ``MessageView``. A
``BodyMask`` is for bodies in any other form: bytes, a tree of fields, JSON, the text of an error. Both are made with or
without ``--show-secrets``, and need not be given it again. The table of the fields that are secrets is in
``ftwire_tools.messages.sensitive_fields``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import to_dict, to_json
from ftwire.errors import BodyError, WireError
from ftwire.frame import UnknownBody
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated, is_required, plain_value
from ftwire_tools.messages.sensitive_fields import SECRET, SENSITIVE, is_secret

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = [
    "MASK",
    "SECRET_FIELDS",
    "BodyMask",
    "Hidden",
    "MessageView",
    "UnknownField",
    "error_text",
    "has_secrets",
    "is_secret",
    "mask_of",
    "may_hold_secrets",
    "message_of",
    "message_view",
]

MASK: Final = "***"
"""Written in place of a secret, whatever its type and length."""

SECRET_FIELDS: Final = frozenset(name for name, category in SENSITIVE.items() if category in SECRET)
"""Fields by name, in whatever message, or by full name where the name alone says too little."""


UnknownField = tuple[int, Any]
"""Number and value of a field that a class does not have: a number, bytes, a ``Hidden``, or of a group its fields."""


class Hidden(str):
    """The value of a secret field: it is written as ``***``, and is equal to another one that hides the same."""

    __slots__ = ("_value",)

    _value: object

    def __new__(cls, value: object) -> Hidden:
        """Hide a value."""
        hidden = super().__new__(cls, MASK)
        hidden._value = value
        return hidden

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and bool(self._value == other._value)

    def __ne__(self, other: object) -> bool:
        # Defined since str has its own.
        return not self == other

    def __hash__(self) -> int:
        return hash(MASK)


class MessageView:
    """A message as it may be shown."""

    __slots__ = ("_hides", "_message", "descriptor")

    def __init__(self, message: Any, *, show_secrets: bool) -> None:
        self._message = message
        self.descriptor: Descriptor = message.DESCRIPTOR
        self._hides = not show_secrets and may_hold_secrets(self.descriptor)

    def hides(self, field: FieldDescriptor) -> bool:
        """Return whether the values of a field of this message are hidden."""
        return self._hides and is_secret(field)

    def fields(self) -> Iterator[tuple[FieldDescriptor, Any]]:
        """Give the fields that are set and their values, as ``get`` returns them, in the order of their numbers."""
        for field, value in self._message.ListFields():
            yield field, self._view(field, value)

    def absent(self) -> list[FieldDescriptor]:
        """Return the required fields of this message that are not set, in the order of their numbers."""
        required = _required_fields(self.descriptor)
        return [field for field in required if not self._message.HasField(field.name)]

    def get(self, name: str) -> Any:
        """Return the value of a field, ``None`` where it is not set and for a field that the class does not have.

        A secret is a ``Hidden``, a message a view of it, a list one of these, empty where it has no items.
        """
        field = self.descriptor.fields_by_name.get(name)
        if field is None or not (is_repeated(field) or self._message.HasField(name)):
            return None
        return self._view(field, getattr(self._message, name))

    def _view(self, field: FieldDescriptor, value: Any) -> Any:
        if self._hides and is_secret(field):
            return [Hidden(item) for item in value] if is_repeated(field) else Hidden(value)
        if field.message_type is None:
            return value
        shows = not self._hides
        return (
            [MessageView(item, show_secrets=shows) for item in value]
            if is_repeated(field)
            else MessageView(value, show_secrets=shows)
        )

    def at(self, path: tuple[str, ...]) -> Any:
        """Return the value at ``path`` as JSON has it: nothing is ``None``, a path through a list gives a list.

        A path may begin at the message, or leave ``s2c`` or ``c2s`` out.
        """
        if path[0] not in self.descriptor.fields_by_name:
            for start in ("s2c", "c2s"):
                inner = self.get(start)
                if isinstance(inner, MessageView) and path[0] in inner.descriptor.fields_by_name:
                    return inner.at(path)
        value = self.get(path[0])
        if value is None:
            return None
        field = self.descriptor.fields_by_name[path[0]]
        if is_repeated(field):
            return [_at(field, item, path[1:]) for item in value]
        return _at(field, value, path[1:])

    def unknown_fields(self) -> list[UnknownField]:
        """Return the fields that the class does not have. Where there are secrets, any of them may be a new one."""
        # Imported when a message is to be shown with all that is in it: lines need none of it.
        from google.protobuf.unknown_fields import UnknownFieldSet

        return _unknown(UnknownFieldSet(self._message), hide=self._hides)

    @property
    def hides_bytes(self) -> bool:
        """Whether the bytes of the message are hidden: it has a secret set, or an unknown field that may be one."""
        return self._hides and has_secrets(self._message)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as plain values, with lowerCamel names."""
        values = to_dict(self._message, lower_camel=True)
        return _mask(values, self.descriptor) if self._hides else values

    def to_json(self) -> str:
        """Return ``to_dict`` as JSON text on one line."""
        return json.dumps(self.to_dict()) if self._hides else to_json(self._message, lower_camel=True)


def _unknown(fields: Any, *, hide: bool) -> list[UnknownField]:
    found: list[UnknownField] = []
    for index in range(len(fields)):
        field = fields[index]
        is_group = type(field.data) is type(fields)
        value = _unknown(field.data, hide=hide) if is_group else Hidden(field.data) if hide else field.data
        found.append((field.field_number, value))
    return found


def _at(field: FieldDescriptor, value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Hidden):
        return value
    if not isinstance(value, MessageView):
        return None if path else plain_value(field, value)
    if path:
        return value.at(path) if path[0] in value.descriptor.fields_by_name else None
    return {each.name: value.at((each.name,)) for each, _ in value.fields()}


_required: dict[Descriptor, list[FieldDescriptor]] = {}


def _required_fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    found = _required.get(descriptor)
    if found is None:
        fields = sorted(descriptor.fields, key=lambda field: field.number)
        found = _required[descriptor] = [field for field in fields if is_required(field)]
    return found


_may_hold: dict[Descriptor, bool] = {}


def may_hold_secrets(descriptor: Descriptor | None) -> bool:
    """Return whether messages of a class have a secret field at any depth; those of an unknown class, ``None``, may."""
    if descriptor is None:
        return True
    found = _may_hold.get(descriptor)
    if found is None:
        found = _may_hold[descriptor] = any(map(is_secret, _all_fields(descriptor)))
    return found


def _all_fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    """Return the fields of a class and of all classes in it."""
    seen = [descriptor]
    for each in seen:
        inner = (field.message_type for field in each.fields)
        seen.extend(message for message in inner if message is not None and message not in seen)
    return [field for each in seen for field in each.fields]


def has_secrets(message: Message) -> bool:
    """Return whether a message has a secret set, or a field that may be one: its class does not have that field."""
    if not may_hold_secrets(descriptor_of(message)):
        return False
    # Imported when bytes are to be shown: lines need none of it.
    from google.protobuf.unknown_fields import UnknownFieldSet

    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if is_secret(field):
            return True
        if field.message_type is not None:
            items = value if is_repeated(field) else (value,)
            if any(has_secrets(item) for item in items):
                return True
    return False


def _mask(values: dict[str, Any], descriptor: Descriptor) -> dict[str, Any]:
    """Mask the secrets in a message's plain values, in place, and return them."""
    if may_hold_secrets(descriptor):
        for field in descriptor.fields:
            value = values.get(field.json_name)
            if value is None:
                continue
            if is_secret(field):
                values[field.json_name] = [MASK] * len(value) if isinstance(value, list) else MASK
            elif field.message_type is not None:
                for item in value if isinstance(value, list) else (value,):
                    _mask(item, field.message_type)
    return values


class BodyMask:
    """What is hidden of bodies of one class where they are shown as something else than messages."""

    __slots__ = ("_descriptor", "_shows_secrets", "hides_some")

    def __init__(self, descriptor: Descriptor | None, *, show_secrets: bool) -> None:
        """``descriptor`` is that of the class, ``None`` if it is unknown: then each field may be a secret."""
        self._descriptor: Final = descriptor
        self._shows_secrets: Final = show_secrets
        self.hides_some: Final = not show_secrets and may_hold_secrets(descriptor)
        """Something may be hidden. Bytes that cannot be told apart are hidden as a whole."""

    def hides(self, field: FieldDescriptor | None) -> bool:
        """Return whether values of a field are hidden, at any depth; ``None`` is a field that the class lacks."""
        return self.hides_some and (field is None or is_secret(field))

    def json(self, value: Any) -> Any:
        """Return the value of a JSON body with its secrets masked.

        It need not fit the class: members that a class with secrets lacks are masked, too, and in any class those
        with the name of a secret.
        """
        if self._shows_secrets:
            return value
        if self._descriptor is None:
            return _mask_all(value)
        secret = filter(is_secret, _all_fields(self._descriptor))
        names = SECRET_FIELDS.union(name for field in secret for name in (field.name, field.json_name))
        return _mask_json(value, self._descriptor, names)

    def error_text(self, error: WireError) -> str:
        """Return why a body could not be decoded, without quoting one that may hold secrets."""
        return error.unquoted if isinstance(error, BodyError) and self.hides_some else str(error)


def _mask_all(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _mask_all(item) for name, item in value.items()}
    return [_mask_all(item) for item in value] if isinstance(value, list) else MASK


def _mask_json(value: Any, descriptor: Descriptor | None, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_mask_json(item, descriptor, names) for item in value]
    if not isinstance(value, dict):
        return value
    if descriptor is None or not may_hold_secrets(descriptor):
        return {name: MASK if name in names else _mask_json(item, None, names) for name, item in value.items()}
    fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
    return {
        name: MASK if name in names or name not in fields else _mask_json(item, fields[name].message_type, names)
        for name, item in value.items()
    }


def mask_of(frame: Frame | Envelope, *, show_secrets: bool) -> BodyMask:
    """Return the mask for the body of a frame, by its protocol alone."""
    return BodyMask(_class_of(frame), show_secrets=show_secrets)


def _class_of(frame: Frame | Envelope) -> Descriptor | None:
    message_class = frame.classes[frame.proto_id]
    return None if message_class is None else descriptor_of(message_class)


def message_of(frame: Frame | Envelope, *, show_secrets: bool = False) -> Message | UnknownBody:
    """Return ``frame.message``. Raises ``WireError`` with ``error_text`` in place of what that raises."""
    try:
        return frame.message
    except WireError as error:
        raise WireError(error_text(error, frame, show_secrets=show_secrets)) from None


def message_view(frame: Frame | Envelope, *, show_secrets: bool) -> MessageView:
    """Return a view of ``frame.message``. Raises ``WireError`` where there is none."""
    message = message_of(frame, show_secrets=show_secrets)
    if isinstance(message, UnknownBody):
        raise WireError(f"protocol {message.proto_id} or its body's format {message.body_format} is unknown")
    return MessageView(message, show_secrets=show_secrets)


def error_text(error: WireError, frame: Frame | Envelope, *, show_secrets: bool = False) -> str:
    """Return why a frame could not be decoded, without quoting a body that may hold secrets."""
    return mask_of(frame, show_secrets=show_secrets).error_text(error)

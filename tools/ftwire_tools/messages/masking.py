"""Messages and bodies without their secrets: keys, passwords, and who the user is.

What cannot be told from a secret is hidden as well. Which side sent a body may be a guess, so a body may hold secrets
if a request or a response of its protocol may. In such a body all fields are hidden that its class lacks, and values of
another type than their field's. Bytes that did not verify are hidden whatever their protocol: its ID is not verified
either, and a wrong length takes frames that follow for a part of the body.

This module alone decides what is hidden. Renderers and the comparison read messages from a ``MessageView``. A
``BodyMask`` is for bodies in any other form: bytes, a tree of fields, JSON, the text of an error. Both are made with or
without ``--show-secrets``, and need not be given it again. The table of the fields that are secrets is in
``ftwire_tools.messages.sensitive_fields``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ftwire.body import decode_body, to_dict, to_json
from ftwire.capture import status_of
from ftwire.errors import BodyError, EnvelopeError, WireError
from ftwire.frame import UnknownBody
from ftwire.header import BodyFormat
from ftwire_tools.messages.descriptors import (
    descriptor_of,
    is_repeated,
    is_required,
    message_class,
    plain_value,
    unknown_field_set,
)
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
    "body_may_hold_secrets",
    "error_text",
    "has_secrets",
    "hides_error_text",
    "is_secret",
    "mask_of",
    "may_hold_secrets",
    "message_of",
    "message_view",
    "status_text",
]

MASK: Final = "***"
"""Written in place of a secret, whatever its type and length."""

SECRET_FIELDS: Final = frozenset(name for name, category in SENSITIVE.items() if category in SECRET)
"""Fields by name, in whatever message, or by full name where the name alone says too little."""


_NAME: Final = re.compile(r"[A-Za-z_]+[0-9]?[A-Za-z_]*")
"""Names of members that are shown although no field has them: any other may be a value in the place of a name."""

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
        self._hides = not show_secrets and body_may_hold_secrets(self.descriptor)

    def _inner(self, message: Any) -> MessageView:
        """Return the view of a message in this one, which hides unknown fields where this one does."""
        view = MessageView(message, show_secrets=True)
        view._hides = self._hides
        return view

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
        return [self._inner(item) for item in value] if is_repeated(field) else self._inner(value)

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
        return _unknown(unknown_field_set(self._message), hide=self._hides)

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


_body_may_hold: dict[Descriptor, bool] = {}


def body_may_hold_secrets(descriptor: Descriptor | None) -> bool:
    """Return whether bodies that are taken for messages of a class may hold secrets.

    They may be of the other side: all classes of the file that defines this one count, which are those of its
    protocol. Bodies of an unknown class, ``None``, may.
    """
    if descriptor is None:
        return True
    found = _body_may_hold.get(descriptor)
    if found is None:
        classes = descriptor.file.message_types_by_name.values()
        found = _body_may_hold[descriptor] = may_hold_secrets(descriptor) or any(map(may_hold_secrets, classes))
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
    return body_may_hold_secrets(descriptor_of(message)) and _has_secrets(message)


def _has_secrets(message: Message) -> bool:
    if len(unknown_field_set(message)):
        return True
    for field, value in message.ListFields():
        if is_secret(field):
            return True
        if field.message_type is not None:
            items = value if is_repeated(field) else (value,)
            if any(map(_has_secrets, items)):
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
        self.hides_some: Final = not show_secrets and body_may_hold_secrets(descriptor)
        """Something may be hidden. Bytes that cannot be told apart are hidden as a whole."""

    @property
    def hides_unverified(self) -> bool:
        """Whether bytes are hidden that no digest has verified, or that no cipher has opened: always."""
        return not self._shows_secrets

    def hides(self, field: FieldDescriptor | None) -> bool:
        """Return whether values of a field are hidden, at any depth; ``None`` is a field that the class lacks."""
        return self.hides_some and (field is None or is_secret(field))

    def json(self, value: Any) -> Any:
        """Return the value of a JSON body with its secrets masked.

        It need not fit the class: members that a class with secrets lacks are masked, too, and what does not fit its
        field; in any class those with the name of a secret.
        """
        if self._shows_secrets:
            return value
        if self._descriptor is None:
            return _mask_all(value)
        secret = filter(is_secret, _all_fields(self._descriptor))
        names = SECRET_FIELDS.union(name for field in secret for name in (field.name, field.json_name))
        return _JsonMask(names, strict=self.hides_some).message(value, self._descriptor)

    def error_text(self, error: WireError) -> str:
        """Return why a body could not be decoded, without quoting one that may hold secrets."""
        if isinstance(error, EnvelopeError) and not self._shows_secrets:
            return error.unquoted
        return error.unquoted if isinstance(error, BodyError) and self.hides_some else str(error)


def _masked_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else MASK


def _mask_all(value: Any) -> Any:
    if isinstance(value, dict):
        return {_masked_name(name): _mask_all(item) for name, item in value.items()}
    return [_mask_all(item) for item in value] if isinstance(value, list) else MASK


class _JsonMask:
    """Masks secrets in JSON that need not be the message it should be."""

    def __init__(self, names: frozenset[str], *, strict: bool) -> None:
        self._names: Final = names
        self._strict: Final = strict  # what is not known may be a secret

    def message(self, value: Any, descriptor: Descriptor) -> Any:
        """Return a value in the place of a message, masked."""
        if not isinstance(value, dict):
            return self._unknown(value)
        fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
        known = {name: item for name, item in value.items() if name in fields and name not in self._names}
        scalars = {name: item for name, item in known.items() if fields[name].message_type is None}
        fitting = _fitting(scalars, descriptor) if self._strict else scalars.keys()
        masked: dict[str, Any] = {}
        for name, item in value.items():
            if name in self._names:
                masked[name] = MASK
            elif name in scalars:
                masked[name] = item if name in fitting else self._unknown(item)
            elif name in known:
                masked[name] = self._inner(item, fields[name])
            else:
                masked[_masked_name(name) if self._strict else name] = self._unknown(item)
        return masked

    def _inner(self, value: Any, field: FieldDescriptor) -> Any:
        assert field.message_type is not None  # noqa: S101 - for the type checker
        if is_repeated(field) and isinstance(value, list):
            return [self.message(item, field.message_type) for item in value]
        return self.message(value, field.message_type)

    def _unknown(self, value: Any) -> Any:
        """Return a value that belongs to no field."""
        if self._strict:
            return MASK
        if isinstance(value, dict):
            return {name: MASK if name in self._names else self._unknown(item) for name, item in value.items()}
        return [self._unknown(item) for item in value] if isinstance(value, list) else value


def _fitting(values: dict[str, Any], descriptor: Descriptor) -> set[str]:
    """Return the names of JSON values that can be read as those of their fields, which hold no messages."""
    try:
        read = decode_body(
            json.dumps(values).encode(), message_class(descriptor), BodyFormat.JSON, check_required=False
        )
    except BodyError:
        if len(values) == 1:
            return set()
        return {name for name, value in values.items() if _fitting({name: value}, descriptor)}
    # A name that an enumeration does not have is no error, and is left out.
    found = {name for field, _ in read.ListFields() for name in (field.name, field.json_name)}
    return {name for name, value in values.items() if name in found or value is None or value == []}


def mask_of(frame: Frame | Envelope, *, show_secrets: bool) -> BodyMask:
    """Return the mask for the body of a frame, by its protocol alone."""
    message_class: Any = frame.classes[frame.proto_id]  # protobuf's type stubs do not make it hashable
    return _mask_for(message_class, show_secrets=show_secrets)


@cache
def _mask_for(message_class: type[Message] | None, *, show_secrets: bool) -> BodyMask:
    descriptor = None if message_class is None else descriptor_of(message_class)
    return BodyMask(descriptor, show_secrets=show_secrets)


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


def status_text(frame: Frame | Envelope, *, show_secrets: bool) -> str:
    """Return code and text of the error that an envelope carries beside its body; empty where there is none.

    Where a client has sent the envelope and it is taken for one of OpenD's, these are the beginning of its body. The
    text is hidden if it may hold secrets and the code is none that OpenD uses.
    """
    status = status_of(frame)
    if not status or not hides_error_text(int(status.partition(" ")[0]), mask_of(frame, show_secrets=show_secrets)):
        return status
    return MASK


def hides_error_text(code: int, mask: BodyMask) -> bool:
    """Return whether the text beside an envelope's error code is hidden: see ``status_text``."""
    from ftwire.websocket import EnvelopeStatus

    return mask.hides_some and code not in set(EnvelopeStatus)


def error_text(error: WireError, frame: Frame | Envelope, *, show_secrets: bool = False) -> str:
    """Return why a frame could not be decoded, without quoting a body that may hold secrets."""
    return mask_of(frame, show_secrets=show_secrets).error_text(error)

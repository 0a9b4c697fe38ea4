"""Replace sensitive fields of messages by pseudonyms, leave out unknown fields, and count both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.sensitive_fields import Category, category_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire_tools.redaction.pseudonyms import Pseudonyms

__all__ = ["Redaction"]

UNKNOWN_FIELDS: Final = "fields the schema does not know"
"""Counted where a body had unknown fields, which are left out."""


class Redaction:
    """Replaces sensitive values in messages, and counts them by field.

    ``categories`` are those to be replaced.
    """

    def __init__(self, pseudonyms: Pseudonyms, categories: Collection[Category]) -> None:
        self.pseudonyms: Final = pseudonyms
        self.categories: Final = frozenset(categories)
        self.changed: Final[Counter[tuple[str, str]]] = Counter()
        """How often each field was replaced, by its full name and category."""
        self._plans: Final[dict[Descriptor, list[tuple[FieldDescriptor, Category | None]]]] = {}

    def message(self, message: Message) -> None:
        """Replace sensitive values in ``message``, in place."""
        # Not ByteSize, which refuses a message that lacks required fields: a frame may hold one.
        before = len(message.SerializePartialToString())
        message.DiscardUnknownFields()
        if len(message.SerializePartialToString()) != before:
            self.note(UNKNOWN_FIELDS, "unknown")
        self._walk(message)

    def note(self, what: str, category: str) -> None:
        """Count a change that is in no field."""
        self.changed[what, category] += 1

    def _walk(self, message: Any) -> None:
        for field, category in self._plan(descriptor_of(message)):
            many = is_repeated(field)
            if category is None:
                if many:
                    for item in getattr(message, field.name):
                        self._walk(item)
                elif message.HasField(field.name):
                    self._walk(getattr(message, field.name))
            elif many:
                values = getattr(message, field.name)
                if values:
                    values[:] = [self._value(field, category, value) for value in values]
            elif message.HasField(field.name):
                value = getattr(message, field.name)
                setattr(message, field.name, self._value(field, category, value))

    def _plan(self, descriptor: Descriptor) -> list[tuple[FieldDescriptor, Category | None]]:
        """Return the sensitive fields with their category, and with ``None`` the messages that may hold some."""
        plan = self._plans.get(descriptor)
        if plan is None:
            plan = self._plans[descriptor] = []
            for field in descriptor.fields:
                if field.message_type is not None:
                    plan.append((field, None))
                    continue
                category = category_of(field)
                if category in self.categories:
                    plan.append((field, category))
        return plan

    def _value(self, field: FieldDescriptor, category: Category, value: Any) -> Any:
        pseudonyms = self.pseudonyms
        if category is Category.AMOUNT:
            made: Any = pseudonyms.amount(value)
        elif isinstance(value, int):
            made = pseudonyms.number(category, value)
        elif field.type == field.TYPE_BYTES:
            made = pseudonyms.raw(category, value)
        else:
            # proto2 hands out strings that are not UTF-8 as bytes.
            made = pseudonyms.text(
                category, value if isinstance(value, str) else value.decode(errors="backslashreplace")
            )
        if made != value:
            self.changed[field.full_name, category] += 1
        return made

"""What rows of a reply show of its request: the parameters that the reply does not repeat.

A K-line says nothing of its period and adjustment, the reply to an order nothing of its side and price: only the
request does. The rule, by descriptors alone: of the request's ``c2s`` every field is carried into the rows of its
reply that the reply's ``s2c`` does not have itself, except

- lists, and messages other than a security (``header``, ``packetID``, filters): they are in the request's own row;
- secrets, with ``--show-secrets`` too (``is_secret``: passwords, keys, accounts, users);
- tokens, which say where a list goes on (``nextReqKey``, ``page``).

Fields of an enum get the column with its name, and securities their code, as anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ftwire.protocols import registry
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.sensitive_fields import Category, category_of, is_secret

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

__all__ = ["SECURITY", "RequestFields", "request_fields"]

SECURITY: Final = "Qot_Common.Security"
"""The one message whose fields are carried like a scalar."""


class RequestFields(NamedTuple):
    """What the rows of a response class show of the request."""

    request_class: type[Message]
    request: Descriptor
    """Its descriptor."""
    payload: Descriptor
    """Class of its ``c2s``."""
    left_out: frozenset[str]
    """Fields of the payload that are not shown."""


_requests: dict[Descriptor, type[Message]] = {}
_found: dict[Descriptor, RequestFields | None] = {}


def request_fields(response: Descriptor) -> RequestFields | None:
    """Return what rows of a class show of its request; ``None`` where that is nothing, and for a request or push."""
    try:
        return _found[response]
    except KeyError:
        made = _found[response] = _make(response)
        return made


def _make(response: Descriptor) -> RequestFields | None:
    if not _requests:
        for entry in registry:
            if entry.request is not None and entry.response is not None:
                _requests[descriptor_of(entry.response)] = entry.request
    request_class = _requests.get(response)
    if request_class is None:
        return None
    request = descriptor_of(request_class)
    asked = request.fields_by_name.get("c2s")
    if asked is None or asked.message_type is None:
        return None
    replied = response.fields_by_name.get("s2c")
    repeated = {field.name for field in replied.message_type.fields} if replied and replied.message_type else set()
    payload = asked.message_type
    left_out = frozenset(field.name for field in payload.fields if field.name in repeated or not _is_carried(field))
    return None if len(left_out) == len(payload.fields) else RequestFields(request_class, request, payload, left_out)


def _is_carried(field: FieldDescriptor) -> bool:
    inner = field.message_type
    if is_repeated(field) or (inner is not None and inner.full_name != SECURITY):
        return False
    return not is_secret(field) and category_of(field) is not Category.TOKEN

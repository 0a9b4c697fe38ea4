"""Envelopes for WebSocket, wrong in the ways that steps say: the messages that a step sends.

Copied into saved tests, see ``steps``.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from ftwire.header import ENVELOPE_MAGIC
from ftwire_tools.fuzz.bodies import flip, spoil_body
from ftwire_tools.fuzz.steps import Step

__all__ = ["asked_in", "render_messages"]

CLIENT: Final = struct.Struct(">8sIQ")
GATEWAY: Final = struct.Struct(">8sIQi20s")


def render_messages(step: Step, body: bytes, section: int, message_class: Any, *, of_gateway: bool) -> list[bytes]:
    """Return the messages of a step: one envelope, but for what is wrong with it."""
    done = step.wrong
    for name, value in done.items():
        body = spoil_body(name, value, body, 0, message_class)
    message = _header(step, done, section, of_gateway=of_gateway) + body
    if "cut envelope" in done:
        message = message[: int(done["cut envelope"]) % len(message)]
    before, behind = (bytes.fromhex(str(done.get(name, ""))) for name in ("bytes before", "bytes behind"))
    message = before + message + behind
    if "joined" in done:
        message *= 2
    messages = [message]
    if "split" in done and message:
        at = int(done["split"]) % len(message)
        messages = [message[:at], message[at:]]
    if "empty message" in done:
        messages.insert(0, b"")
    return messages * 2 if "twice" in done else messages


def _header(step: Step, done: dict[str, int | str], section: int, *, of_gateway: bool) -> bytes:
    magic = bytes.fromhex(str(done["magic"])) if "magic" in done else ENVELOPE_MAGIC
    numbers: list[Any] = [int(done.get("protocol", step.proto)), int(done.get("serial", section))]
    header = GATEWAY if of_gateway != ("other header" in done) else CLIENT
    if header is GATEWAY:
        numbers += [int(done.get("error code", 0)), bytes.fromhex(str(done.get("error text", "")))]
    if "little-endian" in done:
        header = struct.Struct(header.format.replace(">", "<"))
    made = header.pack(magic, *numbers)
    return flip(made, int(done["flip header"])) if "flip header" in done else made


def asked_in(step: Step, messages: list[bytes], section: int) -> tuple[tuple[int, int], ...]:
    """Return (command, section) of whatever a gateway may read in a client's messages, strict or not."""
    done = step.wrong
    found = {(int(done.get("protocol", step.proto)), int(done.get("serial", section)))}
    for message in messages:
        # One that is cut short, as a reader has it that does not look at its length.
        _, command, number = CLIENT.unpack_from(message.ljust(CLIENT.size, b"\0"))
        found.add((command, number))
    return tuple(sorted(found))

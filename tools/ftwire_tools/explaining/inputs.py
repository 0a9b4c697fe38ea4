"""The inputs of ``ftwire explain``: hexadecimal, files of it, bytes of frames, captures, standard input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final, NamedTuple, cast

from ftwire.capture import ENOUGH_TO_TELL, is_capture
from ftwire.pcap.ordering import BegunStream, is_stored
from ftwire_tools.captures.input_files import Input, open_input
from ftwire_tools.terminal.hex_input import from_hex

__all__ = ["Capture", "UnreadableInputError", "read_given"]

MAX_RAW: Final = 256 << 20
"""Largest size of an input that is no capture, in bytes."""


class UnreadableInputError(Exception):
    """An input that cannot be read; the sentence says which and why."""


class Capture(NamedTuple):
    """A pcap or pcapng file, compressed or not. It is read only when it is checked, since it may be large."""

    name: str
    stream: BinaryIO | None = None
    """Where it is read from, if not from the file of this name."""

    @contextmanager
    def opened(self) -> Iterator[Input]:
        """Open it. Raises ``OSError``."""
        if self.stream is not None:
            yield Input(self.name, self.name, self.stream)
            return
        with open_input(self.name) as source:
            yield source


def read_given(inputs: Sequence[str]) -> tuple[list[Capture], bytes]:
    """Return the captures among the inputs, and the bytes of all others, joined in their order.

    An input that names a file is that file; all others are hexadecimal, neighbours read together. Raises
    ``UnreadableInputError``.
    """
    captures: list[Capture] = []
    words: list[str] = []
    data = b""
    for each in inputs:
        # Not Path.exists, which raises for a "name" as long as a frame.
        if each != "-" and not os.path.exists(each):  # noqa: PTH110
            words.append(each)
            continue
        data += _from_words(words)
        words.clear()
        content = _content(each)
        if isinstance(content, Capture):
            captures.append(content)
        else:
            data += content
    return captures, data + _from_words(words)


def _from_words(words: list[str]) -> bytes:
    if not words:
        return b""
    read = from_hex(" ".join(words))
    if read is None:
        shown = words[0] if len(words[0]) <= 40 else words[0][:40] + "..."
        raise UnreadableInputError(f"{shown!r} is neither a file nor whole bytes in hexadecimal")
    return read


def _content(path: str) -> bytes | Capture:
    """Return the bytes of a file or of standard input, hexadecimal read."""
    content = bytearray()
    decided = False
    try:
        with open_input(path) as source:
            begin = source.stream.tell() if is_stored(source.stream) else None
            for chunk in source.chunks():
                content += chunk
                if not decided and len(content) >= ENOUGH_TO_TELL:
                    decided = True
                    if is_capture(bytes(content)):
                        if path != "-":
                            return Capture(path)
                        if begin is None:
                            return Capture(path, cast("BinaryIO", BegunStream(bytes(content), source.stream)))
                        source.stream.seek(begin)
                        return Capture(path, source.stream)
                if len(content) > MAX_RAW:
                    raise UnreadableInputError(f"{path}: more than {MAX_RAW >> 20} MiB that are no capture")
    except OSError as error:
        raise UnreadableInputError(f"{path}: {error.strerror or error}") from None
    if not content:
        raise UnreadableInputError(f"{path}: empty")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return bytes(content)
    read = from_hex(text)
    return bytes(content) if read is None else read

"""The inputs of ``ftwire explain``: text that stands for bytes, bytes of frames, captures, standard input."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, cast

from ftwire.capture import ENOUGH_TO_TELL, is_capture
from ftwire.pcap.ordering import BegunStream, is_stored
from ftwire_tools.captures.input_files import Input, open_input
from ftwire_tools.explaining.notations import MAX_TEXT, Reading, name_of_array, read_text, text_of

__all__ = ["Capture", "Given", "UnreadableInputError", "read_given"]

MAX_RAW: Final = 256 << 20
"""Largest size of an input that is no capture, in bytes."""
_NOTATIONS: Final = (
    "a hex dump, a list of numbers, a string with escapes, base64, or text of Wireshark, tshark or tcpdump"
)


class UnreadableInputError(Exception):
    """An input that cannot be read; the sentence says which and why."""


class Capture(NamedTuple):
    """A pcap or pcapng file, compressed or not. It is read only when it is checked, since it may be large."""

    name: str
    stream: BinaryIO | None = None
    """Where it is read from, if not from the file of this name."""
    held: ExitStack | None = None
    """Closes the stream, if that has to be done."""

    @contextmanager
    def opened(self) -> Iterator[Input]:
        """Open it. Raises ``OSError``."""
        if self.stream is not None:
            with self.held or ExitStack():
                yield Input(self.name, self.name, self.stream)
            return
        with open_input(self.name) as source:
            yield source


class Given(NamedTuple):
    """What the inputs hold."""

    captures: list[Capture]
    data: bytes
    """The bytes of all others, joined in their order."""
    notes: list[str]
    """What is missing from them."""


def read_given(inputs: Sequence[str]) -> Given:
    """Return the captures among the inputs, and the bytes of all others.

    An input that names a file is that file; all others are text that stands for bytes, neighbours read together.
    Raises ``UnreadableInputError``.
    """
    given = Given([], b"", [])
    words: list[str] = []
    for each in inputs:
        # Not Path.exists, which raises for a "name" as long as a frame.
        if each != "-" and not os.path.exists(each):  # noqa: PTH110
            if _is_in_a_folder(each):
                raise UnreadableInputError(f"{each!r}: no such file")
            words.append(each)
            continue
        given = _with_content(_with_words(given, words), each)
        words.clear()
    return _with_words(given, words)


def _is_in_a_folder(text: str) -> bool:
    """Return whether a text is a path below a folder that exists: some such could be read as base64, too."""
    parts = Path(text).parts
    above = parts[:2] if text.startswith(os.sep) else parts[:1]
    return len(parts) > len(above) and os.path.isdir(os.path.join(*above))  # noqa: PTH112, PTH118 - as above


def _with_words(given: Given, words: list[str]) -> Given:
    if not words:
        return given
    reading = read_text(" ".join(words))
    if reading is None:
        shown = words[0] if len(words[0]) <= 40 else words[0][:40] + "..."
        raise _unreadable(f"{shown!r} is neither a file nor whole bytes in hexadecimal", " ".join(words))
    return _with(given, "the text given", reading)


def _with(given: Given, name: str, reading: Reading) -> Given:
    notes = given.notes
    if reading.missing:
        notes = [*notes, f"{name}: the program that printed it left bytes out ({reading.missing!r}); print them all"]
    if reading.capture is not None:
        return given._replace(captures=[*given.captures, Capture(name, BytesIO(reading.capture))], notes=notes)
    return given._replace(data=given.data + reading.data, notes=notes)


def _with_content(given: Given, path: str) -> Given:
    """Add the content of a file or of standard input."""
    content = _content(path)
    if isinstance(content, Capture):
        return given._replace(captures=[*given.captures, content])
    text = text_of(content)
    if text is None:
        return given._replace(data=given.data + content)
    if len(text) > MAX_TEXT:
        raise UnreadableInputError(f"{path}: more than {MAX_TEXT >> 20} MiB of text; give the capture itself")
    if not text.strip():
        raise UnreadableInputError(f"{path}: empty")
    reading = read_text(text)
    if reading is None:
        raise _unreadable(f"{path}: text that cannot be read: it is not hexadecimal", text)
    return _with(given, path, reading)


def _unreadable(problem: str, text: str) -> UnreadableInputError:
    name = name_of_array(text)
    hint = f"; {name!r} names an array, print its bytes in hexadecimal" if name else ""
    return UnreadableInputError(f"{problem}, nor {_NOTATIONS}{hint}")


def _content(path: str) -> bytes | Capture:
    """Return the bytes of a file or of standard input, or the capture that it is."""
    content = bytearray()
    decided = False
    try:
        with ExitStack() as stack:
            source = stack.enter_context(open_input(path))
            begin = source.stream.tell() if is_stored(source.stream) else None
            for chunk in source.chunks():
                content += chunk
                if not decided and len(content) >= ENOUGH_TO_TELL:
                    decided = True
                    if is_capture(bytes(content)):
                        return _begun_capture(path, bytes(content), source.stream, begin, stack)
                if len(content) > MAX_RAW:
                    raise UnreadableInputError(f"{path}: more than {MAX_RAW >> 20} MiB that are no capture")
    except OSError as error:
        raise UnreadableInputError(f"{path}: {error.strerror or error}") from None
    if not content:
        raise UnreadableInputError(f"{path}: empty")
    return bytes(content)


def _begun_capture(path: str, content: bytes, stream: BinaryIO, begin: int | None, opened: ExitStack) -> Capture:
    """Return a capture of which ``content`` was read; ``begin`` is where it begins in a stream that can seek.

    ``opened`` closes the stream.
    """
    if begin is None:  # a pipe, whatever its name, gives its bytes once
        return Capture(path, cast("BinaryIO", BegunStream(content, stream)), opened.pop_all())
    if path != "-":
        return Capture(path)
    stream.seek(begin)
    return Capture(path, stream)

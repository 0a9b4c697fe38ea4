"""Decodes inputs for a soak run, in a process with a limit on its memory.

Reads inputs from standard input: a line with the kind, the size of the chunks to feed (0 for all at once) and the
number of bytes, then the bytes. Writes a line for each: the SHA-256 of everything that was reported, and how many
frames and errors were in it; with the kind ``capture-text`` or ``stream-text``, the reports themselves as JSON.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256

from ftwire import FrameDecoder, ResyncDecoder, Role
from ftwire.capture import CaptureReader, Dissected, DissectedFrame
from ftwire.errors import CaptureError, WireError
from ftwire.frame import BadFrame, Frame
from ftwire_tools.render.jsonlines import JsonRenderer
from ftwire_tools.render.line import LineRenderer

MIB = 1 << 20
HEADROOM = 512 * MIB
"""Memory that decoding may take beside what the interpreter and its imports take."""


def _parts(data: bytes, size: int) -> Iterable[bytes]:
    return [data] if not size else (data[at : at + size] for at in range(0, len(data), size))


def capture(data: bytes, size: int) -> Iterator[str]:
    """Yield everything that is reported of a file."""
    reader = CaptureReader(keep_bytes=True)
    lines, objects = LineRenderer(), JsonRenderer(fields=(), with_bytes=False, file=None)
    try:
        for report in reader.read(_parts(data, size)):
            yield _shown(report, lines, objects)
    except CaptureError as error:
        yield f"{type(error).__name__}: {error}"
    yield repr(reader.account)


def _shown(report: Dissected, lines: LineRenderer, objects: JsonRenderer) -> str:
    if isinstance(report, DissectedFrame):
        return lines.frame(report)[0] + objects.frame(report)[0]
    return _whatever_the_chunks(repr(report))


def stream(data: bytes, size: int) -> Iterator[str]:
    """Yield everything that is decoded of what one side sent, by the strict decoder and by the searching one."""
    for role in Role:
        decoder = FrameDecoder(role)
        try:
            for part in _parts(data, size):
                for frame in decoder.feed(part):
                    yield _described(frame)
            decoder.close()
        except WireError as error:
            yield _whatever_the_chunks(f"{type(error).__name__}: {error}")
        searching = ResyncDecoder(role)
        for part in _parts(data, size):
            yield from map(_described, searching.feed(part))
        yield from map(_described, searching.close())


def _described(item: object) -> str:
    if not isinstance(item, Frame):
        return _whatever_the_chunks(repr(item))
    if isinstance(item, BadFrame):
        return f"{item.header} {item.error}"
    try:
        return f"{item.header} {item.body.hex()} {item.to_json()}"
    except WireError as error:
        return f"{item.header} {item.body.hex()} {error}"


def _whatever_the_chunks(text: str) -> str:
    """Leave out how much of a wrong magic was there when it was judged: one byte is enough."""
    return re.sub(r"(BadMagicError\()b('[^']*'|\"[^\"]*\")|(here is )[0-9a-f]+", r"\1\3", text)


def main() -> None:
    limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + HEADROOM  # noqa: PTH123, SIM115
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while head := sys.stdin.buffer.readline():
        kind, size, length = head.split()
        data = sys.stdin.buffer.read(int(length))
        name, _, form = kind.decode().partition("-")
        reports = list({"capture": capture, "stream": stream}[name](data, int(size)))
        answer: object = reports
        if not form:
            digest = sha256("\n".join(reports).encode(errors="surrogatepass")).hexdigest()
            answer = [digest, len(reports)]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Files that are neither captures that are read here nor bytes of a connection, and are given for one: what they are.

The formats are those that Wireshark names in ``wiretap/``, by the first bytes of their files.
"""

from __future__ import annotations

from typing import Final

__all__ = ["other_file", "text_file"]

_CONVERT: Final = "convert it: editcap -F pcapng FILE OUT"
_MESSAGES: Final = (
    "what {program} says on standard error stands in front of the capture (as with 2>&1, or ssh -t): keep the two apart"
)
_AS_TEXT: Final = "a pcapng file that was changed on its way, as text (FTP in ASCII mode, git): copy it as binary"

_BEGINNINGS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"snoo", f"a capture of snoop: {_CONVERT}"),
    (b"btsn", "a Bluetooth capture"),
    (b"RTSS", f"a capture of Microsoft Network Monitor: {_CONVERT}"),
    (b"GMBU", f"a capture of Microsoft Network Monitor: {_CONVERT}"),
    (b"TRSN", f"a capture of a Network General Sniffer: {_CONVERT}"),
    (b"\xaa\xaa\xaa\xaa", f"a capture of Accellent 5Views: {_CONVERT}"),
    (b"tcpd", _MESSAGES.format(program="tcpdump")),
    (b"drop", _MESSAGES.format(program="tcpdump")),
    (b"Runn", _MESSAGES.format(program="tshark")),
    (b"Capt", _MESSAGES.format(program="tshark")),
    # A pcapng file begins with 0a 0d 0d 0a so that this is noticed (draft-ietf-opsawg-pcapng, 4.1).
    (b"\r\n\r\r", _AS_TEXT),
    (b"\n\r\n", _AS_TEXT),
    (b"\xff\xfe", "text in UTF-16, as > writes in PowerShell, which spoils a capture: tcpdump -w FILE, or cmd /c"),
)

_WHITE_SPACE: Final = dict.fromkeys(b"\t\r\n")


def other_file(head: bytes) -> str | None:
    """Return what a file is that begins with these four bytes, and what to do; ``None`` if it may be something else."""
    return next((name for beginning, name in _BEGINNINGS if head.startswith(beginning)), None)


def text_file(head: bytes) -> str | None:
    """Return what to do with a file whose first bytes, a few dozen, are text; ``None`` if they are none."""
    # The last character may be cut.
    text = head.decode("utf-8", "replace").rstrip("\ufffd")
    if not text or "\ufffd" in text or not text.translate(_WHITE_SPACE).isprintable():
        return None
    return "text: ftwire explain FILE reads bytes that are printed; tcpdump and tshark write a capture with -w FILE"

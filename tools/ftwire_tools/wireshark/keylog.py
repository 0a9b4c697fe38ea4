"""Session keys of captured conversations, as lines of the file that the dissector reads.

Wireshark's Lua has no RSA, so it can neither read the handshake nor learn the key of what follows. Two kinds of lines
tell it both; digests are those in the headers of the frames (SHA-1 of the plain body), which no encryption hides::

    BODY <digest> <body>                        an InitConnect frame, decrypted
    SESSION <digest> <cipher> <key> <IV or ->   the cipher of all frames after the InitConnect reply with this digest

Everything but the cipher's name is hexadecimal. A conversation whose frames had several ciphers has a line for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ftwire.capture import DissectedFrame, KeyNeeded
from ftwire.connection import negotiated_cipher
from ftwire.errors import WireError
from ftwire.frame import Frame, Kind
from ftwire.framing import INIT_CONNECT

if TYPE_CHECKING:
    from ftwire.capture import Dissected

__all__ = ["HEADING", "KeyLog", "merged"]

HEADING: Final = "# Session keys of OpenD: whoever has this file can read those conversations.\n"
"""First line of a new file."""

_AES: Final = frozenset(("ftaes_ecb", "aes_ecb", "aes_cbc"))
_RSA: Final = "rsa"


class _Session:
    """What the handshake of one conversation settled."""

    def __init__(self) -> None:
        self.request: Any = None
        self.digest = b""
        self.key = b""
        self.iv = b""

    def line(self, cipher: str) -> str:
        iv = self.iv.hex() if cipher == "aes_cbc" else "-"
        return f"SESSION {self.digest.hex()} {cipher} {self.key.hex()} {iv}"


class KeyLog:
    """Collects the session keys of one capture: ``add`` what a ``CaptureReader`` reports."""

    def __init__(self) -> None:
        self._sessions: Final[dict[int, _Session]] = {}
        self._lines: Final[dict[str, None]] = {}
        self.without_key = 0
        """Encrypted conversations whose RSA key was not given."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines for what was added so far, each once."""
        return tuple(self._lines)

    @property
    def sessions(self) -> int:
        """Number of conversations whose session key is known."""
        return sum(1 for session in self._sessions.values() if session.key)

    def add(self, report: Dissected) -> None:
        """Take the next report."""
        if isinstance(report, KeyNeeded):
            self.without_key += 1
        elif isinstance(report, DissectedFrame) and isinstance(report.frame, Frame):
            number, encryption = report.conversation.number, report.encryption
            if encryption == _RSA and report.proto_id == INIT_CONNECT:
                self._handshake(number, report, report.frame)
            elif encryption in _AES and number in self._sessions:
                self._use(self._sessions[number], encryption)

    def _handshake(self, number: int, report: DissectedFrame, frame: Frame) -> None:
        """Keep an InitConnect frame that RSA encrypted."""
        digest = frame.header.sha1
        self._lines[f"BODY {digest.hex()} {frame.body.hex()}"] = None
        session = self._sessions.setdefault(number, _Session())
        if report.kind is Kind.REQUEST:
            session.request = report.message
            return
        response: Any = report.message
        if response is None or response.retType:
            return
        try:
            cipher = negotiated_cipher(session.request, response).name
        except WireError:
            return
        session.digest = digest
        session.key = response.s2c.connAESKey.encode()
        session.iv = response.s2c.aesCBCiv.encode()
        if cipher in _AES:
            self._use(session, cipher)

    def _use(self, session: _Session, cipher: str) -> None:
        """Take note that frames of this session have this cipher: some clients keep to another than was granted."""
        if session.key and (session.iv or cipher != "aes_cbc"):
            self._lines[session.line(cipher)] = None


def merged(old: str, lines: tuple[str, ...]) -> str:
    """Return the text of a file with these lines added, as far as it does not have them."""
    text = old or HEADING
    if not text.endswith("\n"):
        text += "\n"
    there = set(text.splitlines())
    return text + "".join(f"{line}\n" for line in lines if line not in there)

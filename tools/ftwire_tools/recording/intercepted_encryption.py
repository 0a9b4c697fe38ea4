"""The encryption of an intercepted connection: what opens its frames, and what new ones are encrypted with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ftwire.capture import read_body
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa
from ftwire.connection import INIT_CONNECT, negotiated_cipher
from ftwire.errors import WireError
from ftwire.frame import BadFrame, Frame, Role, open_frame
from ftwire.stream import FrameDecoder

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["InterceptedEncryption"]


class InterceptedEncryption:
    """The ciphers of one connection, as far as they can be known: ``keys`` are RSA private keys to read it with."""

    def __init__(self, keys: Sequence[RsaKey]) -> None:
        self.decoders: Final = {role: FrameDecoder(role) for role in Role}
        self.asked: Any = None
        """The client's InitConnect, ``None`` where it cannot be read."""
        self.is_agreed = False
        """Whether the gateway has accepted the client, and that can be read."""
        self._keys: Final = [Rsa(key) for key in keys]
        self._rsa: Rsa | None = None
        self._alternatives: list[Cipher] = []

    def cipher(self, sender: Role) -> Cipher:
        """Return the cipher of a side's frames after the handshake."""
        return self.decoders[sender].cipher

    @property
    def reply_cipher(self) -> Cipher:
        """The cipher of the next reply: RSA until the handshake is over, where there is a key."""
        return self._rsa if self._rsa is not None and not self.is_agreed else self.cipher(Role.SERVER)

    def opened(self, frame: Frame) -> Frame:
        """Return a frame opened by whatever opens it: a key, or another cipher than the one agreed on."""
        if not isinstance(frame, BadFrame):
            return frame
        ciphers: Sequence[Cipher] = self._keys if frame.proto_id == INIT_CONNECT else self._alternatives
        for cipher in ciphers:
            found = open_frame(frame.packed_header, frame.payload, cipher, frame.frame_type)
            if not isinstance(found, BadFrame):
                if isinstance(cipher, Rsa):
                    self._rsa = cipher
                else:
                    self.decoders[frame.sender].cipher = cipher
                return found
        return frame

    def agree(self, frame: Frame) -> None:
        """Take note of the gateway's handshake, and of the cipher that it agrees to."""
        response: Any = None if isinstance(frame, BadFrame) else read_body(frame)[0]
        if response is None or response.retType:
            return
        self.is_agreed = True
        if self._rsa is None:
            return
        key, iv = response.s2c.connAESKey, response.s2c.aesCBCiv
        with suppress(WireError):
            # Some clients keep to the cipher that they have asked for, whatever the gateway grants.
            self._alternatives = [AesEcb(key), FtAesEcb(key), *([AesCbc(key, iv)] if iv else []), NONE]
            for decoder in self.decoders.values():
                decoder.cipher = negotiated_cipher(self.asked, response)

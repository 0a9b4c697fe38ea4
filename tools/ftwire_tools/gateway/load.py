"""Loads capture files into a ``Replay``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftwire.capture import CaptureReader, DissectedFrame
from ftwire.cipher import KEY_UNKNOWN
from ftwire.errors import CaptureError, NotACaptureError
from ftwire_tools.captures.account_text import explain_hint, without_conversation
from ftwire_tools.captures.input_files import open_input

if TYPE_CHECKING:
    from ftwire.capture import Account
    from ftwire.cipher import RsaKey
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.replay import Replay

__all__ = ["LoadError", "load"]


class LoadError(Exception):
    """A file without anything to replay; the text is the reason."""


def load(replay: Replay, paths: Sequence[str], keys: Sequence[RsaKey], log: Log) -> None:
    """Add captures to a replay. ``keys`` are RSA private keys to decrypt them with.

    Raises ``OSError`` and ``LoadError``.
    """
    for number, path in enumerate(paths):
        before = replay.index.replies + replay.recording.pushes
        hidden, account = _load_one(replay, number, path, keys, log)
        found = replay.index.replies + replay.recording.pushes - before
        if not found:
            reason = "no replies and no pushes of OpenD in it"
            if hidden:
                reason = "its frames are encrypted: give the key that they were captured under"
            elif nothing := without_conversation(account):
                reason += f": {nothing}"
            if account.unrecognised:
                reason += f"; {explain_hint(path, account.unrecognised)}"
            raise LoadError(f"{path}: {reason}")
        if account.unrecognised:
            log(
                "left-out", file=path, connections=account.unrecognised, reason=explain_hint(path, account.unrecognised)
            )
        if hidden:
            log("left-out", file=path, frames=hidden, reason="encrypted, and no key opens them")
    left_out = replay.index.left_out + replay.recording.left_out
    if left_out:
        log("left-out", frames=left_out, reason="they cannot be decoded")
    log("loaded", files=len(paths), replies=replay.index.replies, pushes=replay.recording.pushes)


def _load_one(replay: Replay, number: int, path: str, keys: Sequence[RsaKey], log: Log) -> tuple[int, Account]:
    """Add one capture; return how many of its frames no key opens, and what was not turned into frames."""
    hidden, reader = 0, CaptureReader(keys=keys, raw=False)
    with open_input(path) as source:
        try:
            for report in reader.read(source.chunks()):
                if isinstance(report, DissectedFrame):
                    hidden += report.encryption == KEY_UNKNOWN.name
                    replay.add(number, report)
        except NotACaptureError as error:
            raise LoadError(f"{path}: not a capture (pcap, pcapng, gzip of either): {error}") from None
        except CaptureError as error:
            # What was read before the error is kept.
            log("cut-capture", file=path, reason=str(error))
    for sentence in reader.account.unread():
        log("left-out", file=path, reason=sentence)
    return hidden, reader.account

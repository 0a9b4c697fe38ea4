"""A capture file, into the world that replays it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftwire.errors import CaptureError
from ftwire_tools.captures.input_files import open_input
from ftwire_tools.captures.source import ENOUGH_TO_TELL, CaptureSource, open_source

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.replay import Replay

__all__ = ["LoadError", "load"]


class LoadError(Exception):
    """A file that nothing can be replayed from; the sentence says why."""


def load(replay: Replay, paths: Sequence[str], keys: Sequence[RsaKey], log: Log) -> None:
    """Take what captures hold. ``keys`` are RSA private keys to decrypt them with.

    Raises ``OSError`` and ``LoadError``.
    """
    for number, path in enumerate(paths):
        before = replay.book.replies + replay.tape.pushes
        hidden = _load_one(replay, number, path, keys, log)
        found = replay.book.replies + replay.tape.pushes - before
        if not found:
            reason = (
                "its frames are encrypted: give the key that they were captured under"
                if hidden
                else ("no replies and no pushes of OpenD in it")
            )
            raise LoadError(f"{path}: {reason}")
        if hidden:
            log("left-out", file=path, frames=hidden, reason="encrypted, and no key opens them")
    left_out = replay.book.left_out + replay.tape.left_out
    if left_out:
        log("left-out", frames=left_out, reason="they cannot be decoded")
    log("loaded", files=len(paths), replies=replay.book.replies, pushes=replay.tape.pushes)


def _load_one(replay: Replay, number: int, path: str, keys: Sequence[RsaKey], log: Log) -> int:
    """Take one capture; returns how many frames of it are encrypted under no key of ours."""
    hidden = 0
    with open_input(path) as source_input:
        source = None
        head = b""
        try:
            for chunk in source_input.chunks():
                data = chunk
                if source is None:
                    head += chunk
                    if len(head) < ENOUGH_TO_TELL:
                        continue
                    source, data = open_source(head, keys=keys), head
                    if not isinstance(source, CaptureSource):
                        raise LoadError(f"{path}: not a capture (pcap, pcapng, gzip of either)")
                for talk, seen in source.feed(data):
                    hidden += getattr(seen, "encryption", "") == "unknown"
                    replay.observe(number, talk, seen)
            if source is None:
                raise LoadError(f"{path}: empty")
            for talk, seen in source.close():
                hidden += getattr(seen, "encryption", "") == "unknown"
                replay.observe(number, talk, seen)
        except CaptureError as error:
            # What came before is good.
            log("cut-capture", file=path, reason=str(error))
    return hidden

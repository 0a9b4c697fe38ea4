"""Loads capture files into a ``Replay``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ftwire.capture import CaptureReader, DissectedFrame
from ftwire.cipher import KEY_UNKNOWN
from ftwire.errors import CaptureError, NotACaptureError
from ftwire_tools.captures.account_text import explain_hint, outside_frames, without_conversation
from ftwire_tools.captures.input_files import allow_open_files, one_capture_each, open_input

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey
    from ftwire_tools.captures.input_files import Input
    from ftwire_tools.gateway.log import Log
    from ftwire_tools.gateway.replay import Replay

__all__ = ["LoadError", "load"]


class LoadError(Exception):
    """A file without anything to replay; the text is the reason."""


def load(replay: Replay, paths: Sequence[str], keys: Sequence[RsaKey], log: Log) -> None:
    """Add captures to a replay, parts of one as one. ``keys`` are RSA private keys to decrypt them with.

    Raises ``OSError`` and ``LoadError``.
    """
    allow_open_files(len(paths))
    with ExitStack() as stack:
        inputs = [stack.enter_context(open_input(path)) for path in paths]
        for number, parts in enumerate(one_capture_each(inputs)):
            _load_one(replay, number, parts, keys, log)
    left_out = replay.index.left_out + replay.recording.left_out
    if left_out:
        log("left-out", frames=left_out, reason="they cannot be decoded")
    log("loaded", files=len(paths), replies=replay.index.replies, pushes=replay.recording.pushes)


def _load_one(replay: Replay, number: int, parts: Sequence[Input], keys: Sequence[RsaKey], log: Log) -> None:
    """Add one capture. Raises ``LoadError`` for a part with nothing to replay."""
    found, hidden = [0] * len(parts), [0] * len(parts)
    reader = CaptureReader(keys=keys, raw=False)
    account = reader.account
    before = replay.index.replies + replay.recording.pushes
    try:
        for report in reader.read_files([part.stream for part in parts], at_once=False):
            if isinstance(report, DissectedFrame):
                hidden[reader.part] += report.encryption == KEY_UNKNOWN.name
                replay.add(number, report)
                after = replay.index.replies + replay.recording.pushes
                found[reader.part] += after - before
                before = after
    except NotACaptureError as error:
        raise LoadError(
            f"{parts[reader.part].path}: not a capture (pcap or pcapng, compressed or not): {error}"
        ) from None
    except CaptureError as error:
        # What was read before the error is kept.
        for index, damage in (account.damaged_parts or {0: error}).items():
            log("cut-capture", file=parts[index].path, reason=str(damage))
    for part, count, encrypted in zip(parts, found, hidden, strict=True):
        if not count:
            reason = "no replies and no pushes of OpenD in it"
            if encrypted:
                reason = "its frames are encrypted: give the key that they were captured under"
            else:
                why = [without_conversation(account), *account.unread()]
                reason = ": ".join([reason, *filter(None, why)])
            if account.unrecognised:
                reason += f"; {explain_hint(part.path, account.unrecognised)}"
            raise LoadError(f"{part.path}: {reason}")
        if encrypted:
            log("left-out", file=part.path, frames=encrypted, reason="encrypted, and no key opens them")
    if account.unrecognised:
        hint = explain_hint(" ".join(part.path for part in parts), account.unrecognised)
        log("left-out", file=parts[0].path, connections=account.unrecognised, reason=hint)
    for sentence in (*outside_frames(account.undecoded_bytes, account.missing_bytes), *account.unread()):
        log("left-out", file=parts[0].path, reason=sentence)

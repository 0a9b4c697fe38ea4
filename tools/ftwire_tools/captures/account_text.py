"""What a capture holds beside frames, in sentences: the same in every command that reads captures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftwire.capture import Account, UnrecognisedConnection

__all__ = ["explain_hint", "outside_frames", "unrecognised_text", "without_conversation"]


def unrecognised_text(report: UnrecognisedConnection) -> str:
    """Return which connection looks like this protocol, and what makes it look so."""
    client, server = report.sizes
    conversation = report.conversation
    return (
        f"{conversation.client} -> {conversation.server}: no frame in {client} bytes and {server} in reply, "
        f"which look like OpenD's protocol: {report.resemblance}"
    )


def explain_hint(path: str, count: int) -> str:
    """Return what to do about so many connections of ``unrecognised_text`` in the capture at ``path``."""
    those = "a connection looks" if count == 1 else f"{count} connections look"
    return f"{those} like OpenD's protocol and could not be decoded: see ftwire explain {path}"


def outside_frames(undecoded: int, missing: int) -> list[str]:
    """Return how many bytes are in no frame, for commands that do not name each place.

    ``undecoded`` of them are in the capture, ``missing`` are not.
    """
    counts = (undecoded, "in no frame"), (missing, "not in the capture")
    return [f"{count} bytes of conversations are {where}" for count, where in counts if count]


def without_conversation(account: Account) -> str:
    """Return that there is no conversation in a capture, and what there is instead.

    Empty where there is one, and where there may be one that was not read: ``account.unread`` says why.
    """
    if account.conversations or account.unread():
        return ""
    others = account.other_connections - account.unrecognised
    found = [
        f"{count} {one if count == 1 else more}"
        for count, one, more in (
            (account.unrecognised, "connection looks like one", "connections look like one"),
            (others, "connection carries something else or nothing", "connections carry something else or nothing"),
            (account.other_packets, "packet is no TCP", "packets are no TCP"),
        )
        if count
    ]
    if not found and account.damage is not None:
        # Nothing could be read, which is said with the damage.
        return ""
    return f"no conversation with OpenD: {', '.join(found) or 'no packets'}"

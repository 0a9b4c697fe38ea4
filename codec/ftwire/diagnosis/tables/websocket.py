"""Mistakes in envelopes."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
    (
        "envelope_ft_fields",
        "A WebSocket message carries the fields of the TCP header.",
        "On WebSocket send the big-endian ft-v1.0 envelope: 8 bytes magic, u32 command, u64 section, then the body.",
        0,
    ),
    (
        "envelope_little_endian",
        "The numbers of a WebSocket envelope are little-endian.",
        "Write command and section of the envelope in big-endian byte order.",
        0,
    ),
    (
        "envelopes_glued",
        "A WebSocket message carries several envelopes.",
        "Send every envelope as a binary message of its own.",
        2,
    ),
    (
        "envelope_on_tcp",
        "WebSocket envelopes are sent on plain TCP.",
        "Use the 44-byte FT header on OpenD's TCP port, or connect to its WebSocket port.",
        0,
    ),
    (
        "websocket_key_not_md5",
        "websocketKey is not an MD5.",
        "Send the MD5 of OpenD's websocket_key as 32 lower-case hexadecimal digits, not the key itself.",
        1,
    ),
    (
        "websocket_key_upper_case",
        "websocketKey is an MD5 in upper case.",
        "Write the MD5 of the key in lower-case hexadecimal.",
        1,
    ),
    (
        "init_connect_on_websocket",
        "InitConnect is sent on WebSocket.",
        "On WebSocket begin with command 1 (InitWebSocket, which has the key) and send no InitConnect (1001).",
        1,
    ),
    (
        "no_envelope",
        "A WebSocket message is no envelope.",
        'Start every binary message with "ft-v1.0" and a zero byte.',
        3,
    ),
)
"""ID, title, remedy and rank of each."""

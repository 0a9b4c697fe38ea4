"""Mistakes in the order of frames, and what OpenD refuses."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
    (
        "wrong_serial",
        "The reply does not carry the serial number of its request.",
        "Copy nSerialNo of the request into the reply.",
        1,
    ),
    (
        "unknown_push",
        "The server sent, unasked, a protocol ID that is no push.",
        "Send pushes with the push's own ID (Qot_UpdateRT 3009, not Qot_GetRT 3008); clients tell them by ID alone.",
        1,
    ),
    (
        "packet_id_not_increasing",
        "PacketID.serialNo of a trading request does not increase.",
        "Take a new, larger serialNo for every trading request of the connection (the SDK takes the header's).",
        1,
    ),
    (
        "heartbeat_missing",
        "The client was silent for longer than OpenD waits.",
        "Send KeepAlive (1004) at the keepAliveInterval of InitConnect's reply; OpenD drops a client silent for 30 s.",
        0,
    ),
    (
        "init_not_answered",
        "InitConnect was never answered.",
        "Check the RSA key first: OpenD closes the connection where only one side has a key, or each another one, and "
        "where InitConnect cannot be read.",
        0,
    ),
    (
        "init_missing",
        "The conversation does not begin with InitConnect.",
        "Send InitConnect (1001) first, and wait for its reply before any other request.",
        0,
    ),
    (
        "packet_id_of_other_connection",
        "PacketID.connID is not that of this connection.",
        "Take connID from the InitConnect reply of the connection that the request is sent on, anew after every "
        "reconnect.",
        1,
    ),
    (
        "serial_reused",
        "A serial number is used for two requests.",
        "Count nSerialNo up with every request of the connection: replies are told by protocol and serial.",
        1,
    ),
    (
        "digest_refused",
        "OpenD refused the SHA-1 of a request.",
        "Hash the plain body before encrypting it; if it agrees here, check that both sides have the same RSA key.",
        1,
    ),
    (
        "body_refused",
        "OpenD could not parse a request.",
        "Send a whole Request with all required fields, encrypted as InitConnect agreed, repeated numbers unpacked.",
        1,
    ),
    (
        "trade_locked",
        "Trading is not unlocked.",
        "Send Trd_UnlockTrade (2005) with the lower-case hexadecimal MD5 of the trading password, or unlock in OpenD's "
        "window; simulated accounts need none.",
        1,
    ),
    (
        "account_refused",
        "The account of a trading request does not exist for OpenD.",
        "Take accID (64 bits), trdEnv and market from the reply of Trd_GetAccList (2001), asked for with "
        "needGeneralSecAccount for universal accounts.",
        1,
    ),
    (
        "firm_refused",
        "The securities firm of a trading request is missing or another.",
        "Set securityFirm to the firm that holds the account.",
        1,
    ),
    (
        "not_subscribed",
        "The data was requested without a subscription.",
        "Subscribe first with Qot_Sub (3001), for this security and this data, on the same connection.",
        1,
    ),
    (
        "quota_used_up",
        "The quota of subscriptions or of history is used up.",
        "Unsubscribe what is no longer needed (a minute after subscribing at the earliest), on all connections; "
        "Qot_GetSubInfo (3003) has what is left.",
        1,
    ),
    (
        "too_frequent",
        "Requests were sent too often.",
        "Send fewer requests of this protocol in 30 seconds, and use pushes instead of asking again.",
        1,
    ),
    (
        "no_quote_right",
        "The account has no right to these quotes.",
        "Check the quote rights of the account for this market, and the market and code of the security.",
        1,
    ),
    (
        "protocol_refused",
        "The gateway does not know this protocol.",
        "Update OpenD: it is older than the SDK release that brought this protocol (ftwire schema list has that).",
        1,
    ),
    (
        "security_refused",
        "The gateway does not know this security.",
        "Take its code from Qot_GetStaticInfo (3202) or, of an option, from Qot_GetOptionChain (3209), which have none "
        "that has expired.",
        1,
    ),
)
"""ID, title, remedy and rank of each."""

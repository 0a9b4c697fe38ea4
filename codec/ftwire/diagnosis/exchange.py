"""Mistakes in the order of frames: serials, pushes, PacketID, silence."""

from __future__ import annotations

from typing import Any, Final

from ftwire.connection import INIT_CONNECT, SECOND, SERVER_SILENCE
from ftwire.diagnosis.bounds import swapped
from ftwire.diagnosis.mistakes import MISTAKES, Finding
from ftwire.diagnosis.refusals import refusal_finding
from ftwire.diagnosis.requests import RET_TYPES, security_finding, websocket_key_finding
from ftwire.frame import Role
from ftwire.protocols import Registry

__all__ = ["ExchangeChecker"]

MAX_KEPT: Final = 65536
"""Requests and replies remembered, each."""


class ExchangeChecker:
    """Pairs the requests and replies of one conversation, and checks their order."""

    def __init__(self, registry: Registry, *, from_start: bool) -> None:
        self._registry: Final = registry
        self._gapless = from_start
        self._handshake = False
        self._frames = 0
        self._pending: Final[dict[tuple[int, int], int]] = {}
        self._answered: Final[dict[tuple[int, int], None]] = {}
        self._unmatched: Final[dict[tuple[int, int], int]] = {}
        self._last_packet_id: int | None = None
        self._last_client: int | None = None
        self._keep_alive = 0
        self._last_index = 0
        self._silent = False
        self._websocket = False
        self._first_client: tuple[int, int] | None = None
        self._init: tuple[int, int] | None = None
        self._served = False
        self._succeeded = False
        self._wrong: Final[dict[tuple[int, int], None]] = {}
        self._any_wrong = False
        self._conn_id = 0
        self._other_connection: Final[dict[tuple[int, int], int]] = {}
        self._last_serial = 0

    def incomplete(self) -> None:
        """Note that not everything was captured."""
        self._gapless = False

    @property
    def open_pieces(self) -> set[int]:
        """Numbers of the frames that ``close`` may still return a finding about."""
        first = [found[0] for found in (self._first_client, self._init) if found is not None]
        return {*self._unmatched.values(), *first, self._last_index}

    def waits(self, proto_id: int, serial: int) -> bool:
        """Return whether a request of this ID and serial has no reply yet."""
        return (proto_id, serial) in self._pending

    def check_header(
        self,
        index: int,
        proto_id: int,
        serial: int,
        sender: Role,
        time: int,
        *,
        websocket: bool = False,
        is_wrong: bool = False,
    ) -> tuple[Finding, ...]:
        """Check the header of a frame, the ``index``-th of the conversation.

        ``is_wrong``: the frame has a mistake already, from which others may follow.
        """
        self._frames += 1
        self._last_index = index
        self._websocket = websocket
        if websocket:
            self._handshake = True
        findings = self._silence(time)
        key = proto_id, serial
        if sender is Role.CLIENT:
            if self._first_client is None:
                self._first_client = index, proto_id
            if proto_id == INIT_CONNECT:
                self._handshake = True
                self._init = self._init or (index, serial)
            findings += self._turned_serial(serial)
            if time:
                self._last_client = time
            findings += () if is_wrong else self._reused(key)
            # A reply may have been captured before its request.
            if self._unmatched.pop(key, None) is None:
                _keep(self._pending, key, index)
        else:
            self._served = True
            protocol = self._registry.get(proto_id)
            if protocol is None or not protocol.is_push:
                if self._pending.pop(key, None) is not None:
                    _keep(self._answered, key, None)
                elif key not in self._answered:
                    _keep(self._unmatched, key, index)
        return findings

    def note_wrong(self, proto_id: int, serial: int, sender: Role) -> None:
        """Note that a frame has findings: the answer to it follows from them."""
        self._any_wrong = True
        if sender is Role.CLIENT:
            _keep(self._wrong, (proto_id, serial), None)

    def check_body(
        self, message: Any, sender: Role, proto_id: int = 0, serial: int = 0, *, unparsed: bool = False
    ) -> tuple[Finding, ...]:
        """Check the body of the frame whose header was passed to ``check_header``.

        ``unparsed``: the body is known to be wrong, so its content means nothing.
        """
        if message is None or unparsed:
            return ()
        if sender is Role.CLIENT:
            return self._check_request(message, sender, (proto_id, serial))
        self._succeeded = self._succeeded or getattr(message, "retType", -1) == 0
        s2c = getattr(message, "s2c", None)
        self._keep_alive = getattr(s2c, "keepAliveInterval", 0) or self._keep_alive
        if proto_id == INIT_CONNECT:
            self._conn_id = getattr(s2c, "connID", 0)
        if (proto_id, serial) in self._wrong:
            return ()
        conn_id = self._other_connection.pop((proto_id, serial), None)
        if conn_id is not None and getattr(message, "retType", 0) in RET_TYPES - {0}:
            proof = (
                f"The request is refused with retType {message.retType}; its connID is {conn_id}, that of this "
                f"connection's InitConnect reply {self._conn_id}."
            )
            return (Finding(MISTAKES["packet_id_of_other_connection"], proof, Role.CLIENT),)
        refused = refusal_finding(message, proto_id)
        return (refused,) if refused else ()

    def _check_request(self, message: Any, sender: Role, key: tuple[int, int]) -> tuple[Finding, ...]:
        findings = tuple(found for found in (security_finding(message), websocket_key_finding(message)) if found)
        c2s = getattr(message, "c2s", None)
        if c2s is None or "packetID" not in c2s.DESCRIPTOR.fields_by_name or not c2s.HasField("packetID"):
            return findings
        if self._conn_id and c2s.packetID.connID != self._conn_id:
            _keep(self._other_connection, key, c2s.packetID.connID)
        serial, last = c2s.packetID.serialNo, self._last_packet_id
        self._last_packet_id = serial
        if last is None or serial > last:
            return findings
        proof = f"serialNo is {serial}, that of the trading request before it {last}."
        return (*findings, Finding(MISTAKES["packet_id_not_increasing"], proof, sender))

    def _reused(self, key: tuple[int, int]) -> tuple[Finding, ...]:
        """Return the finding for a request with the protocol and the serial of an earlier one."""
        if self._websocket or not (key in self._pending or key in self._answered):
            return ()
        proof = f"nSerialNo {key[1]} is that of an earlier request of protocol {key[0]}"
        proof += ", which was not answered yet." if key in self._pending else "."
        return (Finding(MISTAKES["serial_reused"], proof, Role.CLIENT),)

    def _turned_serial(self, serial: int) -> tuple[Finding, ...]:
        """Return the finding for a second serial in a row that is small only in big-endian."""
        last, self._last_serial = self._last_serial, serial
        if self._websocket or not last or not serial or (last | serial) & 0xFFFF:
            return ()
        if not 0 < swapped(last) < swapped(serial) <= swapped(last) + 256:
            return ()
        proof = (
            f"nSerialNo is {serial} after {last}, which in big-endian are {swapped(serial)} and {swapped(last)}; the "
            "other numbers of the header are right."
        )
        return (Finding(MISTAKES["big_endian_header"], proof, Role.CLIENT, proven=False),)

    def close(self, time: int = 0, *, ended: bool = False, handshake: str = "") -> list[tuple[int, Finding]]:
        """End the conversation; return the findings that are certain only then.

        ``ended``: the connection is known to have ended. ``handshake`` is what InitConnect was, for the proof.
        """
        findings = [(self._last_index, found) for found in self._silence(time)]
        if not self._gapless:
            return findings
        if ended and not self._any_wrong and not findings:
            findings += self._absences(handshake)
        pending = dict(self._pending)
        for (proto_id, serial), index in self._unmatched.items():
            asked = next((key for key in pending if key[0] == proto_id), None)
            if asked is not None:
                del pending[asked]
                proof = f"The reply to protocol {proto_id} carries {serial}; its request, never answered, {asked[1]}."
                findings.append((index, Finding(MISTAKES["wrong_serial"], proof, Role.SERVER)))
            elif self._handshake and not self._websocket:
                name = getattr(self._registry.get(proto_id), "name", "unknown")
                proof = f"Protocol {proto_id} ({name}) answers no request and is not among the push IDs."
                # An ID that the registry does not hold may be a push of a newer SDK.
                proven = proto_id in self._registry
                findings.append((index, Finding(MISTAKES["unknown_push"], proof, Role.SERVER, proven)))
        return findings

    def _absences(self, handshake: str) -> list[tuple[int, Finding]]:
        """Return what a connection that has ended lacks."""
        # A reply whose request or handshake is not there: packets are missing where no gap shows it.
        if self._websocket or self._first_client is None or self._succeeded:
            return []
        if self._init is None:
            index, proto_id = self._first_client
            proof = f"The first request is protocol {proto_id}, and there is no InitConnect."
            return [(index, Finding(MISTAKES["init_missing"], proof, Role.CLIENT))]
        if self._served:
            return []
        index, serial = self._init
        proof = f"The connection ended, and InitConnect (serial {serial}) has no reply. {handshake}".rstrip()
        return [(index, Finding(MISTAKES["init_not_answered"], proof))]

    def _silence(self, time: int) -> tuple[Finding, ...]:
        last = self._last_client
        if not time or last is None or self._silent or self._websocket or not self._gapless:
            return ()
        silent = time - last
        if silent <= SERVER_SILENCE:
            return ()
        self._silent = True
        proof = f"The client sent nothing for {silent / SECOND:.0f} s"
        if self._keep_alive:
            proof += f", keepAliveInterval is {self._keep_alive} s"
        return (Finding(MISTAKES["heartbeat_missing"], proof + ".", Role.CLIENT),)


def _keep(kept: dict[tuple[int, int], Any], key: tuple[int, int], value: object) -> None:
    kept[key] = value
    if len(kept) > MAX_KEPT:
        del kept[next(iter(kept))]

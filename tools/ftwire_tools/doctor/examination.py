"""Everything that is looked at, in order: the port, the key, the handshake, and what a gateway reports about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ftwire_tools.doctor.access import AccessError, WrongKeyError, tcp_access, websocket_access
from ftwire_tools.doctor.checks import Check, Status
from ftwire_tools.doctor.gateway_state import examine_state
from ftwire_tools.doctor.port_probe import (
    HandshakeAnswer,
    ProbeAnswer,
    Service,
    probe_handshake,
    probe_service,
    reason_of,
)
from ftwire_tools.terminal.addresses import Address, is_loopback

if TYPE_CHECKING:
    from ftwire.cipher import RsaKey

__all__ = ["ExaminedGateway", "examine"]

KEY_FINDINGS: Final = frozenset({"rsa_wrong_key", "rsa_not_decrypted", "encryption_one_sided"})
"""Findings in the answer to InitConnect that the two sides' keys explain."""
RSA_BLOCKS: Final = (128, 256)
"""Sizes of an RSA block, in bytes, with keys of 1024 and 2048 bits."""
HEADER: Final = 44
_TOO_MANY: Final = "OpenD takes 128 connections: close those that are not needed."
_SHORT_KEY: Final = "Take a key of 1024 bits where other clients are to connect (docs/spec/encryption.md)."
_SAME_KEY: Final = "Give --key the private key file that OpenD's rsa_private_key names (PKCS#1 PEM)."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedGateway:
    """A gateway to look at, and how."""

    address: Address
    key: RsaKey | None = None
    ws_key: str = ""
    """Key of WebSocket clients, empty for none."""
    timeout: float = 5.0
    """Seconds that connecting and each reply may take."""
    show_secrets: bool = False


async def examine(gateway: ExaminedGateway) -> AsyncIterator[Check]:
    """Look at a gateway; yield a check for each thing that was looked at, the last one where nothing more can be.

    Raises ``ImportError`` where it speaks WebSocket and the package ``websockets`` is not installed.
    """
    address, seconds = gateway.address, gateway.timeout
    try:
        found = await probe_handshake(address, gateway.key, seconds)
    except OSError as error:  # TimeoutError too
        yield _unreachable(address, error, seconds)
        return
    text = f"{address} accepts connections ({found.connect_ms:.1f} ms)."
    yield Check("reachable", Status.OK, text, facts={"connect_ms": round(found.connect_ms, 3)})
    if found.answer in {ProbeAnswer.CONNECTED, ProbeAnswer.REFUSED}:
        yield Check("transport", Status.OK, "OpenD's protocol on TCP.", facts={"transport": "tcp"})
        yield _key_accepted(gateway)
        if found.answer is ProbeAnswer.REFUSED:
            yield _refused(found.ret_msg)
            return
        yield Check("handshake", Status.OK, "InitConnect succeeds.", facts={"encryption": found.encryption})
        try:
            async with tcp_access(address, gateway.key, seconds) as access:
                async for check in examine_state(access, show_secrets=gateway.show_secrets):
                    yield check
        except AccessError as error:
            # The first connection succeeded: this one is refused or treated in another way.
            yield Check("handshake", Status.FAILED, f"A second connection fails: {error}.", _TOO_MANY)
        return
    if found.answer is ProbeAnswer.UNREADABLE:
        yield Check("transport", Status.OK, "OpenD's protocol on TCP.", facts={"transport": "tcp"})
        yield await _unreadable(gateway, found)
        return
    service = await probe_service(address, seconds)
    if service in {Service.WEBSOCKET, Service.SECURE_WEBSOCKET}:
        async for check in _examine_websocket(gateway, tls=service is Service.SECURE_WEBSOCKET):
            yield check
        return
    yield await _no_opend(gateway, found, service)


def _unreachable(address: Address, error: OSError, seconds: float) -> Check:
    reason = reason_of(error)
    if isinstance(error, TimeoutError):
        reason = f"{reason} within {seconds:g} s"
        remedy = "Look for a firewall, and whether the address and port are right; nothing refuses the connection."
    elif isinstance(error, ConnectionRefusedError):
        remedy = (
            "Start OpenD, and compare the port with api_port of its configuration (11111 by default); "
            "from another machine, its api_ip must not be 127.0.0.1."
        )
    else:
        remedy = "Check the host's name or address, and the network."
    return Check("reachable", Status.FAILED, f"No connection to {address}: {reason}.", remedy)


def _key_accepted(gateway: ExaminedGateway) -> Check:
    facts: dict[str, object] = {"given": gateway.key is not None}
    if gateway.key is not None and gateway.key.size > RSA_BLOCKS[0]:
        bits = gateway.key.size * 8
        text = f"The RSA key is the gateway's, but of {bits} bits: the vendor's SDKs cannot log in with it."
        return Check("key", Status.WARNING, text, _SHORT_KEY, facts)
    if gateway.key is not None:
        return Check("key", Status.OK, "The RSA key is the gateway's.", facts=facts)
    if is_loopback(gateway.address.host):
        return Check("key", Status.OK, "The gateway needs no RSA key; nothing is encrypted.", facts=facts)
    text = "Nothing is encrypted between this machine and the gateway."
    remedy = "Set an RSA key in OpenD (rsa_private_key): without one it refuses to trade for other machines."
    return Check("key", Status.WARNING, text, remedy, facts)


def _refused(ret_msg: str) -> Check:
    text = f"The gateway refuses InitConnect: {ret_msg or 'it gives no reason'}."
    remedy = f"Do what the text says; where OpenD waits for a code or a login, finish that in OpenD. {_TOO_MANY}"
    return Check("handshake", Status.FAILED, text, remedy, {"ret_msg": ret_msg})


async def _unreadable(gateway: ExaminedGateway, found: HandshakeAnswer) -> Check:
    """Return the check of a key where InitConnect is answered with a frame that cannot be read."""
    size = len(found.data) - HEADER
    finding = found.finding
    by_rsa = size > 0 and any(size % block == 0 for block in RSA_BLOCKS)
    if gateway.key is None and by_rsa:
        text = f"The gateway has an RSA key and none was given: its answer is {size} bytes of RSA ciphertext."
        return Check("key", Status.FAILED, text, _SAME_KEY, {"given": False})
    if gateway.key is not None and (check := await _key_too_many(gateway)) is not None:
        return check
    if gateway.key is not None and (finding is None or finding.mistake.id in KEY_FINDINGS):
        return Check("key", Status.FAILED, "The RSA key is not the gateway's.", _SAME_KEY, {"given": True})
    if finding is None:
        text = "InitConnect is answered with a frame that cannot be read."
        return Check(
            "handshake", Status.FAILED, text, "Record the connection (ftwire record) and look at it (explain)."
        )
    return Check(
        "handshake",
        Status.FAILED,
        f"The answer to InitConnect cannot be read. {finding.mistake.title}",
        f"This is a mistake of the gateway. {finding.mistake.remedy}",
        {"mistake": finding.mistake.id},
    )


async def _key_too_many(gateway: ExaminedGateway) -> Check | None:
    """Return the failed check where the gateway answers without a key, though one was given."""
    try:
        plain = await probe_handshake(gateway.address, None, gateway.timeout)
    except OSError:
        return None
    if plain.answer not in {ProbeAnswer.CONNECTED, ProbeAnswer.REFUSED}:
        return None
    text = "The gateway has no RSA key, and one was given: without it the handshake succeeds."
    return Check(
        "key", Status.FAILED, text, "Leave --key away, or set the key in OpenD (rsa_private_key).", {"given": True}
    )


async def _no_opend(gateway: ExaminedGateway, found: HandshakeAnswer, service: Service) -> Check:
    """Return the check of a port that does not answer InitConnect with a frame."""
    facts: dict[str, object] = {"answer": found.answer.value, "service": service.value}
    right_port = "Give the port of OpenD's api_port (11111 by default)."
    if service is not Service.UNKNOWN:
        text = f"This is no port of OpenD: it speaks {service.value}."
        return Check("transport", Status.FAILED, text, right_port, facts)
    if found.answer is ProbeAnswer.OTHER_BYTES:
        text = f"InitConnect is answered with bytes that are no frame: {found.data[:16]!r}."
        return Check("transport", Status.FAILED, text, right_port, facts)
    if gateway.key is not None and (check := await _key_too_many(gateway)) is not None:
        return check
    how = {
        ProbeAnswer.CLOSED: "The connection is closed without an answer to InitConnect.",
        ProbeAnswer.CUT: f"The answer to InitConnect breaks off after {len(found.data)} bytes.",
    }.get(found.answer, f"Nothing comes within {gateway.timeout:g} s after InitConnect.")
    if found.answer is ProbeAnswer.CUT:
        return Check("handshake", Status.FAILED, how, "Restart OpenD, or what stands between it and here.", facts)
    name = "handshake" if gateway.key is None else "key"
    key = (
        "Most likely the key differs from the gateway's: compare it with OpenD's rsa_private_key"
        if gateway.key is not None
        else "Most likely the gateway has an RSA key: give it with --key"
    )
    return Check(name, Status.FAILED, how, f"{key}. Otherwise this is no OpenD, or one that hangs.", facts)


async def _examine_websocket(gateway: ExaminedGateway, *, tls: bool) -> AsyncIterator[Check]:
    scheme = "wss" if tls else "ws"
    try:
        async with websocket_access(gateway.address, gateway.ws_key, gateway.timeout, tls=tls) as access:
            text = f"OpenD's protocol on WebSocket ({scheme}://); the Python, Java, C++ and C# SDKs need its TCP port."
            yield Check("transport", Status.OK, text, facts={"transport": scheme})
            has_key = "The key of WebSocket clients is accepted." if gateway.ws_key else "No WebSocket key is needed."
            if gateway.key is not None:
                yield Check(
                    "key",
                    Status.WARNING,
                    f"{has_key} The RSA key has no meaning on WebSocket.",
                    "Leave --key away here; --ws-key is the key of WebSocket clients.",
                )
            else:
                yield Check("key", Status.OK, has_key, facts={"given": bool(gateway.ws_key)})
            yield Check(
                "handshake", Status.OK, "InitWebSocket succeeds.", facts={"encryption": "tls" if tls else "none"}
            )
            async for check in examine_state(access, show_secrets=gateway.show_secrets):
                yield check
    except WrongKeyError as error:
        yield Check(
            "transport", Status.OK, f"OpenD's protocol on WebSocket ({scheme}://).", facts={"transport": scheme}
        )
        key = "The key of WebSocket clients is refused" if gateway.ws_key else "InitWebSocket without a key is refused"
        remedy = "Give --ws-key-file the key itself, not its MD5, as OpenD's websocket_key_md5 was made of it."
        yield Check("key", Status.FAILED, f"{key}: {error}.", remedy, {"given": bool(gateway.ws_key)})
    except AccessError as error:
        yield Check(
            "transport",
            Status.FAILED,
            f"This is a WebSocket server, and not OpenD's: {error}.",
            "Give the port of OpenD's websocket_port (33333 by custom) or api_port (11111 by default).",
            {"transport": scheme},
        )

"""Version, clock, login, quote rights, quota and latency of a gateway, by requests that only read.

What is asked for is in ``REQUESTS``; none of it trades, subscribes or changes anything.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from ftwire_tools.doctor.access import Access, AccessError
from ftwire_tools.doctor.checks import Check, Status
from ftwire_tools.messages.enums import enum_name

__all__ = ["REQUESTS", "examine_state"]

REQUESTS: Final = ("GetGlobalState", "GetUserInfo", "Qot_GetSubInfo")
"""Every request that is made after the handshake."""
LATENCIES: Final = 5
"""Requests that the latency is measured with."""
MAX_CLOCK_SECONDS: Final = 5.0
"""Largest difference of the clocks that is not worth a word; the reply has whole seconds."""
SLOW_MS: Final = 1000.0
"""Latency, in milliseconds, above which a request that needs no server of the broker is slow."""

_READY: Final = 10
_REMEDIES: Final = {
    1: "Wait until OpenD has logged in.",
    2: "Wait until OpenD has logged in.",
    3: "Enter the picture code in OpenD (console: input_pic_verify_code -code=...).",
    4: "Enter the code that came by phone in OpenD (console: input_phone_verify_code -code=...).",
    5: "Look at OpenD's own log: account, password, or a login from another place.",
    6: "Install the version of OpenD that it asks for.",
    7: "Wait until OpenD has prepared its data.",
    8: "Restart OpenD: it lacks data that it needs.",
    9: "Agree to the disclaimers, which OpenD's log names.",
    11: "Log in again in OpenD: it was logged out, by a login elsewhere or a changed password.",
    12: "Restart OpenD: the disclaimers could not be fetched.",
}
"""``Common.ProgramStatusType`` that is not ready -> what to do."""


def _unanswered(name: str, error: AccessError) -> Check:
    text = str(error)
    remedy = (
        "Restart OpenD, or what stands between it and here; its log may say why it closed the connection."
        if error.is_over
        else "See what OpenD's log says about this request."
    )
    return Check(name, Status.FAILED, f"{text[:1].upper()}{text[1:].rstrip('.')}.", remedy)


async def examine_state(access: Access, *, show_secrets: bool) -> AsyncIterator[Check]:
    """Make the requests, and yield a check for each thing that their replies show; end where the connection does."""
    latencies: list[int] = []
    try:
        state, latency = await access.request("GetGlobalState", {"userID": 0})
    except AccessError as error:
        yield _unanswered("state", error)
        if error.is_over:
            return
    else:
        latencies.append(latency)
        yield _version(state)
        yield _clock(state, latency)
        yield _login(state)
    try:
        user, _ = await access.request("GetUserInfo", {})
    except AccessError as error:
        yield _unanswered("quote_rights", error)
        if error.is_over:
            return
    else:
        yield _quote_rights(user, show_secrets=show_secrets)
    try:
        used, _ = await access.request("Qot_GetSubInfo", {"isReqAllConn": True})
    except AccessError as error:
        yield _unanswered("subscription_quota", error)
        if error.is_over:
            return
    else:
        yield _subscription_quota(used)
    if latencies:
        yield await _latency(access, latencies)


def _version(state: Any) -> Check:
    major, minor = divmod(state.serverVer, 100)
    text = f"OpenD {major}.{minor}, build {state.serverBuildNo}."
    return Check("version", Status.OK, text, facts={"server_ver": state.serverVer, "build": state.serverBuildNo})


def _clock(state: Any, latency: int) -> Check:
    # The gateway read its clock about half a round trip ago, and cut it to whole seconds.
    ahead = state.time + 0.5 - (time.time() - latency / 2e9)
    facts: dict[str, object] = {"ahead_seconds": round(ahead, 1)}
    if abs(ahead) <= MAX_CLOCK_SECONDS:
        return Check("clock", Status.OK, "The gateway's clock agrees with this machine's.", facts=facts)
    side = "ahead of" if ahead > 0 else "behind"
    return Check(
        "clock",
        Status.WARNING,
        f"The gateway's clock is {_length(abs(ahead))} {side} this machine's.",
        "Synchronise both machines (NTP), or compare times of replies with each other alone.",
        facts,
    )


def _length(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds > 2 * 86400 else f"{seconds:.0f} s"


def _login(state: Any) -> Check:
    status = state.programStatus.type if state.HasField("programStatus") else _READY
    name = enum_name(state.programStatus.DESCRIPTOR.fields_by_name["type"], status) or str(status)
    facts: dict[str, object] = {
        "quotes": state.qotLogined,
        "trading": state.trdLogined,
        "program_status": name.removeprefix("ProgramStatusType_"),
    }
    if status != _READY:
        more = f": {state.programStatus.strExtDesc}" if state.programStatus.strExtDesc else ""
        remedy = _REMEDIES.get(status, "Look at OpenD's own log.")
        return Check("login", Status.FAILED, f"OpenD is not ready ({facts['program_status']}{more}).", remedy, facts)
    lacking = [kind for kind, has in (("quotes", state.qotLogined), ("trading", state.trdLogined)) if not has]
    if lacking:
        text = f"OpenD is not logged in to the broker's servers for {' and '.join(lacking)}."
        remedy = "Look at OpenD's own log: its network, the account, or a maintenance of the broker."
        return Check("login", Status.FAILED, text, remedy, facts)
    return Check("login", Status.OK, "OpenD is logged in, for quotes and for trading.", facts=facts)


def _quote_rights(user: Any, *, show_secrets: bool) -> Check:
    rights: dict[str, str] = {}
    for field, value in user.ListFields():
        if field.name.endswith("QotRight") and isinstance(value, int) and not isinstance(value, bool):
            right = enum_name(field, value) or str(value)
            rights[field.name.removesuffix("QotRight")] = right.removeprefix("QotRight_")
    facts: dict[str, object] = {"rights": rights, "user_id": user.userID if show_secrets else None}
    if user.isNeedAgreeDisclaimer:
        text = "The account has to agree to disclaimers before quotes come."
        return Check(
            "quote_rights", Status.FAILED, text, "Agree to them in the app, or at the page that OpenD names.", facts
        )
    listed = ", ".join(f"{market} {right}" for market, right in rights.items() if right not in {"No", "Unknow"})
    if not listed:
        text = "The account has no quote right in any market."
        return Check("quote_rights", Status.WARNING, text, "Get quote rights in the app (quote store).", facts)
    return Check("quote_rights", Status.OK, f"Quote rights: {listed}.", facts=facts)


def _subscription_quota(used: Any) -> Check:
    facts: dict[str, object] = {"used": used.totalUsedQuota, "remaining": used.remainQuota}
    text = f"Subscriptions of all connections: {used.totalUsedQuota} used, {used.remainQuota} left."
    if used.remainQuota > 0:
        return Check("subscription_quota", Status.OK, text, facts=facts)
    remedy = (
        "Unsubscribe what is not needed, one minute after subscribing at the earliest, or close other connections: "
        "all clients of the account share the quota."
    )
    return Check("subscription_quota", Status.FAILED, text, remedy, facts)


async def _latency(access: Access, latencies: list[int]) -> Check:
    try:
        while len(latencies) < LATENCIES:
            _, latency = await access.request("GetGlobalState", {"userID": 0})
            latencies.append(latency)
    except AccessError as error:
        return _unanswered("latency", error)
    median, most = statistics.median(latencies) / 1e6, max(latencies) / 1e6
    facts: dict[str, object] = {"median_ms": round(median, 3), "max_ms": round(most, 3), "requests": len(latencies)}
    text = f"A reply takes {median:.1f} ms, at most {most:.1f} ms in {len(latencies)} requests."
    if median <= SLOW_MS:
        return Check("latency", Status.OK, text, facts=facts)
    return Check("latency", Status.WARNING, text, "Run OpenD nearer to the client, or see what keeps it busy.", facts)

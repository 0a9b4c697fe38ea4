"""The state of a gateway on the made-up market: the states of all markets, the user, rights and quotas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ftwire.header import BodyFormat
from ftwire.messages import Common
from ftwire_tools.synthetic.trading_day import Market
from ftwire_tools.synthetic.universe import Kind

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber

__all__ = ["SERVER_VERSION", "USER_ID", "GatewayState"]

USER_ID: Final = 10_000_001
SERVER_VERSION: Final = 1011
BUILD: Final = 7108
_STATES: Final[dict[str, tuple[str, int, str]]] = {
    "marketHK": ("HK", Kind.STOCK, ""),
    "marketUS": ("US", Kind.STOCK, ""),
    "marketSH": ("SH", Kind.STOCK, ""),
    "marketSZ": ("SZ", Kind.STOCK, ""),
    "marketSG": ("SG", Kind.STOCK, ""),
    "marketJP": ("JP", Kind.STOCK, ""),
    "marketMY": ("MY", Kind.STOCK, ""),
    "marketHKFuture": ("HK", Kind.FUTURE, "HSImain"),
    "marketUSFuture": ("US", Kind.FUTURE, "ESmain"),
    "marketSGFuture": ("SG", Kind.FUTURE, "CNmain"),
    "marketJPFuture": ("JP", Kind.FUTURE, "NK225main"),
}
"""Fields of GetGlobalState to the market whose state they have: prefix, ``SecurityType``, and a future's code."""
LEVEL_1, LEVEL_2, NO_RIGHT = 2, 3, 5
"""``Qot_Common.QotRight``."""
_USER: Final[dict[int, dict[str, Any]]] = {
    1: {"nickName": "ftwire", "avatarUrl": "", "userID": USER_ID, "userAttribution": 1},
    2: {"apiLevel": "1"},
    # The rights that the order books' depths here need.
    4: {
        **dict.fromkeys(("hkQotRight", "hkOptionQotRight", "hkFutureQotRight", "usQotRight"), LEVEL_2),
        **dict.fromkeys(("usOptionQotRight", "cnQotRight", "shQotRight", "szQotRight", "usIndexQotRight"), LEVEL_1),
        **{f"us{each}FutureQotRight": LEVEL_2 for each in ("", "CME", "CBOT", "NYMEX", "COMEX", "CBOE")},
        **{
            f"{each}QotRight": LEVEL_2 for each in ("sgFuture", "jpFuture", "cc", "sgStock", "myStock", "jpStock", "ec")
        },
        "hasUSOptionQotRight": True,
        "usOtcQotRight": NO_RIGHT,
    },
    8: {"isNeedAgreeDisclaimer": False},
    16: {"updateType": 0, "updateWhatsNew": ""},
    2048: {"webKey": "", "webJumpUrlHead": ""},
}
"""``UserInfoField`` flag to what GetUserInfo returns for it."""


class GatewayState:
    """Answers to GetGlobalState and GetUserInfo."""

    def __init__(self, market: Market) -> None:
        self._market: Final = market
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            "GetGlobalState": self._global_state,
            "GetUserInfo": self._user_info,
        }
        """Protocol to the function that fills ``s2c`` from ``c2s``."""

    def _global_state(self, client: Subscriber, _: Any, s2c: Any) -> None:
        """Return the states of all markets, and the market's time."""
        for field, (prefix, sec_type, code) in _STATES.items():
            setattr(s2c, field, self._market.state(prefix, sec_type, code))
        s2c.qotLogined = s2c.trdLogined = True
        if client.push_format == BodyFormat.PROTOBUF:
            # In JSON it would be the name of an enum's value, which the vendor's SDKs for Python cannot read.
            s2c.programStatus.type = Common.ProgramStatusType_Ready
        s2c.serverVer, s2c.serverBuildNo = SERVER_VERSION, BUILD
        s2c.time = self._market.now
        s2c.localTime = float(self._market.now)
        s2c.connID = client.conn_id

    def _user_info(self, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Return the one user, rights and quotas, or the parts of these that are asked for."""
        for flag, fields in _USER.items():
            if not c2s.flag or c2s.flag & flag:
                for name, value in fields.items():
                    setattr(s2c, name, value)
        if s2c.apiLevel:
            s2c.subQuota, s2c.historyKLQuota = client.limits.settings.subscriptions, client.limits.settings.history

"""Which enum a number belongs to.

Nearly every enum of the vendor travels as a plain ``int32``. Most such fields bear their enum's name
(``klType``, ``trdSide``, ``subTypeList``): those are found by it, among the enums of the message's own file
and of the files that one imports. The others stand in ``FIELD_ENUMS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor, FileDescriptor

__all__ = ["FIELD_ENUMS", "enum_name", "enum_names", "enum_number", "enum_of", "short_enum_name"]

FIELD_ENUMS: Final = {
    # Message and field, or field alone for wherever it occurs: the enum, as Package.Enum.
    "Qot_Common.Security.market": "Qot_Common.QotMarket",
    "Trd_Common.TrdHeader.jpAccType": "Trd_Common.TrdSubAccType",
    "Trd_Common.TrdAcc.jpAccType": "Trd_Common.TrdSubAccType",
    "Trd_Common.TrdAcc.accType": "Trd_Common.TrdAccType",
    "Trd_Common.OrderFill.status": "Trd_Common.OrderFillStatus",
    "Trd_UnlockTrade.C2S.securityFirm": "Trd_Common.SecurityFirm",
    "Notify.S2C.type": "Notify.NotifyType",
    "Qot_Common.Ticker.dir": "Qot_Common.TickerDirection",
    "Qot_Common.Ticker.type": "Qot_Common.TickerType",
    "Qot_Common.OptionStaticExData.type": "Qot_Common.OptionType",
    "Qot_Common.WarrantStaticExData.type": "Qot_Common.WarrantType",
    "Qot_GetSecuritySnapshot.OptionSnapshotExData.type": "Qot_Common.OptionType",
    "Qot_GetSecuritySnapshot.SnapshotBasicData.type": "Qot_Common.SecurityType",
    "Qot_GetTradeDate.C2S.market": "Qot_Common.QotMarket",
    "Qot_RequestTradeDate.C2S.market": "Qot_Common.TradeDateMarket",
    "Notify.GtwEvent.eventType": "Notify.GtwEventType",
    "Qot_GetMarketState.MarketInfo.marketState": "Qot_Common.QotMarketState",
    "Verification.C2S.type": "Verification.VerificationType",
    "Verification.C2S.op": "Verification.VerificationOp",
    "accRole": "Trd_Common.TrdAccRole",
    "accStatus": "Trd_Common.TrdAccStatus",
    "assetCategory": "Trd_Common.TrdAssetCategory",
    "cashFlowDirection": "Trd_FlowSummary.TrdCashFlowDirection",
    "filterStatusList": "Trd_Common.OrderStatus",
    "market": "Qot_Common.QotMarket",
    "marketHK": "Qot_Common.QotMarketState",
    "marketHKFuture": "Qot_Common.QotMarketState",
    "marketJP": "Qot_Common.QotMarketState",
    "marketJPFuture": "Qot_Common.QotMarketState",
    "marketMY": "Qot_Common.QotMarketState",
    "marketSG": "Qot_Common.QotMarketState",
    "marketSGFuture": "Qot_Common.QotMarketState",
    "marketSH": "Qot_Common.QotMarketState",
    "marketSZ": "Qot_Common.QotMarketState",
    "marketUS": "Qot_Common.QotMarketState",
    "marketUSFuture": "Qot_Common.QotMarketState",
    "packetEncAlgo": "Common.PacketEncAlgo",
    "plateType": "Qot_Common.PlateSetType",
    "pushProtoFmt": "Common.ProtoFmt",
    "regPushRehabTypeList": "Qot_Common.RehabType",
    "retType": "Common.RetType",
    "secMarket": "Trd_Common.TrdSecMarket",
    "secStatus": "Qot_Common.SecurityStatus",
    "secType": "Qot_Common.SecurityType",
    "session": "Common.Session",
    "trdMarketAuthList": "Trd_Common.TrdMarket",
    "userAttribution": "Common.UserAttribution",
    "ccQotRight": "Qot_Common.QotRight",
    "cnQotRight": "Qot_Common.QotRight",
    "ecQotRight": "Qot_Common.QotRight",
    "hkFutureQotRight": "Qot_Common.QotRight",
    "hkOptionQotRight": "Qot_Common.QotRight",
    "hkQotRight": "Qot_Common.QotRight",
    "jpFutureQotRight": "Qot_Common.QotRight",
    "jpStockQotRight": "Qot_Common.QotRight",
    "myStockQotRight": "Qot_Common.QotRight",
    "sgFutureQotRight": "Qot_Common.QotRight",
    "sgStockQotRight": "Qot_Common.QotRight",
    "shQotRight": "Qot_Common.QotRight",
    "szQotRight": "Qot_Common.QotRight",
    "usCBOEFutureQotRight": "Qot_Common.QotRight",
    "usCBOTFutureQotRight": "Qot_Common.QotRight",
    "usCMEFutureQotRight": "Qot_Common.QotRight",
    "usCOMEXFutureQotRight": "Qot_Common.QotRight",
    "usFutureQotRight": "Qot_Common.QotRight",
    "usIndexQotRight": "Qot_Common.QotRight",
    "usNYMEXFutureQotRight": "Qot_Common.QotRight",
    "usOptionQotRight": "Qot_Common.QotRight",
    "usOtcQotRight": "Qot_Common.QotRight",
    "usQotRight": "Qot_Common.QotRight",
}
"""Integer fields whose enum has another name, the narrower entry first. A test holds every name to exist."""

_names: dict[FieldDescriptor, dict[int, str] | None] = {}


def enum_names(field: FieldDescriptor) -> dict[int, str] | None:
    """Return number to name of the enum that a field holds, ``None`` for a field that holds no enum."""
    try:
        return _names[field]
    except KeyError:
        pass
    enum = enum_of(field)
    found = None if enum is None else {value.number: value.name for value in reversed(enum.values)}
    _names[field] = found
    return found


def enum_of(field: FieldDescriptor) -> EnumDescriptor | None:
    """Return the enum that a field holds, declared as one or not."""
    enum: EnumDescriptor | None = field.enum_type
    if enum is None and field.cpp_type == field.CPPTYPE_INT32:
        enum = _enum_of(field)
    return enum


def enum_name(field: FieldDescriptor, number: int) -> str | None:
    """Return the name of an enum value, ``None`` where there is none."""
    names = enum_names(field)
    return None if names is None else names.get(number)


def _enum_of(field: FieldDescriptor) -> EnumDescriptor | None:
    listed = FIELD_ENUMS.get(field.full_name) or FIELD_ENUMS.get(field.name)
    if listed:
        return _by_full_name(listed)
    folded = field.name.replace("_", "").casefold()
    wanted = (folded.removesuffix("list"), folded)
    owner: Any = field.containing_type
    files: list[FileDescriptor] = [owner.file]
    for file in files:
        for name, enum in file.enum_types_by_name.items():
            if name.casefold() in wanted:
                return enum
        files.extend(imported for imported in file.dependencies if imported not in files)
    return None


def _by_full_name(name: str) -> EnumDescriptor:
    from ftwire.schema import schema

    package, _, enum = name.partition(".")
    found: EnumDescriptor = schema.file(f"{package}.proto").enum_types_by_name[enum]
    return found


def short_enum_name(name: str) -> str:
    """Leave out the enum's own name, which the vendor puts in front: ``SubType_RT`` is ``RT``."""
    return name.partition("_")[2] or name


def enum_number(names: Mapping[int, str], text: str) -> int | None:
    """Return the number of an enum value by its name, the enum's own name in front of it or not."""
    wanted = text.casefold()
    for number, name in names.items():
        if wanted in (name.casefold(), short_enum_name(name).casefold()):
            return number
    return None

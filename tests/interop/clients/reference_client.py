"""Calls every quote method of a vendor's Python SDK, and prints what each returns as a line of JSON.

    reference_client.py MODULE PORT

A line has the method, what it refused with, and of each table in what it returned the number of rows and, by column,
how many of them are filled. Methods with arguments of their own are in ``calls``; the last line names those that were
not called.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from typing import Any

name, port = sys.argv[1], int(sys.argv[2])
futu: Any = importlib.import_module(name)
futu.logger.console_level = 100
futu.SysConfig.set_all_thread_daemon(True)

US, HK, OPTION, EVENT = "US.AAPL", "HK.00700", "US.AAPL240621C210000", "EC.X"
NOT_REQUESTS = {
    "close", "start", "stop", "set_handler", "set_pre_handler", "can_send_proto", "conn_str", "get_async_conn_id",
    "get_sync_conn_id", "handle_packet", "handle_push", "is_encrypt", "keep_alive", "on_connect", "on_disconnect",
    "on_recv", "on_tick", "packet_callback", "on_api_socket_reconnected", "on_async_sub_acc_push", "on_connected",
    "set_sync_query_connect_timeout", "get_login_user_id", "get_security_firm", "on_error", "on_activate",
}  # fmt: skip


def first(enum: Any) -> Any:
    """Return the first value of an enum of the SDK that means something."""
    values = [v for k, v in vars(enum).items() if not k.startswith("_") and isinstance(v, str)]
    return next(value for value in values if value not in {"N/A", "NONE", "UNKNOWN"})


def built(kind: Any, **fields: Any) -> Any:
    """Return an object of the SDK with its fields set."""
    found = kind()
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def calls() -> list[tuple[str, dict[str, Any]]]:
    """Return methods and their arguments, in an order in which each has what it needs."""
    f = futu
    sub, market, option = f.SubType, f.Market, f.OptionMarket.US_SECURITY
    price = built(f.SimpleFilter, filter_min=2, filter_max=1000, stock_field=f.StockField.CUR_PRICE, is_no_filter=False)
    leg = built(f.OptionStrategyLeg, code=OPTION, action=first(f.StrategyLegAction), quantity=1)
    part = built(f.ComboLeg, code=EVENT, trd_side=f.TrdSide.BUY, qty_ratio=1, pred_side=None)
    prices = {"open": 1.0, "high": 9.0, "low": 1.0}
    bars = [{"time_key": f"2024-06-{day:02}", **prices, "close": float(day)} for day in range(3, 8)]
    kinds = [US, HK, "HK.800000", "HK.HSImain", "HK.52345", "HK.BK1001", "US.SPY", OPTION]
    everything = [sub.QUOTE, sub.ORDER_BOOK, sub.TICKER, sub.RT_DATA, sub.K_DAY, sub.K_1M]
    days = {"start": "2024-06-01", "end": "2024-06-12"}
    strategy = {"code": US, "expire_time": "2024-06-21"}
    chain = {"strike_date_timestamp": 1718928000, "product_code": "AAPL", "multiplier": 100.0}
    return [
        ("subscribe", {"code_list": [US], "subtype_list": everything, "subscribe_push": False}),
        ("subscribe", {"code_list": [HK], "subtype_list": [sub.BROKER], "subscribe_push": False}),
        ("query_subscription", {}),
        ("get_global_state", {}),
        ("get_user_info", {}),
        ("get_stock_quote", {"code_list": [US]}),
        ("get_cur_kline", {"code": US, "num": 10}),
        ("get_order_book", {"code": US}),
        ("get_rt_data", {"code": US}),
        ("get_rt_ticker", {"code": US, "num": 10}),
        ("get_broker_queue", {"code": HK}),
        ("get_market_snapshot", {"code_list": kinds}),
        ("get_market_state", {"code_list": [US, HK]}),
        ("get_stock_basicinfo", {"market": market.HK, "stock_type": f.SecurityType.WARRANT}),
        ("get_plate_list", {"market": market.HK, "plate_class": f.Plate.ALL}),
        ("get_plate_stock", {"plate_code": "HK.BK1001"}),
        ("get_owner_plate", {"code_list": [HK]}),
        ("get_referencestock_list", {"code": HK, "reference_type": f.SecurityReferenceType.WARRANT}),
        ("get_capital_flow", {"stock_code": US}),
        ("get_capital_distribution", {"stock_code": US}),
        ("get_holding_change_list", {"code": US, "holder_type": f.StockHolder.EXECUTIVE}),
        ("get_option_expiration_date", {"code": US}),
        ("get_option_chain", {"code": US, "start": "2024-06-12", "end": "2024-07-10"}),
        ("get_warrant", {"stock_owner": HK}),
        ("get_stock_filter", {"market": market.HK, "filter_list": [price]}),
        ("get_code_change", {"code_list": [HK]}),
        ("get_ipo_list", {"market": market.HK}),
        ("get_future_info", {"code_list": ["HK.HSImain"]}),
        ("get_rehab", {"code": US}),
        ("request_history_kline", {"code": US, "start": "2024-01-01", "end": "2024-06-12", "max_count": 50}),
        ("get_history_kl_quota", {"get_detail": True}),
        ("request_trading_days", {"market": f.TradeDateMarket.US, **days}),
        ("get_user_security_group", {}),
        ("modify_user_security", {"group_name": "mine", "op": f.ModifyUserSecurityOp.ADD, "code_list": [HK]}),
        ("get_user_security", {"group_name": "mine"}),
        ("set_price_reminder", {
            "code": HK, "op": f.SetPriceReminderOp.ADD, "reminder_type": f.PriceReminderType.PRICE_UP,
            "reminder_freq": f.PriceReminderFreq.ALWAYS, "value": 500.0,
        }),
        ("get_price_reminder", {"market": market.HK}),
        ("get_delay_statistics", {
            "type_list": [f.DelayStatisticsType.QOT_PUSH], "qot_push_stage": f.QotPushStage.SR2_SS, "segment_list": [],
        }),
        ("verification", {"verification_type": first(f.VerificationType), "verification_op": first(f.VerificationOp)}),
        ("get_search_quote", {"keyword": "AAPL"}),
        ("get_search_news", {"keyword": "Apple"}),
        ("get_stock_screen", {"request": f.StockScreenRequest()}),
        ("get_option_screen", {"request": f.OptionScreenRequest(market_categories=[f.OptMarketCategory.US_STOCK])}),
        ("get_warrant_screen", {"request": f.WarrantScreenRequest(warrant_market=f.WarrantMarket.HK)}),
        ("get_option_quote", {"option_legs": [leg]}),
        ("get_option_strategy", {"option_strategy": f.OptionStrategyType.STRADDLE, **strategy}),
        ("get_option_strategy_spread", {"option_strategy": f.OptionStrategyType.STRANGLE, **strategy}),
        ("get_option_strategy_analysis", {"option_legs": [leg]}),
        ("get_option_volatility", {"code": OPTION}),
        ("get_option_exercise_probability", {"code": OPTION}),
        ("get_option_market_statistic", {"option_market": option, "data_type": first(f.OptionStatisticDataType)}),
        ("get_option_underlying_overview", {"code_list": [US]}),
        ("get_option_underlying_rank", {"option_market": option, "sort_type": f.UnderlyingRankSortType.IV}),
        ("get_option_rank", {"option_market": option, "sort_type": f.OptionRankType.VOLUME}),
        ("get_option_event", {"option_market": option}),
        ("get_option_zero_dte_screener", {"market": option}),
        ("get_option_zero_dte_contract", {"owner": US, "strike_date_timestamp": 1718928000, "chain_info": chain}),
        ("get_option_earnings_screener", {"market": option}),
        ("get_option_seller_screener", {"market": option, "seller_type": first(f.SellerType)}),
        ("set_option_event_alert", {"op": first(f.AlertOpType), "alert_list": [f.OptionEventAlertItem()]}),
        ("get_option_event_alert", {}),
        ("get_macro_indicator_list", {"region": f.MacroRegion.US}),
        ("get_macro_indicator_history", {"indicator_id": 1}),
        ("get_earnings_beat_rank", {"market": market.US, "beat_type": f.BeatType.EPS}),
        ("get_dividend_rank", {"market": market.US, "rank_type": f.DividendRankType.HIGH_YIELD}),
        ("get_dividend_calendar", {"market": market.US, "date": "2024-06-12"}),
        ("get_economic_calendar", {"begin_date": "2024-06-12"}),
        *((f"get_institution_{what}", {"market": market.US, "institution_id": 1}) for what in (
            "distribution", "profile", "holding_change", "holding_list",
        )),
        ("get_industrial_chain_detail", {"chain_id": 1}),
        ("get_industrial_chain_by_plate", {"plate_id": 1}),
        ("get_industrial_plate_info", {"plate_id": 1}),
        ("get_industrial_plate_stock", {"chain_id": 1, "plate_id": 1}),
        ("get_ark_stock_dynamic", {"security": US}),
        ("get_corporate_actions_buybacks", {"code": HK}),
        ("get_top_ten_buy_sell_brokers", {"code": HK}),
        ("request_indicator_calc_async", {
            "short_name": "MA", "lang_type": 1, "code": US, "kl_type": "K_DAY", "klines": bars,
        }),
        ("subscribe_event_contract", {"code_list": [EVENT], "subtype_list": [sub.ORDER_BOOK, sub.TICKER, sub.K_DAY]}),
        ("get_event_contract", {"event_code": EVENT}),
        ("get_event_contract_event_list", {"series_code": EVENT}),
        ("get_event_contract_kline", {"code": EVENT}),
        ("get_event_contract_order_book", {"code": EVENT}),
        ("get_event_contract_snapshot", {"code_list": [EVENT]}),
        ("get_event_contract_ticker", {"code": EVENT}),
        ("request_history_event_contract_kline", {"code": EVENT, **days}),
        ("request_combo_quotes", {"combo_leg_list": [part], "mvc": "1"}),
        ("unsubscribe_event_contract", {"code_list": [EVENT], "subtype_list": [sub.ORDER_BOOK]}),
        ("unsubscribe_all_event_contract", {}),
    ]  # fmt: skip


def filled(found: Any) -> dict[str, Any]:
    """Return rows and filled cells of all tables in what a method returned; a plain value is a row without cells."""
    if hasattr(found, "columns"):
        empty = found.isna() | (found == "N/A")
        return {"rows": len(found), "columns": {str(each): int((~empty[each]).sum()) for each in found.columns}}
    if isinstance(found, dict):
        tables = [value for value in found.values() if isinstance(value, dict | list) or hasattr(value, "columns")]
        parts = [filled(value) for value in tables]
        plain = {str(key): 1 for key, value in found.items() if isinstance(value, str | int | float) and value != "N/A"}
    elif isinstance(found, list | tuple):
        parts, plain = [filled(value) for value in found], {}
        if isinstance(found, list) and found:
            parts.append({"rows": len(found), "columns": {}})
    else:
        return {"rows": int(found is not None and found != ""), "columns": {}}
    columns = dict(plain)
    for part in parts:
        for name, count in part["columns"].items():
            columns[name] = max(columns.get(name, 0), count)
    # Numbers beside a table, such as how many rows there are, are no rows.
    rows = max([part["rows"] for part in parts if part["columns"]] or [part["rows"] for part in parts] or [0])
    return {"rows": max(rows, int(bool(plain))), "columns": columns}


def main() -> None:
    """Call all methods."""
    context = futu.OpenQuoteContext(host="127.0.0.1", port=port)
    names = {each for each, _ in inspect.getmembers(type(context), inspect.isfunction) if not each.startswith("_")}
    listed = calls()
    simple = []
    for each in sorted(names - {method for method, _ in listed} - NOT_REQUESTS):
        needed = [p.name for p in inspect.signature(getattr(context, each)).parameters.values() if p.default is p.empty]
        if set(needed) <= {"code", "stock_code", "market"}:
            simple.append((each, {word: futu.Market.US if word == "market" else US for word in needed}))
    for method, arguments in [*listed[:-2], *simple, *listed[-2:]]:
        if method not in names:
            continue
        found = getattr(context, method)(**arguments)
        status, rest = (found[0], found[1:]) if isinstance(found, tuple) else (0, (found,))
        line = {"method": method, "status": status}
        print(json.dumps({**line, **(filled(rest) if status == 0 else {"said": str(rest[0])})}), flush=True)
    called = {method for method, _ in [*listed, *simple]}
    print(json.dumps({"uncalled": sorted(names - called - NOT_REQUESTS)}))
    context.close()


main()

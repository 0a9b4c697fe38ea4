"""Instruments of the made-up market: the table, a table of the user's, options by rule."""

from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftwire_tools.commands.serve import command
from ftwire_tools.markets.ticks import is_on_tick, parse_tick_rule, tick_at
from ftwire_tools.synthetic.options import (
    RATE,
    chain,
    chance_below,
    expiries,
    find_option,
    greeks,
    option_code,
    strikes,
    volatility,
    years_to,
)
from ftwire_tools.synthetic.trading_day import Market
from ftwire_tools.synthetic.universe import (
    Kind,
    Listing,
    UniverseError,
    default_table,
    default_universe,
    read_universe,
)
from ftwire_tools.testing import gateway
from support.gateways import PlainClient, security

TODAY = date(2024, 6, 12)
HEADER = "code,type,name,lot,tick,price,listed,currency"
ACME = "HK.00001,stock,ACME,100,HK,10.50,2001-01-01,HKD"


def named(code: str) -> Listing:
    found = default_universe().named(code)
    assert found is not None
    return found


def read(*rows: str, header: str = HEADER) -> object:
    return read_universe([header, *rows], "mine.csv")


def test_the_table_has_all_markets_and_kinds() -> None:
    universe = default_universe()
    assert {each.exchange.prefix for each in universe} == {"HK", "US", "SH", "SZ", "SG", "JP", "MY", "CC", "EC"}
    assert {each.sec_type for each in universe} == {3, 4, 5, 6, 7, 10, 12, 0}
    for code in ("HK.800000", "HK.800100", "US..DJI", "HK.HSImain", "HK.HSI2406", "HK.BK1001", "CC.BTC", "EC.X"):
        assert named(code).full_code == code
    assert {each.kind for each in universe.of_type(Kind.WARRANT)} == {"call", "put", "bull", "bear", "inline"}
    assert universe.find(1, "99999") is None


def test_every_stock_is_in_one_industry_and_every_price_on_a_tick() -> None:
    universe = default_universe()
    for each in universe:
        assert is_on_tick(each.tick_rule, each.last_close)
        assert each.tick == each.tick_at(each.last_close)
        if each.sec_type == Kind.STOCK:
            assert [plate.kind for plate in universe.plates_of(each.full_code)].count("industry") == 1, each.full_code
    for plate in universe.of_type(Kind.PLATE, Kind.INDEX):
        assert [each.full_code for each in universe.members(plate)] == list(plate.members)


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ((), "code,type", "line 1: the header lacks name, lot, tick, price, listed, currency"),
        ((ACME,), HEADER + ",colour", "line 1: unknown column 'colour'; the optional ones are chinese, exchange"),
        ((), HEADER, "mine.csv: no instruments"),
        ((ACME, ACME), HEADER, "line 3: HK.00001 is on line 2 already"),
        ((ACME.replace("HK.", "XX."),), HEADER, "line 2: 'XX.00001' is no security"),
        ((ACME.replace("HK.0", "12.0"),), HEADER, "line 2: unknown market 12"),
        ((ACME.replace("stock", "share"),), HEADER, "line 2: type 'share' is none of stock, etf, warrant"),
        ((ACME.replace("10.50", "10.51"),), HEADER, "line 2: price 10.51 is not a multiple of its tick 0.02"),
        ((ACME.replace("10.50", "nan"),), HEADER, "line 2: price 'nan' is no number above 0"),
        ((ACME.replace(",100,", ",0,"),), HEADER, "line 2: lot '0' is no whole number from 1 on"),
        ((ACME.replace("2001-01-01", "1.1.2001"),), HEADER, "line 2: listed '1.1.2001' is no date"),
        ((ACME.replace("HKD", "XAU"),), HEADER, "line 2: currency 'XAU' is none of HKD, USD"),
        ((ACME.replace(",HK,", ",coarse,"),), HEADER, "line 2: 'coarse' is no tick"),
        ((ACME.replace("ACME", ""),), HEADER, "line 2: name is empty"),
        ((ACME + ",more",), HEADER, "line 2: more cells than columns"),
        ((ACME.replace("stock", "plate") + ",HK.00002",), HEADER + ",members", "line 2: kind '' of a plate is none of"),
        ((ACME + ",HK.00002",), HEADER + ",members", "line 2: HK.00001 refers to HK.00002, which is not in the table"),
        ((ACME.replace("stock", "future") + ",main",), HEADER + ",kind", "line 2: expiry of a future is empty"),
        ((ACME.replace("stock", "warrant") + ",call,2025-01-01",), HEADER + ",kind,expiry", "needs owner and strike"),
    ],
)
def test_what_is_wrong_with_a_table_is_named_with_its_line(rows: tuple[str, ...], header: str, said: str) -> None:
    with pytest.raises(UniverseError, match=r"^mine\.csv") as caught:
        read(*rows, header=header)
    assert said in str(caught.value)


def test_our_table_read_as_the_users_is_the_same() -> None:
    assert read_universe(default_table().splitlines(), "copy.csv").listings == default_universe().listings


def test_the_gateway_trades_the_users_instruments(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(f"{HEADER}\n{ACME}\n", encoding="utf-8")
    with gateway(synthetic=True, universe=str(table)) as opened, PlainClient(opened.port) as client:
        found = client.ask("Qot_GetStaticInfo", market=1).s2c.staticInfoList
        assert [each.basic.name for each in found] == ["ACME"]
        refused = client.ask("Qot_GetSecuritySnapshot", securityList=[security("HK.00700")])
        assert (refused.retType, refused.retMsg) == (-1, "未知股票 00700")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"code\n", "line 1: the header lacks"),
        (b"\xff\xfe\x00", "not a text in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None, said: str) -> None:
    table = tmp_path / "mine.csv"
    if content is not None:
        table.write_bytes(content)
    found = CliRunner().invoke(command, ["--synthetic", "--universe", str(table), "--port", "0"])
    assert found.exit_code == 1
    assert said in found.output


def test_options_are_found_by_their_codes() -> None:
    apple, tencent = named("US.AAPL"), named("HK.00700")
    option = find_option(default_universe(), 11, "AAPL240621C210000", TODAY)
    assert option is not None
    assert (option.owner, option.strike, option.expiry, option.kind) == ("US.AAPL", 210.0, "2024-06-21", "call")
    assert date(2024, 6, 27) in expiries(tencent, TODAY)  # the last weekday but one of June 2024
    assert option_code(tencent, date(2024, 6, 27), 380.0, is_call=False) == "TCH240627P380000"
    assert find_option(default_universe(), 1, "TCH240627P380000", TODAY) is not None
    for code in ("AAPL240620C210000", "AAPL240621C211000", "AAPL240699C210000", "AAPL240621C0", "ZZZ240621C210000"):
        assert find_option(default_universe(), 11, code, TODAY) is None
    for day in expiries(apple, TODAY):
        for call, put in chain(apple, day, TODAY):
            assert find_option(default_universe(), 11, call.code, TODAY) == call
            assert find_option(default_universe(), 11, put.code, TODAY) == put


def test_an_option_stays_one_until_it_expires() -> None:
    apple = named("US.AAPL")
    for day in expiries(apple, TODAY):
        for before in range((day - TODAY).days + 1):
            assert find_option(default_universe(), 11, f"AAPL{day:%y%m%d}C210000", day - timedelta(days=before))


@pytest.mark.parametrize("is_call", [True, False])
def test_greeks_are_the_slopes_of_the_price(is_call: bool) -> None:
    spot, strike, years, sigma = 207.15, 210.0, 0.25, 0.3

    def price(spot: float = spot, sigma: float = sigma, years: float = years) -> float:
        return greeks(spot, strike, years, sigma, is_call=is_call).price

    found, step = greeks(spot, strike, years, sigma, is_call=is_call), 1e-3
    later, sooner = price(years=years + step), price(years=years - step)
    assert found.delta == pytest.approx((price(spot + step) - price(spot - step)) / (2 * step), rel=1e-5)
    assert found.vega * 100 == pytest.approx((price(sigma=sigma + step) - price(sigma=sigma - step)) / (2 * step), 1e-4)
    assert found.theta * 365 == pytest.approx((sooner - later) / (2 * step), 1e-3)
    gamma = (price(spot + 0.1) - 2 * price() + price(spot - 0.1)) / 0.01
    assert found.gamma == pytest.approx(gamma, rel=1e-3)


def test_calls_and_puts_keep_parity_and_order() -> None:
    for owner in map(named, ("US.AAPL", "HK.00700", "HK.800000", "US..SPX", "US.NIO")):
        for day in expiries(owner, TODAY):
            years = years_to(day, TODAY)
            for strike in strikes(owner):
                sigma = volatility(owner, strike, day, TODAY)
                call, put = (greeks(owner.last_close, strike, years, sigma, is_call=side) for side in (True, False))
                parity = owner.last_close - strike * math.exp(-RATE * years)
                assert call.price - put.price == pytest.approx(parity, abs=1e-6 * owner.last_close)
                assert 0 <= call.delta <= 1
                assert -1 <= put.delta <= 0
                assert 0 <= chance_below(owner.last_close, strike, years, sigma) <= 1


def test_ticks_follow_the_price() -> None:
    hong_kong = parse_tick_rule("HK")
    assert [tick_at(hong_kong, price) for price in (0.2, 0.25, 9.99, 10.0, 360.0, 6000.0)] == [
        0.001, 0.005, 0.01, 0.02, 0.2, 5,
    ]  # fmt: skip
    assert tick_at(parse_tick_rule("0.25"), 5000) == 0.25


def test_very_many_options_do_not_stay_in_memory() -> None:
    market = Market(0)
    apple = named("US.AAPL")
    codes = [call.code for day in expiries(apple, TODAY) for call, _ in chain(apple, day, TODAY)]
    first = market.stock(11, codes[0])
    assert first is not None
    price = first.price
    first.hold(price + 1)
    for code in codes:
        assert market.stock(11, code) is not None
    assert len(codes) > 1000
    assert len(market.stocks) < 600
    assert market.stock(11, codes[0]) is first  # what was steered stays
    assert first.price == pytest.approx(price + 1)

"""OpenD's limits: frequencies, quotas and the minute before unsubscribing, with OpenD's texts."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ftwire.protocols import registry
from ftwire_tools.commands.serve import command
from ftwire_tools.gateway.answer_source import content_of
from ftwire_tools.gateway.frequencies import FREQUENCIES
from ftwire_tools.gateway.limits import ACCOUNTS, LimitError, Limits, LimitSettings
from ftwire_tools.gateway.topics import Topic
from ftwire_tools.testing import RunningGateway, gateway
from support.gateways import CAPTURES, PlainClient, fill, security

BASIC, RT, DAY = 1, 5, 6
AAPL = [security("US.AAPL")]
PAPER = {"trdEnv": 0, "accID": 1, "trdMarket": 1}
ORDER = {"header": PAPER, "trdSide": 1, "orderType": 1, "code": "00700", "qty": 100.0}


class Time:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def limits_at(clock: Time, **values: Any) -> Limits:
    return Limits(LimitSettings(**values), clock=clock, wall_clock=clock)


def request(protocol: str, **values: Any) -> tuple[Any, Any]:
    entry = registry[protocol]
    message: Any = entry.request()  # type: ignore[misc]
    fill(content_of(message), values)
    return entry, content_of(message)


def topics(*codes: str) -> list[Topic]:
    return [Topic(11, code, BASIC) for code in codes]


class TestFrequency:
    def test_the_window_slides(self) -> None:
        clock = Time()
        limits = limits_at(clock, counts={3203: 3})
        asked = request("Qot_GetSecuritySnapshot")
        outcomes = []
        for wait in (0, 10, 10, 5, 6, 0, 9, 0, 3, 31):
            clock.now += wait
            outcomes.append(not limits.too_frequent(*asked))
        # Accepted at 0, 10, 20, 31, 43 and 74 s: each three lie more than 30 s behind the fourth.
        assert outcomes == [True, True, True, False, True, False, False, False, True, True]

    @given(
        waits=st.lists(st.floats(0, 20), max_size=60),
        count=st.integers(1, 5),
    )
    def test_no_window_ever_holds_more(self, waits: list[float], count: int) -> None:
        clock = Time()
        limits = limits_at(clock, counts={3203: count})
        accepted: list[float] = []
        for wait in waits:
            clock.now += wait
            if not limits.too_frequent(*request("Qot_GetSecuritySnapshot")):
                accepted.append(clock.now)
            else:
                assert sum(clock.now - at <= 30 for at in accepted) == count, "refused only where it is full"
        for index, at in enumerate(accepted[count:]):
            assert at - accepted[index] > 30

    @pytest.mark.parametrize(
        ("language", "protocol", "text"),
        [
            ("chs", "Qot_RequestHistoryKL", "获取历史K线频率太高，请求失败，每30秒最多60次。"),  # noqa: RUF001
            ("chs", "Qot_StockFilter", "条件选股频率太高，请求失败，每30秒最多10次。"),  # noqa: RUF001
            (
                "en",
                "Qot_GetSecuritySnapshot",
                "Get Market Snapshot is too frequent, request failed, no more than 60 times every 30 seconds.",
            ),
        ],
    )
    def test_texts_are_those_that_openD_was_seen_to_send(self, language: Any, protocol: str, text: str) -> None:  # noqa: N802
        limits = Limits(language=language, clock=Time())
        outcomes = [limits.too_frequent(*request(protocol)) for _ in range(61)]
        assert outcomes[-1] == text
        assert outcomes[0] == ""

    def test_only_what_passes_the_cache_by_counts_and_only_first_pages(self) -> None:
        limits = Limits(clock=Time())
        for protocol, values in (
            ("Trd_GetFunds", {"header": PAPER}),
            ("Qot_RequestHistoryKL", {"nextReqKey": b"1000"}),
            ("Qot_GetRT", {}),
            ("Qot_Sub", {}),
        ):
            assert not any(limits.too_frequent(*request(protocol, **values)) for _ in range(200)), protocol
        fresh = request("Trd_GetFunds", header=PAPER, refreshCache=True)
        assert [bool(limits.too_frequent(*fresh)) for _ in range(11)] == [False] * 10 + [True]

    def test_each_account_has_its_own_and_orders_share_theirs_with_combinations(self) -> None:
        limits = Limits(clock=Time())

        def refused(protocol: str, account: int) -> bool:
            return bool(limits.too_frequent(*request(protocol, header={**PAPER, "accID": account})))

        assert [refused("Trd_PlaceOrder", 1) for _ in range(10)] == [False] * 10
        assert [refused("Trd_PlaceComboOrder", 1) for _ in range(6)] == [False] * 5 + [True]
        assert not refused("Trd_PlaceOrder", 2)

    def test_a_gap_between_orders_where_it_is_set(self) -> None:
        clock = Time()
        limits = limits_at(clock, order_gap=0.02)
        asked = request("Trd_PlaceOrder", header=PAPER)
        outcomes = []
        for wait in (0, 0.01, 0.02, 0.001):
            clock.now += wait
            outcomes.append(not limits.too_frequent(*asked))
        assert outcomes == [True, False, True, False]

    def test_every_limit_can_be_met(self) -> None:
        for frequency in FREQUENCIES:
            assert frequency.source
            for name in frequency.protocols.replace("+", " ").split():
                limits = Limits(clock=Time())
                values: dict[str, Any] = {"header": PAPER} if frequency.by_account else {}
                if frequency.only == "refreshCache":
                    values["refreshCache"] = True
                asked = request(name, **values)
                outcomes = [limits.too_frequent(*asked) for _ in range(61)]
                assert outcomes[-1], name
                assert not outcomes[0], name

    def test_made_up_accounts_take_no_memory_for_ever(self) -> None:
        limits = Limits(clock=Time())
        for account in range(5000):
            assert not limits.too_frequent(*request("Trd_PlaceOrder", header={**PAPER, "accID": account}))
        full = request("Trd_PlaceOrder", header={**PAPER, "accID": 4999})
        assert [bool(limits.too_frequent(*full)) for _ in range(15)] == [False] * 14 + [True], "it is still known"

    def test_reset(self) -> None:
        limits = Limits(clock=Time())
        asked = request("Qot_GetPlateSet")
        assert any(limits.too_frequent(*asked) for _ in range(11))
        limits.reset()
        assert not limits.too_frequent(*asked)


class TestSubscriptions:
    def test_count_once_over_all_clients_and_are_kept_for_a_minute(self) -> None:
        clock = Time()
        limits = limits_at(clock)
        limits.subscribed(1, topics("AAPL", "MSFT"))
        clock.now += 10
        limits.subscribed(2, topics("AAPL"))
        assert limits.subscriptions_used() == (2, 0)
        limits.unsubscribed(1, topics("AAPL", "MSFT"))
        assert limits.subscriptions_used() == (2, 0), "the minute of MSFT is not over, AAPL is the other client's"
        clock.now += 50
        assert limits.subscriptions_used() == (1, 0)
        limits.unsubscribed(2, topics("AAPL"))
        clock.now += 9
        assert limits.subscriptions_used() == (1, 0)
        clock.now += 1
        assert limits.subscriptions_used() == (0, 0)
        assert limits.subscriptions_left() == (1000, 200)

    def test_coming_back_within_the_minute_counts_once(self) -> None:
        clock = Time()
        limits = limits_at(clock)
        limits.subscribed(1, topics("AAPL"))
        limits.unsubscribed(1, topics("AAPL"))
        limits.subscribed(2, topics("AAPL"))
        assert limits.subscriptions_used() == (1, 0)
        clock.now += 61
        assert limits.subscriptions_used() == (1, 0)
        limits.unsubscribed(2, topics("AAPL"))
        assert limits.subscriptions_used() == (0, 0)

    def test_options_have_a_pool_that_counts_chains(self) -> None:
        limits = limits_at(Time(), option_subscriptions=2)
        limits.subscribed(1, topics("AAPL240621C190000", "AAPL240621P195000", ".SPXW240621C5330000"))
        assert limits.subscriptions_used() == (0, 2)
        assert limits.no_quota(topics("AAPL240621C200000", "AAPL")) == ""
        assert limits.no_quota(topics("AAPL240628C200000")).endswith("used subscription quota: 2/2")

    def test_k_lines_of_a_cryptocurrency_count_once(self) -> None:
        limits = Limits()
        limits.subscribed(1, [Topic(91, "BTCUSD", kind) for kind in (BASIC, 6, 7, 11)])
        assert limits.subscriptions_used() == (2, 0)

    @given(st.lists(st.tuples(st.sampled_from(["sub", "unsub", "wait"]), st.integers(1, 3), st.integers(0, 4))))
    def test_what_is_used_is_never_less_than_what_is_held(self, steps: list[tuple[str, int, int]]) -> None:
        clock = Time()
        limits = limits_at(clock)
        held: set[tuple[int, int]] = set()
        for what, client, code in steps:
            if what == "sub":
                limits.subscribed(client, topics(str(code)))
                held.add((client, code))
            elif what == "unsub":
                limits.unsubscribed(client, topics(str(code)))
                held.discard((client, code))
            else:
                clock.now += 20
            assert limits.subscriptions_used().stocks >= len({code for _, code in held})
        clock.now += 60
        assert limits.subscriptions_used().stocks == len({code for _, code in held})

    def test_lowering_the_quota_takes_nothing_away(self) -> None:
        limits = limits_at(Time())
        limits.subscribed(1, topics("A", "B", "C"))
        limits.settings = LimitSettings(subscriptions=2)
        assert limits.no_quota(topics("A")) == ""
        assert limits.no_quota(topics("D"))
        assert limits.subscriptions_left() == (0, 200)

    def test_through_the_gateway(self) -> None:
        with gateway(limits=LimitSettings(subscriptions=3), language="chs") as opend, PlainClient(opend.port) as one:
            with PlainClient(opend.port) as two:
                assert one.subscribe("US.AAPL", "HK.00700").retType == 0
                assert two.subscribe("US.AAPL").retType == 0
                full = two.subscribe("US.AAPL", "HK.00700", sub_types=(BASIC,))
                assert (full.retType, full.retMsg) == (-1, "订阅额度不足，订阅失败，已用订阅额度：2/3")  # noqa: RUF001
                assert two.subscribe("HK.00700", sub_types=(BASIC,)).retType == 0
                info = two.ask("Qot_GetSubInfo").s2c
                assert (info.totalUsedQuota, info.remainQuota) == (3, 0)
                assert [each.usedQuota for each in info.connSubInfoList] == [2]
                assert two.ask("GetUserInfo").s2c.subQuota == 3
            opend.wait_for("disconnected")
            assert one.ask("Qot_GetSubInfo").s2c.totalUsedQuota == 3, "the minute is not over"
            opend.limits.forget()
            assert one.ask("Qot_GetSubInfo").s2c.totalUsedQuota == 2

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("chs", "HK.00700的RT订阅时间过短，至少需要订阅1分钟"),  # noqa: RUF001
            (
                "en",
                "The RT subscription duration for HK.00700 is too short. Minimum subscription duration is 1 minute.",
            ),
        ],
    )
    def test_they_last_a_minute(self, language: str, text: str) -> None:
        with gateway(language=language) as opend, PlainClient(opend.port) as client:
            clock = Time()
            opend.limits.counted.clock = clock
            client.subscribe("HK.00700")
            clock.now += 59
            client.subscribe("HK.00700")  # again, which does not begin another minute
            early = client.subscribe("HK.00700", isSubOrUnSub=False)
            assert (early.retType, early.retMsg) == (-1, text)
            assert client.ask("Qot_Sub", isSubOrUnSub=False, isUnsubAll=True).retMsg == text
            assert client.ask("Qot_GetSubInfo").s2c.totalUsedQuota == 1
            clock.now += 1
            assert client.subscribe("HK.00700", isSubOrUnSub=False).retType == 0
            assert client.ask("Qot_GetSubInfo").s2c.totalUsedQuota == 0


class TestHistory:
    def test_a_security_counts_once_for_seven_days(self) -> None:
        clock = Time()
        limits = limits_at(clock, history=1, option_history=1)
        _, apple = request("Qot_RequestHistoryKL", security=security("US.AAPL"))
        _, tencent = request("Qot_RequestHistoryKL", security=security("HK.00700"))
        _, option = request("Qot_RequestHistoryKL", security=security("US.AAPL240621C190000"))
        assert limits.no_history(apple.security) == ""
        limits.history_requested(apple.security, "APPLE")
        clock.now += 3600
        limits.history_requested(apple.security, "APPLE")
        assert limits.no_history(apple.security) == ""
        assert "stock quota: 1/1, option quota: 0/1)" in limits.no_history(tencent.security)
        assert limits.no_history(option.security) == ""
        limits.history_requested(option.security, "")
        assert limits.history_used() == (1, 1)
        clock.now += 7 * 86_400 - 3600
        assert limits.history_used() == (0, 1), "seven days from the first request"
        assert limits.no_history(tencent.security) == ""

    def test_through_the_gateway(self) -> None:
        days = {"beginTime": "2024-06-01", "endTime": "2024-06-20", "rehabType": 0, "klType": 2}
        settings = LimitSettings(history=1, option_history=20)
        with gateway(limits=settings, language="chs") as opend, PlainClient(opend.port) as client:

            def history(code: str) -> Any:
                return client.ask("Qot_RequestHistoryKL", security=security(code), **days)

            assert history("US.XXXX").retType == -1, "unknown, which counts nothing"
            assert history("US.AAPL").retType == history("US.AAPL").retType == 0
            full = history("HK.00700")
            assert (full.retType, full.retMsg) == (
                -1,
                "历史K线额度不足，请求失败（已用正股额度：1/1，期权额度：0/20）。额度会在7天后全部释放。",  # noqa: RUF001
            )
            quota = client.ask("Qot_RequestHistoryKLQuota", bGetDetail=True).s2c
            assert (quota.usedQuota, quota.remainQuota) == (1, 0)
            assert [(each.security.code, bool(each.name), bool(each.requestTime)) for each in quota.detailList] == [
                ("AAPL", True, True)
            ]
            assert not client.ask("Qot_RequestHistoryKLQuota", bGetDetail=False).s2c.detailList
            assert client.ask("GetUserInfo").s2c.historyKLQuota == 1


class TestSettings:
    def test_of_an_account(self) -> None:
        assert LimitSettings.of() == LimitSettings()
        small = LimitSettings.of("100")
        assert (small.subscriptions, small.option_history) == ACCOUNTS["100"]
        assert not LimitSettings.of("off").is_enforced

    def test_changes(self) -> None:
        made = LimitSettings.of("300", ["history-days=30", "3209=60", "Qot_GetUser*=60", "Trd_PlaceOrder=off"])
        assert (made.subscriptions, made.history_days) == (300, 30)
        assert made.counts == {3209: 60, 3213: 60, 3222: 60, 2202: None}
        limits = Limits(made, clock=Time())
        assert not any(limits.too_frequent(*request("Trd_PlaceOrder", header=PAPER)) for _ in range(100))

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ("", "no limit ''"),
            ("nothing=1", "no limit 'nothing'; there are subscriptions, "),
            ("subscriptions", "'' is no number"),
            ("subscriptions=many", "'many' is no number"),
            ("subscriptions=-1", "is not 0 to"),
            ("history-days=nan", "is not 0 to"),
            ("Qot_GetRT=5", "Qot_GetRT has no limit on its frequency"),
            ("Qot_GetOptionChain=", "is no number"),
        ],
    )
    def test_wrong_ones(self, change: str, why: str) -> None:
        with pytest.raises(LimitError, match=why.replace("(", "\\(")):
            LimitSettings.of("1000", [change])
        shown = CliRunner().invoke(command, ["--synthetic", "--limit", change])
        assert shown.exit_code == 2
        assert "Traceback" not in shown.output

    def test_off(self) -> None:
        def hammer(opend: RunningGateway) -> list[int]:
            with PlainClient(opend.port) as client:
                client.subscribe("US.AAPL")
                snapshots = [client.ask("Qot_GetSecuritySnapshot", securityList=AAPL).retType for _ in range(61)]
                return [*snapshots, client.subscribe("US.AAPL", isSubOrUnSub=False).retType]

        with gateway(limits="off") as opend:
            assert hammer(opend) == [0] * 62
        with gateway() as opend:
            assert hammer(opend) == [0] * 60 + [-1, -1]

    def test_they_hold_for_a_replayed_capture_too(self) -> None:
        captured = CAPTURES / "futu-api-10.11-plain.pcap"
        with gateway(captured, match="security") as opend, PlainClient(opend.port) as client:
            assert client.subscribe("HK.00700").retType == 0
            assert "too short" in client.subscribe("HK.00700", isSubOrUnSub=False).retMsg

"""Parts of the gateway alone: rhythm on a clock of our own, times moved, subscriptions, rules of faults."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftwire
from ftwire.frame import Kind
from ftwire.header import BodyFormat
from ftwire.messages import (
    Notify,
    Qot_GetRT,
    Qot_RegQotPush,
    Qot_Sub,
    Qot_UpdateBasicQot,
    Qot_UpdateKL,
    Qot_UpdateRT,
    Trd_SubAccPush,
    Trd_UpdateOrder,
)
from ftwire.protocols import registry
from ftwire.strategies import messages
from ftwire_tools.gateway.faults import NAMES, ClientFaults, FaultError, Faults, Rule, parse_rule
from ftwire_tools.gateway.limits import Limits
from ftwire_tools.gateway.load import load
from ftwire_tools.gateway.log import Log
from ftwire_tools.gateway.matching import exact_key
from ftwire_tools.gateway.push import Push, PushRun
from ftwire_tools.gateway.push_recording import RecordedPush, Track
from ftwire_tools.gateway.push_scheduler import Pace, PushScheduler
from ftwire_tools.gateway.replay import Replay
from ftwire_tools.gateway.settings import Settings, SettingsError
from ftwire_tools.gateway.subscriptions import MAX_TOPICS, QOT_REG_PUSH, QOT_SUB, TRD_SUB_ACC_PUSH, Subscriptions
from ftwire_tools.gateway.time_shift import shift_times
from ftwire_tools.gateway.topics import Topic
from support.frames import rt_request, rt_response
from support.gateways import CAPTURES

RT_HK = Topic(1, "00700", 5)
RT_US = Topic(11, "AAPL", 5)
SILENT = Log(lambda *_: None)


class Clock(selectors.SelectSelector):
    """A selector that does not wait: its time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found:
            self.now += max(timeout or 0.0, 1e-6)
        return found


def on_a_clock_of_its_own(
    monkeypatch: pytest.MonkeyPatch, program: Callable[[Clock], Coroutine[Any, Any, None]]
) -> None:
    clock = Clock()
    loop = asyncio.SelectorEventLoop(clock)
    loop.time = lambda: clock.now  # type: ignore[method-assign]
    monkeypatch.setattr("ftwire_tools.gateway.push_scheduler.time.monotonic_ns", lambda: round(clock.now * 1e9))
    try:
        loop.run_until_complete(program(clock))
    finally:
        loop.close()


class Listener:
    """A client that everything is for, and that always has room."""

    number = conn_id = 1
    push_format = BodyFormat.PROTOBUF

    def __init__(self) -> None:
        self.subscriptions = Subscriptions()
        self.limits = Limits()

    def push(self, *_: object) -> bool:
        return True

    def push_run(self, _: object) -> None:
        return

    async def drained(self) -> None:
        return


def played(
    monkeypatch: pytest.MonkeyPatch,
    tracks: dict[Any, list[float]],
    pace: Pace,
    seconds: float = 10.0,
    events: list[tuple[str, dict[str, object]]] | None = None,
) -> list[tuple[float, Any]]:
    """When, and of which track, pushes come that are captured so many seconds after their cause.

    What is logged is added to ``events``.
    """
    log = Log(lambda *event: None if events is None else events.append(event))
    came: list[tuple[float, Any]] = []

    async def program(clock: Clock) -> None:
        def send(push: Push) -> None:
            came.append((round(clock.now, 3), push.message))

        def send_run(run: PushRun) -> None:
            for push in run.pushes:
                send(push)

        player = PushScheduler(Listener(), pace, send, send_run, log)
        for cause, offsets in tracks.items():
            pushes = [RecordedPush(round(offset * 1e9), Push(3009, cause), 0) for offset in offsets]
            player.start(cause, Track(pushes))
        await asyncio.sleep(seconds)
        player.stop()

    on_a_clock_of_its_own(monkeypatch, program)
    return came


HOUR: float = 3600.0


class TestPauses:
    """A night in the capture, in two tracks."""

    tracks: ClassVar[dict[Any, list[float]]] = {RT_HK: [1.0, 16 * HOUR, 16 * HOUR + 2], RT_US: [2.0, 16 * HOUR + 1]}

    def test_a_night_is_shortened_to_a_minute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All tracks skip the same time, so that their pushes keep their order and their distances."""
        events: list[tuple[str, dict[str, object]]] = []
        came = played(monkeypatch, self.tracks, Pace(), 100, events)
        assert came == [(1.0, RT_HK), (2.0, RT_US), (62.0, RT_HK), (63.0, RT_US), (64.0, RT_HK)]
        assert events == [("pause", {"client": 1, "captured": "57598 s", "waits": "60 s"})]

    def test_the_longest_pause_is_a_setting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        came = played(monkeypatch, self.tracks, Pace(max_pause=5))
        assert [at for at, _ in came] == [1.0, 2.0, 7.0, 8.0, 9.0]

    def test_of_no_length_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        came = played(monkeypatch, {RT_HK: [1.0, 5.0, 9.0]}, Pace(max_pause=0), 1)
        assert [at for at, _ in came] == [0.0, 0.0, 0.0]

    def test_it_is_what_the_client_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At a hundred times the speed an hour takes 36 s, which is no long pause."""
        events: list[tuple[str, dict[str, object]]] = []
        came = played(monkeypatch, {RT_HK: [0.0, HOUR, 5 * HOUR]}, Pace(100.0), 200, events)
        assert [at for at, _ in came] == [0.0, 36.0, 96.0]
        assert events == [("pause", {"client": 1, "captured": f"{4 * HOUR:.0f} s", "waits": "60 s"})]

    def test_without_a_limit_it_is_only_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        events: list[tuple[str, dict[str, object]]] = []
        came = played(monkeypatch, self.tracks, Pace(max_pause=None), 17 * HOUR, events)
        assert [at for at, _ in came] == [1.0, 2.0, 16 * HOUR, 16 * HOUR + 1, 16 * HOUR + 2]
        assert events == [("pause", {"client": 1, "captured": "57598 s", "waits": "57598 s"})]

    def test_a_pause_up_to_the_limit_stays_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        events: list[tuple[str, dict[str, object]]] = []
        came = played(monkeypatch, {RT_HK: [1.0, 60.0]}, Pace(), 100, events)
        assert ([at for at, _ in came], events) == ([1.0, 60.0], [])


class TestRhythm:
    tracks: ClassVar[dict[Any, list[float]]] = {RT_HK: [0.5, 1.0, 4.0], RT_US: [0.75]}

    def test_is_the_captured_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert played(monkeypatch, self.tracks, Pace()) == [(0.5, RT_HK), (0.75, RT_US), (1.0, RT_HK), (4.0, RT_HK)]

    def test_at_twice_the_speed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert [at for at, _ in played(monkeypatch, self.tracks, Pace(2.0))] == [0.25, 0.375, 0.5, 2.0]

    def test_at_top_speed_only_the_order_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        came = played(monkeypatch, self.tracks, Pace(None))
        assert [what for _, what in came] == [RT_HK, RT_US, RT_HK, RT_HK]
        assert {at for at, _ in came} == {0.0}

    def test_in_a_loop_the_pause_is_the_usual_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        came = played(monkeypatch, {RT_HK: [0.5, 1.5, 2.5]}, Pace(loop=True), seconds=7.0)
        assert [at for at, _ in came] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]

    def test_the_tape_keeps_the_time_since_the_cause(self) -> None:
        path = CAPTURES / "futu-api-10.11-plain.pcap"
        replay = Replay()
        load(replay, [str(path)], [], SILENT)
        frames = list(ftwire.read(path))
        subscribed = next(one.time for one in frames if one.kind is Kind.RESPONSE and one.frame.proto_id == QOT_SUB)
        pushes = {(one.frame.message.s2c.security.code, one.time) for one in frames if one.kind is Kind.PUSH}  # type: ignore[union-attr]
        kept = {
            (topic.code, subscribed + push.offset)
            for topic in (RT_HK, RT_US)
            for push in replay.recording.tracks[topic]
        }
        assert kept == pushes


class TestShift:
    def test_texts_stamps_and_minutes(self) -> None:
        response = rt_response([570])
        point = response.s2c.rtList[0]
        point.timestamp = 1_623_202_200.5
        shift_times(response, 24 * 3600 + 90)
        assert (point.time, point.minute, point.timestamp) == ("2021-06-10 09:31:30", 571, 1_623_288_690.5)

    def test_what_is_no_time_stays(self) -> None:
        response = Qot_UpdateBasicQot.Response(retType=0)
        quote = response.s2c.basicQotList.add(listTime="2004-06-16", updateTime="2021-06-09 14:13:00.250")
        shift_times(response, 60)
        assert (quote.listTime, quote.updateTime) == ("2004-06-16", "2021-06-09 14:14:00.250")

    @pytest.mark.parametrize("text", ["", "soon", "2021-13-99 99:99:99", "9999-12-31 23:59:59"])
    def test_texts_that_cannot_be_moved(self, text: str) -> None:
        response = rt_response([570])
        response.s2c.rtList[0].time = text
        shift_times(response, 10**9)
        assert response.s2c.rtList[0].time == text

    @given(messages(Qot_GetRT.Response), st.integers(-(10**10), 10**10))
    def test_any_message_can_be_shifted(self, message: Any, seconds: int) -> None:
        shift_times(message, seconds)
        assert len(message.s2c.rtList) >= 0


class TestMeaning:
    def test_defaults_and_the_connections_own_do_not_count(self) -> None:
        one, other = rt_request(), rt_request()
        other.c2s.header.securityFirm = 0
        assert one != other
        assert exact_key(one) == exact_key(other)
        other.c2s.header.securityFirm = 1
        assert exact_key(one) != exact_key(other)

    @pytest.mark.parametrize("name", ["Trd_PlaceOrder", "Qot_Sub", "Qot_StockFilter", "GetGlobalState"])
    def test_the_key_is_of_the_meaning_for_any_request(self, name: str) -> None:
        request_class = registry[name].request
        assert request_class is not None

        @given(messages(request_class))
        def check(message: Any) -> None:
            copy = type(message).FromString(message.SerializePartialToString())
            before = message.SerializePartialToString()
            if message.IsInitialized():
                assert exact_key(message) == exact_key(copy)
                assert message.SerializePartialToString() == before

        check()


def sub(**fields: Any) -> Any:
    request = Qot_Sub.Request()
    request.c2s.isSubOrUnSub = fields.pop("on", True)
    for market, code in fields.pop("securities", [(1, "00700")]):
        request.c2s.securityList.add(market=market, code=code)
    request.c2s.subTypeList.extend(fields.pop("types", [5]))
    for name, value in fields.items():
        setattr(request.c2s, name, value)
    return request


def rt_push(code: str = "00700") -> Any:
    push = Qot_UpdateRT.Response(retType=0)
    push.s2c.security.market, push.s2c.security.code = 1, code
    return push


class TestSubscriptions:
    def test_subscribing_alone_allows_asking_and_pushes_nothing(self) -> None:
        mine = Subscriptions()
        assert mine.apply(QOT_SUB, sub()).started == ()
        assert mine.has(RT_HK)
        assert mine.select(Push(3009, rt_push())) is None

    def test_registering_pushes(self) -> None:
        mine = Subscriptions()
        change = mine.apply(QOT_SUB, sub(isRegOrUnRegPush=True, isFirstPush=True))
        assert (change.started, change.first) == ((RT_HK,), True)
        push = rt_push()
        assert mine.select(Push(3009, push)) is not None
        assert mine.select(Push(3009, rt_push("00005"))) is None
        mine.apply(QOT_SUB, sub(isRegOrUnRegPush=False))
        assert mine.select(Push(3009, rt_push())) is None
        assert mine.has(RT_HK)

    def test_registering_needs_a_subscription(self) -> None:
        mine = Subscriptions()
        request = Qot_RegQotPush.Request()
        request.c2s.securityList.add(market=1, code="00700")
        request.c2s.subTypeList.append(5)
        request.c2s.isRegOrUnReg = True
        assert mine.apply(QOT_REG_PUSH, request).error == "00700 is not subscribed to sub type 5"
        mine.apply(QOT_SUB, sub())
        assert mine.apply(QOT_REG_PUSH, request).started == (RT_HK,)

    def test_unsubscribing_one_or_all(self) -> None:
        mine = Subscriptions()
        mine.apply(QOT_SUB, sub(isRegOrUnRegPush=True, types=[4, 5]))
        mine.apply(QOT_SUB, sub(on=False))
        assert list(mine.topics) == list(mine.pushed) == [Topic(1, "00700", 4)]
        mine.apply(QOT_SUB, sub(on=False, isUnsubAll=True))
        assert not mine.topics
        assert not mine.pushed

    def test_of_a_push_about_several_only_what_is_wanted_comes(self) -> None:
        mine = Subscriptions()
        mine.apply(QOT_SUB, sub(types=[1], isRegOrUnRegPush=True))
        push = Qot_UpdateBasicQot.Response(retType=0)
        for code in ("00005", "00700", "09988"):
            quote = push.s2c.basicQotList.add()
            quote.security.market, quote.security.code = 1, code
        chosen: Any = mine.select(Push(3005, push))
        assert [quote.security.code for quote in chosen.message.s2c.basicQotList] == ["00700"]
        assert len(push.s2c.basicQotList) == 3

    def test_klines_by_their_rehabilitation(self) -> None:
        mine = Subscriptions()
        request = sub(types=[6], isRegOrUnRegPush=True)
        request.c2s.regPushRehabTypeList.append(1)
        mine.apply(QOT_SUB, request)
        push = Qot_UpdateKL.Response(retType=0)
        push.s2c.security.market, push.s2c.security.code = 1, "00700"
        push.s2c.klType, push.s2c.rehabType = 2, 1
        assert mine.select(Push(3007, push)) is not None
        push.s2c.rehabType = 0
        assert mine.select(Push(3007, push)) is None

    def test_orders_by_their_account_and_notices_by_the_handshake(self) -> None:
        mine = Subscriptions()
        push = Trd_UpdateOrder.Response(retType=0)
        push.s2c.header.accID = 7
        assert mine.select(Push(2208, push)) is None
        mine.apply(TRD_SUB_ACC_PUSH, Trd_SubAccPush.Request(c2s=Trd_SubAccPush.C2S(accIDList=[7])))
        assert mine.select(Push(2208, push)) is not None
        assert mine.select(Push(1003, Notify.Response())) is None
        mine.notify = True
        assert mine.select(Push(1003, Notify.Response())) is not None

    def test_their_number_bounds_memory(self) -> None:
        mine = Subscriptions()
        many = [(1, f"{number:05}") for number in range(MAX_TOPICS + 1)]
        assert "4000 are the most" in mine.apply(QOT_SUB, sub(securities=many)).error
        assert mine.apply(QOT_SUB, sub(securities=many[:-1])).error == ""
        assert "the most" in mine.apply(QOT_SUB, sub(securities=many[-1:])).error
        assert len(mine.topics) == MAX_TOPICS
        assert "more than 64 characters" in mine.apply(QOT_SUB, sub(securities=[(1, "x" * 65)])).error
        strange = Qot_Sub.Request.FromString(b"\x0a\x0b\x0a\x05\x08\x01\x12\x01\xff\x10\x05\x18\x01")
        assert mine.apply(QOT_SUB, strange).error == "a code that is not UTF-8"
        accounts = Trd_SubAccPush.Request(c2s=Trd_SubAccPush.C2S(accIDList=range(1001)))
        assert mine.apply(TRD_SUB_ACC_PUSH, accounts).error == "more than 1000 accounts"


class TestRules:
    def test_are_read(self) -> None:
        assert parse_rule("drop") == Rule("drop")
        assert parse_rule("drop:p=0.25,proto=Qot_UpdateRT") == Rule("drop", 0.25, None, "Qot_UpdateRT")
        assert parse_rule("delay:ms=20,n=3,proto=3008") == Rule("delay", 1.0, 3, "3008", 20.0)
        assert parse_rule("cut:client=2") == Rule("cut", client=2)
        assert parse_rule("drop:every=3").every == 3
        wanted = Rule("refuse", proto="Qot_*", ret_type=-100, err_code=3, ret_msg="no, p=5")
        assert parse_rule("refuse:ret_type=-100,proto=Qot_*,err_code=3,ret_msg=no, p=5") == wanted
        assert all(parse_rule(name).name == name for name in NAMES)

    @pytest.mark.parametrize(
        "text",
        ["", "dorp", "drop:p=2", "drop:p=x", "drop:n=0", "drop:ms=5", "drop:what=1", "drop:proto=Qot_Nothing",
         "drop:proto=9999", "delay:ms=-1", "drop:p=nan", "delay:ms=nan", "drop:n=1.5",
         "drop:every=0", "drop:n=1,every=2", "drop:client=0", "drop:ret_type=1", "drop:proto=Qoot_*", "refuse:ms=1",
         "refuse:ret_type=9999999999", "refuse:proto=Qot_UpdateRT", "reorder:proto=Qot_GetRT",
         "wrong-serial:proto=Qot_Update*", "drop:p=0.1,p=0.2", "drop:proto=", "drop:p"],
    )  # fmt: skip
    def test_that_cannot_be_read(self, text: str) -> None:
        with pytest.raises(FaultError):
            parse_rule(text)

    @given(st.text(max_size=30) | st.builds("{}:{}".format, st.sampled_from(sorted(NAMES)), st.text(max_size=20)))
    def test_of_any_text(self, text: str) -> None:
        try:
            parse_rule(text)
        except FaultError as error:
            assert str(error)

    @pytest.mark.parametrize(
        "text",
        [*NAMES, "drop:p=0.25,proto=Qot_UpdateRT", "merge:n=3,client=2,ms=20", "delay:every=4,proto=3008,ms=1.5",
         "refuse:proto=Trd_*,ret_type=-100,err_code=2,ret_msg=a, b=c"],
    )  # fmt: skip
    def test_are_written_as_they_are_read(self, text: str) -> None:
        assert str(parse_rule(text)) == text

    def test_every_nth_frame(self) -> None:
        faults = ClientFaults(Faults(["drop:every=3"]), 1)
        assert [faults.strikes("drop", 3009) for _ in range(7)] == [False, False, True] * 2 + [False]

    def test_chance_does_not_depend_on_what_comes_between(self) -> None:
        def run(others: int) -> list[bool]:
            faults = ClientFaults(Faults(["drop:p=0.5"], seed=7), 1)
            struck = []
            for _ in range(32):
                struck.append(faults.strikes("drop", 3008))
                for _ in range(others):
                    faults.strikes("drop", 3009)
            return struck

        assert run(0) == run(1) == run(5)

    def test_strike_alike_for_the_same_seed_and_client(self) -> None:
        def run(seed: int, client: int) -> list[bool]:
            faults = ClientFaults(Faults(["drop:p=0.5"], seed=seed), client)
            return [faults.strikes("drop", 3009) for _ in range(64)]

        assert run(1, 1) == run(1, 1)
        assert len({tuple(run(seed, client)) for seed in (1, 2) for client in (1, 2)}) == 4
        assert 10 < sum(run(1, 1)) < 54

    def test_the_nth_frame_of_a_protocol(self) -> None:
        assert not ClientFaults(Faults(["cut:client=2"]), 1).strikes("cut", 3009)
        faults = ClientFaults(Faults(["drop:n=2,proto=3009", "drop:n=3,proto=3009"]), 1)
        struck = [faults.strikes("drop", proto_id) for proto_id in (3009, 3008, 3009, 3009, 3009)]
        assert struck == [False, False, True, True, False]
        assert faults.struck == {"drop": 2}


class TestSettings:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    def test_local_addresses(self, host: str) -> None:
        Settings(host=host).check()

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])  # noqa: S104
    def test_others_need_a_key(self, host: str) -> None:
        with pytest.raises(SettingsError, match="OpenD demands an RSA key"):
            Settings(host=host).check()

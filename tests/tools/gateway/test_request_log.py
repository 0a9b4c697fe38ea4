"""The request log of ``ftwire serve``: its lines, what is left out of them, and that it holds up nobody."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from click.testing import CliRunner

from ftwire.frame import Frame, Role
from ftwire.messages import Qot_GetRT, Qot_Sub, Trd_UnlockTrade
from ftwire_tools.commands.serve import command
from ftwire_tools.filters import parse
from ftwire_tools.gateway.request_log import MOST_LINES, ExchangeLog, JsonRequests, LoggedExchange, TextRequests
from support.command import read_until, started
from support.gateways import CAPTURES, PlainClient

PLAIN = str(CAPTURES / "futu-api-10.11-plain.pcap")
SERVE = ("serve", "--port", "0", PLAIN)
QUESTION: dict[str, Any] = {"security": {"market": 1, "code": "00700"}}


def rt(
    rows: int = 0, *, code: str = "00700", serial: int = 17, latency: int | None = 1_200_000, **more: Any
) -> LoggedExchange:
    request = Qot_GetRT.Request()
    request.c2s.security.market, request.c2s.security.code = 1, code
    reply = Qot_GetRT.Response(**{"retType": 0, "retMsg": "", **more})
    for minute in range(rows):
        reply.s2c.rtList.add(time="", minute=minute, isBlank=False)
    return LoggedExchange(3, Frame.build(3008, serial, request, sender=Role.CLIENT), reply, latency)


def lines_of(*exchanges: LoggedExchange, chosen: str | None = None) -> list[str]:
    lines: list[str] = []
    log = ExchangeLog(TextRequests(lines.append), None if chosen is None else parse(chosen))
    for exchange in exchanges:
        log.add(exchange)
    log.close()
    return lines


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A gateway that is killed at the end, and its port."""
    with started(*SERVE, "--match", "security", *options) as process:
        _, listening = read_until(process, r"port\"?[=:] ?(\d+)")
        yield process, int(listening[1])


def log_of(process: subprocess.Popen[bytes]) -> list[str]:
    process.terminate()
    return process.communicate(timeout=10)[1].decode().splitlines()


class TestLines:
    def test_of_success_and_failure(self) -> None:
        assert lines_of(rt(331), rt(1), rt(retType=-1, retMsg="no right"), rt(retType=-100, errCode=5)) == [
            "client 3 #17 Qot_GetRT(HK.00700) -> ok, 331 rows, 1.2ms",
            "client 3 #17 Qot_GetRT(HK.00700) -> ok, 1 row, 1.2ms",
            'client 3 #17 Qot_GetRT(HK.00700) -> -1 "no right", 1.2ms',
            "client 3 #17 Qot_GetRT(HK.00700) -> -100 errCode 5, 1.2ms",
        ]

    def test_of_a_handshake_and_of_a_fault(self) -> None:
        found = rt(2)._replace(faults=("drop",))
        refused = rt()._replace(reply=None, failure="wrong key")
        assert lines_of(found, refused) == [
            "client 3 #17 Qot_GetRT(HK.00700) -> ok, 2 rows, 1.2ms, fault drop",
            "client 3 #17 Qot_GetRT(HK.00700) -> failed wrong key, 1.2ms",
        ]

    def test_fit_80_columns_with_the_time_and_show_the_whole_reason(self) -> None:
        request = Qot_Sub.Request()
        for code in range(400):
            request.c2s.securityList.add(market=1, code=f"{code:05}")
        request.c2s.isSubOrUnSub = True
        frame = Frame.build(3001, 2**32 - 1, request, sender=Role.CLIENT)
        reason = "Minimum subscription duration is 1 minute. " * 5
        exchange = LoggedExchange(128, frame, Qot_Sub.Response(retType=-1, retMsg=reason), 10**9)
        (text,) = lines_of(exchange)
        first, *below = text.split("\n")
        assert all(len(line) <= 80 for line in (f"12:00:00.000 {first}", *below))
        assert first.startswith("client 128 #4294967295 Qot_Sub(HK.00000,")
        assert first.endswith(") -> -1, 1s")
        assert " ".join(line.strip() for line in below).strip('"').strip() == reason.strip()

    def test_hostile_text_is_escaped(self) -> None:
        text = "\n".join(lines_of(rt(code="\x1b[2J\u202e"), rt(retType=-1, retMsg="a\x1b]0;x\x07\nb")))
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "\\x1b[2J" in text

    def test_secrets_are_not_shown(self) -> None:
        request = Trd_UnlockTrade.Request()
        request.c2s.unlock, request.c2s.pwdMD5 = True, "0123456789abcdef"
        frame = Frame.build(2005, 1, request, sender=Role.CLIENT)
        exchange = LoggedExchange(1, frame, Trd_UnlockTrade.Response(retType=0), 5)
        shown: list[str] = []
        JsonRequests(shown.append).exchange(exchange)
        assert json.loads(shown[0])["request"]["c2s"]["pwdMD5"] == "***"
        assert "0123456789abcdef" not in f"{shown}{lines_of(exchange)}"

    def test_what_cannot_be_read_has_a_line_too(self) -> None:
        broken = Frame.build(3008, 1, b"\x0f", sender=Role.CLIENT)
        strange = Frame.build(9999, 2, b"", sender=Role.CLIENT)
        assert lines_of(rt()._replace(request=broken), rt()._replace(request=strange)) == [
            "client 3 #1 Qot_GetRT() -> ok, 0 rows, 1.2ms",
            "client 3 #2 protocol 9999() -> ok, 0 rows, 1.2ms",
        ]

    def test_of_a_busy_second_the_rest_is_counted(self) -> None:
        many = [rt(serial=number) for number in range(1000)]
        failures = [rt(serial=number, retType=-1) for number in range(150)]
        lines = lines_of(*many, *failures)
        # The test may run into the next second, which shows as many again.
        counted = sum(int(line.split()[0]) for line in lines if "more requests" in line)
        assert counted + sum("more requests" not in line for line in lines) == 1150
        assert len(lines) < 6 * MOST_LINES
        assert any("Qot_GetRT(HK.00700) -> -1" in line for line in lines)


class TestFilter:
    @pytest.mark.parametrize(
        ("expression", "serials"),
        [
            ("ret_type != 0", [2]),
            ("latency > 1ms", [1, 3]),
            ("code == HK.00005", [3]),
            ("kind == request and serial < 3", [1, 2]),
            ("proto ~ Trd_*", []),
            ("not (proto == Qot_GetRT)", []),
            ("client == 3.3.3.3 or conversation == 3", [1, 2, 3]),
            ("c2s.security.code == 00005", [3]),
            ("s2c.rtList.minute == 1", [1]),
        ],
    )
    def test_chooses_exchanges_by_request_or_reply(self, expression: str, serials: list[int]) -> None:
        exchanges = (
            rt(2, serial=1),
            rt(serial=2, latency=1000, retType=-1),
            rt(serial=3, code="00005"),
        )
        found = [int(re.findall(r"#(\d+)", line)[0]) for line in lines_of(*exchanges, chosen=expression)]
        assert found == serials

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            (["-Y", "ret_typ != 0"], "there is no field 'ret_typ'"),
            (["-Y", "unanswered"], "unanswered is known when a capture has been read"),
            (["-Y", "proto == 3008", "-q"], "-Y chooses what is logged, and --quiet logs nothing"),
        ],
    )
    def test_that_makes_no_sense(self, options: list[str], why: str) -> None:
        shown = CliRunner().invoke(command, ["--synthetic", *options])
        assert shown.exit_code == 2
        assert why in " ".join(shown.output.split())


class TestServe:
    def test_logs_by_default(self) -> None:
        with served() as (process, port):
            with PlainClient(port) as client:
                client.ask("Qot_GetRT", **QUESTION)
            lines = log_of(process)
        found = [line for line in lines if "Qot_GetRT(" in line]
        assert len(found) == 1
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d\.\d{3} client 1 #2 Qot_GetRT\(HK\.00700\) -> ok, 3 rows, [\d.]+[mu]?s", found[0]
        )

    def test_is_quiet(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words = [str(port) if word == "0" else word for word in SERVE]
        with started(*words, "-q") as process:
            for _ in range(200):
                with suppress(OSError), PlainClient(port) as client:
                    client.ask("Qot_GetRT", **QUESTION)
                    break
                time.sleep(0.05)
            process.terminate()
            assert process.communicate(timeout=10)[1] == b""

    def test_json_is_complete(self) -> None:
        with served("--log-json") as (process, port):
            with PlainClient(port) as client:
                for _ in range(3 * MOST_LINES):
                    client.ask("Qot_GetRT", **QUESTION)
            lines = [json.loads(line) for line in log_of(process)]
        found = [line for line in lines if line["event"] == "request" and line["proto"] == "Qot_GetRT"]
        assert len(found) == 3 * MOST_LINES
        assert set(found[0]) == {
            *("time", "event", "client", "serial", "proto_id", "proto", "ret_type", "err_code", "ret_msg", "rows"),
            *("latency_ns", "faults", "request"),
        }
        assert found[0]["request"] == {"c2s": {"security": {"market": 1, "code": "00700"}}}
        assert int(found[0]["latency_ns"]) > 0

    def test_a_filter_chooses(self) -> None:
        with served("-Y", "ret_type == -5", "--fault", "refuse:proto=3008,every=2,ret_type=-5") as (process, port):
            with PlainClient(port) as client:
                for _ in range(4):
                    client.ask("Qot_GetRT", **QUESTION)
            lines = log_of(process)
        assert [line.split(" ", 1)[1].partition(" -> ")[0] for line in lines if "#" in line] == [
            "client 1 #3 Qot_GetRT(HK.00700)",
            "client 1 #5 Qot_GetRT(HK.00700)",
        ]
        assert any("connected" in line for line in lines), "events are no requests"

    def test_nobody_reading_it_holds_up_no_client(self) -> None:
        # A pipe takes 64 KiB, which is reached after a fraction of these requests.
        with served("--log-json") as (process, port):
            with PlainClient(port) as client:
                for _ in range(1200):
                    client.connection.request("Qot_GetRT", rt().request.body, 0)
                client.send()
                while len(client.events) < 1201:
                    client.receive()
            process.terminate()
            assert process.wait(10) == 0

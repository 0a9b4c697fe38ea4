"""``ftwire dump`` as its users run it: what it prints, and what it exits with."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftwire.cipher import RsaKey
from ftwire.frame import Frame, Role
from ftwire.messages import (
    GetGlobalState,
    Qot_GetOrderBook,
    Qot_Sub,
    Trd_GetAccList,
    Trd_PlaceOrder,
    Trd_UnlockTrade,
)
from ftwire.pcap import Endpoint, Limits, LinkType, PcapWriter, ip_packet, link_frame
from ftwire_tools.commands import ftwire
from ftwire_tools.terminal.times import SECOND
from support.captures import CLIENT, SERVER, START, Said, answered, asked, packets, pcap, pcap_of, push, session
from support.frames import init_response, rt_request, rt_response
from support.pcap_model import ACK, FIN, RST, SYN, frame
from support.places import ROOT

FIXTURES = ROOT / "fixtures"
CAPTURES = FIXTURES / "captures"
KEYS = FIXTURES / "keys"
KEY = KEYS / "TEST-ONLY-1024.pem"
OTHER_KEY = KEYS / "TEST-ONLY-other-1024.pem"

COLUMNS = [
    *("code", "name", "time", "is_blank", "opened_mins", "cur_price", "last_close", "avg_price", "volume", "turnover"),
]


def rsa_key(path: Path = KEY) -> RsaKey:
    return RsaKey.from_pem(path.read_bytes())


def dump(data: bytes, *options: str | Path) -> Result:
    """Run the command with ``data`` on its standard input."""
    return CliRunner().invoke(ftwire, ["dump", *map(str, options), "-"], input=data)


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def frames_of(result: Result) -> list[str]:
    """The lines of frames, without those that introduce."""
    return [line for line in result.stdout.splitlines() if not line.startswith("---")]


class TestForms:
    def test_one_line_a_frame(self) -> None:
        result = dump(pcap(session()))
        assert result.exit_code == 0
        assert result.stderr == ""
        assert result.stdout.splitlines() == [
            "--- 2021-06-09 UTC",
            "--- 1: client 127.0.0.1:50112, server 127.0.0.1:11111, tcp",
            "     1 01:30:00.000000 1 -> request  1001 InitConnect              #1           11 B none"
            "                clientVer=300 clientID=test",
            "     2 01:30:00.001000 1 <- response 1001 InitConnect              #1           53 B none"
            "           1ms  re 1 serverVer=1011 connID=7262309301 keepAliveInterval=10",
            "     3 01:30:00.002000 1 -> request  3008 Qot_GetRT                #2           13 B none"
            "                HK.00700",
            "     4 01:30:00.003000 1 <- response 3008 Qot_GetRT                #2           97 B none"
            "           1ms  re 3 HK.00700 rtList[2]",
            "     5 01:30:00.004000 1 <- push     3009 Qot_UpdateRT             #0           56 B none"
            "                HK.00700 rtList[1] price=600.0",
        ]

    def test_json_is_one_object_a_frame_with_the_promised_keys(self) -> None:
        result = dump(pcap(session()), "--json")
        assert result.exit_code == 0
        found = objects(result)
        assert [one["number"] for one in found] == [1, 2, 3, 4, 5]
        response = found[3]
        body = response.pop("body")
        assert response == {
            "number": 4,
            "time": str(START + 3_000_000),
            "packet": 10,
            "conversation": 1,
            "src": "127.0.0.1:11111",
            "dst": "127.0.0.1:50112",
            "transport": "tcp",
            "kind": "response",
            "proto_id": 3008,
            "proto": "Qot_GetRT",
            "serial": 2,
            "format": "protobuf",
            "encryption": "none",
            "body_length": 97,
            "sha1_ok": True,
            "request": 3,
            "latency_ns": "1000000",
            "error": None,
            "error_type": None,
            "opend_error": None,
        }
        assert body["s2c"]["security"] == {"market": 1, "code": "00700"}
        assert body["s2c"]["rtList"][0]["volume"] == "255100"
        assert [one["latency_ns"] for one in found] == [None, "1000000", None, "1000000", None]
        assert [one["request"] for one in found] == [None, 1, None, 3, None]

    def test_json_is_the_same_for_a_json_body(self) -> None:
        said = [asked(3008, 2, rt_request()), answered(3008, 2, rt_response())]
        as_json = [
            Said(
                each.sender,
                Frame.build(3008, 2, message, sender=each.sender, body_format=1).encode(),
            )
            for each, message in zip(said, (rt_request(), rt_response()), strict=True)
        ]
        plain, json_format = (objects(dump(pcap(each), "--json")) for each in (said, as_json))
        assert [one["format"] for one in json_format] == ["json", "json"]
        assert [one["body"] for one in plain] == [one["body"] for one in json_format]

    def test_the_tree_has_enum_names_beside_numbers(self) -> None:
        request = Qot_Sub.Request()
        security = request.c2s.securityList.add()
        security.market, security.code = 11, "AAPL"
        request.c2s.subTypeList.extend([5, 99])
        request.c2s.isSubOrUnSub = True
        lines = dump(pcap([asked(3001, 1, request)]), "-v").stdout.splitlines()[3:]
        assert [line.strip() for line in lines] == [
            "c2s:",
            "securityList: 1 item",
            "[0]",
            "market: 11 (QotMarket_US_Security)",
            'code: "AAPL"',
            "subTypeList: [5 (SubType_RT), 99]",
            "isSubOrUnSub: true",
        ]

    def test_a_table_has_the_columns_users_know(self) -> None:
        lines = dump(pcap(session()), "--table", "--proto", "3008", "--kind", "response").stdout.splitlines()
        assert lines[3].split() == COLUMNS
        assert [line.split()[:6] for line in lines[4:]] == [
            ["HK.00700", "-", "2021-06-09", "09:30:00", "False", "570"],
            ["HK.00700", "-", "2021-06-09", "09:31:00", "False", "571"],
        ]

    def test_json_rows_keep_the_columns(self) -> None:
        rows = objects(dump(pcap(session()), "--table", "--json"))
        assert [row.pop("number") for row in rows] == [4, 4, 5]
        assert all(list(row) == COLUMNS for row in rows)
        assert rows[0] == {
            "code": "HK.00700",
            "name": None,
            "time": "2021-06-09 09:30:00",
            "is_blank": False,
            "opened_mins": 570,
            "cur_price": 600.0,
            "last_close": None,
            "avg_price": None,
            "volume": "255100",
            "turnover": None,
        }

    def test_any_list_is_a_table(self) -> None:
        book = Qot_GetOrderBook.Response(retType=0)
        book.s2c.security.market, book.s2c.security.code = 1, "00700"
        book.s2c.orderBookAskList.add(price=600.5, volume=300, orederCount=2)
        book.s2c.orderBookBidList.add(price=600.0, volume=100, orederCount=1)
        rows = objects(dump(pcap([answered(3012, 1, book)]), "--table", "--json"))
        assert [(row["list"], row["code"], row["price"], row["volume"]) for row in rows] == [
            ("orderBookAskList", "HK.00700", 600.5, "300"),
            ("orderBookBidList", "HK.00700", 600.0, "100"),
        ]

    def test_hex_shows_header_and_plain_body(self) -> None:
        result = dump(pcap(session(rsa_key())), "--hex", "--proto", "3008", "--kind", "request", "--key", KEY)
        lines = [line.strip() for line in result.stdout.splitlines()]
        assert "header, 44 bytes" in lines
        assert "body, decrypted, 13 bytes" in lines
        assert "00000000  0a 0b 0a 09 08 01 12 05  30 30 37 30 30           |........00700|" in lines

    def test_json_with_hex_adds_the_bytes(self) -> None:
        one = objects(dump(pcap(session()), "--hex", "--json", "--proto", "3008", "--kind", "request"))[0]
        assert one["body_hex"] == rt_request().SerializeToString().hex()
        assert one["header_hex"] == session()[2].data[:44].hex()

    def test_fields_of_a_body(self) -> None:
        options = "--fields", "security.code, rtList.minute,s2c.security.market,volume,retType", "--proto", "3009"
        assert frames_of(dump(pcap(session()), *options))[0].endswith(
            "security.code=00700 rtList.minute=[572] s2c.security.market=1 volume=- retType=0"
        )
        assert objects(dump(pcap(session()), "--json", *options))[0]["body"] == {
            "security.code": "00700",
            "rtList.minute": [572],
            "s2c.security.market": 1,
            "volume": None,
            "retType": 0,
        }

    def test_a_refusal_says_why(self) -> None:
        refusal = Qot_Sub.Response(retType=-1, retMsg="no right")
        assert frames_of(dump(pcap([answered(3001, 1, refusal)])))[0].endswith('retType=-1(Failed) "no right"')

    def test_text_from_the_wire_cannot_steer_the_terminal(self) -> None:
        refusal = Qot_Sub.Response(retType=-1, retMsg="\x1b[2Jgone\nline")
        for options in ((), ("-v",), ("--fields", "retMsg"), ("--json",)):
            text = dump(pcap([answered(3001, 1, refusal)]), *options).stdout
            assert "\x1b" not in text
            assert "gone\nline" not in text

    def test_stats_go_to_standard_error(self) -> None:
        size = sum(len(said.data) for said in session())
        result = dump(pcap(session()), "--stats")
        assert len(result.stdout.splitlines()) == 2 + 5
        rows = [line.split() for line in result.stderr.splitlines()]
        columns = ["frames", "bytes", "errors", "failed", "unanswered", "p50", "p90", "p99", "max"]
        assert rows[0] == ["protocol", *columns]
        assert ["3008", "Qot_GetRT", "2", "198", "0", "0", "0", "1ms", "1ms", "1ms", "1ms"] in rows
        assert rows[-1] == ["all", "5", str(size), "0", "0", "0"]

    def test_stats_beside_json_are_json(self) -> None:
        size = sum(len(said.data) for said in session())
        result = dump(pcap(session()), "--stats", "--json")
        assert len(objects(result)) == 5
        stats = json.loads(result.stderr)
        assert stats["all"] == {"frames": 5, "bytes": size, "errors": 0, "failed": 0, "unanswered": 0}
        (found,) = (each for each in stats["protocols"] if each["proto_id"] == 3008)
        spans = dict.fromkeys(("p50", "p90", "p99", "max"), "1000000")
        assert found == {
            "proto_id": 3008,
            "proto": "Qot_GetRT",
            "frames": 2,
            "bytes": 198,
            "errors": 0,
            "failed": 0,
            "unanswered": 0,
            "latency_ns": spans,
        }
        (slot,) = stats["rates"]["slots"]
        assert (slot["time"], slot["frames"], slot["bytes"]) == (str(START), 5, size)


class TestSelection:
    @pytest.mark.parametrize(
        ("options", "numbers"),
        [
            (["--proto", "3008"], [3, 4]),
            (["--proto", "qot_getrt"], [3, 4]),
            (["--proto", "Qot_*", "--kind", "push"], [5]),
            (["--proto", "3009,InitConnect"], [1, 2, 5]),
            (["--proto", "3009", "--proto", "1001"], [1, 2, 5]),
            (["--proto", "4711"], []),
            (["--kind", "request"], [1, 3]),
            (["--code", "HK.00700"], [3, 4, 5]),
            (["--code", "00700"], [3, 4, 5]),
            (["--code", "US.AAPL"], []),
            (["--conn", "1"], [1, 2, 3, 4, 5]),
            (["--conn", "2"], []),
            (["--conn", "127.0.0.1:11111"], [1, 2, 3, 4, 5]),
            (["--conn", ":50112"], [1, 2, 3, 4, 5]),
            (["--conn", "127.0.0.1:1"], []),
            (["--since", "2021-06-09T01:30:00.003"], [4, 5]),
            (["--since", "2021-06-09T09:30:00.003+08:00"], [4, 5]),
            (["--until", "1623202200.001"], [1, 2]),
            (["--since", str(START + 1), "--until", "2021-06-09T01:30:00.002"], [2, 3]),
            (["--errors"], []),
        ],
    )
    def test_frames_keep_their_numbers(self, options: list[str], numbers: list[int]) -> None:
        assert [one["number"] for one in objects(dump(pcap(session()), "--json", *options))] == numbers

    def test_a_reply_is_about_what_was_asked_for(self) -> None:
        request = Qot_Sub.Request()
        security = request.c2s.securityList.add()
        security.market, security.code = 11, "AAPL"
        request.c2s.isSubOrUnSub = True
        said = [asked(3001, 1, request), answered(3001, 1, Qot_Sub.Response(retType=0)), asked(3008, 2, rt_request())]
        assert [one["number"] for one in objects(dump(pcap(said), "--json", "--code", "us.aapl"))] == [1, 2]

    def test_orders_name_their_market_otherwise(self) -> None:
        order = Trd_PlaceOrder.Request()
        order.c2s.code, order.c2s.secMarket = "AAPL", 2
        said = [asked(2202, 1, order.SerializePartialToString())]
        assert len(objects(dump(pcap(said), "--json", "--code", "US.AAPL"))) == 1

    def test_conversations_are_numbered(self) -> None:
        other = packets(session(), client=Endpoint(b"\x7f\0\0\1", 50113))
        mixed = packets(session()) + [(time + SECOND, packet) for time, packet in other]
        found = objects(dump(pcap_of(mixed), "--json"))
        assert [one["number"] for one in found] == list(range(1, 11))
        assert [one["conversation"] for one in found] == [1] * 5 + [2] * 5
        second = objects(dump(pcap_of(mixed), "--json", "--conn", "127.0.0.1:50113"))
        assert [one["number"] for one in second] == [6, 7, 8, 9, 10]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--proto", "Qot_GetRTT"], "no protocol is called 'Qot_GetRTT'"),
            (["--since", "yesterday"], "'yesterday' is neither ISO 8601 nor seconds since the epoch"),
            (["--kind", "reply"], "'reply' is not one of"),
            (["--max-body", "0"], "0 is not in the range"),
        ],
    )
    def test_wrong_usage_exits_with_2(self, options: list[str], said: str) -> None:
        result = dump(b"", *options)
        assert result.exit_code == 2
        assert said in result.stderr


class TestEncryption:
    def test_with_the_key_everything_is_decrypted(self) -> None:
        result = dump(pcap(session(rsa_key())), "--key", KEY, "--json")
        assert result.exit_code == 0
        found = objects(result)
        assert [one["encryption"] for one in found] == ["rsa", "rsa", "aes_cbc", "aes_cbc", "aes_cbc"]
        assert [one["body"] for one in found] == [one["body"] for one in objects(dump(pcap(session()), "--json"))]
        assert found[2]["body_length"] == 16

    def test_of_several_keys_the_right_one_is_found(self) -> None:
        assert dump(pcap(session(rsa_key())), "--key", OTHER_KEY, "--key", KEY).exit_code == 0

    def test_without_the_key_frames_are_listed_and_the_key_asked_for_once(self) -> None:
        result = dump(pcap(session(rsa_key())), "--json")
        assert result.exit_code == 3
        found = objects(result)
        assert [one["proto"] for one in found] == ["InitConnect"] * 2 + ["Qot_GetRT"] * 2 + ["Qot_UpdateRT"]
        assert {one["encryption"] for one in found} == {"unknown"}
        assert {one["error_type"] for one in found} == {"KeyRequiredError"}
        assert {one["sha1_ok"] for one in found} == {None}
        assert {one["body"] for one in found} == {None}
        assert result.stderr.splitlines() == [
            "ftwire: 127.0.0.1:50112 -> 127.0.0.1:11111: encrypted: the RSA private key is needed to read it (--key)"
        ]

    def test_without_the_key_the_lines_say_so_too(self) -> None:
        result = dump(pcap(session(rsa_key())))
        assert result.exit_code == 3
        lines = result.stdout.splitlines()
        assert lines[2] == "--- 1: encrypted: the RSA private key is needed to read it (--key)"
        assert all(line.endswith("encrypted, no key") for line in lines[3:])
        assert len(lines) == 8

    def test_a_wrong_key_is_not_believed(self) -> None:
        result = dump(pcap(session(rsa_key())), "--key", OTHER_KEY, "--json")
        assert result.exit_code == 3
        assert {one["error_type"] for one in objects(result)} == {"KeyRequiredError"}
        assert "another RSA private key than those given" in result.stderr

    def test_a_key_file_that_is_missing(self) -> None:
        result = dump(b"", "--key", "no-such-key.pem")
        assert (result.exit_code, result.stderr) == (1, "Error: no-such-key.pem: No such file or directory\n")

    def test_a_key_file_that_is_none(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.pem"
        bad.write_text("-----BEGIN RSA PRIVATE KEY-----\nnonsense\n-----END RSA PRIVATE KEY-----\n")
        result = dump(b"", "--key", bad)
        assert result.exit_code == 1
        assert result.stderr == f"Error: {bad}: not an RSA private key in PEM (PKCS#1 or PKCS#8)\n"


class TestSecrets:
    SECRETS = ("0123456789ABCDEF", "FEDCBA9876543210", "281756455982434020", "e10adc3949", "5550001", "12345678")

    @pytest.fixture
    def capture(self) -> bytes:
        accounts = Trd_GetAccList.Response(retType=0)
        accounts.s2c.accList.add(trdEnv=1, accID=281756455982434020, cardNum="5550001")
        unlock = Trd_UnlockTrade.Request()
        unlock.c2s.unlock, unlock.c2s.pwdMD5 = True, "e10adc3949ba59abbe56e057f20f883e"
        state = GetGlobalState.Request()
        state.c2s.userID = 12345678
        init = init_response("0123456789ABCDEF", "FEDCBA9876543210")
        init.s2c.loginUserID = 12345678
        return pcap(
            [
                answered(1001, 1, init),
                answered(2001, 2, accounts),
                asked(2005, 3, unlock),
                asked(1002, 4, state),
            ]
        )

    FORMS: tuple[list[str], ...] = (
        [],
        ["-v"],
        ["--json"],
        ["--hex"],
        ["--json", "--hex"],
        ["--table"],
        ["--table", "--json"],
        ["--fields", "connAESKey,aesCBCiv,accList,accList.accID,accList.cardNum,pwdMD5,userID,loginUserID"],
        ["--json", "--fields", "s2c,c2s"],
    )

    @pytest.mark.parametrize("options", FORMS)
    def test_are_in_no_form_of_the_dump(self, capture: bytes, options: list[str]) -> None:
        result = dump(capture, *options)
        assert result.exit_code == 0
        raw = [secret.encode().hex() for secret in self.SECRETS]
        text = result.stdout.replace(" ", "")
        assert [secret for secret in (*self.SECRETS, *raw) if secret in text] == []

    def test_are_shown_on_demand(self, capture: bytes) -> None:
        text = dump(capture, "--json", "--show-secrets").stdout
        assert [secret for secret in self.SECRETS if secret not in text] == []
        assert "0123456789ABCDEF" in dump(capture, "-v", "--show-secrets").stdout
        assert "body withheld" not in dump(capture, "--hex", "--show-secrets").stdout

    def test_are_in_no_error(self) -> None:
        body = b'{"retType": 0, "s2c": {"accList": [{"trdEnv": 1, "accID": "281756455982434020x"}]}}'
        frame = Frame.build(2001, 1, body, sender=Role.SERVER, body_format=1)
        capture = pcap([Said(Role.SERVER, frame.encode())])
        for options in ((), ("--json",), ("-v",)):
            result = dump(capture, *options)
            assert result.exit_code == 3
            assert "BodyError" in result.stdout
            assert "not a Trd_GetAccList.Response at offset 58" in result.stdout
            assert "281756455982434020" not in result.stdout + result.stderr
        assert "281756455982434020" in dump(capture, "--show-secrets").stdout

    def test_bytes_without_secrets_are_not_withheld(self) -> None:
        text = dump(pcap(session()), "--hex").stdout
        # InitConnect's reply alone has some.
        assert text.count("body withheld") == 1

    def test_a_body_that_cannot_be_read_is_withheld_where_it_may_hold_some(self) -> None:
        good = answered(1001, 1, init_response("0123456789ABCDEF", None)).data
        spoilt = Said(Role.SERVER, good[:-1] + b"\xff")
        text = dump(pcap([spoilt]), "--hex").stdout
        assert "body withheld" in text
        assert b"0123".hex(" ") not in text


class TestBadInput:
    def test_a_wrong_sha1_is_shown_where_it_stands(self) -> None:
        said = session()
        bad = bytearray(said[3].data)
        bad[20] ^= 1
        said[3] = Said(Role.SERVER, bytes(bad))
        result = dump(pcap(said), "--json")
        assert result.exit_code == 3
        found = objects(result)
        assert [one["sha1_ok"] for one in found] == [True, True, True, False, True]
        assert (found[3]["error_type"], found[3]["body"]) == ("DigestError", None)
        assert "the header says" in found[3]["error"]
        only = dump(pcap(said), "--errors")
        assert [line.split()[0] for line in frames_of(only)] == ["4"]
        assert "DigestError: SHA-1 of the body is" in only.stdout

    def test_a_body_that_is_no_message(self) -> None:
        result = dump(pcap([*session(), answered(3008, 9, b"\x08")]), "--json")
        assert result.exit_code == 3
        last = objects(result)[-1]
        assert (last["sha1_ok"], last["error_type"], last["body"]) == (True, "BodyError", None)

    def test_an_unknown_protocol(self) -> None:
        capture = pcap([*session(), asked(9999, 9, b"\x08\x01")])
        assert objects(dump(capture, "--json", "--hex"))[-1]["body_hex"] is None, "it may hold secrets"
        result = dump(capture, "--json", "--hex", "--show-secrets")
        assert result.exit_code == 3
        last = objects(result)[-1]
        assert (last["proto_id"], last["proto"], last["body"]) == (9999, None, None)
        assert last["error"] == "protocol ID 9999 is not in the registry"
        assert last["body_hex"] == "0801"

    def test_garbage_between_frames_is_a_gap(self) -> None:
        said = session()
        said.insert(4, Said(Role.SERVER, b"garbage!"))
        result = dump(pcap(said))
        assert result.exit_code == 3
        assert [line.split()[0] for line in frames_of(result) if "gap" not in line] == ["1", "2", "3", "4", "5"]
        gap = next(line for line in frames_of(result) if "gap" in line)
        at = len(said[1].data) + len(said[3].data)
        assert gap.endswith(
            f'1 <- gap      8 bytes at stream offset {at} are in no frame: a frame starts with "FT" (4654), '
            f"here is 6761 at stream offset {at}"
        )
        as_json = dump(pcap(said), "--json")
        assert len(objects(as_json)) == 5
        assert "127.0.0.1:11111 -> 127.0.0.1:50112: 8 bytes at stream offset" in as_json.stderr

    def test_a_wrong_magic_costs_that_frame(self) -> None:
        said = session()
        said[3] = Said(Role.SERVER, b"XX" + said[3].data[2:])
        result = dump(pcap(said))
        assert result.exit_code == 3
        assert f"{len(said[3].data)} bytes at stream offset {len(said[1].data)} are in no frame" in result.stdout
        assert "here is 5858" in result.stdout
        assert "3009 Qot_UpdateRT" in result.stdout

    def test_a_length_of_4_gib_costs_that_frame(self) -> None:
        said = session()
        said[3] = Said(Role.SERVER, said[3].data[:12] + b"\xff" * 4 + said[3].data[16:])
        result = dump(pcap(said))
        assert result.exit_code == 3
        assert "protocol 3008 announces a body of 4294967295 bytes, the limit is 67108864" in result.stdout
        assert "3009 Qot_UpdateRT" in result.stdout

    def test_a_body_limit_of_ones_own(self) -> None:
        result = dump(pcap(session()), "--max-body", "96")
        assert result.exit_code == 3
        assert "announces a body of 97 bytes, the limit is 96" in result.stdout

    def test_a_packet_that_was_not_captured(self) -> None:
        frames = packets(session())
        lost = next(index for index, (_, data) in enumerate(frames) if b"09:31:00" in data)
        result = dump(pcap_of(frames[:lost] + frames[lost + 1 :]))
        assert result.exit_code == 3
        size = len(session()[3].data)
        assert (
            f"{size} bytes at stream offset 97 are in no frame, {size} of them are not in the capture" in result.stdout
        )
        assert "3009 Qot_UpdateRT" in result.stdout

    def test_a_capture_that_is_cut_short(self) -> None:
        result = dump(pcap(session())[:-100])
        assert result.exit_code == 3
        assert "3009 Qot_UpdateRT" in result.stdout
        assert "--- standard input: the file ends inside a record" in result.stdout

    def test_a_capture_that_is_damaged(self) -> None:
        data = pcap(session())
        result = dump(data + b"\xff" * 100)
        assert result.exit_code == 3
        assert "3009 Qot_UpdateRT" in result.stdout

    def test_zero_bytes(self) -> None:
        result = dump(b"")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "Error: -: empty: neither a capture nor OpenD frames\n"

    @pytest.mark.parametrize(
        "text", [b"hello", b"a text file\n" * 1000, b"FT", b"FTP is a protocol\n" * 99, b"\n", b"G\n"]
    )
    def test_a_text_file(self, text: bytes) -> None:
        result = dump(text)
        assert (result.exit_code, result.stdout) == (1, "")
        wanted = "neither a capture (pcap or pcapng, compressed or not) nor OpenD frames, but text: ftwire explain FILE"
        assert result.stderr.startswith(f"Error: -: {wanted}")

    def test_something_else_in_gzip(self) -> None:
        result = dump(gzip.compress(b"hello" * 100))
        assert result.exit_code == 1
        assert "neither" in result.stderr

    def test_a_capture_without_opend(self) -> None:
        result = dump(
            pcap([Said(Role.CLIENT, b"GET / HTTP/1.1\r\n\r\n"), Said(Role.SERVER, b"HTTP/1.1 200 OK\r\n\r\n")])
        )
        nothing = "no conversation with OpenD: 1 connection carries something else or nothing"
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"ftwire: standard input: {nothing}\n")

    def test_a_directory(self, tmp_path: Path) -> None:
        result = CliRunner().invoke(ftwire, ["dump", str(tmp_path)])
        assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}: Is a directory\n")

    def test_a_file_that_is_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "no.pcap"
        result = CliRunner().invoke(ftwire, ["dump", str(path)])
        assert (result.exit_code, result.stderr) == (1, f"Error: {path}: No such file or directory\n")

    def test_a_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            # The superuser, who runs tests in containers, may read everything.
            raise PermissionError(13, "Permission denied")

        path = tmp_path / "a.pcap"
        path.write_bytes(pcap(session()))
        monkeypatch.setattr("ftwire_tools.captures.input_files.FileIO", refuse)
        result = CliRunner().invoke(ftwire, ["dump", str(path)])
        assert (result.exit_code, result.stderr) == (1, f"Error: {path}: Permission denied\n")

    def test_a_link_type_that_is_not_taken_apart(self) -> None:
        writer = PcapWriter(147)
        result = dump(writer.header() + writer.packet(START, b"?" * 60) * 3)
        assert result.exit_code == 3
        assert result.stdout == (
            "--- standard input: 3 packets passed over: link type 147 is not taken apart here; capture on another "
            "interface, or ask for another type: tcpdump -L lists what there is, -y EN10MB chooses\n"
        )

    def test_packets_cut_to_a_snapshot_length(self) -> None:
        writer = PcapWriter(snap_length=68)
        frames = packets(session())
        cut = sum(len(packet) > 68 for _, packet in frames)
        file = writer.header() + b"".join(writer.packet(time, each[:68], len(each)) for time, each in frames)
        note = (
            f"standard input: {cut} packets cut to the capture's snapshot length: what is missing is part of a "
            "conversation, or may be; capture with -s 0 (tcpdump, tshark, dumpcap)\n"
        )
        result = dump(file)
        assert (result.exit_code, result.stdout) == (3, f"--- {note}")
        result = dump(file, "--json")
        assert (result.exit_code, result.stdout, result.stderr) == (3, "", f"ftwire: {note}")

    def test_a_tunnel_that_is_not_looked_into(self) -> None:
        packet = link_frame(LinkType.ETHERNET, ip_packet(CLIENT.packed, SERVER.packed, bytes(60), protocol=50))
        result = dump(pcap_of([(START, packet)] * 2))
        assert result.exit_code == 3
        assert result.stdout == (
            "--- standard input: 2 packets passed over: a tunnel of IPsec (ESP) is not looked into; "
            "capture inside of it\n"
        )
        # Beside a conversation it is one of the many other things in a capture.
        result = dump(pcap_of([*packets(session()), (START, packet)]))
        assert (result.exit_code, result.stdout) == (0, dump(pcap(session())).stdout)

    def test_packets_that_contradict_others(self) -> None:
        sent = packets(session())
        again = [packet[:-1] + bytes([packet[-1] ^ 1]) for _, packet in sent[3:5]]
        writer = PcapWriter()
        file = writer.header() + b"".join(writer.packet(time, packet) for time, packet in sent[:-3])
        result = dump(file + b"".join(writer.packet(START, packet) for packet in again))
        assert result.exit_code == 3
        assert frames_of(result) == frames_of(dump(pcap(session())))
        note = "--- standard input: a packet has other bytes than came first in their place, or came too late"
        assert result.stdout.splitlines()[-1] == note

    @pytest.mark.parametrize("flags", [RST, SYN, FIN | ACK])
    def test_a_forged_segment_hides_nothing_and_is_noted(self, flags: int) -> None:
        sent = [packet for _, packet in packets(session())]
        # Behind the first frame, which the server has acknowledged, twenty bytes from where the client stands.
        next_number = int.from_bytes(sent[4][42:46], "big")
        forged = frame(CLIENT, SERVER, next_number - 20, flags=flags)
        result = dump(pcap_of([(START, packet) for packet in (*sent[:5], forged, *sent[5:])]))
        assert result.exit_code == 0
        assert len(frames_of(result)) == 5
        what = "a SYN, FIN or RST whose sequence number does not fit: stale or forged, and without effect"
        assert result.stdout.splitlines()[-1] == f"--- standard input: 1 packet has {what}"

    def test_bytes_behind_the_end_of_a_connection(self) -> None:
        sent = packets(session())
        number = int.from_bytes(sent[-1][1][38:42], "big")
        straggler = frame(CLIENT, SERVER, number, b"straggler")
        result = dump(pcap_of([*sent, (sent[-1][0] + 1, straggler)]))
        assert result.exit_code == 3
        assert len(frames_of(result)) == 5
        where = "behind the end of their connection, or far from where it stands"
        assert result.stdout.splitlines()[-1] == f"--- standard input: 9 bytes are {where}"

    def test_bodies_that_take_too_much_memory_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ftwire.capture.packets.Limits", lambda: Limits(max_memory=1 << 20))
        header = answered(3009, 0, push()).data[:12] + (1 << 24).to_bytes(4, "little") + bytes(28)
        lies = [Said(Role.SERVER, header + bytes(200_000))]
        sent = [packets(lies, Endpoint(b"\x0a\0\0\1", 40000 + at))[:-3] for at in range(12)]
        result = dump(pcap_of([packet for each in sent for packet in each]))
        assert result.exit_code == 3
        assert "given up before the frame was whole: all that waits took more than 1048576 bytes" in result.stdout
        what = "what waits in all connections took too much memory, and that of the largest was given up"
        assert result.stdout.splitlines()[-1].endswith(f" times {what}")

    def test_websocket_without_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] == "websockets"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "websockets", None)
        path = CAPTURES / "npm-futu-api-10.11-websocket.pcapng"
        result = CliRunner().invoke(ftwire, ["dump", str(path)])
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: {path}: WebSocket traffic is read with the package")
        assert result.stderr.count("\n") == 1


class TestInputs:
    @pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
    def test_compressed(self, compress: Callable[[bytes], bytes]) -> None:
        assert dump(compress(pcap(session()))).stdout == dump(pcap(session())).stdout

    @pytest.mark.parametrize("head", ["1f8b01006162636465666768", "1f8b08e06162636465666768696a6b6c"])
    @pytest.mark.parametrize("options", [[], ["--json"]])
    def test_a_damaged_head_of_gzip(self, head: str, options: list[str]) -> None:
        result = dump(bytes.fromhex(head), *options)
        assert result.exit_code == 3
        shown, empty = (result.stderr, result.stdout) if options else (result.stdout, result.stderr)
        assert "standard input: gzip member 1: " in shown
        assert (shown.count("\n"), empty) == (1, "")

    def test_a_compression_that_is_not_undone(self) -> None:
        result = dump(b"PK\x03\x04" + bytes(60))
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == ("Error: -: compressed with zip: decompress it first: unzip -p FILE | ftwire dump -\n")

    def test_a_file_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pcap"
        path.write_bytes(pcap(session()))
        assert CliRunner().invoke(ftwire, ["dump", str(path)]).stdout == dump(pcap(session())).stdout

    def test_copies_are_shown_each_for_itself(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.pcap", "b.pcap")]
        for path in paths:
            path.write_bytes(pcap(session()))
        names = list(map(str, paths))
        found = objects(CliRunner().invoke(ftwire, ["dump", "--json", *names]))
        assert [(one["file"], one["number"]) for one in found] == [(name, n) for name in names for n in range(1, 6)]
        lines = CliRunner().invoke(ftwire, ["dump", *names]).stdout.splitlines()
        assert [line for line in lines if ".pcap" in line] == [f"--- {name}" for name in names]

    @pytest.mark.parametrize("sender", list(Role))
    def test_the_bytes_one_side_sent(self, sender: Role) -> None:
        raw = b"".join(said.data for said in session() if said.sender is sender)
        result = dump(raw, "--json")
        assert result.exit_code == 0
        found = objects(result)
        expected = [
            one
            for one in objects(dump(pcap(session()), "--json"))
            if one["src"].endswith("50112") == (sender is Role.CLIENT)
        ]
        assert [one["body"] for one in found] == [one["body"] for one in expected]
        assert [one["kind"] for one in found] == [one["kind"] for one in expected]
        assert {(one["src"], one["time"], one["packet"]) for one in found} == {(sender.value, None, None)}
        assert dump(raw).stdout.startswith("--- 1: client client, server server, tcp\n     1 --:--:--.------ 1 ")

    def test_the_side_can_be_told(self) -> None:
        key = rsa_key()
        raw = b"".join(said.data for said in session(key) if said.sender is Role.SERVER)
        found = objects(dump(raw, "--json", "--from", "server", "--key", KEY))
        assert [one["kind"] for one in found] == ["response", "response", "push"]
        assert [one["encryption"] for one in found] == ["rsa", "aes_cbc", "aes_cbc"]

    @pytest.mark.parametrize("length", [8, 20, 43])
    def test_a_raw_stream_that_ends_in_its_first_header(self, length: int) -> None:
        result = dump(session()[0].data[:length])
        assert result.exit_code == 3
        assert f"a header is 44 bytes, here are {length}" in result.stdout

    def test_a_raw_stream_of_one_absurd_header(self) -> None:
        raw = session()[2].data
        result = dump(raw[:12] + b"\xff" * 4 + raw[16:])
        assert result.exit_code == 3
        assert "announces a body of 4294967295 bytes" in result.stdout

    def test_a_raw_stream_with_garbage(self) -> None:
        frames = session()
        result = dump(b"\0" * 99 + frames[1].data + b"garbage" + frames[3].data, "--json")
        assert result.exit_code == 3
        assert [one["number"] for one in objects(result)] == [1, 2]
        assert "99 bytes at stream offset 0 are in no frame" in result.stderr
        assert "7 bytes at stream offset 196 are in no frame" in result.stderr


def test_a_long_capture_is_written_in_order() -> None:
    said = [*session(), *(answered(3009, 0, push()) for _ in range(2500))]
    assert [one["number"] for one in objects(dump(pcap(said), "--json"))] == list(range(1, 2506))

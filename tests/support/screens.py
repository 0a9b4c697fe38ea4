"""What the command shows on terminals of several widths: a pseudo-terminal, a made-up capture, and goldens.

    PYTHONPATH=tests python -m support.screens

writes the goldens again. Read the difference before committing it: nothing else checks that a golden is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from ftwire.messages import Qot_GetOrderBook, Qot_UpdateBasicQot, Qot_UpdateOrderBook, Qot_UpdateTicker
from ftwire_tools.testing import gateway
from support.captures import answered, asked, packets, pcap_of, push, session
from support.command import FTWIRE
from support.frames import rt_request
from support.places import ROOT

__all__ = ["FIXTURE", "SCREENS", "WIDTHS", "golden", "on_a_terminal", "screen", "within", "write_capture"]

T = TypeVar("T", bound=Message)

WIDTHS: Final = (80, 100, 120)
CAPTURE: Final = "names.pcap"
FIXTURE: Final = ROOT / "fixtures/captures/futu-api-10.11-plain.pcap"
SCREENS: Final = {
    "help": ("--help",),
    "dump": ("dump", CAPTURE),
    "local": ("dump", "--time", "local", CAPTURE),
    "delta": ("dump", "--time", "delta", CAPTURE),
    "verbose": ("dump", "-v", "--proto", "Qot_UpdateBasicQot", CAPTURE),
    "table": ("dump", "--table", "--proto", "Qot_UpdateBasicQot,Qot_GetRT", CAPTURE),
    "hex": ("dump", "--hex", "--kind", "request", CAPTURE),
    "stats": ("dump", "--stats", "--proto", "Qot_Get*", CAPTURE),
    "call": ("call", "Qot_GetRT", '{"security": "HK.00700"}', "--subscribe", "--to", "GATEWAY"),
    "call-table": ("call", "Qot_GetRT", '{"security": "HK.00700"}', "--subscribe", "--table", "--to", "GATEWAY"),
}
"""Name of a screen -> the words of its command; GATEWAY stands for the address of one that answers from a fixture."""
_FOLDER: Final = Path(__file__).resolve().parents[1] / "tools/terminal/screens"


def golden(name: str, width: int) -> Path:
    """The file with what a screen of that width shows."""
    return _FOLDER / f"{name}.{width}.txt"


def write_capture(path: Path) -> None:
    """Write a session with Chinese names, a refused request, one without an answer, and a body that is no message."""
    tencent = {"market": 1, "code": "00700"}
    levels = [{"price": 600.0 + step, "volume": 900 + step, "orederCount": 3} for step in range(3)]
    book = {
        "security": tencent,
        "name": "腾讯控股",
        "orderBookBidList": levels[:1],
        "orderBookAskList": levels[1:],
        "svrRecvTimeBid": "2021-06-09 09:30:00",
        "svrRecvTimeAsk": "2021-06-09 09:30:00",
    }
    tick = {"time": "09:30:01", "sequence": 1, "dir": 1, "price": 600.5, "volume": 200, "turnover": 120100.0}
    ticks = {"security": tencent, "name": "腾讯控股", "tickerList": [tick, tick | {"price": 601.0, "volume": 400}]}
    names = ((1, "00700", "腾讯控股", 600.5), (21, "600519", "贵州茅台", 1600.0), (11, "AAPL", "Apple", 127.3))
    quotes = [
        {
            "security": {"market": market, "code": code},
            "name": name,
            "isSuspended": False,
            "listTime": "2004-06-16",
            "priceSpread": 0.2,
            "updateTime": "2021-06-09 09:30:01",
            "highPrice": 605.0,
            "openPrice": 600.0,
            "lowPrice": 599.0,
            "curPrice": price,
            "lastClosePrice": 598.5,
            "volume": 1600,
            "turnover": 960800.0,
            "turnoverRate": 0.017,
            "amplitude": 1.0,
        }
        for market, code, name, price in names
    ]

    def pushed(s2c: Mapping[str, object], message: T) -> T:
        return ParseDict({"retType": 0, "s2c": s2c}, message)

    refused = {"retType": -1, "errCode": 5, "retMsg": "无权限: no right to it"}
    said = [
        *session(),
        asked(3012, 3, ParseDict({"c2s": {"security": tencent, "num": 10}}, Qot_GetOrderBook.Request())),
        answered(3012, 3, ParseDict(refused, Qot_GetOrderBook.Response())),
        asked(3008, 4, rt_request("09988")),
        answered(3013, 0, pushed(book, Qot_UpdateOrderBook.Response())),
        answered(3011, 0, pushed(ticks, Qot_UpdateTicker.Response())),
        answered(3005, 0, pushed({"basicQotList": quotes}, Qot_UpdateBasicQot.Response())),
        answered(3009, 0, push().SerializeToString() + b"\x22"),
    ]
    path.write_bytes(pcap_of(packets(said)))


def on_a_terminal(*words: str, program: tuple[str, ...] = FTWIRE, **environment: str) -> bytes:
    """What a program, by default our command, writes when its standard output and error are a terminal."""
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    inside, outside = pty.openpty()
    try:
        done = subprocess.Popen(
            [*program, *words], stdout=outside, stderr=outside, env={**os.environ, "TERM": "xterm", **environment}
        )
        os.close(outside)
        written = b""
        # A terminal whose last writer has gone answers with an error on Linux, with nothing elsewhere.
        while True:
            try:
                chunk = os.read(inside, 4096)
            except OSError:
                break
            if not chunk:
                break
            written += chunk
        done.wait()
    finally:
        os.close(inside)
    return written


def within(folder: Path, program: tuple[str, ...] = FTWIRE) -> tuple[str, ...]:
    """The same program, run in that folder."""
    return ("sh", "-c", 'cd "$0" && exec "$@"', str(folder), *program)


def screen(name: str, width: int, folder: Path) -> str:
    """What a terminal of that width shows of a command, run where the capture is."""
    plain = {"NO_COLOR": "1", "COLUMNS": str(width), "PYTHONUTF8": "1", "TZ": "Asia/Hong_Kong"}
    words = SCREENS[name]
    if "GATEWAY" in words:
        with gateway(FIXTURE) as opend:
            words = tuple(word.replace("GATEWAY", f"127.0.0.1:{opend.port}") for word in words)
            shown = on_a_terminal(*words, program=within(folder), **plain).decode()
    else:
        shown = on_a_terminal(*words, program=within(folder), **plain).decode()
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


def main() -> None:
    """Write all goldens."""
    _FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_capture(Path(folder) / CAPTURE)
        for name in SCREENS:
            for width in WIDTHS:
                golden(name, width).write_text(screen(name, width, Path(folder)), encoding="utf-8")
                sys.stdout.write(f"{golden(name, width).relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()

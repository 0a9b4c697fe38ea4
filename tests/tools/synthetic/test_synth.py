"""Made-up captures: what protobuf, the dissector and the dump say of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftwire.body_mutations import encode_varint
from ftwire.protocols import registry
from ftwire_tools.commands import ftwire
from ftwire_tools.markets.trading_clock import TradingClock
from ftwire_tools.synthetic.bodies import KINDS, Bodies, TemplateStock, moments
from ftwire_tools.synthetic.market import made_up_listings
from ftwire_tools.synthetic.template import GROWING, GROWN, SMALL, template
from support.command import FTWIRE
from support.places import ROOT
from support.programs import Program

KEY = next((ROOT / "fixtures" / "keys").glob("*.pem"))


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(ftwire, ["synth", *map(str, arguments)])


def dump(path: Path, *options: str) -> tuple[list[dict[str, Any]], Result]:
    result = CliRunner().invoke(ftwire, ["dump", "--json", *options, str(path)])
    return [json.loads(line) for line in result.stdout.splitlines()], result


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("market", ["HK", "US"])
def test_bodies_are_what_protobuf_writes(kind: str, market: str) -> None:
    random = Random(7)  # noqa: S311 - nothing is to be kept secret
    (listing,) = made_up_listings(market, 1, random)
    stock = TemplateStock(listing, random)
    clock = TradingClock(market, date(2024, 1, 2))
    bodies, moment = Bodies(random), moments(clock)
    for second in range(0, clock.seconds(2), 997):
        body = bodies.makers[kind](stock, moment(second))
        message: Any = registry[KINDS[kind]].response.FromString(body)
        assert message.IsInitialized()
        assert message.SerializeToString() == body
    assert str(message.s2c).count(listing.code) >= 1


@pytest.mark.parametrize("kind", ["ticker", "basic_quote", "time_share", "kline"])
def test_a_volume_stays_in_its_place_however_much_is_traded(kind: str) -> None:
    """Five gigabytes of four securities brought their volumes to six bytes, for which templates have five."""
    random = Random(7)  # noqa: S311 - nothing is to be kept secret
    (listing,) = made_up_listings("HK", 1, random)
    stock = TemplateStock(listing, random)
    clock = TradingClock("HK", date(2024, 1, 2))
    bodies, moment = Bodies(random), moments(clock)
    stock.volume = GROWN - 50_000
    for second in range(100):
        stock.trade()
        body = bodies.makers[kind](stock, moment(second))
        message: Any = registry[KINDS[kind]].response.FromString(body)
        assert message.SerializeToString() == body
    assert GROWING <= stock.volume < GROWN // 2


def test_a_template_refuses_holes_it_cannot_keep() -> None:
    message: Any = registry["Qot_UpdateRT"].response(retType=0)
    message.s2c.security.market, message.s2c.security.code = 1, "00700"
    point = message.s2c.rtList.add(time="x", minute=5, isBlank=False, price=1.0)
    with pytest.raises(ValueError, match="two, three or five bytes"):
        template(message, [(point, "minute")])
    with pytest.raises(ValueError, match="not in the order"):
        template(message, [(point, "price"), (point, "time")])


@pytest.mark.parametrize("value", [0, 127, 128, SMALL, 2 * SMALL - 1, GROWING - 1, GROWING, (1 << 35) - 1, 1 << 35])
def test_integers_are_encoded_as_protobuf_does(value: int) -> None:
    message: Any = registry["Qot_UpdateTicker"].response()
    item = message.s2c.tickerList.add(sequence=value)
    assert item.SerializePartialToString() == b"\x10" + encode_varint(value)


def test_a_capture_holds_what_the_command_says(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    result = run(path, "--size", "400K", "--connections", 3, "--days", 2, "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert path.stat().st_size == said["size"]
    assert 400_000 <= said["size"] < 420_000
    frames, dumped = dump(path)
    assert dumped.exit_code == 0
    assert Counter(frame["proto"] for frame in frames) == said["frames"]
    assert {frame["conversation"] for frame in frames} == {1, 2, 3}
    days = {frame["body"]["s2c"]["tickerList"][0]["time"][:10] for frame in frames if frame["proto_id"] == 3011}
    assert days == {"2024-01-02", "2024-01-03"}
    times = [int(frame["time"]) for frame in frames]
    assert times[-1] - times[0] > 86400 * 10**9


@pytest.mark.parametrize("market", ["HK", "US"])
def test_prices_and_money_have_no_more_digits_than_a_tick(tmp_path: Path, market: str) -> None:
    assert run(tmp_path / "a.pcap", "--size", "300K", "--market", market, "--symbols", 3).exit_code == 0
    seen: Counter[str] = Counter()

    def look(value: Any, name: str = "") -> None:
        for key, each in value.items() if isinstance(value, dict) else ():
            look(each, key)
        for each in value if isinstance(value, list) else ():
            look(each, name)
        if isinstance(value, float) and (name.endswith("rice") or name in ("turnover", "priceSpread")):
            seen[name] += 1
            assert len(repr(value).partition(".")[2]) <= (3 if name == "avgPrice" else 2), (name, value)

    for frame in dump(tmp_path / "a.pcap")[0]:
        look(frame["body"])
    assert {"price", "avgPrice", "closePrice", "lastClosePrice", "openPrice", "turnover", "priceSpread"} <= set(seen)


def test_tshark_finds_nothing_wrong_with_a_capture(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    assert run(path, "--size", "200K").exit_code == 0
    checked = ("-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y")
    wrong = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed"
    assert tshark(*checked, wrong) == ""
    assert tshark(*checked, "tcp").count("\n") > 80


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    def digest(seed: int) -> str:
        path = tmp_path / "a.pcap"
        assert run(path, "--size", "200K", "--seed", seed, "--loss", "0.01").exit_code == 0
        return hashlib.sha256(path.read_bytes()).hexdigest()

    assert digest(1) == digest(1) != digest(2)


@pytest.mark.parametrize("cipher", ["ftaes_ecb", "aes_ecb", "aes_cbc"])
def test_an_encrypted_capture_opens_with_its_key(tmp_path: Path, cipher: str) -> None:
    path = tmp_path / "a.pcap"
    assert run(path, "--size", "100K", "--symbols", 3, "--key", KEY, "--cipher", cipher).exit_code == 0
    frames, dumped = dump(path, "--key", str(KEY))
    assert dumped.exit_code == 0
    assert {frame["encryption"] for frame in frames} == {"rsa", cipher}
    assert dump(path)[1].exit_code == 3


def test_lost_packets_are_gaps(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    result = run(path, "--size", "300K", "--loss", "0.05", "--json")
    said = json.loads(result.stdout)
    assert said["lost"] > 5
    frames, dumped = dump(path)
    assert dumped.exit_code == 3
    assert "in no frame" in dumped.stderr or "missing" in dumped.stderr
    assert 0 < len(frames) < sum(said["frames"].values())


def test_only_what_the_mix_names_is_pushed(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    assert run(path, "--size", "200K", "--market", "US", "--mix", "ticker=3,kline=1", "--symbols", 2).exit_code == 0
    pushed = Counter(frame["proto"] for frame in dump(path)[0] if frame["kind"] == "push")
    assert set(pushed) == {"Qot_UpdateTicker", "Qot_UpdateKL"}
    assert pushed["Qot_UpdateTicker"] > 2 * pushed["Qot_UpdateKL"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "much"], "no size"),
        (["--mix", "tickers=1"], "is not NAME=NUMBER"),
        (["--mix", "ticker=0"], "nothing is left"),
        (["--start", "soon"], "no day"),
        (["--key", "/nowhere.pem"], "No such file"),
        (["--loss", "0.9"], "0.5"),
    ],
)
def test_bad_options_are_refused_in_a_line(tmp_path: Path, options: list[str], said: str) -> None:
    result = run(tmp_path / "a.pcap", *options)
    assert result.exit_code in {1, 2}
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run(tmp_path / "no" / "a.pcap")
    assert result.exit_code == 1
    assert "No such file" in result.stderr


def test_what_is_no_plain_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with os.fdopen(os.open(pipe, os.O_RDWR), "rb") as reader:
        result = CliRunner().invoke(ftwire, ["synth", str(pipe), "--size", "20K"])
        assert result.exit_code == 0, result.output
        assert pipe.is_fifo()
        assert reader.read(4)


@pytest.mark.parametrize("market", ["US", "HK"])
def test_zones_need_no_database_of_the_system(market: str, tmp_path: Path) -> None:
    """Windows and small containers have none: the package tzdata is required for them."""
    written = []
    for name, environment in (("with", {}), ("without", {"PYTHONTZPATH": ""})):
        out = tmp_path / f"{name}.pcap"
        command = [*FTWIRE, "synth", str(out), "--size", "100KB"]
        command += ["--market", market, "--start", "2024-03-08", "--days", "3"]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        written.append(out.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("market", "first", "seconds"),
    [
        ("US", date(2024, 3, 8), 3 * 86_400 - 3600),
        ("US", date(2024, 11, 1), 3 * 86_400 + 3600),
        ("US", date(2024, 7, 5), 3 * 86_400),
        ("HK", date(2024, 3, 8), 3 * 86_400),
    ],
)
def test_days_are_as_long_as_clocks_make_them(market: str, first: date, seconds: int) -> None:
    """From the opening on a Friday to that on Monday."""
    moment = moments(clock := TradingClock(market, first))
    friday, monday = moment(0), moment(clock.seconds(1))
    assert monday.unix - friday.unix == seconds
    assert (friday.text[10:], monday.text[10:]) == (b" 09:30:00", b" 09:30:00")

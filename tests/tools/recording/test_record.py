"""``ftwire record``: what passes it, what it writes, and how it ends. tshark judges its files."""

import json
import random
import signal
import socket
import stat
import struct
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.sync.client import connect as connect_websocket

from fixtures.gateway import running as gateway_running
from fixtures.make_keys import TEST_KEY
from ftwire.cipher import RsaKey
from ftwire.errors import TruncatedCaptureError
from ftwire.frame import Role
from ftwire.pcap import CloseReason, PacketReader
from ftwire.websocket import Envelope
from support.command import FTWIRE, read_until, started
from support.frames import rt_request
from support.gateways import PlainClient
from support.hunting import free_port
from support.programs import Program, complaints
from support.recording import (
    KILL,
    SECONDS,
    connect,
    echo,
    ftwire,
    receive_all,
    recording,
    serving,
    streams,
)

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
LARGEST_PACKET = 1600
"""Bytes that none of a recording takes more in its file: 1,448 of data, its headers, and the block around."""


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same in every run


def converse(port: int, data: bytes) -> bytes:
    """Send everything, finish, and return all that comes back."""
    with connect(port) as side:
        back: list[bytes] = []
        reader = threading.Thread(target=lambda: back.append(receive_all(side)))
        reader.start()
        side.sendall(data)
        side.shutdown(socket.SHUT_WR)
        reader.join(SECONDS)
        return back[0]


def ask(client: PlainClient, times: int = 1) -> None:
    for _ in range(times):
        assert client.ask("Qot_GetRT", security={"market": 1, "code": "00700"}).retType == 0


def wait_for(path: Path, size: int) -> None:
    """Wait until a recording holds this many bytes of payload in its one connection."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(TruncatedCaptureError):  # read in the middle of a write
            found = streams(path)
            if found and len(found[0].sent) >= size:
                return
        time.sleep(0.02)
    raise AssertionError(f"{path} never held {size} bytes")


def test_many_clients_pass_unchanged_and_are_recorded(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    said = [noise(150_000 + 1000 * number, number) for number in range(20)]
    with serving(echo) as port, recording(port, "-w", path) as record:
        threads, answers = [], {}
        for number, data in enumerate(said):

            def run(number: int = number, data: bytes = data) -> None:
                answers[number] = converse(record.ports[0], data)

            threads.append(threading.Thread(target=run))
            threads[-1].start()
        for thread in threads:
            thread.join(SECONDS)
        assert record.stop() == 0
        assert record.said[-1].startswith("ftwire: 20 connections, ")
    assert [answers[number] for number in range(20)] == said
    found = streams(path)
    assert sorted(bytes(stream.sent) for stream in found) == sorted(said)
    assert sorted(bytes(stream.received) for stream in found) == sorted(said)
    assert {stream.end for stream in found} == {CloseReason.FIN}
    assert {stream.server.port for stream in found} == {port}, "the gateway's own address, not the proxy's"
    assert complaints(tshark, path) == []
    assert tshark("-r", path, "-Y", "tcp.analysis.lost_segment || tcp.analysis.retransmission") == ""


def test_the_judge_sees_a_wrong_checksum(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with serving(echo) as port, recording(port, "-w", path) as record:
        converse(record.ports[0], b"payload")
        record.stop()
    assert complaints(tshark, path) == []
    path.write_bytes(path.read_bytes().replace(b"payload", b"pAyload"))
    assert len(complaints(tshark, path)) == 2


def test_times_are_those_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with serving(echo) as port, recording(port, "-w", path) as record:
        before = time.time_ns()
        with connect(record.ports[0]) as side:
            side.sendall(b"one")
            side.recv(10)
            between = time.time_ns()
            side.sendall(b"two")
            side.recv(10)
        record.stop()
    after = time.time_ns()
    packets = [packet for packet in PacketReader().feed(path.read_bytes()) if packet.data[-3:] in (b"one", b"two")]
    assert [packet.data[-3:] for packet in packets] == [b"one", b"one", b"two", b"two"]
    assert (
        before < packets[0].time_ns <= packets[1].time_ns < between < packets[2].time_ns <= packets[3].time_ns < after
    )


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with serving(echo) as port, recording(port, "-w", path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_exists_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(b"yesterday's")
    path.chmod(0o644)
    done = ftwire("record", "--listen", "0", "--to", ":1", "-w", path, status=1)
    assert done.stderr.decode().splitlines()[-1] == f"Error: {path} exists (--overwrite)"
    assert path.read_bytes() == b"yesterday's"
    with serving(echo) as port, recording(port, "-w", path, "--overwrite") as record:
        converse(record.ports[0], b"today's")
        record.stop()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [bytes(stream.sent) for stream in streams(path)] == [b"today's"]


def test_one_side_may_finish_before_the_other(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"

    def answer_at_the_end(client: socket.socket) -> None:
        client.sendall(receive_all(client)[::-1])

    with serving(answer_at_the_end) as port, recording(port, "-w", path) as record:
        assert converse(record.ports[0], b"abc") == b"cba"
        record.stop()
    (stream,) = streams(path)
    assert (bytes(stream.sent), bytes(stream.received), stream.end) == (b"abc", b"cba", CloseReason.FIN)
    fields = ("-T", "fields", "-e", "tcp.srcport", "-e", "tcp.len")
    ends = tshark("-r", path, "-Y", "tcp.flags.fin==1 || tcp.len>0", *fields).splitlines()
    client = str(stream.client.port)
    assert [line.split("\t") for line in ends] == [[client, "3"], [client, "0"], [str(port), "3"], [str(port), "0"]]


def test_a_reset_is_passed_on_as_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"

    def break_off(client: socket.socket) -> None:
        client.recv(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with serving(break_off) as port, recording(port, "-w", path) as record:
        with connect(record.ports[0]) as side:
            side.sendall(b"hello")
            with pytest.raises(ConnectionResetError):
                side.recv(10)
        record.stop()
    (stream,) = streams(path)
    assert (bytes(stream.sent), stream.end) == (b"hello", CloseReason.RST)


def test_an_unreachable_gateway_closes_the_client_and_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with recording(port, "-w", tmp_path / "out.pcapng") as record:
        for _ in range(2):
            with pytest.raises(ConnectionResetError), connect(record.ports[0]) as side:
                side.recv(1)
            assert record.reports(f"cannot reach the gateway 127.0.0.1:{port}: Connection refused; closed the client")
            record.said.clear()
        assert record.stop() == 0


def test_a_slow_reader_slows_its_sender_and_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    go_on = threading.Event()
    total: list[int] = []

    def read_late(client: socket.socket) -> None:
        if client.recv(1) == b"s":
            go_on.wait(SECONDS)
            total.append(1 + len(receive_all(client)))
        else:
            client.sendall(b"quick")

    chunk = bytes(1 << 16)
    with serving(read_late) as port, recording(port, "-w", path) as record, connect(record.ports[0]) as slow:
        slow.sendall(b"s")
        slow.settimeout(0.5)
        sent, blocked = 1, False
        while not blocked:
            try:
                sent += slow.send(chunk)
            except TimeoutError:
                blocked = True
            assert sent < 200 << 20, "it would take any amount"
        with connect(record.ports[0]) as other:
            other.sendall(b"q")
            assert other.recv(10) == b"quick"
        go_on.set()
        slow.settimeout(SECONDS)
        slow.shutdown(socket.SHUT_WR)
        assert slow.recv(1) == b""
        assert total == [sent]
        record.stop()
    assert max(len(stream.sent) for stream in streams(path)) == sent


def test_what_was_written_survives_a_kill(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    data = noise(300_000)
    with serving(echo) as port, recording(port, "-w", path) as record:
        side = connect(record.ports[0])
        side.sendall(data)
        wait_for(path, len(data))
        side.sendall(b"more, while it dies")
        assert record.stop(KILL) != 0
        side.close()
    # Read to its last block without a complaint of truncation, by us and by tshark.
    (stream,) = streams(path)
    assert bytes(stream.sent).startswith(data)
    assert data.startswith(bytes(stream.received[: len(data)]))
    assert stream.end is CloseReason.END
    assert complaints(tshark, path) == []


def test_files_are_rotated_by_size_and_lose_nothing(tshark: Program, mergecap: Program, tmp_path: Path) -> None:
    data = noise(400_000)
    with (
        serving(echo) as port,
        recording(port, "-w", tmp_path / "out.pcapng", "--rotate-size", "100k") as record,
    ):
        assert converse(record.ports[0], data) == data
        record.stop()
        said = record.said[-1]
    paths = sorted(tmp_path.iterdir())
    assert paths[0].name == "out-0001.pcapng"
    assert f"{paths[0]} to {paths[-1]}" in said
    assert len(paths) >= 9
    assert all(path.stat().st_size <= 116 << 10 and stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths)
    # Each file alone opens; together they are the conversation, whose first packets every file repeats.
    assert all(complaints(tshark, path) == [] for path in (paths[0], paths[1], paths[-1]))
    merged = tmp_path / "all.pcapng"
    mergecap("-a", "-w", merged, *paths)
    (stream,) = streams(merged)
    assert (bytes(stream.sent), bytes(stream.received)) == (data, data)


def test_every_rotated_file_can_be_decrypted_by_itself(tmp_path: Path) -> None:
    with (
        gateway_running(key=KEY) as (port, _),
        recording(port, "-w", tmp_path / "out.pcapng", "--rotate-size", "8k") as record,
    ):
        client = PlainClient(record.ports[0], key=KEY)
        ask(client, 40)
        client.socket.close()
        record.stop()
    paths = sorted(tmp_path.iterdir())
    assert len(paths) >= 3
    asked = 0
    for path in paths:
        lines = ftwire("dump", "--json", "--key", TEST_KEY, path, status=0 if path is paths[0] else 3).stdout
        frames = [json.loads(line) for line in lines.splitlines()]
        assert [frame["proto"] for frame in frames[:2]] == ["InitConnect", "InitConnect"]
        assert all(frame["error"] is None for frame in frames)
        asked += sum(frame["proto"] == "Qot_GetRT" and frame["kind"] == "request" for frame in frames)
    assert 40 - 2 * len(paths) <= asked <= 40, "all but those that a file's end cuts in two"


def test_files_are_rotated_by_time_and_old_ones_deleted(tmp_path: Path) -> None:
    with (
        serving(echo) as port,
        recording(port, "-w", tmp_path / "o.pcapng", "--rotate-time", "1s", "--keep", "2") as record,
    ):
        for word in (b"one", b"two", b"three"):
            assert converse(record.ports[0], word) == word
            time.sleep(1.1)
        record.stop()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["o-0002.pcapng", "o-0003.pcapng"]
    assert [bytes(streams(path)[0].sent) for path in sorted(tmp_path.iterdir())] == [b"two", b"three"]


def test_a_full_disk_ends_the_recording_and_not_the_traffic(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    data = noise(200_000)

    resource = pytest.importorskip("resource", reason="Windows has no such limit")

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    with serving(echo) as port, recording(port, "-w", path, prepare=small_files) as record:
        assert converse(record.ports[0], data) == data
        assert record.reports("cannot write the capture: File too large; the recording ends here")
        assert converse(record.ports[0], data) == data
        assert record.stop() == 1
    # Up to its last whole packet, by no more than the limit.
    assert 50_000 - LARGEST_PACKET < path.stat().st_size <= 50_000
    assert all(data.startswith(bytes(stream.sent)) for stream in streams(path))
    packets = len(list(PacketReader().feed(path.read_bytes())))
    assert record.reports(f", {packets} packets in ")


def test_a_lack_of_descriptors_is_reported_once_and_passes(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    with serving(echo) as port, recording(port, "-w", tmp_path / "out.pcapng", prepare=few) as record:
        idle = [connect(record.ports[0]) for _ in range(40)]
        assert record.reports("cannot accept more clients for now: Too many open files")
        for client in idle:
            client.close()
        answer = b""
        while not answer:  # those that wait are accepted before, and their connections to the gateway may fail
            with suppress(ConnectionError), connect(record.ports[0]) as client:
                client.sendall(b"word")
                client.shutdown(socket.SHUT_WR)
                answer = receive_all(client)
        assert answer == b"word"
        assert record.stop() == 0
        assert sum("cannot accept more clients" in line for line in record.said) == 1


def test_a_file_that_cannot_be_written_at_all_is_an_error() -> None:
    done = ftwire("record", "--listen", "0", "--to", ":1", "-w", "/dev/full", status=1)
    assert done.stderr.decode().splitlines()[-1] == "Error: /dev/full: No space left on device"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_quietly(number: int, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with serving(echo) as port, recording(port, "-w", path) as record, connect(record.ports[0]) as side:
        side.sendall(b"open")
        assert side.recv(10) == b"open"
        assert record.stop(number) == 0
        assert side.recv(10) == b"", "the client is closed"
        assert [line for line in record.said[1:] if "1 connections" not in line] == []
    assert [bytes(stream.sent) for stream in streams(path)] == [b"open"]


def test_frames_are_shown_while_they_pass(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with (
        gateway_running(key=KEY) as (port, _),
        recording(port, "-w", path, "--json", "--key", TEST_KEY) as record,
    ):
        client = PlainClient(record.ports[0], key=KEY)
        ask(client)
        assert record.process.stdout is not None
        shown = [json.loads(record.process.stdout.readline()) for _ in range(4)]
        client.socket.close()
        record.stop()
    assert [(frame["kind"], frame["proto"], frame["encryption"]) for frame in shown] == [
        ("request", "InitConnect", "rsa"),
        ("response", "InitConnect", "rsa"),
        ("request", "Qot_GetRT", "aes_cbc"),
        ("response", "Qot_GetRT", "aes_cbc"),
    ]
    assert shown[1]["body"]["s2c"]["connAESKey"] == "***"
    assert len(shown[3]["body"]["s2c"]["rtList"]) == 3
    later = [json.loads(line) for line in ftwire("dump", "--json", "--key", TEST_KEY, path).stdout.splitlines()]
    assert [frame["time"] for frame in later] == [frame["time"] for frame in shown]
    assert [frame["body"] for frame in later] == [frame["body"] for frame in shown]


def test_nobody_reading_the_dump_ends_it(tmp_path: Path) -> None:
    with (
        gateway_running() as (port, _),
        recording(port, "-w", tmp_path / "out.pcapng", "--dump") as record,
    ):
        assert record.process.stdout is not None
        record.process.stdout.close()
        # The recorder may be gone before the handshake's reply has come through it.
        with suppress(AssertionError, OSError):
            PlainClient(record.ports[0]).socket.close()
        assert record.process.wait(SECONDS) == 141


def test_a_key_is_embedded_only_when_asked_and_then_used_and_stripped_by_editcap(
    tshark: Program, editcap: Program, tmp_path: Path
) -> None:
    for name, options in (("without", ()), ("with", ("--key", TEST_KEY, "--embed-key"))):
        with (
            gateway_running(key=KEY) as (port, _),
            recording(port, "-w", tmp_path / name, *options) as record,
        ):
            client = PlainClient(record.ports[0], key=KEY)
            ask(client)
            client.socket.close()
            record.stop()
    pem = TEST_KEY.read_bytes()
    assert b"PRIVATE KEY" not in (tmp_path / "without").read_bytes()
    ftwire("dump", tmp_path / "without", status=3)
    assert pem.strip() in (tmp_path / "with").read_bytes()
    assert b"Qot_GetRT" in ftwire("dump", tmp_path / "with").stdout
    assert complaints(tshark, tmp_path / "with") == []
    editcap("--discard-all-secrets", tmp_path / "with", tmp_path / "stripped")
    assert b"PRIVATE KEY" not in (tmp_path / "stripped").read_bytes()
    ftwire("dump", tmp_path / "stripped", status=3)


def test_a_recording_can_be_piped(tmp_path: Path) -> None:
    path = tmp_path / "piped"
    with serving(echo) as port, recording(port, "-w", "-") as record:
        assert converse(record.ports[0], b"through a pipe") == b"through a pipe"
        record.process.terminate()
        assert record.process.stdout is not None
        path.write_bytes(record.process.stdout.read())
        assert record.process.wait(SECONDS) == 0
    assert [bytes(stream.sent) for stream in streams(path)] == [b"through a pipe"]


def test_websocket_and_tcp_in_one_recording(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with gateway_running() as ports, recording(list(ports), "-w", path) as record:
        client = PlainClient(record.ports[0])
        with connect_websocket(f"ws://127.0.0.1:{record.ports[1]}", proxy=None) as side:
            side.send(Envelope.build(1, 2, b"", sender=Role.CLIENT).encode())
            side.recv()
            side.send(Envelope.build(3008, 3, rt_request(), sender=Role.CLIENT).encode())
            side.recv()
        ask(client)
        client.socket.close()
        record.stop()
    frames = [json.loads(line) for line in ftwire("dump", "--json", path).stdout.splitlines()]
    seen = {(frame["transport"], frame["proto"], frame["kind"]) for frame in frames}
    assert seen == {
        (transport, proto, kind)
        for transport, proto in (
            ("tcp", "InitConnect"),
            ("tcp", "Qot_GetRT"),
            ("websocket", "InitWebSocket"),
            ("websocket", "Qot_GetRT"),
        )
        for kind in ("request", "response")
    }
    assert complaints(tshark, path) == []


def test_ipv6_clients_of_an_ipv4_gateway(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    words = ["record", "--listen", "[::1]:0", "-w", str(path), "--to"]
    with serving(echo) as port, started(*words, f"127.0.0.1:{port}") as process:
        _, listening = read_until(process, r"^ftwire: listening on \[::1\]:(\d+) for ")
        with connect(int(listening[1]), "::1") as side:
            side.sendall(b"six")
            assert side.recv(10) == b"six"
        process.terminate()
        process.wait(SECONDS)
    (stream,) = streams(path)
    assert stream.client.address == "::1"
    assert stream.server.packed == bytes.fromhex("00000000000000000000ffff7f000001")
    assert complaints(tshark, path) == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--to", ":1"], "Missing option '-w'"),
        (["-w", "x"], "Missing option '--to'"),
        (["--to", "host:x", "-w", "x"], "'host:x' is not HOST:PORT"),
        (["--to", "::1", "-w", "x"], "needs brackets"),
        (["--to", ":1", "--to", ":2", "-w", "x"], "one --listen for each --to, not 1 for 2"),
        (["--listen", "0.0.0.0:0", "--to", ":1", "-w", "x"], "can be reached from other machines (--allow-remote)"),
        (["--to", ":1", "-w", "x", "--rotate-size", "12"], "less than the smallest"),
        (["--to", ":1", "-w", "x", "--rotate-time", "1y"], "no number with one of the units"),
        (["--to", ":1", "-w", "x", "--keep", "3"], "--keep needs"),
        (["--to", ":1", "-w", "-", "--dump"], "standard output cannot take both"),
        (["--to", ":1", "-w", "x", "--embed-key"], "--embed-key needs one --key"),
        (["--to", ":1", "-w", "x", "--key", "k", "-q"], "--key needs"),
        (["--to", ":1", "-w", "x", "-q", "-Y", "proto == 3008"], "--quiet shows nothing"),
        (["--to", ":1", "-w", "x", "--fault", "refuse:proto=Qot_UpdateRT"], "Qot_UpdateRT is none of these"),
        (["--to", ":1", "-w", "x", "--seen", "y"], "--seen needs --fault"),
        (["--to", ":1", "-w", "x", "--seen", "x", "--fault", "drop"], "--seen is for a file of its own"),
        (["--to", ":1", "-w", "x", "--allow-trading"], "--allow-trading needs"),
    ],
)
def test_wrong_usage(words: list[str], reason: str, tmp_path: Path) -> None:
    done = subprocess.run([*FTWIRE, "record", *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert reason in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("listen", "to"),
    [("127.0.0.1", "localhost"), ("0.0.0.0", "127.0.0.1"), ("[::1]", "[::1]")],  # noqa: S104
)
def test_a_proxy_is_not_its_own_gateway(listen: str, to: str, tmp_path: Path) -> None:
    """Each connection would make another."""
    port = free_port()
    words = ["--allow-remote", "--listen", f"{listen}:{port}", "--to", f"{to}:{port}", "-w", "x"]
    done = subprocess.run([*FTWIRE, "record", *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert f"--to {to}:{port} is where this proxy listens itself" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN PUBLIC KEY-----")
    place = tmp_path / "x"
    for words, reason in (
        (["--key", str(bad), "--dump"], f"Error: {bad}: the PEM holds a public key"),
        (["--key", str(tmp_path / "none"), "--dump"], "No such file or directory"),
    ):
        done = ftwire("record", "--to", ":1", "-w", place, *words, status=1)
        assert reason in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1
        assert not place.exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ftwire("record", "--to", ":1", "-w", place, "--listen", str(port), status=1)
        assert done.stderr.decode() == f"Error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_help_has_an_example() -> None:
    assert (
        "\n    ftwire record --to 127.0.0.1:11111 -w session.pcapng --dump\n"
        in ftwire("record", "--help").stdout.decode()
    )

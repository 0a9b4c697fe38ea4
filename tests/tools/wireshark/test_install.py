"""``ftwire wireshark``: what is installed and removed, session keys, and the capture interface."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import time
from contextlib import suppress
from hashlib import sha1
from pathlib import Path

import pytest

from fixtures.gateway import running as gateway_running
from fixtures.make_keys import KEYS, TEST_KEY
from ftwire.cipher import AesCbc, AesEcb, Rsa, RsaKey
from ftwire.messages import InitConnect
from ftwire.schema import schema
from support.captures import AES_IV, AES_KEY, Said, answered, asked, init_request, pcap, push, session
from support.command import FTWIRE
from support.frames import init_response, rt_request, rt_response
from support.gateways import PlainClient
from support.pdml import shown
from support.programs import Program
from support.recording import SECONDS, ftwire

KEY = RsaKey.from_pem(TEST_KEY.read_bytes())
OTHER_KEY = KEYS / "TEST-ONLY-other-1024.pem"
DEFINITIONS = {name for name in schema.file_names if "/" not in name}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of a user who has nothing of Wireshark's yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "WIRESHARK_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


def changed(*arguments: str | Path) -> dict[str, list[Path]]:
    """Run the command and return the files that it lists."""
    found = json.loads(ftwire("wireshark", *arguments, "--json").stdout)
    return {verb: [Path(path) for path in paths] for verb, paths in found.items()}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def errors_of(*arguments: str | Path) -> str:
    return ftwire("wireshark", *arguments, status=1).stderr.decode()


def test_it_goes_where_tshark_looks(tshark: Program, home: Path, tmp_path: Path) -> None:
    assert "OpenD" not in tshark("-G", "protocols")
    written = changed("install")["written"]
    assert set(written) == set(contents(home))
    assert {path.name for path in written if path.suffix == ".proto"} == DEFINITIONS
    assert "OpenD\tOPEND\topend" in tshark("-G", "protocols")
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session()))
    # Without the profile, too: bodies with the names of their fields.
    text = tshark("-r", capture, "-V")
    assert "Protocol Buffers: Qot_GetRT.Response" in text
    assert "code = 00700" in text


@pytest.mark.usefixtures("tshark")
def test_installing_again_changes_nothing_and_repairs(home: Path) -> None:
    first = changed("install")["written"]
    before = contents(home)
    again = changed("install")
    assert (again["written"], set(again["unchanged"])) == ([], set(first))
    proto = next(path for path in first if path.name == "Qot_GetRT.proto")
    proto.write_bytes(before[proto] + b"// an earlier release\n")
    stale = proto.with_name("Qot_Gone.proto")
    stale.write_bytes(before[proto])
    foreign = proto.with_name("Mine.proto")
    foreign.write_text('syntax = "proto2";\n')
    repaired = changed("install")
    assert (repaired["written"], repaired["removed"]) == ([proto], [stale])
    foreign.unlink()
    assert contents(home) == before


@pytest.mark.usefixtures("tshark")
def test_uninstalling_leaves_what_was_there(home: Path) -> None:
    recent = home / ".config/wireshark/recent"
    recent.parent.mkdir(parents=True)
    recent.write_text("# of Wireshark\n")
    written = changed("install")["written"]
    assert set(changed("install", "--uninstall")["removed"]) == set(written)
    assert contents(home) == {recent: b"# of Wireshark\n"}
    assert not (home / ".config/wireshark/opend_protos").exists()
    assert not (home / ".config/wireshark/profiles/OpenD").exists()
    done = ftwire("wireshark", "install", "--uninstall")
    assert (done.stdout, done.stderr) == (b"", b"nothing was installed\n")


def test_files_of_others_are_never_written_over(tmp_path: Path) -> None:
    plugin = tmp_path / "plugins/opend.lua"
    plugin.parent.mkdir()
    plugin.write_text("-- mine\n")
    assert f"{plugin} was not written by ftwire" in errors_of("install", "--dir", tmp_path)
    assert contents(tmp_path) == {plugin: b"-- mine\n"}
    assert changed("install", "--dir", tmp_path, "--uninstall")["kept"] == [plugin]
    assert plugin.read_text() == "-- mine\n"


def test_settings_of_the_user_stay(tmp_path: Path) -> None:
    paths = tmp_path / "protobuf_search_paths"
    paths.write_text('"/mine","TRUE"\n')
    done = ftwire("wireshark", "install", "--dir", tmp_path)
    assert f"kept      {paths}" in done.stdout.decode()
    assert paths.read_text() == '"/mine","TRUE"\n'
    line = f'"{tmp_path}/opend_protos","TRUE"'
    assert line in done.stderr.decode()
    paths.write_text(f'"/mine","TRUE"\n{line}\n')
    assert line not in ftwire("wireshark", "install", "--dir", tmp_path).stderr.decode()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "plugins").write_text("a file\n")
    assert str(tmp_path / "plugins") in errors_of("install", "--dir", tmp_path)


def test_without_wireshark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "tshark, which comes with Wireshark, is not on the PATH (--dir names one)" in errors_of("install")
    program = tmp_path / "tshark"
    program.write_text("#!/bin/sh\necho 'Temp: /tmp'\n")
    program.chmod(0o755)
    assert f"{program} -G folders lists no personal configuration" in errors_of("install")
    program.write_text("#!/bin/sh\nexit 3\n")
    assert "exit status 3" in errors_of("install")


@pytest.mark.usefixtures("home")
def test_a_path_with_special_characters(tshark: Program, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a "quoted" ü folder'
    done = ftwire("wireshark", "export", folder)
    assert set(contents(folder)) == {
        folder / "opend.lua",
        folder / "extcap/ftwire-opend",
        *(folder / "protos" / name for name in DEFINITIONS),
    }
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session()))
    program, *options, last = shlex.split(done.stderr.decode())
    assert (program, options.pop(), last) == ("tshark", "-r", "CAPTURE")
    frames = shown(tshark, capture, *options)
    assert json.loads(frames[2].text or "") == {"c2s": {"security": {"market": 1, "code": "00700"}}}


def test_exported_definitions_are_read_by_protoc_alone(tmp_path: Path) -> None:
    ftwire("wireshark", "export", tmp_path / "out")
    # Without our options file, and with everything that the built-in definitions have.
    compiled = ftwire("schema", "diff", "ours", tmp_path / "out/protos", "--json")
    assert json.loads(compiled.stdout)["changes"] == []


def encrypted(*ciphers: AesCbc | AesEcb) -> list[Said]:
    """A session whose client asks for one cipher, and in which a frame of each of these follows."""
    request = init_request()
    request.c2s.packetEncAlgo = 2
    said = [asked(1001, 1, request, Rsa(KEY)), answered(1001, 1, init_response(AES_KEY, AES_IV), Rsa(KEY))]
    for serial, cipher in enumerate(ciphers, 2):
        said += [asked(3008, serial, rt_request(), cipher), answered(3008, serial, rt_response(), cipher)]
    return said


def test_session_keys(tmp_path: Path) -> None:
    capture, log = tmp_path / "session.pcap", tmp_path / "keys.log"
    capture.write_bytes(pcap(session(KEY)))
    done = ftwire("wireshark", "keylog", "--key", TEST_KEY, capture, "-o", log)
    assert done.stdout == b""
    assert done.stderr.decode() == f"1 session in {log}\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    heading, first, second, third = log.read_text().splitlines()
    assert heading.startswith("# ")
    response = init_response(AES_KEY, AES_IV).SerializeToString()
    digest = sha1(response, usedforsecurity=False).hexdigest()
    assert InitConnect.Request.FromString(bytes.fromhex(first.split()[2])).c2s.clientID == "test"
    assert second == f"BODY {digest} {response.hex()}"
    assert third == f"SESSION {digest} aes_cbc {AES_KEY.encode().hex()} {AES_IV.encode().hex()}"
    # Nothing secret appears twice, or anywhere else.
    before = log.read_bytes()
    ftwire("wireshark", "keylog", "--key", TEST_KEY, capture, capture, "-o", log)
    assert log.read_bytes() == before
    assert set(contents(tmp_path)) == {capture, log}


def test_session_keys_of_a_client_that_keeps_to_its_own_cipher(tmp_path: Path) -> None:
    capture, log = tmp_path / "session.pcap", tmp_path / "keys.log"
    capture.write_bytes(pcap(encrypted(AesEcb(AES_KEY))))
    ftwire("wireshark", "keylog", "--key", TEST_KEY, capture, "-o", log)
    ciphers = [line.split()[2] for line in log.read_text().splitlines() if line.startswith("SESSION")]
    assert ciphers == ["aes_cbc", "aes_ecb"]


def test_keys_that_are_there_stay(tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    log.write_text("SESSION of another capture")
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session(KEY)))
    ftwire("wireshark", "keylog", "--key", TEST_KEY, capture, "-o", log)
    lines = log.read_text().splitlines()
    assert lines[0] == "SESSION of another capture"
    assert len(lines) == 4


def test_session_keys_from_standard_input_go_where_the_dissector_looks(tshark: Program, home: Path) -> None:
    ftwire("wireshark", "keylog", "--key", TEST_KEY, "-", stdin=pcap(session(KEY)))
    log = home / ".config/wireshark/opend_keys.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    ftwire("wireshark", "install")
    capture = home / "session.pcap"
    capture.write_bytes(pcap(session(KEY)))
    frames = shown(tshark, capture, "-C", "OpenD")
    assert [frame["encryption"] for frame in frames[:2]] == ["rsa", "rsa"]
    elsewhere = shown(tshark, capture, "-C", "OpenD", "-o", f"opend.keylog_file:{home}/none")
    assert {frame["encryption"] for frame in elsewhere} == {"unknown"}


def test_captures_without_keys(tmp_path: Path) -> None:
    capture, plain, log = tmp_path / "session.pcap", tmp_path / "plain.pcap", tmp_path / "keys.log"
    capture.write_bytes(pcap(session(KEY)))
    plain.write_bytes(pcap([*session(), answered(3009, 0, push())]))
    for options in ((), ("--key", OTHER_KEY)):
        done = ftwire("wireshark", "keylog", *options, capture, "-o", log, status=3)
        assert done.stderr.decode().splitlines() == [
            "0 sessions, nothing written",
            "1 encrypted conversation whose key was not given (--key), or whose handshake was not captured",
        ]
    assert ftwire("wireshark", "keylog", "--key", TEST_KEY, plain, "-o", log).stderr == b"0 sessions, nothing written\n"
    assert not log.exists()
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:-10])
    done = ftwire("wireshark", "keylog", "--key", TEST_KEY, cut, "-o", log, status=3)
    assert f"{cut}: " in done.stderr.decode()
    assert log.exists()


@pytest.mark.parametrize("content", [None, b"no capture at all"])
def test_what_is_no_capture(tmp_path: Path, content: bytes | None) -> None:
    path, log = tmp_path / "none.pcap", tmp_path / "keys.log"
    if content is not None:
        path.write_bytes(content)
    assert f"{path}: " in errors_of("keylog", "--key", TEST_KEY, path, "-o", log)
    assert not log.exists()


def test_a_place_that_cannot_hold_keys(tmp_path: Path) -> None:
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session(KEY)))
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "is no file of session keys" in errors_of("keylog", "--key", TEST_KEY, capture, "-o", binary)
    assert binary.read_bytes() == b"\xff\xfe"
    assert str(capture) in errors_of("keylog", "--key", TEST_KEY, capture, "-o", capture / "keys.log")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The capture program, as Wireshark finds it in a folder."""
    ftwire("wireshark", "export", tmp_path / "out")
    return tmp_path / "out/extcap/ftwire-opend"


def extcap(program: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def test_the_capture_program_describes_itself(program: Path) -> None:
    assert os.access(program, os.X_OK)
    listed = extcap(program, "--extcap-interfaces", "--extcap-version=4.0")
    assert "interface {value=opend}{display=OpenD (ftwire record)}\n" in listed
    assert extcap(program, "--extcap-dlts", "--extcap-interface", "opend").startswith("dlt {number=1}")
    config = extcap(program, "--extcap-config", "--extcap-interface", "opend").splitlines()
    assert [line.split("{call=")[1].partition("}")[0] for line in config] == ["--gateway", "--listen"]
    # Of a later Wireshark.
    assert extcap(program, "--extcap-interfaces", "--extcap-of-a-later-release") == listed
    extcap(program, "--extcap-dlts", "--extcap-interface", "eth0", status=2)
    extcap(program, "--capture", "--extcap-interface", "opend", status=2)


def test_the_capture_program_captures_until_it_is_stopped(tshark: Program, program: Path, tmp_path: Path) -> None:
    fifo, copy = tmp_path / "fifo", tmp_path / "copy.pcapng"
    os.mkfifo(fifo)
    with gateway_running() as (port, _):
        words = ["--capture", "--extcap-interface", "opend", "--fifo", str(fifo), "--gateway", f"127.0.0.1:{port}"]
        listen = _free_port()
        running = subprocess.Popen([program, *words, "--listen", str(listen)], stderr=subprocess.PIPE)
        with copy.open("wb") as stream, subprocess.Popen(["cat", fifo], stdout=stream) as reader:
            client = _connected(listen)
            with client:
                client.ask("Qot_GetRT", security={"market": 1, "code": "00700"})
            while copy.stat().st_size < 800:
                time.sleep(0.01)
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=SECONDS)
            assert reader.wait(SECONDS) == 0
    assert (running.returncode, said) == (0, b"")
    names = ftwire("dump", "--json", copy).stdout
    assert [json.loads(line)["proto"] for line in names.splitlines()][-2:] == ["Qot_GetRT", "Qot_GetRT"]
    assert "tcp" in tshark("-r", copy, "-T", "fields", "-e", "frame.protocols")


def test_the_capture_program_says_why_it_cannot(program: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "none/fifo"
    words = ["--capture", "--extcap-interface", "opend", "--fifo", str(fifo), "--gateway", "127.0.0.1:9", "--listen"]
    done = subprocess.run([program, *words, "0"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert str(fifo) in done.stderr
    done = subprocess.run([program, *words, "0.0.0.0:0"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "can be reached from other machines" in done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _connected(port: int) -> PlainClient:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with suppress(ConnectionError):
            return PlainClient(port)
        time.sleep(0.02)
    raise AssertionError("nothing listens")


def test_help_has_the_subcommands_that_are_for_users() -> None:
    text = subprocess.run([*FTWIRE, "wireshark", "--help"], capture_output=True, text=True, check=True).stdout
    for name in ("install", "export", "keylog"):
        assert f"\n  {name} " in text
    assert "\n  extcap " not in text

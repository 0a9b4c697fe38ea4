"""The mistake behind what ``dump`` and ``record`` cannot decode, in one line a conversation."""

from __future__ import annotations

import json
import socket
import struct
import time
from hashlib import sha1
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftwire.cipher import AesCbc, RsaKey
from ftwire.connection import Connection
from ftwire.events import RequestReceived
from ftwire.frame import Role
from ftwire.messages import InitConnect, KeepAlive
from ftwire_tools.commands import ftwire
from support.captures import Said, pcap
from support.places import ROOT
from support.recording import echo, recording, serving

KEY = ROOT / "fixtures" / "keys" / "TEST-ONLY-1024.pem"
INIT = InitConnect.Request()
INIT.c2s.clientVer, INIT.c2s.clientID = 1, "x"
LOGIN = INIT.SerializeToString()
BEAT = KeepAlive.Request()
BEAT.c2s.time = 1
BODY = BEAT.SerializeToString()


def frame(proto_id: int, serial: int, body: bytes, *, order: str = "<", wire: bytes | None = None) -> bytes:
    """A frame made without our encoder."""
    digest = sha1(body, usedforsecurity=False).digest()
    payload = body if wire is None else wire
    return b"FT" + struct.pack(f"{order}IBBII20s8x", proto_id, 0, 0, serial, len(payload), digest) + payload


def dump(path: Path, *words: str) -> Result:
    return CliRunner().invoke(ftwire, ["dump", *words, str(path)])


def encrypted(wrong: bytes) -> list[Said]:
    """A session under RSA and AES_CBC in which the client's second request has these bytes."""
    key = RsaKey.from_pem(KEY.read_bytes())
    client, server = Connection(Role.CLIENT, key=key), Connection(Role.SERVER, key=key)
    client.initiate(0, client_id="x")
    said = [Said(Role.CLIENT, client.data_to_send())]
    (event,) = server.receive_data(said[0].data, 0)
    assert isinstance(event, RequestReceived)
    server.accept(event.frame, conn_id=1, aes_key="k" * 16, aes_iv="i" * 16)
    said.append(Said(Role.SERVER, server.data_to_send()))
    list(client.receive_data(said[1].data, 0))
    client.request(1004, BEAT, 0)
    return [*said, Said(Role.CLIENT, client.data_to_send()), Said(Role.CLIENT, wrong)]


def lines_of(result: Result) -> list[str]:
    return [line.removeprefix("--- ") for line in result.stdout.splitlines() if "see ftwire explain" in line]


def test_dump_names_the_mistake_of_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    healthy = [Said(Role.CLIENT, frame(1001, 1, LOGIN)), Said(Role.CLIENT, frame(1004, 2, BODY))]
    wrong = Said(Role.CLIENT, frame(1004, 3, b'{"c2s":{"time":1}}'))
    path.write_bytes(pcap([*healthy, wrong, wrong]))
    result = dump(path)
    assert result.exit_code == 3
    (line,) = lines_of(result)
    assert line.startswith("conversation 1, frame 3: The body is JSON, the header announces protobuf.")
    assert line.endswith(f"[json_for_protobuf, client]; see ftwire explain {path}")
    as_json = dump(path, "--json")
    assert all(json.loads(row)["number"] for row in as_json.stdout.splitlines())
    assert "json_for_protobuf" in as_json.stderr


def test_dump_names_the_mistake_of_a_connection_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(
        pcap([Said(Role.CLIENT, frame(1001, 1, LOGIN, order=">")), Said(Role.CLIENT, frame(1004, 2, BODY, order=">"))])
    )
    assert any("[big_endian_header, client]" in line for line in lines_of(dump(path)))


def test_dump_names_a_mistake_under_encryption(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    wire = AesCbc("k" * 16, "i" * 16).encrypt(BODY)
    digest = sha1(wire, usedforsecurity=False).digest()
    right = frame(1004, 9, BODY, wire=wire)
    path.write_bytes(pcap(encrypted(right[:16] + digest + right[36:])))
    (line,) = lines_of(dump(path, "--key", str(KEY)))
    assert line.startswith("conversation 1, frame 4: ")
    assert "[sha1_of_ciphertext, client]" in line


def test_dump_adds_nothing_where_nothing_is_wrong_or_known(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    good = frame(1004, 9, BODY, wire=AesCbc("k" * 16, "i" * 16).encrypt(BODY))
    path.write_bytes(pcap(encrypted(good)))
    assert dump(path, "--key", str(KEY)).exit_code == 0
    assert lines_of(dump(path, "--key", str(KEY))) == []
    # The key is not known, which is no mistake.
    assert lines_of(dump(path)) == []
    spoiled = bytearray(frame(1004, 2, BODY))
    spoiled[20] ^= 0xFF
    path.write_bytes(pcap([Said(Role.CLIENT, frame(1001, 1, LOGIN)), Said(Role.CLIENT, bytes(spoiled))]))
    assert dump(path).exit_code == 3
    assert lines_of(dump(path)) == []


@pytest.mark.parametrize("words", [(), ("--dump",)])
def test_record_names_the_mistake_while_it_records(words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with serving(echo) as port, recording(port, "-w", path, *words) as record:
        with socket.create_connection(("127.0.0.1", record.ports[0]), timeout=10) as side:
            side.sendall(frame(1001, 1, LOGIN) + frame(1004, 2, b'{"c2s":{"time":1}}'))
            # While the connection is open.
            assert record.reports("conversation 1, frame 2: The body is JSON, the header announces protobuf.")
            side.sendall(frame(1004, 3, b'{"c2s":{"time":1}}'))
            time.sleep(0.2)
        assert record.stop() == 0
        assert sum("json_for_protobuf, client" in line for line in record.said) == 1
    (line,) = [line for line in lines_of(dump(path)) if "client]" in line]
    assert line.startswith("conversation 1, frame 2: ")


def test_record_names_the_mistake_of_a_connection_without_frames(tmp_path: Path) -> None:
    with serving(echo) as port, recording(port, "-w", tmp_path / "out.pcapng") as record:
        with socket.create_connection(("127.0.0.1", record.ports[0]), timeout=10) as side:
            side.sendall(frame(1001, 1, LOGIN, order=">"))
            side.shutdown(socket.SHUT_WR)
            while side.recv(1 << 16):
                pass
        assert record.reports("[big_endian_header, client]")
        assert record.stop() == 0


def test_record_says_nothing_about_what_is_no_traffic_of_opends(tmp_path: Path) -> None:
    with serving(echo) as port, recording(port, "-w", tmp_path / "out.pcapng") as record:
        with socket.create_connection(("127.0.0.1", record.ports[0]), timeout=10) as side:
            side.sendall(b"GET / HTTP/1.1\r\n\r\n")
            side.shutdown(socket.SHUT_WR)
            while side.recv(1 << 16):
                pass
        assert record.stop() == 0
        assert [line for line in record.said if "[" in line and "]" in line] == []

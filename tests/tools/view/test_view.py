"""The live view without a browser: who may look, what is sent, and what is saved."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ftwire
from ftwire.frame import Kind
from ftwire_tools.commands import ftwire as cli
from support.captures import AES_KEY, Said, answered, asked, open_pcap, pcap, push, session
from support.frames import rt_request, rt_response
from support.viewing import Viewing, viewing

SECRET = AES_KEY.encode()


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewing]:
    folder = tmp_path_factory.mktemp("view")
    (folder / "session.pcap").write_bytes(pcap(session()))
    with viewing(folder, folder / "session.pcap") as found:
        found.wait(5)
        yield found


def table(view: Viewing, run: str, first: int = 0) -> tuple[dict[str, Any], bytes]:
    _, status, content = view.request("GET", f"{view.token}/table?run={run}&first={first}")
    assert status == 200, content
    plain = gzip.decompress(content)
    (length,) = struct.unpack_from("<Q", plain)
    assert (8 + length) % 8 == 0
    return json.loads(plain[8 : 8 + length]), plain[8 + length :]


def overview(view: Viewing) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(view.request("GET", f"{view.token}/overview")[2]))
    return found


# Who may look


@pytest.mark.parametrize("name", ["", "overview", "vocabulary", "events", "table?run=x&first=0", "clear", "save"])
@pytest.mark.parametrize(
    ("prefix", "headers", "status"),
    [
        ("{token}/", {"Host": "evil.example"}, 403),
        ("{token}/", {"Host": "evil.example:{port}"}, 403),
        ("{token}/", {"Host": "127.0.0.1"}, 403),
        ("{token}/", {"Origin": "https://evil.example"}, 403),
        ("{token}/", {"Origin": "null"}, 403),
        ("{token}/", {"Origin": "http://127.0.0.1:80"}, 403),
        ("", {}, 401),
        ("wrong/", {}, 401),
        ("{token}x/", {}, 401),
        ("%E9%FF/", {}, 401),
    ],
)
def test_who_may_not_is_refused(view: Viewing, name: str, prefix: str, headers: dict[str, str], status: int) -> None:
    method = "POST" if name in {"clear", "save"} else "GET"
    filled = {key: text.format(port=view.port, token=view.token) for key, text in headers.items()}
    _, found, content = view.request(
        method, prefix.format(token=view.token) + name, b"{}" if method == "POST" else None, filled
    )
    assert found == status
    assert set(json.loads(content)) == {"error"}
    assert view.wait(5)["rows"] == 5


@pytest.mark.parametrize(
    ("method", "name", "body", "content_type", "status"),
    [
        ("POST", "overview", b"{}", "application/json", 405),
        ("GET", "save", None, "", 405),
        ("GET", "clear", None, "", 405),
        ("POST", "clear", b"{}", "text/plain", 415),
        ("POST", "save", b"{}", "application/x-www-form-urlencoded", 415),
        ("POST", "save", b"", "application/json", 422),
        ("POST", "save", b"[" * 100_000, "application/json", 422),
        ("POST", "save", b'{"frames": 3}', "application/json", 422),
        ("POST", "save", b'{"frames": [[1, 2, 3]]}', "application/json", 422),
        ("POST", "save", b'{"frames": [[2, 1]]}', "application/json", 422),
        ("POST", "save", b'{"frames": [[1, 3], [3, 4]]}', "application/json", 422),
        ("POST", "save", b'{"frames": [["/etc/passwd", 2]]}', "application/json", 422),
        ("POST", "save", b'{"frames": [' + b" " * (4 << 20) + b"]}", "application/json", 413),
        ("GET", "../../etc/passwd", None, "", 404),
        ("GET", "main.js", None, "", 404),
        ("GET", "table?run=another&first=0", None, "", 409),
        ("GET", "table?run={run}&first=6", None, "", 404),
        ("GET", "table?run={run}&first=-1", None, "", 422),
        ("GET", "table?run={run}&first=%C2%B2", None, "", 422),
        ("GET", "table?run={run}", None, "", 422),
        ("GET", "chunk?run={run}&number=1", None, "", 404),
        ("GET", "chunk?run={run}&number=999999999", None, "", 404),
    ],
)
def test_wrong_requests_are_refused(
    view: Viewing, method: str, name: str, body: bytes | None, content_type: str, status: int
) -> None:
    target = f"{view.token}/{name.replace('{run}', view.wait(5)['run'])}"
    _, found, content = view.request(method, target, body, {"Content-Type": content_type} if content_type else {})
    assert found == status
    assert set(json.loads(content)) == {"error"}


def test_a_capture_has_nothing_to_send_to_and_nothing_to_switch(view: Viewing) -> None:
    found = [view.post(name, {"frame": 3, "verb": "reset"}) for name in ("send", "call")]
    assert [(status, json.loads(content)["error"]) for status, content in found] == [
        (422, "a capture has no gateway to send to: ftwire view --record, or --serve"),
        (422, "there is nothing to steer here"),
    ]


def test_it_listens_on_loopback_only(view: Viewing) -> None:
    for address in {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}:
        if not str(address).startswith("127."):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((str(address), view.port), timeout=2).close()


def test_the_token_is_in_its_file_and_not_shown(view: Viewing, tmp_path: Path) -> None:
    assert view.token not in view.said
    with viewing(tmp_path, "-", stdin=subprocess.PIPE) as first:
        token = first.token
        assert stat.S_IMODE((tmp_path / "view-token").stat().st_mode) == 0o600
    with viewing(tmp_path, "-", stdin=subprocess.PIPE) as again:
        assert again.token == token != view.token


# What is sent


def test_the_page_may_load_nothing_but_from_here(view: Viewing) -> None:
    headers, status, content = view.request("GET", f"{view.token}/")
    assert (status, headers["Referrer-Policy"], headers["Cache-Control"]) == (200, "no-referrer", "no-store")
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    page = content.decode()
    policy = (
        page.partition('http-equiv="Content-Security-Policy" content="')[2].partition('"')[0].replace("&#x27;", "'")
    )
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert not [name for name in ("src=", 'href="http', "Access-Control") if name in page.partition("<script>")[0]]
    assert SECRET not in content


def test_rows_are_sent_from_where_the_page_has_them(view: Viewing) -> None:
    run = view.wait(5)["run"]
    whole, columns = table(view, run)
    assert (whole["columns"]["rows"], whole["chunks"], whole["first"]) == (5, [0], 0)
    assert [each["number"] for each in whole["conversations"]] == [1]
    rest, behind = table(view, run, 3)
    assert rest["columns"]["rows"] == 2
    lengths = {name: length for name, _, length in rest["columns"]["columns"]}
    assert (lengths["number"], lengths["time"]) == (2, 2)
    times = struct.unpack_from("<5q", columns)
    assert rest["columns"]["columns"][0][0] == "time"
    assert struct.unpack_from("<2q", behind) == times[3:]
    assert table(view, run, 5)[0]["columns"]["rows"] == 0


def test_what_is_secret_is_not_sent(view: Viewing) -> None:
    run = view.wait(5)["run"]
    _, _, chunk = view.request("GET", f"{view.token}/chunk?run={run}&number=0")
    everything = [gzip.decompress(chunk), table(view, run)[1], json.dumps(overview(view)).encode()]
    assert b"connAESKey" in everything[0]
    assert not [part for part in everything if SECRET in part]


def test_a_capture_that_grows_is_followed(tmp_path: Path) -> None:
    said = session()
    parts = [open_pcap([*said, *[answered(3009, 0, push())] * more]) for more in range(4)]
    capture = tmp_path / "session.pcap"
    capture.write_bytes(parts[0][:30])
    with viewing(tmp_path, capture) as view:
        assert view.wait(0)["state"] in {"reading", "following"}
        done = 30
        for more, part in enumerate(parts):
            with capture.open("ab") as file:
                file.write(part[done:-7] if more == 3 else part[done:])
            done = len(part)
            if more < 3:
                event = view.wait(5 + more)
                assert (event["frames"], overview(view)["session"]["frames"]) == (5 + more, 5 + more)
        with capture.open("ab") as file:
            file.write(parts[3][-7:])
        assert view.wait(8)["run"] == event["run"]
        _, _, chunk = view.request("GET", f"{view.token}/chunk?run={event['run']}&number=0")
        assert struct.unpack_from("<I", gzip.decompress(chunk)) == (8,)
        # A file that becomes shorter is another one.
        capture.write_bytes(parts[0][:24])
        assert next(event for event in view.events() if event["state"] == "ended")["rows"] == 8


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    with viewing(tmp_path, "-", stdin=subprocess.PIPE) as view:
        pipe = view.process.stdin
        assert pipe is not None
        data, part = open_pcap(session()), open_pcap(session()[:4])
        pipe.write(part)
        pipe.flush()
        assert view.wait(4)["state"] == "following"
        pipe.write(data[len(part) :])
        pipe.flush()
        assert view.wait(5)["state"] == "following"
        pipe.close()
        assert next(event for event in view.events() if event["state"] == "ended")["rows"] == 5
        status, content = view.post("save", {"frames": [[1, 5]]})
        assert (status, len(list(ftwire.read(content)))) == (200, 5)
        view.process.stdin = None


def test_cleared_it_goes_on_with_the_conversations_that_are_open(tmp_path: Path) -> None:
    said = [*session(), asked(3008, 7, rt_request())]
    capture, data = tmp_path / "session.pcap", open_pcap(said)
    capture.write_bytes(data)
    with viewing(tmp_path, capture) as view:
        before = view.wait(6)["run"]
        status, content = view.post("clear", {})
        now = json.loads(content)
        assert (status, now["rows"], now["frames"]) == (200, 0, 0)
        assert now["run"] != before
        capture.write_bytes(open_pcap([*said, answered(3008, 7, rt_response()), asked(3008, 8, rt_request())]))
        assert view.wait(2)["run"] == now["run"]
        about, _ = table(view, now["run"])
        assert [each["client"] for each in about["conversations"]] == ["127.0.0.1:50112"]
        found = overview(view)["session"]
        assert (found["frames"], found["conversation_count"], found["findings"]["rows"]) == (2, 1, [])
        status, content = view.post("save", {"frames": [[7, 8]]})
        assert [frame.message for frame in ftwire.read(content)] == [rt_response(), rt_request()]


def test_the_list_has_a_limit(tmp_path: Path) -> None:
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session()))
    with viewing(tmp_path, "--max-frames", "3", capture) as view:
        assert next(event for event in view.events() if event["frames"] == 5)["rows"] == 3


# What is saved


def saved(view: Viewing, *ranges: tuple[int, int]) -> list[ftwire.capture.DissectedFrame]:
    status, content = view.post("save", {"frames": ranges})
    assert status == 200
    assert SECRET not in content
    return list(ftwire.read(content))


def test_the_frames_that_are_shown_are_saved(view: Viewing) -> None:
    whole = saved(view, (1, 5))
    assert [(frame.proto_id, frame.kind) for frame in whole] == [
        (1001, Kind.REQUEST),
        (1001, Kind.RESPONSE),
        (3008, Kind.REQUEST),
        (3008, Kind.RESPONSE),
        (3009, Kind.PUSH),
    ]
    part = saved(view, (1, 1), (4, 5))
    assert [(frame.proto_id, frame.time) for frame in part] == [
        (whole[at].proto_id, whole[at].time) for at in (0, 3, 4)
    ]
    assert part[1].message == rt_response()
    assert saved(view) == []
    assert len(saved(view, (3, 10**400))) == 3


def test_secrets_are_saved_where_they_are_shown(tmp_path: Path) -> None:
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap(session()))
    with viewing(tmp_path, "--show-secrets", capture) as view:
        view.wait(5)
        assert SECRET in view.post("save", {"frames": [[2, 2]]})[1]


# Bad inputs, and the end


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["view", *map(str, words)])
    return done.exit_code, done.output


def test_bad_inputs_are_said(tmp_path: Path) -> None:
    assert run(tmp_path / "none.pcap") == (1, f"Error: {tmp_path}/none.pcap: No such file or directory\n")
    text = tmp_path / "notes.txt"
    text.write_text("this is no capture at all, and long enough to be sure of it\n")
    code, output = run(text)
    assert (code, "notes.txt" in output, "Traceback" in output) == (1, True, False)
    token = tmp_path / "token"
    token.write_text("short\n")
    token.chmod(0o600)
    assert run("--token-file", token, text) == (
        1,
        f"Error: {token} holds no token of an earlier run: remove it, and one is made\n",
    )
    if os.name == "posix":
        token.chmod(0o644)
        assert run("--token-file", token, text) == (1, f"Error: {token} can be read by others (chmod 600)\n")
    assert run("--no-follow", os.devnull)[0] == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = run("--port", str(port), text)
        assert (code, output) == (1, f"Error: cannot listen on port {port}: {os.strerror(errno.EADDRINUSE)}\n")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM from another process")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(tmp_path: Path, end: signal.Signals) -> None:
    capture = tmp_path / "session.pcap"
    capture.write_bytes(pcap([Said(each.sender, each.data) for each in session()]))
    with viewing(tmp_path, capture) as view:
        events = view.events()
        next(events)
        view.process.send_signal(end)
        assert view.process.wait(10) == 0
        assert view.process.stderr is not None
        assert view.process.stderr.read() == b""

"""The control port: who may use it, what it takes, and its description."""

from __future__ import annotations

import json
import runpy
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from ftwire import __version__
from ftwire_tools.commands.serve import command
from ftwire_tools.gateway.control_description import describe
from ftwire_tools.gateway.steering import VERBS
from support.control import ControlClient, steerable
from support.places import ROOT
from support.recording import receive_all

DESCRIPTION = ROOT / "docs" / "control.openapi.json"
PRICE = json.dumps({"code": "HK.00700", "price": 400}).encode()


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlClient]:
    with steerable(tmp_path_factory.mktemp("control"), "--synthetic", "--hours", "always") as found:
        found.call("clock.stop")
        yield found


def test_what_docs_say_of_the_verbs_is_what_the_code_says() -> None:
    """``python docs/make_control_description.py`` writes both anew."""
    made = runpy.run_path(str(ROOT / "docs" / "make_control_description.py"))
    assert made["description"]() == DESCRIPTION.read_text()
    assert made["page"]() == (ROOT / "docs" / "scripting.md").read_text()


def test_the_description_has_every_verb_and_its_arguments() -> None:
    described = json.loads(DESCRIPTION.read_text())["paths"]
    posts = {path: item["post"] for path, item in described.items() if "post" in item}
    assert {f"/v1/{path.replace('.', '/')}" for path in VERBS} == set(posts)
    schema = posts["/v1/market/set_price"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(schema["required"]) == {"code", "price"}


def test_it_is_served_too(control: ControlClient) -> None:
    assert control.get("openapi.json") == json.loads(json.dumps(describe(__version__)))


# Who may use it


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:80"}, 403),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer {token}x"}, 401),
        ({"Authorization": "Basic {token}"}, 401),
        ({"Authorization": "Bearer \xe9\xff"}, 401),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_who_may_not_is_refused_without_effect(control: ControlClient, headers: dict[str, str], status: int) -> None:
    control.call("reset")
    filled = {name: text.format(port=control.control_port, token=control.token) for name, text in headers.items()}
    found, content = control.request("POST", "/v1/market/set_price", PRICE, filled)
    assert found == status, content
    assert control.token not in content["error"]
    assert control.get("state")["market"]["steered"] == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_who_may_is_let_in(control: ControlClient, host: str) -> None:
    own = f"{host}:{control.control_port}"
    status, _ = control.request("POST", "/v1/reset", headers={"Host": own, "Origin": f"http://{own}"})
    assert status == 200


def test_a_page_gets_no_leave_to_read(control: ControlClient) -> None:
    """The request that a browser sends first, and the header that would allow the rest."""
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    with socket.create_connection(("127.0.0.1", control.control_port), 10) as side:
        lines = ["OPTIONS /v1/reset HTTP/1.1", f"Host: 127.0.0.1:{control.control_port}"]
        side.sendall("\r\n".join([*lines, *(f"{name}: {text}" for name, text in asked.items()), "", ""]).encode())
        head = receive_all(side)
    assert head.startswith(b"HTTP/1.1 403 ")
    assert b"access-control" not in head.lower()


def test_it_cannot_be_reached_by_another_address(control: ControlClient) -> None:
    """127.0.0.2 is this machine, too, and no address that the port listens on."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", control.control_port), 10)


def test_the_token_is_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("an old one")
    (tmp_path / "token").chmod(0o644)
    with steerable(tmp_path, "--synthetic", "--hours", "always") as control:
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert len(control.token) == 32
        assert control.get("state")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--control-token-file", "x"], "--control-token-file needs --control PORT"),
        (["--control", "0", "-q"], "with --quiet nobody sees the token: --control-token-file FILE"),
        (["--control", "x"], "'x' is not a valid integer"),
    ],
)
def test_wrong_usage(arguments: list[str], reason: str) -> None:
    done = CliRunner().invoke(command, ["--synthetic", *arguments])
    assert done.exit_code == 2
    assert reason in done.output


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = CliRunner().invoke(command, ["--synthetic", "--port", "0", "--control", port])
    assert done.exit_code == 1
    assert f"Error: cannot listen on port {port} for --control: Address already in use\n" in done.output


# What it takes


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/market/set_price", b"", 405),
        ("POST", "/v1/state", b"", 405),
        ("HEAD", "/v1/state", b"", 405),
        ("POST", "/v1/market/explode", b"", 404),
        ("POST", "/v1/market.set_price", PRICE, 404),
        ("POST", "/v1/reset/", b"", 404),
        ("POST", "/v1/../v1/reset", b"", 404),
        ("POST", "/v1/state?x=1", b"", 404),
        ("GET", "/", b"", 404),
        ("POST", "/v1/reset", b"[]", 400),
        ("POST", "/v1/reset", b"{", 400),
        ("POST", "/v1/reset", b"\xff", 400),
        ("POST", "/v1/reset", b"[" * 60_000, 400),
        ("POST", "/v1/clock/advance", b'{"seconds": NaN}', 400),
        ("POST", "/v1/clock/advance", b'{"seconds": 1' + b"0" * 5000 + b"}", 400),
        ("POST", "/v1/reset", b" " * (64 << 10), 200),
        ("POST", "/v1/reset", b" " * ((64 << 10) + 1), 413),
        ("POST", "/v1/market/set_price", b"", 422),
        ("POST", "/v1/market/set_price", b'{"code": "HK.00700", "price": "1; import os"}', 422),
        ("POST", "/v1/market/set_price", b'{"code": "../../etc/passwd", "price": 1}', 422),
        ("POST", "/v1/clock/advance", b'{"seconds": 1e999}', 422),
    ],
)
def test_what_it_cannot_take_is_refused(
    control: ControlClient, method: str, path: str, body: bytes, status: int
) -> None:
    found, content = control.request(method, path, body)
    assert found == status, content
    assert control.get("state")["market"]["steered"] == {}


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET HTTP/1.1\r\n\r\n",
        b"POST /v1/reset HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/reset HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /v1/state HTTP/1.1\r\nX: " + b"a" * 20_000,
        b"GET /v1/state HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
        b"FT" + bytes(42),
    ],
)
def test_what_is_not_http_is_refused(control: ControlClient, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", control.control_port), 10) as side:
        side.sendall(sent)
        side.shutdown(socket.SHUT_WR)
        assert receive_all(side).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_client_that_says_nothing_is_no_hindrance(control: ControlClient) -> None:
    idle = [socket.create_connection(("127.0.0.1", control.control_port), 10) for _ in range(31)]
    try:
        assert control.get("state")["logged_in"] is True
    finally:
        for side in idle:
            side.close()


# Fuzzed: whatever is sent, by the description or against it, gets one of the described answers


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    paths = json.loads(DESCRIPTION.read_text())["paths"]
    return [(path, method, item) for path, methods in paths.items() for method, item in methods.items()]


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What fits a schema of the description."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    limits: Any = {"min_value": schema.get("minimum"), "max_value": schema.get("maximum")}
    made = {
        "string": st.sampled_from(["HK.00700", "US.AAPL", "Qot_GetRT", "3004"]) | st.text(max_size=8),
        "integer": st.integers(**limits),
        "number": st.floats(**limits, allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return st.one_of([made[kind] for kind in kinds])


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes, dict[str, Any]]:
    path, method, operation = draw(st.sampled_from(operations()))
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    properties, required = schema.get("properties", {}), schema.get("required", [])
    body = {name: draw(values(one)) for name, one in properties.items() if name in required or draw(st.booleans())}
    if path == "/v1/clock/advance":
        body["seconds"] = min(body["seconds"], 20)  # a day of the market takes a while
    if draw(st.integers(0, 3)) == 0:
        body[draw(st.sampled_from([*properties, "more"]))] = draw(JUNK)
    if draw(st.integers(0, 9)) == 0:
        return path, method, draw(st.binary(max_size=30)), operation
    return path, method, json.dumps(body).encode(), operation


@given(request=requests())
@settings(max_examples=4 * settings().max_examples)
def test_every_answer_is_a_described_one(
    control: ControlClient, request: tuple[str, str, bytes, dict[str, Any]]
) -> None:
    path, method, body, operation = request
    status, content = control.request(method.upper(), path, body)
    assert str(status) in operation["responses"], (status, content)
    assert content.get("error", "x"), "an error has a text"
    assert control.get("state")["market"] is not None

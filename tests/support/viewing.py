"""A running ``ftwire view``, and a client of it that is no browser."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support.command import read_until, started
from support.programs import absent

__all__ = ["Viewing", "viewing"]

SECONDS = 30.0


@dataclass(frozen=True)
class Viewing:
    """Sends requests to a view, each on a connection of its own."""

    port: int
    token: str
    said: str
    """What it has written to standard error, up to the address of the page."""
    process: subprocess.Popen[bytes]

    @property
    def listens_on(self) -> list[int]:
        """Ports of the gateway or the proxy beside the page."""
        return [int(port) for port in re.findall(r"(?:listening on \S+:| (?:ws_)?port=)(\d+)", self.said)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def request(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPMessage, int, bytes]:
        """Return headers, status and content of the reply to a request for ``/TARGET``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request(method, f"/{target}", body, headers or {})
            reply = connection.getresponse()
            return reply.headers, reply.status, reply.read()
        finally:
            connection.close()

    def post(self, name: str, content: object) -> tuple[int, bytes]:
        """Return status and content of the reply to a request of the page."""
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}"}
        _, status, found = self.request("POST", f"{self.token}/{name}", json.dumps(content).encode(), headers)
        return status, found

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield what is sent of how far the view is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", f"/{self.token}/events")
            reply = connection.getresponse()
            assert reply.headers["Content-Type"] == "text/event-stream"
            while line := reply.readline():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
        finally:
            connection.close()

    def wait(self, rows: int) -> dict[str, Any]:
        """Return the first event with so many rows."""
        return next(event for event in self.events() if event["rows"] == rows)


@contextmanager
def viewing(folder: Path, *options: str | Path, stdin: int | None = None, port: int = 0) -> Iterator[Viewing]:
    """Run ``ftwire view`` until the block is left; its token is in ``folder``, and the same each time."""
    if find_spec("h11") is None:
        absent("the library h11 is not installed")
    token_file = folder / "view-token"
    with started("view", "--port", str(port), "--token-file", token_file, *options, stdin=stdin) as process:
        said, found = read_until(process, r"^ftwire: http://127\.0\.0\.1:(\d+)/")
        yield Viewing(int(found[1]), token_file.read_text().strip(), said, process)

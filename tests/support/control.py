"""A running ``ftwire serve --control``, and a client of its control port."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support.command import read_until, started
from support.programs import absent

__all__ = ["ControlClient", "steerable"]

SECONDS = 30.0


@dataclass(frozen=True)
class ControlClient:
    """Sends requests to a control port, each on a connection of its own."""

    port: int
    """Of the gateway."""
    control_port: int
    token: str
    said: str
    """What it has written to standard error before it could be used."""
    process: subprocess.Popen[bytes]

    def more(self) -> str:
        """Wait for a line about a script on standard error, and return what has come until then."""
        return read_until(self.process, "script-error")[0]

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return status and content of the reply; ``headers`` are added to the usual ones or replace them."""
        usual = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=SECONDS)
        try:
            connection.request(method, path, body, {**usual, **(headers or {})})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"{}")
        finally:
            connection.close()

    def get(self, name: str) -> dict[str, Any]:
        """Return what is read at ``/v1/NAME``."""
        status, content = self.request("GET", f"/v1/{name}")
        assert status == 200, content
        return content

    def call(self, path: str, **arguments: object) -> object:
        """Call the verb of a path, such as ``market.set_price``, and return its result."""
        status, content = self.request("POST", f"/v1/{path.replace('.', '/')}", json.dumps(arguments).encode())
        assert (status, content.get("done")) == (200, path), content
        return content.get("result")


@contextmanager
def steerable(folder: Path, *options: str | Path) -> Iterator[ControlClient]:
    """Run ``ftwire serve --control`` until the block is left; its token is written into ``folder``."""
    if find_spec("h11") is None:
        absent("the library h11 is not installed")
    token_file = folder / "token"
    words = ["serve", "--port", "0", "--control", "0"]
    with started(*words, "--control-token-file", token_file, *options) as process:
        said, listening = read_until(process, r" listening .*?port=(\d+)")
        more, control = read_until(process, r" control .*?:(\d+)\b")
        ports = int(listening[1]), int(control[1])
        yield ControlClient(*ports, token_file.read_text().strip(), said + more, process)

"""The vendor SDK's own connection object, fed bytes as its socket would give them, as JSON.

Runs inside a Python peer's environment (9.x and later, which have this receive path):

    python sdk_receive.py [--package futu] [--key KEY] < STREAMS
    {"streams": [{"mode": "ftaes_ecb", "chunks": ["<hex>", ...]}]}

The answer has for each stream what the connection handed on, in order, whether it raised, and what it still holds:

    {"known": [1001, ...], "pushes": [1003, ...],
     "streams": [{"frames": [{"proto", "serial", "taken", "name", "message"}], "raised": "...", "pending": 0}]}

``taken`` is false for a reply that fails its request: pushes that fail are dropped without a trace. ``message`` is
the message's bytes in hex. Somebody waits for every reply, whatever its ID and serial: which one a reply belongs
to is not what is asked here. What the network thread would log and go on after, an exception out of ``on_recv``, ends
a stream here, since the bytes that caused it stay in the buffer and cause it again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
import threading
from typing import Any

AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"
CONNECTIONS = {"none": (4, None), "ftaes_ecb": (1, None), "aes_ecb": (2, ""), "aes_cbc": (3, AES_IV)}


class Waiting:
    """A request that waits, and notes what it is given."""

    is_sync = True

    def __init__(self, proto: int, serial: int, seen: list[dict[str, Any]]) -> None:
        self.err: Any = None
        self.msg = ""
        self.rsp: Any = None
        self._ids, self._seen = (proto, serial), seen

    def notify_finish(self) -> None:
        self._seen.append(described(*self._ids, self.err.name == "Ok", self.rsp))


class Requests(dict[Any, Any]):
    """A table of requests in which somebody waits for everything."""

    def __init__(self, seen: list[dict[str, Any]]) -> None:
        super().__init__()
        self._seen = seen

    def pop(self, key: Any, default: Any = None) -> Waiting:  # noqa: ARG002 - a dictionary's signature
        return Waiting(key.proto_id, key.serial_no, self._seen)


class Pushes:
    """The queue that pushes are put on for the thread that calls handlers."""

    def __init__(self, seen: list[dict[str, Any]]) -> None:
        self._seen = seen
        self.queue = self

    def put(self, item: Any) -> None:
        self._seen.append(described(item.proto_id, item.serial_no, True, item.rsp_pb))


def described(proto: int, serial: int, taken: bool, message: Any) -> dict[str, Any]:
    """What was handed on."""
    name = None if message is None or not taken else message.DESCRIPTOR.full_name
    data = None if name is None else message.SerializePartialToString(deterministic=True).hex()
    return {"proto": proto, "serial": serial, "taken": taken, "name": name, "message": data}


class Receiver:
    """The SDK's functions, and how a connection of its is made without a socket."""

    def __init__(self, package: str, key: str) -> None:
        base = importlib.import_module(f"{package}.common.open_context_base")
        connections = importlib.import_module(f"{package}.common.conn_mng").FutuConnMng
        config = importlib.import_module(f"{package}.common.sys_config").SysConfig
        logger: Any = importlib.import_module(f"{package}.common.ft_logger").logger
        logger.file_level = logging.CRITICAL
        logger.console_level = logging.CRITICAL
        config.set_init_rsa_file(key)
        for mode, (conn_id, iv) in CONNECTIONS.items():
            connections.add_conn({"conn_id": conn_id, "conn_key": AES_KEY, "conn_iv": iv, "is_encrypt": mode != "none"})
        utils = importlib.import_module(f"{package}.common.utils")
        ids = importlib.import_module(f"{package}.common.constant").ProtoId
        self.known = sorted(utils.ProtobufMap.created_protobuf_map)
        self.pushes = sorted(each for each in self.known if ids.is_proto_id_push(each))
        self._class: Any = base.OpenContextBase
        self._ready = importlib.import_module(f"{package}.common.constant").ContextStatus.READY

    def receive(self, mode: str, chunks: list[bytes]) -> dict[str, Any]:
        """What a connection makes of a stream."""
        seen: list[dict[str, Any]] = []
        context = self._class.__new__(self._class)  # its constructor would connect
        context._lock = threading.RLock()
        context._status = self._ready
        context._is_encrypt = mode != "none"
        context._conn_id = context._opend_conn_id = CONNECTIONS[mode][0]
        context._recv_buf = bytearray()
        context._callback_executor = Pushes(seen)
        context._req_map = Requests(seen)
        raised = None
        for chunk in chunks:
            try:
                context.on_recv(context._conn_id, chunk)
            except Exception as error:
                raised = f"{type(error).__name__}: {error}"
                break
        return {"frames": seen, "raised": raised, "pending": len(context._recv_buf)}


def main() -> None:
    parser = argparse.ArgumentParser(description="what the vendor SDK receives")
    parser.add_argument("--package", default="futu", choices=["futu", "moomoo"])
    parser.add_argument("--key", required=True, help="RSA private key file, for InitConnect")
    options = parser.parse_args()
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    receiver = Receiver(options.package, options.key)
    streams = [
        receiver.receive(each["mode"], [bytes.fromhex(chunk) for chunk in each["chunks"]])
        for each in json.load(sys.stdin)["streams"]
    ]
    with output:
        json.dump({"known": receiver.known, "pushes": receiver.pushes, "streams": streams}, output)
        output.write("\n")


if __name__ == "__main__":
    main()

"""What the vendor's Python SDK makes of bytes: its own encryption and decryption, as JSON.

Runs inside a Python peer's environment:

    python sdk_vectors.py encrypt --key KEY                 bodies of 0 to 65 bytes and some longer, encrypted
    python sdk_vectors.py decrypt --key KEY < VECTORS       payloads of ours, decrypted

Both print one object: ``{"package", "key", "iv", "vectors": [{"mode", "body", "payload"}, ...]}``, bytes in hex.
``encrypt`` adds ``"frames"``: requests as the SDK packs them, header included.
``decrypt`` reads such an object, ignores its bodies and fills in its own; what it cannot decrypt is null.

The SDK chooses its mode by what the InitConnect reply carried: no IV means FTAES_ECB, an empty one AES_ECB,
16 characters AES_CBC. So each mode here is a connection in its table of connections.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import Any

AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"
CONNECTIONS = {"ftaes_ecb": (1, None), "aes_ecb": (2, ""), "aes_cbc": (3, AES_IV)}
SERIAL = 77
LENGTHS = (*range(66), 99, 100, 101, 117, 199, 200, 201, 255, 256, 1000)


class Sdk:
    """The SDK's two ciphers, both given and taking bytes."""

    def __init__(self, package: str, key_file: str) -> None:
        config = importlib.import_module(f"{package}.common.sys_config")
        connections = importlib.import_module(f"{package}.common.conn_mng")
        self._aes = connections.FutuConnMng
        self._rsa = config.RsaCrypt
        self._package = package
        self._config = config.SysConfig
        config.SysConfig.set_init_rsa_file(key_file)
        for conn_id, iv in CONNECTIONS.values():
            self._aes.add_conn({"conn_id": conn_id, "conn_key": AES_KEY, "conn_iv": iv, "is_encrypt": True})

    def encrypt(self, mode: str, body: bytes) -> bytes:
        if mode == "rsa":
            return bytes(self._rsa.encrypt(body))
        return self._checked(self._aes.encrypt_conn_data(CONNECTIONS[mode][0], body))

    def decrypt(self, mode: str, payload: bytes) -> bytes:
        if mode == "rsa":
            return bytes(self._rsa.decrypt(payload))
        return self._checked(self._aes.decrypt_conn_data(CONNECTIONS[mode][0], payload))

    def frames(self) -> list[dict[str, Any]]:
        """Requests as the SDK sends them, in every mode that it can be made to speak."""
        utils = importlib.import_module(f"{self._package}.common.utils")
        formats = importlib.import_module(f"{self._package}.common.constant").ProtoFMT
        quotes = importlib.import_module(f"{self._package}.common.pb.Qot_GetRT_pb2")
        alive = importlib.import_module(f"{self._package}.common.pb.KeepAlive_pb2")
        request = quotes.Request()
        request.c2s.security.market, request.c2s.security.code = 1, "00700"
        beat = alive.Request()
        beat.c2s.time = 1623202200
        self._aes.add_conn({"conn_id": 9, "conn_key": AES_KEY, "conn_iv": None, "is_encrypt": False})
        modes = {"none": (9, None), **CONNECTIONS}
        packed = []
        for body_format, name in ((0, formats.Protobuf), (1, formats.Json)):
            self._config.set_proto_fmt(name)
            for mode, (conn_id, _) in modes.items():
                for comment, proto_id, message in (("Qot_GetRT", 3008, request), ("KeepAlive", 1004, beat)):
                    # Newer releases also say the ID and serial they packed.
                    status, why, data, *_ = utils.pack_pb_req(message, proto_id, conn_id, SERIAL)
                    if status != 0:
                        raise ValueError(why)
                    raw = bytes(data)
                    body = raw[44:] if mode == "none" else self.decrypt(mode, raw[44:])
                    packed.append(
                        {
                            "comment": f"{comment} in {'JSON' if body_format else 'protobuf'}",
                            "cipher": mode,
                            "protoId": proto_id,
                            "serial": SERIAL,
                            "bodyFormat": body_format,
                            "body": body.hex(),
                            "data": raw.hex(),
                        }
                    )
        return packed

    @staticmethod
    def _checked(answer: tuple[int, str, bytes]) -> bytes:
        status, message, data = answer
        if status != 0:
            raise ValueError(message)
        return bytes(data)


def body_of(length: int) -> bytes:
    return bytes((length * 7 + index) % 256 for index in range(length))


def encrypted(sdk: Sdk) -> list[dict[str, Any]]:
    vectors = []
    for mode in ("rsa", *CONNECTIONS):
        for length in LENGTHS:
            body = body_of(length)
            vectors.append({"mode": mode, "body": body.hex(), "payload": sdk.encrypt(mode, body).hex()})
    return vectors


def decrypted(sdk: Sdk, vectors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for vector in vectors:
        try:
            vector["body"] = sdk.decrypt(vector["mode"], bytes.fromhex(vector["payload"])).hex()
        except Exception as error:
            # Whatever the SDK raises is the result here.
            vector["body"], vector["error"] = None, repr(error)
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description="the vendor SDK's own encryption")
    parser.add_argument("direction", choices=["encrypt", "decrypt"])
    parser.add_argument("--package", default="futu", choices=["futu", "moomoo"])
    parser.add_argument("--key", required=True, help="RSA private key file")
    options = parser.parse_args()
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    sdk = Sdk(options.package, options.key)
    vectors = encrypted(sdk) if options.direction == "encrypt" else decrypted(sdk, json.load(sys.stdin)["vectors"])
    frames = sdk.frames() if options.direction == "encrypt" else []
    with output:
        json.dump(
            {"package": options.package, "key": AES_KEY, "iv": AES_IV, "vectors": vectors, "frames": frames}, output
        )
        output.write("\n")


if __name__ == "__main__":
    main()

"""What the vendor's Python SDK makes of bytes: its own encryption and decryption, as JSON.

Runs inside a Python peer's environment:

    python sdk_vectors.py encrypt --key KEY                 bodies of 0 to 65 bytes and some longer, encrypted
    python sdk_vectors.py decrypt --key KEY < VECTORS       payloads of ours, decrypted

Both print one object: ``{"package", "key", "iv", "vectors": [{"mode", "body", "payload"}, ...]}``, bytes in hex.
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
LENGTHS = (*range(66), 99, 100, 101, 117, 199, 200, 201, 255, 256, 1000)


class Sdk:
    """The SDK's two ciphers, both given and taking bytes."""

    def __init__(self, package: str, key_file: str) -> None:
        config = importlib.import_module(f"{package}.common.sys_config")
        connections = importlib.import_module(f"{package}.common.conn_mng")
        self._aes = connections.FutuConnMng
        self._rsa = config.RsaCrypt
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
    with output:
        json.dump({"package": options.package, "key": AES_KEY, "iv": AES_IV, "vectors": vectors}, output)
        output.write("\n")


if __name__ == "__main__":
    main()

"""Frames that the vendor's Python SDK packs when it is set up wrongly, as JSON.

Runs inside a Python peer's environment:

    python sdk_mistakes.py --key KEY --other-key KEY [--package futu]

Each is packed by the SDK itself, header, digest, encryption and all; its settings are wrong: another key
file, another mode than the other side's, no encryption, a big-endian header.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from typing import Any

AES_KEY, AES_IV = "0123456789ABCDEF", "FEDCBA9876543210"
CONNECTIONS = {"ftaes_ecb": (1, None), "aes_ecb": (2, ""), "aes_cbc": (3, AES_IV)}


def frames(package: str, key: str, other_key: str) -> dict[str, str]:
    config = importlib.import_module(f"{package}.common.sys_config").SysConfig
    connections = importlib.import_module(f"{package}.common.conn_mng").FutuConnMng
    utils: Any = importlib.import_module(f"{package}.common.utils")
    asks = importlib.import_module(f"{package}.common.pb.InitConnect_pb2").Request()
    asks.c2s.clientVer, asks.c2s.clientID, asks.c2s.packetEncAlgo = 1011, "interop", 2
    query = importlib.import_module(f"{package}.common.pb.Qot_GetRT_pb2").Request()
    query.c2s.security.market, query.c2s.security.code = 1, "00700"

    def packed(message: Any, proto_id: int, conn_id: int) -> str:
        answer = utils.pack_pb_req(message, proto_id, conn_id, 2 if proto_id == 3008 else 1)
        if answer[0] != 0:
            raise ValueError(answer[1])
        return bytes(answer[2]).hex()

    made = {}
    config.set_init_rsa_file(key)
    for mode, (conn_id, iv) in CONNECTIONS.items():
        connections.add_conn({"conn_id": conn_id, "conn_key": AES_KEY, "conn_iv": iv, "is_encrypt": True})
        made[mode] = packed(query, 3008, conn_id)
    connections.add_conn({"conn_id": 4, "conn_key": AES_KEY, "conn_iv": None, "is_encrypt": False})
    made["plain"] = packed(query, 3008, 4)
    made["init"] = packed(asks, 1001, 0)
    config.set_init_rsa_file(other_key)
    made["init_other_key"] = packed(asks, 1001, 0)
    little = utils.MESSAGE_HEAD_FMT
    utils.MESSAGE_HEAD_FMT = ">" + little.lstrip("<>=!@")
    made["big_endian"] = packed(query, 3008, 3)
    utils.MESSAGE_HEAD_FMT = little
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="frames of an SDK that is set up wrongly")
    parser.add_argument("--package", default="futu", choices=["futu", "moomoo"])
    parser.add_argument("--key", required=True, help="RSA private key file")
    parser.add_argument("--other-key", required=True, help="another one")
    options = parser.parse_args()
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the SDK prints goes to standard error
    made = frames(options.package, options.key, options.other_key)
    with output:
        json.dump(made, output)
        output.write("\n")


if __name__ == "__main__":
    main()

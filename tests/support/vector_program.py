"""Answers golden vectors with the library, over standard input and output: what ``ftwire vectors check`` runs.

ftwire vectors check --command 'python tests/support/vector_program.py'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from ftwire.body import decode_body, encode_body
from ftwire.cipher import NONE, AesCbc, AesEcb, Cipher, FtAesEcb, Rsa, RsaKey
from ftwire.connection import negotiated_cipher
from ftwire.errors import HeaderError, MissingFieldsError, RemoteProtocolError, WireError
from ftwire.frame import BadFrame, Frame, Role, body_digest, encode_frame
from ftwire.header import BodyFormat, Header
from ftwire.schema import schema
from ftwire.stream import FrameDecoder
from ftwire.websocket import Envelope, websocket_key_digest

Given = dict[str, Any]


def cipher_of(spec: Given) -> Cipher:
    made: dict[str, Callable[[], Cipher]] = {
        "none": lambda: NONE,
        "ftaes_ecb": lambda: FtAesEcb(spec["key"]),
        "aes_ecb": lambda: AesEcb(spec["key"]),
        "aes_cbc": lambda: AesCbc(spec["key"], spec["iv"]),
    }
    return made[spec["name"]]()


def rsa(pem: str | None) -> Cipher:
    return NONE if pem is None else Rsa(RsaKey.from_pem(pem))


def frame_facts(frame: Frame) -> Given:
    return {
        "protoId": frame.proto_id,
        "serial": frame.serial,
        "bodyFormat": frame.body_format,
        "body": frame.body.hex(),
    }


def one_frame(data: bytes, cipher: Cipher, sender: Role = Role.SERVER) -> Frame:
    decoder = FrameDecoder(sender, cipher=cipher)
    frames = list(decoder.feed(data))
    decoder.close()
    if len(frames) != 1:
        raise RemoteProtocolError(f"{len(frames)} frames instead of one")
    return frames[0]


def header_decode(given: Given) -> Given:
    head = Header.decode(bytes.fromhex(given["data"]))
    return {
        "protoId": head.proto_id,
        "bodyFormat": head.body_format,
        "version": head.version,
        "serial": head.serial,
        "bodyLength": head.body_length,
        "sha1": head.sha1.hex(),
        "reserved": head.reserved.hex(),
    }


def header_encode(given: Given) -> Given:
    head = Header(
        given["protoId"], given["serial"], given["bodyLength"], bytes.fromhex(given["sha1"]), given["bodyFormat"],
        given["version"], bytes.fromhex(given["reserved"]),
    )  # fmt: skip
    return {"data": head.encode().hex()}


def frame_decode(given: Given) -> Given:
    return frame_facts(one_frame(bytes.fromhex(given["data"]), cipher_of(given["cipher"])))


def frame_encode(given: Given) -> Given:
    data = encode_frame(
        given["protoId"], given["serial"], bytes.fromhex(given["body"]), body_format=given["bodyFormat"],
        cipher=cipher_of(given["cipher"]),
    )  # fmt: skip
    return {"data": data.hex()}


def aes(name: str) -> dict[tuple[str, str], Callable[[Given], Given]]:
    def encrypt(given: Given) -> Given:
        return {"payload": cipher_of(given | {"name": name}).encrypt(bytes.fromhex(given["body"])).hex()}

    def decrypt(given: Given) -> Given:
        return {"body": cipher_of(given | {"name": name}).decrypt(bytes.fromhex(given["payload"])).hex()}

    return {(name, "encrypt"): encrypt, (name, "decrypt"): decrypt}


def rsa_decrypt(given: Given) -> Given:
    return {"body": rsa(given["key"]).decrypt(bytes.fromhex(given["payload"])).hex()}


def rsa_encrypt(given: Given) -> Given:
    return {"payload": rsa(given["key"]).encrypt(bytes.fromhex(given["body"])).hex()}


def rsa_frame(given: Given) -> Given:
    return frame_facts(one_frame(bytes.fromhex(given["data"]), rsa(given["key"])))


def websocket_decode(given: Given) -> Given:
    envelope = Envelope.decode(bytes.fromhex(given["data"]), sender=Role(given["sender"]))
    return {
        "command": envelope.command,
        "section": str(envelope.section),
        "errorCode": int(envelope.error_code),
        "errorText": envelope.error_text,
        "body": envelope.body.hex(),
    }


def websocket_encode(given: Given) -> Given:
    envelope = Envelope.build(
        given["command"], int(given["section"]), bytes.fromhex(given["body"]), sender=Role(given["sender"]),
        error_code=given["errorCode"], error_text=given["errorText"],
    )  # fmt: skip
    return {"data": envelope.encode().hex()}


def json_decode(given: Given) -> Given:
    message = decode_body(given["json"].encode(), schema.message(given["message"]), BodyFormat.JSON)
    return {"protobuf": message.SerializeToString(deterministic=True).hex()}


def json_encode(given: Given) -> Given:
    message = decode_body(bytes.fromhex(given["protobuf"]), schema.message(given["message"]))
    return {"json": json.loads(encode_body(message, BodyFormat.JSON))}


def stream_decode(given: Given) -> Given:
    decoder = FrameDecoder(cipher=cipher_of(given["cipher"]), max_body=given["maxBody"])
    events = []
    try:
        for chunk in given["chunks"]:
            for frame in decoder.feed(bytes.fromhex(chunk)):
                if isinstance(frame, BadFrame):
                    events.append({"protoId": frame.proto_id, "serial": frame.serial, "damaged": True})
                else:
                    events.append(frame_facts(frame))
    except HeaderError:
        return {"events": events, "fatal": True, "pending": 0}
    return {"events": events, "fatal": False, "pending": decoder.pending}


def handshake_follow(given: Given) -> Given:
    first = rsa(given["key"])
    frames = given["frames"]
    bodies = []
    cipher = first
    name, conn_id, accepted = None, None, False
    asked: Any = None
    for at, said in enumerate(frames):
        frame = one_frame(bytes.fromhex(said["data"]), cipher, Role(said["sender"]))
        if at == 0 and frame.proto_id != 1001:
            raise RemoteProtocolError("InitConnect comes first")
        bodies.append(frame.body.hex())
        message: Any = frame.message
        if at == 0:
            asked = message
        elif at == 1:
            accepted = message.retType == 0
            if not accepted:
                break
            cipher = NONE if given["key"] is None else negotiated_cipher(asked, message)
            name, conn_id = cipher.name, str(message.s2c.connID)
    return {"accepted": accepted, "encryption": name, "connId": conn_id, "bodies": bodies}


OPERATIONS: dict[tuple[str, str], Callable[[Given], Given]] = {
    ("header", "decode"): header_decode,
    ("header", "encode"): header_encode,
    ("frame", "decode"): frame_decode,
    ("frame", "encode"): frame_encode,
    ("sha1", "digest"): lambda given: {"sha1": body_digest(bytes.fromhex(given["body"])).hex()},
    **aes("ftaes_ecb"),
    **aes("aes_ecb"),
    **aes("aes_cbc"),
    ("rsa_handshake", "decrypt"): rsa_decrypt,
    ("rsa_handshake", "encrypt"): rsa_encrypt,
    ("rsa_handshake", "frame"): rsa_frame,
    ("websocket", "decode"): websocket_decode,
    ("websocket", "encode"): websocket_encode,
    ("websocket", "key_digest"): lambda given: {"digest": websocket_key_digest(given["key"])},
    ("json_body", "decode"): json_decode,
    ("json_body", "encode"): json_encode,
    ("stream", "decode"): stream_decode,
    ("handshake", "follow"): handshake_follow,
}


def answer(question: Given) -> Given:
    """The answer to one question; errors are named as the library names them."""
    operation = OPERATIONS.get((question["group"], question["operation"]))
    if operation is None:
        return {"id": question["id"], "unsupported": True}
    try:
        return {"id": question["id"], "output": operation(question["input"])}
    except WireError as error:
        # The vectors have one name for all that can be wrong with a body.
        name = "BodyError" if isinstance(error, MissingFieldsError) else type(error).__name__
        return {"id": question["id"], "error": name}


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

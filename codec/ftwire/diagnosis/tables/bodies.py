"""Mistakes in bodies that arrived as they were sent."""

from __future__ import annotations

from typing import Final

__all__ = ["ROWS"]

ROWS: Final = (
    (
        "json_for_protobuf",
        "The body is JSON, the header announces protobuf.",
        "Set nProtoFmtType to 1, or write the body in protobuf.",
        1,
    ),
    (
        "protobuf_for_json",
        "The body is protobuf, the header announces JSON.",
        "Set nProtoFmtType to 0, or write the body in JSON.",
        1,
    ),
    (
        "request_for_response",
        "The body is a Request and was taken for a Response.",
        "Parse by direction: what a client sends is a Request, what OpenD sends (pushes too) a Response.",
        1,
    ),
    (
        "response_for_request",
        "The body is a Response and was taken for a Request.",
        "Parse by direction: what a client sends is a Request, what OpenD sends (pushes too) a Response.",
        1,
    ),
    (
        "ret_type_absent",
        "The Response has no retType, which is not success.",
        "Write retType always, 0 included; when reading, take its absence for -400 (unknown), not for 0.",
        1,
    ),
    (
        "fields_missing",
        "Required fields of the body are missing.",
        "Set every required field of the message.",
        2,
    ),
    (
        "body_unreadable",
        "The body arrived as it was sent, but is not the message of this protocol.",
        "Check that the protocol ID belongs to this message, and that both sides use the same .proto files.",
        3,
    ),
    (
        "c2s_without_request",
        "The body is the C2S message without the Request around it.",
        "Set the fields in Request.c2s and encode the Request: its first byte is then 0a, the tag of c2s.",
        0,
    ),
    (
        "c2s_missing",
        "The Request has no c2s.",
        "Set c2s in every Request, even where it has no field to set.",
        1,
    ),
    (
        "json_snake_case",
        "Names of JSON members are in snake case.",
        "Write the names as the .proto files have them, in lowerCamel: clientVer, not client_ver.",
        1,
    ),
    (
        "int64_as_float",
        "A 64-bit integer was written as a floating-point number.",
        "Keep accID, connID and other 64-bit integers in an integer type or a string (BigInt in JavaScript, not "
        "number): a double is exact up to 2^53 only.",
        1,
    ),
    (
        "code_with_prefix",
        "The code of a security carries its market.",
        "Give the market in Security.market and only the rest in code: market 1 and 00700 for HK.00700.",
        2,
    ),
    (
        "market_for_code",
        "The market of a security does not fit its code.",
        "Give the market of the code in Security.market (1 Hong Kong, 11 United States, 21 Shanghai, 22 Shenzhen), and "
        "the code as a text with its leading zeros.",
        2,
    ),
    (
        "body_as_text",
        "The body is the text of a message's bytes.",
        "Send the bytes of the message, not their hexadecimal or base64 text.",
        1,
    ),
    (
        "body_compressed",
        "The body is compressed.",
        "Send the message as it was encoded: the protocol has no compression.",
        1,
    ),
    (
        "body_length_prefixed",
        "A length stands in front of the message in the body.",
        "Encode the message without its length (SerializeToString, not the delimited form): nBodyLen has it.",
        1,
    ),
    (
        "body_with_more",
        "Bytes follow the message in the body.",
        "Send exactly the bytes of the message, not the buffer they stand in, and no line end.",
        1,
    ),
    (
        "other_protocol_body",
        "The body is the message of another protocol.",
        "Write the protocol ID that belongs to the message into nProtoID.",
        1,
    ),
    (
        "json_invalid",
        "The body is no JSON.",
        "Write JSON with a library, once, in UTF-8 without byte order mark: an object, not a text that holds one.",
        1,
    ),
    (
        "json_member_type",
        "A member of the JSON has a value of another type.",
        "Write numbers and enums as numbers, codes and names as texts: market 1, code 00700 in quotes.",
        1,
    ),
    (
        "json_other_case",
        "Names of JSON members have other capitals.",
        "Write the names as the .proto files have them, in lowerCamel: c2s and clientVer, not C2S and ClientVer.",
        1,
    ),
    (
        "security_unset",
        "A security has no market or no code.",
        "Set both fields of Security: market (1 Hong Kong, 11 United States, 0 is unknown) and code.",
        2,
    ),
    (
        "text_in_utf16",
        "A text in protobuf is UTF-16.",
        "Encode text as UTF-8 in protobuf; a library does so of itself where the field is declared as string.",
        1,
    ),
)
"""ID, title, remedy and rank of each."""

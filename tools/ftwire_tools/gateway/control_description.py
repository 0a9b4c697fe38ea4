"""The OpenAPI description of the control port, made from the table of verbs."""

from __future__ import annotations

from typing import Any, Final

from ftwire_tools.gateway.steering import GROUPS, VERBS

__all__ = ["STATUSES", "describe"]

STATUSES: Final = {
    200: ("OK", "done"),
    400: ("Bad Request", "not HTTP, or the body is not a JSON object"),
    401: ("Unauthorized", "the token is missing or wrong"),
    403: ("Forbidden", "another Host than this port, or an Origin: a web page has sent it"),
    404: ("Not Found", "there is no such verb"),
    405: ("Method Not Allowed", "verbs are called with POST, the rest is read with GET"),
    413: ("Content Too Large", "a body of more than 64 KiB"),
    415: ("Unsupported Media Type", "a body that is not application/json"),
    422: ("Unprocessable Content", "an argument is wrong, or the gateway has nothing that the verb could steer"),
}
"""Status to its name, and to what it means here."""

_READS: Final = {
    "state": ("state", "What verbs have brought about, and who is connected"),
    "requests": (
        "requests",
        "The last 1000 requests of clients, without secrets; as `ftwire dump --json` has messages",
    ),
    "openapi.json": ("openapi", "This description"),
}


def describe(version: str) -> dict[str, Any]:
    """Return the description, of the release with this version."""
    paths: dict[str, Any] = {}
    for path, (name, about) in _READS.items():
        paths[f"/v1/{path}"] = {
            "get": {
                "operationId": name,
                "summary": about,
                "tags": ["read"],
                "responses": _responses(200, 400, 401, 403),
            }
        }
    for verb in VERBS.values():
        summary, _, more = verb.about.partition("\n\n")
        properties = {one.name: one.schema for one in verb.parameters}
        required = [one.name for one in verb.parameters if one.is_required]
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        operation: dict[str, Any] = {
            "operationId": verb.path,
            "summary": _one_line(summary),
            "tags": [verb.group or "gateway"],
            "requestBody": {"required": bool(required), "content": {"application/json": {"schema": schema}}},
            "responses": _responses(200, 400, 401, 403, 413, 415, 422),
        }
        if more:
            operation["description"] = _one_line(more)
        paths[f"/v1/{verb.path.replace('.', '/')}"] = {"post": operation}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ftwire serve --control",
            "version": version,
            "description": "Steers a running gateway. Listens on loopback, for whoever has the token.",
        },
        "servers": [
            {"url": "http://127.0.0.1:{port}", "variables": {"port": {"default": "11180"}}},
        ],
        "security": [{"token": []}],
        "tags": [{"name": group.group, "description": _one_line(group.__doc__ or "")} for group in GROUPS],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {str(status): _response(status) for status in STATUSES},
        },
    }


def _responses(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _response(status: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    if status == 200:
        schema["properties"] = {
            "done": {"type": "string"},
            "result": {"description": "what the verb returns, if anything"},
        }
    else:
        schema |= {"properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {"description": STATUSES[status][1], "content": {"application/json": {"schema": schema}}}


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Runs under a vendor SDK's Python: what its own message classes make of bodies.

Reads JSON lines ``[full name, hex]`` on standard input; answers each with ``[hex, JSON]``: the body parsed
and written again by the SDK's class, and its JSON. With ``--list`` it prints
the full names of all its messages.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any


def classes(package: str) -> dict[str, Any]:
    """Every message class of the SDK, nested ones too, by full name."""
    found: dict[str, Any] = {}

    def add(message_class: Any) -> None:
        found[message_class.DESCRIPTOR.full_name] = message_class
        for nested in message_class.DESCRIPTOR.nested_types:
            add(getattr(message_class, nested.name))

    folder = importlib.import_module(f"{package}.common.pb").__path__
    for module in pkgutil.iter_modules(folder):
        if module.name.endswith("_pb2"):
            generated = importlib.import_module(f"{package}.common.pb.{module.name}")
            for name in generated.DESCRIPTOR.message_types_by_name:
                add(getattr(generated, name))
    return found


def main() -> None:
    """Serve standard input."""
    from google.protobuf.json_format import MessageToDict

    importlib.import_module(sys.argv[1])
    known = classes(sys.argv[1])
    if "--list" in sys.argv:
        json.dump(sorted(known), sys.stdout)
        return
    for line in sys.stdin:
        name, body = json.loads(line)
        message = known[name].FromString(bytes.fromhex(body))
        rendered = MessageToDict(message, preserving_proto_field_name=True)
        print(json.dumps([message.SerializeToString(deterministic=True).hex(), rendered]))


if __name__ == "__main__":
    main()

"""Rules: what a gateway is to do wrong, and when.

A rule is written ``NAME[:KEY=VALUE,...]``::

    drop:p=0.1                                  one frame in ten
    bad-sha1:proto=Qot_GetRT,n=2                the second frame of that protocol
    delay:ms=500,proto=Qot_Update*              every push of quotes
    cut:proto=Qot_GetRT,client=1                the first connection only: its next one has no fault
    refuse:proto=Trd_PlaceOrder,every=3,ret_type=-1,ret_msg=Not enough buying power, it says
                                                every third order, with this error

``p`` is a probability; ``n`` the number of the only frame that is struck, ``every`` strikes each frame whose number it
divides, both counted for each client from 1; ``proto`` a protocol's name, ID or glob; ``client`` the number of the only
connection that suffers, from 1. With none of ``p``, ``n`` and ``every`` every frame is struck. ``ret_msg`` is the
last key: its text may hold commas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ftwire.connection import INIT_CONNECT
from ftwire.protocols import registry
from ftwire_tools.filters.protocol_names import protocol_ids

__all__ = ["NAMES", "FaultError", "Rule", "parse_rule"]

NAMES: Final = {
    "delay": "frames come late, by ms (500); what follows waits",
    "jitter": "frames come late, by up to ms (100)",
    "drop": "frames do not come at all",
    "lose": "requests do not reach the gateway: nothing is done, and no answer comes",
    "duplicate": "frames come twice",
    "reorder": "a push comes after the next one, or after ms (1000) if none comes",
    "bad-sha1": "the header's SHA-1 is wrong",
    "bad-body": "the body is no message, though its SHA-1 is right",
    "bad-format": "the header names a body format that nobody knows",
    "garbage": "bytes that are no frame come instead",
    "close": "the connection ends instead of a frame",
    "cut": "half a frame, then the connection ends",
    "split": "a frame comes in many small writes",
    "merge": "a frame comes in one write with the next, or after ms (1000) if none comes",
    "wrong-serial": "a reply carries another serial",
    "unknown-protocol": "a frame of an unknown protocol comes first",
    "silent": "the gateway says nothing any more",
    "refuse": "a request gets an error (ret_type, err_code, ret_msg): InitConnect, or those of proto=",
}
"""Names of all faults, and what a client sees of each."""

MILLISECONDS: Final = {"delay": 500.0, "jitter": 100.0, "reorder": 1000.0, "merge": 1000.0}
"""Faults that have a time, and the one they have by default."""
ONLY_PUSHES: Final = frozenset({"reorder"})
ONLY_REPLIES: Final = frozenset({"lose", "refuse", "wrong-serial"})
MAX_INT: Final = 1 << 31
"""Above ``retType`` and ``errCode``: they are 32-bit integers with a sign."""

_MESSAGE: Final = re.compile(r"(?:^|,)ret_msg=(.*)", re.DOTALL)


class FaultError(ValueError):
    """A rule that cannot be read, or that could never do what it says."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault, and which frames it strikes. Raises ``FaultError`` for one that makes no sense."""

    name: str
    probability: float = 1.0
    nth: int | None = None
    """The only frame that is struck, counted among those of ``proto`` from 1."""
    proto: str = ""
    """The protocols that are struck: a name, an ID or a glob; empty for all, and for ``refuse`` InitConnect."""
    milliseconds: float | None = None
    """Length of ``delay``, the longest of ``jitter``, how long ``merge`` and ``reorder`` hold a frame back at most;
    ``None`` for the default."""
    client: int | None = None
    """Number of the only connection that suffers, ``None`` for all."""
    every: int | None = None
    """Each frame is struck whose number, counted as for ``nth``, is a multiple of this."""
    ret_type: int = -1
    """``retType`` of an error on demand (``refuse``); -1 is ``RetType_Failed``."""
    err_code: int = 0
    """Its ``errCode``."""
    ret_msg: str = ""
    """Its ``retMsg``; empty for a text that says what refuses."""

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise FaultError(f"no fault {self.name!r}; there are {', '.join(NAMES)}")
        for what, is_wrong in {
            "p is 0 to 1": not 0 <= self.probability <= 1,
            "n is 1 or more": self.nth is not None and self.nth < 1,
            "every is 1 or more": self.every is not None and self.every < 1,
            "n= and every= exclude each other": self.nth is not None and self.every is not None,
            "client is 1 or more": self.client is not None and self.client < 1,
            "ms is 0 or more, and below 10,000,000": self.milliseconds is not None and not 0 <= self.milliseconds < 1e7,
            f"{self.name} has no ms=": self.milliseconds is not None and self.name not in MILLISECONDS,
            "ret_type and err_code are 32-bit integers": not (
                -MAX_INT <= self.ret_type < MAX_INT and -MAX_INT <= self.err_code < MAX_INT
            ),
        }.items():
            if is_wrong:
                raise FaultError(f"{self}: {what}")
        if self.proto and not self.proto_ids:
            what = "pushes" if self.name in ONLY_PUSHES else "requests and their replies"
            raise FaultError(f"{self}: {self.name} is about {what}, and {self.proto} is none of these")

    def __str__(self) -> str:
        parts = [
            f"p={self.probability:g}" if self.probability < 1 else "",
            f"n={self.nth}" if self.nth is not None else "",
            f"every={self.every}" if self.every is not None else "",
            f"proto={self.proto}" if self.proto else "",
            f"client={self.client}" if self.client is not None else "",
            f"ms={self.milliseconds:g}" if self.milliseconds is not None else "",
            f"ret_type={self.ret_type}" if self.ret_type != -1 else "",
            f"err_code={self.err_code}" if self.err_code else "",
            f"ret_msg={self.ret_msg}" if self.ret_msg else "",
        ]
        return ":".join(filter(None, (self.name, ",".join(filter(None, parts)))))

    @property
    def proto_ids(self) -> frozenset[int] | None:
        """IDs of the protocols that it strikes, ``None`` for all. Raises ``FaultError``."""
        if not self.proto:
            return frozenset({INIT_CONNECT}) if self.name == "refuse" else None
        found = _protocols(self.proto)
        if self.name in ONLY_PUSHES:
            return frozenset(each for each in found if registry[each].is_push)
        if self.name in ONLY_REPLIES:
            return frozenset(each for each in found if not registry[each].is_push)
        return found

    @property
    def seconds(self) -> float:
        """``milliseconds``, or their default, in seconds."""
        found = MILLISECONDS.get(self.name, 0.0) if self.milliseconds is None else self.milliseconds
        return found / 1000


@lru_cache(maxsize=256)
def _protocols(pattern: str) -> frozenset[int]:
    """Return the IDs of the protocols that a name, an ID or a glob means. Raises ``FaultError``."""
    try:
        found = protocol_ids([pattern])
    except ValueError as error:
        raise FaultError(str(error)) from None
    if unknown := [each for each in found if registry.get(each) is None]:
        raise FaultError(f"no protocol {unknown[0]}")
    return found


def parse_rule(text: str) -> Rule:
    """Parse a rule. Raises ``FaultError``."""
    name, _, rest = text.partition(":")
    values: dict[str, float | int | str] = {}
    message = _MESSAGE.search(rest)
    if message is not None and name == "refuse":
        values["ret_msg"] = message[1]
        rest = rest[: message.start()]
    keys = {"p": "probability", "n": "nth", "every": "every", "proto": "proto", "client": "client"}
    if name in MILLISECONDS:
        keys["ms"] = "milliseconds"
    if name == "refuse":
        keys |= {"ret_type": "ret_type", "err_code": "err_code"}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if name in NAMES and key not in keys:
            known = [*keys, "ret_msg"] if name == "refuse" else keys
            raise FaultError(f"{text!r}: {name} takes {', '.join(f'{each}=' for each in known)}")
        if not value or keys.get(key) in values:
            raise FaultError(f"{text!r}: {key}= {'is there twice' if value else 'has no value'}")
        try:
            values[keys.get(key, key)] = value if key == "proto" else (float if key in {"p", "ms"} else int)(value)
        except ValueError:
            raise FaultError(f"{text!r}: {value!r} is no number") from None
    if name not in NAMES:
        raise FaultError(f"no fault {name!r}; there are {', '.join(NAMES)}")
    return Rule(name, **values)  # type: ignore[arg-type]  # each converted as its key demands

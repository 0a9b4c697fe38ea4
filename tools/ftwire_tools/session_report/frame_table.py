"""The columns of the list of frames, as the page reads them: little-endian arrays, one behind the other."""

from __future__ import annotations

import json
import sys
from array import array
from typing import TYPE_CHECKING, Any, Final

from ftwire.errors import DigestError
from ftwire.frame import Kind, Role
from ftwire_tools.captures.request_numbers import RequestNumbers

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ftwire.capture import ConversationClosed, DissectedFrame
    from ftwire.errors import WireError

__all__ = ["HIGHEST", "UNSET", "FrameTable"]

HIGHEST: Final = (1 << 63) - 1
"""Largest time and latency, in nanoseconds."""

UNSET: Final = -(1 << 63)
"""In place of a time or a latency that is not known."""

_COLUMNS: Final = {
    "number": "I",
    "time": "q",
    "conversation": "I",
    "sender": "B",
    "kind": "B",
    "proto_id": "I",
    "serial": "Q",  # on WebSocket it has 64 bits
    "body_length": "I",
    "latency": "q",
    "request": "I",
    "format": "B",
    "encryption": "B",
    "sha1_ok": "B",
    "error": "H",
    "failed": "B",
    "unanswered": "B",
    "class": "H",
}
"""Column -> its type code of ``array``."""
_KINDS: Final = (Kind.REQUEST, Kind.RESPONSE, Kind.PUSH)


class _Numbers:
    """Numbers for values that repeat, in the order in which they come, from ``first``."""

    def __init__(self, first: int) -> None:
        self.values: Final[dict[Hashable, int]] = {}
        self._first: Final = first

    def of(self, value: Hashable) -> int:
        return self.values.setdefault(value, len(self.values) + self._first)


class FrameTable:
    """Collects the columns of frames."""

    def __init__(self) -> None:
        self._columns: Final = {name: array(code) for name, code in _COLUMNS.items()}
        self._summaries: Final[list[str]] = []
        self._codes: Final = _Numbers(0)
        self._code_ends: Final = array("I")
        self._code_numbers: Final = array("I")
        self._classes: Final = _Numbers(1)
        self._errors: Final = _Numbers(1)
        self._encryptions: Final = _Numbers(0)
        self._requests: Final = RequestNumbers()
        self._rows: Final[dict[int, int]] = {}
        """Rows of the requests that wait for a response, by number."""

    def __len__(self) -> int:
        return len(self._summaries)

    def pair(self, frame: DissectedFrame) -> int | None:
        """Take note of a frame, listed or not; return the number of the request that a response answers."""
        request = self._requests.add(frame)
        if request is not None and (row := self._rows.pop(request, None)) is not None:
            self._columns["unanswered"][row] = 0
        return request

    def forget(self, closed: ConversationClosed) -> None:
        """Take note that a conversation has ended."""
        self._requests.forget(closed.conversation)

    def add(
        self,
        frame: DissectedFrame,
        *,
        request: int | None,
        summary: str,
        codes: Iterable[str],
        class_name: str | None,
        error: WireError | None,
        failed: bool,
    ) -> None:
        """Add the next frame, which ``pair`` has taken before."""
        number, conversation, observation = frame
        found, columns = observation.frame, self._columns
        if observation.kind is Kind.REQUEST:
            self._rows[number] = len(self)
        damage = found.error
        sha1_ok = (
            0 if conversation.transport == "websocket" else 1 if damage is None else 2 * isinstance(damage, DigestError)
        )
        for name, value in (
            ("number", number),
            ("time", observation.time or UNSET),
            ("conversation", conversation.number),
            ("sender", observation.sender is Role.SERVER),
            ("kind", _KINDS.index(observation.kind)),
            ("proto_id", found.proto_id),
            ("serial", found.serial),
            ("body_length", len(found.payload)),
            ("latency", UNSET if observation.latency is None else observation.latency),
            ("request", request or 0),
            ("format", found.body_format),
            ("encryption", self._encryptions.of(observation.encryption)),
            ("sha1_ok", 0 if conversation.transport == "websocket" else sha1_ok),
            ("error", 0 if error is None else self._errors.of(type(error).__name__)),
            ("failed", failed),
            ("unanswered", observation.kind is Kind.REQUEST),
            ("class", 0 if class_name is None else self._classes.of(class_name)),
        ):
            columns[name].append(value)
        self._summaries.append(summary)
        self._code_numbers.extend(self._codes.of(code) for code in dict.fromkeys(codes))
        self._code_ends.append(len(self._code_numbers))

    def conversations(self, first: int) -> set[int]:
        """Return the numbers of the conversations of the rows from ``first`` on."""
        return set(self._columns["conversation"][first:])

    def packed(self, first: int = 0) -> tuple[dict[str, Any], bytes]:
        """Return what describes the columns, and the columns themselves, of the rows from ``first`` on."""
        codes = self._code_ends[first - 1] if first else 0
        arrays = {name: column[first:] for name, column in self._columns.items()}
        arrays |= {"code_ends": self._code_ends[first:], "code_numbers": self._code_numbers[codes:]}
        # The widest first, so that each begins at a multiple of its width.
        order = sorted(arrays, key=lambda name: -arrays[name].itemsize)
        parts: list[bytes] = []
        for name in order:
            column = arrays[name]
            if sys.byteorder == "big":
                column.byteswap()
            parts.append(column.tobytes())
        texts = json.dumps(self._summaries[first:], ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        about = {
            "rows": len(self) - first,
            "columns": [[name, arrays[name].typecode, len(arrays[name])] for name in order],
            "kinds": [str(kind) for kind in _KINDS],
            "codes": list(self._codes.values),
            "classes": list(self._classes.values),
            "errors": list(self._errors.values),
            "encryptions": list(self._encryptions.values),
        }
        return about, b"".join([*parts, texts])

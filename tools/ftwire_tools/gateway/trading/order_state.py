"""The states of an order, and which may follow which.

The values are ``Trd_Common.OrderStatus``; those of the vendor's present list are here, except for ``Unknown``
(-1). The arrows are inferred from the vendor's descriptions and samples.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["FINAL", "FIRST", "OPEN", "TRANSITIONS", "OrderStatus", "diagram"]


class OrderStatus(IntEnum):
    """``Trd_Common.OrderStatus``, with the vendor's meanings."""

    WAITING_SUBMIT = 1
    """Not sent yet: the market is closed, or the condition not met."""
    SUBMITTING = 2
    """On its way to the exchange."""
    SUBMITTED = 5
    """At the exchange."""
    FILLED_PART = 10
    FILLED_ALL = 11
    CANCELLED_PART = 14
    """Filled in part, the rest cancelled."""
    CANCELLED_ALL = 15
    """Cancelled, nothing filled."""
    FAILED = 21
    """Refused, with the reason in ``lastErrMsg``."""
    DISABLED = 22
    """Withdrawn from the exchange, and kept."""
    DELETED = 23
    """Hidden from lists."""
    FILL_CANCELLED = 24
    """Filled, and the fill taken back by the exchange."""


_S = OrderStatus

FIRST: Final = frozenset({_S.WAITING_SUBMIT, _S.SUBMITTING})
"""States that an order begins in."""

TRANSITIONS: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    _S.WAITING_SUBMIT: frozenset({_S.SUBMITTING, _S.CANCELLED_ALL, _S.FAILED}),
    _S.SUBMITTING: frozenset({_S.SUBMITTED, _S.FAILED, _S.CANCELLED_ALL}),
    _S.SUBMITTED: frozenset({_S.FILLED_PART, _S.FILLED_ALL, _S.CANCELLED_ALL, _S.DISABLED}),
    _S.FILLED_PART: frozenset({_S.FILLED_ALL, _S.CANCELLED_PART}),
    _S.FILLED_ALL: frozenset({_S.FILL_CANCELLED}),
    _S.CANCELLED_PART: frozenset(),
    _S.CANCELLED_ALL: frozenset({_S.DELETED}),
    _S.FAILED: frozenset({_S.DELETED}),
    _S.DISABLED: frozenset({_S.SUBMITTING, _S.CANCELLED_ALL}),
    _S.DELETED: frozenset(),
    _S.FILL_CANCELLED: frozenset(),
}
"""State to the states that may follow."""

OPEN: Final = frozenset({_S.WAITING_SUBMIT, _S.SUBMITTING, _S.SUBMITTED, _S.FILLED_PART})
"""States in which an order may still be filled."""

FINAL: Final = frozenset(_S) - OPEN - {_S.DISABLED}
"""States that end an order's trading."""


def diagram() -> str:
    """Return the states as a diagram in Mermaid's notation."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state.name}" for state in sorted(FIRST)]
    lines += [
        f"    {state.name} --> {following.name}" for state, after in TRANSITIONS.items() for following in sorted(after)
    ]
    lines += [f"    {state.name} --> [*]" for state, after in TRANSITIONS.items() if not after]
    return "\n".join(lines)

"""What verbs need: of the gateway, of its clients, and of its made-up market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, runtime_checkable

from ftwire_tools.gateway.verbs import VerbGroup

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.trading.broker import Broker
    from ftwire_tools.synthetic.trading_day import Market, StockDay

__all__ = ["MadeUpSource", "SteeredClient", "SteeredGateway", "SteeringGroup"]

R = TypeVar("R")


class SteeredClient(Protocol):
    """A connected client, as far as verbs are concerned."""

    @property
    def number(self) -> int:
        """Number of its connection, from 1."""
        ...

    @property
    def peer(self) -> str:
        """Its address."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has logged in."""
        ...

    @property
    def subscribed(self) -> int | None:
        """How many topics it has subscribed to, ``None`` where that is not known."""
        ...

    def push(self, push: Push) -> bool:
        """Send a push if the client is to get it; return whether it was sent."""
        ...

    def cut_off(self, reason: str) -> None:
        """Close its connection at once."""
        ...


@runtime_checkable
class MadeUpSource(Protocol):
    """An answer source with a market and accounts of its own, which can be steered."""

    @property
    def market(self) -> Market:
        """The market."""
        ...

    @property
    def broker(self) -> Broker:
        """The accounts and their orders."""
        ...

    is_stopped: bool
    """Whether the market's clock stands still."""

    def show(self, stock: StockDay) -> None:
        """Push the present state of a stock to those who have subscribed to it."""
        ...

    def advance(self, seconds: int) -> None:
        """Let so many seconds pass at once; clients see the state at the end, and each change of an order."""
        ...

    def restart(self) -> None:
        """Begin again with the market and the accounts as they were at the start."""
        ...


class SteeredGateway(Protocol):
    """The gateway, as far as verbs are concerned."""

    @property
    def sessions(self) -> Callable[[], Sequence[SteeredClient]]:
        """Returns the sessions of connected clients."""
        ...

    @property
    def made_up(self) -> MadeUpSource:
        """The source with a market and accounts. Raises ``SteeringError`` where the gateway has none."""
        ...

    def run(self, function: Callable[[], R]) -> R:
        """Call a function in the gateway's thread and return its result. Raises ``TimeoutError``."""
        ...

    def send(self, notice: Message) -> None:
        """Push a notice to every client that wants notices."""
        ...


class SteeringGroup(VerbGroup):
    """A group of verbs that act on a gateway."""

    def __init__(self, steering: SteeredGateway) -> None:
        super().__init__(steering.run)
        self._steering: Final = steering

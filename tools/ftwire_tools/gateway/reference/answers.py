"""All answers about instruments together: protocol to handler, and what happens as the market goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.gateway.quotes import NotHereError
from ftwire_tools.gateway.reference.alerts import OptionAlerts
from ftwire_tools.gateway.reference.calculation import Calculation
from ftwire_tools.gateway.reference.corporate import CorporateActions
from ftwire_tools.gateway.reference.events import Events
from ftwire_tools.gateway.reference.flows import Flows
from ftwire_tools.gateway.reference.futures import Futures
from ftwire_tools.gateway.reference.made_up.maker import Maker
from ftwire_tools.gateway.reference.options import Options
from ftwire_tools.gateway.reference.reminders import Reminders
from ftwire_tools.gateway.reference.screening import StockFilter
from ftwire_tools.gateway.reference.service import Service
from ftwire_tools.gateway.reference.snapshots import Snapshots
from ftwire_tools.gateway.reference.static_info import StaticInfo
from ftwire_tools.gateway.reference.stock_screen import StockScreen
from ftwire_tools.gateway.reference.unusual import Unusual
from ftwire_tools.gateway.reference.view import MarketView
from ftwire_tools.gateway.reference.warrants import Warrants
from ftwire_tools.gateway.reference.watchlists import Watchlists
from ftwire_tools.messages.descriptors import is_repeated
from ftwire_tools.synthetic.trading_day import Market

if TYPE_CHECKING:
    from ftwire_tools.gateway.answer_source import Subscriber
    from ftwire_tools.gateway.push import Push
    from ftwire_tools.gateway.topics import Topic

__all__ = ["Reference"]


def _check_texts(message: Any) -> None:
    """Refuse texts that are not UTF-8, which protobuf returns as bytes. Raises ``NotHereError``."""
    for field, value in message.ListFields():
        values = value if is_repeated(field) else [value]
        if field.message_type is not None:
            for each in values:
                _check_texts(each)
        elif field.type == field.TYPE_STRING and any(isinstance(each, bytes) for each in values):
            raise NotHereError(f"{field.name} is not UTF-8")


class Reference:
    """Answers from a market and the user's own lists."""

    def __init__(self, market: Market, seed: int) -> None:
        view = MarketView(market, seed)
        watchlists = Watchlists(view)
        self._flows: Final = Flows(view)
        self._events: Final = Events(view)
        self._reminders: Final = Reminders(view)
        snapshots = Snapshots(view)
        self.fill_details: Final = snapshots.fill_details
        """Fills what the quote of an option, future or warrant has beside its prices."""
        parts = (
            StaticInfo(view),
            Options(view),
            Warrants(view),
            Futures(view),
            snapshots,
            StockFilter(view),
            StockScreen(view),
            CorporateActions(view),
            Calculation(),
            OptionAlerts(),
            Unusual(view),
            self._events,
            watchlists,
            self._flows,
            self._reminders,
            Service(view, watchlists),
        )
        maker = Maker(view)
        self.answers: Final[dict[str, Callable[[Subscriber, Any, Any], None]]] = {
            **maker.answers,
            **{name: answer for part in parts for name, answer in part.answers.items()},
        }
        """Protocol to the function that fills ``s2c`` from ``c2s``. Each raises ``NotHereError``."""

        self.made_up: Final = {
            name: maker.content(name) for name in maker.answers if self.answers[name] == maker.answer
        }
        """Protocols whose replies are made up by rule, and what is in them."""

    def answer(self, name: str, client: Subscriber, c2s: Any, s2c: Any) -> None:
        """Fill the reply of a protocol in ``answers``. Raises ``NotHereError``."""
        _check_texts(c2s)
        self.answers[name](client, c2s, s2c)

    def push(self, topic: Topic, *, only_new: bool = False) -> Push | None:
        """Return a push with the present state of a topic, ``None`` for one that is not of this package.

        With ``only_new`` it is ``None`` too where nothing has changed in the market's present second.
        """
        return self._flows.push(topic, only_new=only_new)

    def step(self) -> Iterator[tuple[int | None, Push]]:
        """Return the pushes due in the market's present second, each with a client's number, or ``None`` for all."""
        for push in self._reminders.step():
            yield None, push
        yield from self._events.step()

    def leave(self, client: Subscriber) -> None:
        """Forget what a client has subscribed to."""
        self._events.leave(client)

"""The summary of a message: its one-line account of securities, list lengths, short scalars, and what went wrong.

::

    HK.00700 rtList[3] name=TENCENT

It is a projection and a format, worked out from the descriptor once a class: which paths of a message are read, and
how the values there are written. Secrets are not among the paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire.projection import Projection
from ftwire_tools.markets.codes import security_name
from ftwire_tools.messages.descriptors import descriptor_of, is_repeated
from ftwire_tools.messages.enums import enum_name, enum_names, short_enum_name
from ftwire_tools.messages.securities import security_finder
from ftwire_tools.messages.sensitive_fields import is_secret
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

    from ftwire.frame import Frame
    from ftwire.websocket import Envelope

__all__ = ["Summary", "summary_for", "summary_of"]

MAX_SECURITIES: Final = 3
MAX_FACTS: Final = 7
MAX_TEXT: Final = 32

SECURITY: Final = "Qot_Common.Security"
PRICES: Final = ("price", "curPrice", "closePrice")
"""Fields of an item that are written with it, where it comes alone."""
LEVEL: Final = "Qot_Common.OrderBook"
"""One price of an order book. Lists of them begin with the best one, which is what is written of them."""
BOOK: Final = {"orderBookBidList": "bid", "orderBookAskList": "ask"}
"""The sides of an order book, in the order in which they are written."""
BOOK_TIMES: Final = "svrRecvTime"
"""Begin of the names of fields beside an order book that are left out: the line has a time."""
NEWEST: Final = {"Qot_Common.Ticker": "price", "Qot_Common.KLine": "closePrice"}
"""Item of a list whose last one is the newest, to its price, which is written however many there are."""

NEWS: Final = ("trdSide", "orderStatus", "qty", "price", "fillQty")
"""Fields of a message inside another, such as an order, that are written."""

Values = Sequence[Any]
Writer = Callable[[Any], str]
"""Writes one field: takes a value, or a tuple of values, and may return an empty text."""


class _Field(NamedTuple):
    """How one field is written."""

    path: str
    """The path whose value there is where the field is set."""
    write: Writer
    """Takes that value, or the values of ``more`` where there are any."""
    more: tuple[str, ...] = ()
    """Paths of other values that the text is made of."""
    price: str | None = None
    """Path of the price that is written behind it, where the field is a list of one item."""


def summary_of(message: Message) -> str:
    """Return the summary of a request, a response or a push."""
    summary = _summaries[type(message)]
    return summary.text(summary.values(message))


def summary_for(frame: Frame | Envelope) -> Summary | None:
    """Return how bodies like that of a frame are summarized, or ``None`` where it takes a message."""
    message_class = frame.body_class
    return None if frame.error is not None or message_class is None else _summaries[message_class]


class Summary:
    """How messages of one class are summarized."""

    __slots__ = ("_failure", "_outcome", "_writers", "decode", "values")

    def __init__(self, message_class: type[Message]) -> None:
        descriptor = descriptor_of(message_class)
        payload = _payload_of(descriptor)
        prefix = "" if payload is None else f"{payload.name}."
        fields = _fields_of(descriptor if payload is None else payload.message_type, prefix)
        # The first paths are those of the fields, one each; behind them are those of the other values.
        paths = [field.path for field in fields]
        self._writers: Final = [
            (slot, field.write, _getter(paths, field.more), _price(paths, field.price))
            for slot, field in enumerate(fields)
        ]
        responds = payload is not None and payload.name == "s2c" and set(_OUTCOME) <= set(descriptor.fields_by_name)
        self._failure: Final = _failure_writer(descriptor) if responds else None
        self._outcome: Final = len(paths)
        if responds:
            paths += _OUTCOME
        projection = Projection(message_class, paths)
        self.decode: Final = projection.decode_plain
        """Return the values in a body, or ``None`` where it takes a message."""
        self.values: Final = projection.of
        """Return the values in a message. Raises ``TypeError`` for one of another class."""

    def text(self, values: Values) -> str:
        """Return the summary of the message that has these values, as ``decode`` and ``values`` return them."""
        parts = []
        for slot, write, get, price in self._writers:
            value = values[slot]
            if value is None:
                continue
            text = write(value if get is None else get(values))
            if price is not None and value == 1 and (amount := values[price[0]]) is not None:
                text = f"{text} {price[1]}={amount}"
            if text:
                parts.append(text)
        if len(parts) > MAX_FACTS:
            del parts[MAX_FACTS:]
        if self._failure is not None and values[self._outcome] != 0:
            parts.insert(0, self._failure(values[self._outcome :]))
        return " ".join(parts)


def _getter(paths: list[str], wanted: Sequence[str]) -> Callable[[Values], tuple[Any, ...]] | None:
    """Return what gets the values at ``wanted`` out of those at ``paths``, to which it adds what is not there yet."""
    if not wanted:
        return None
    paths += [path for path in wanted if path not in paths]
    slots = [paths.index(path) for path in wanted]
    # Of a single one itemgetter would return the bare value.
    return itemgetter(*slots) if len(slots) > 1 else itemgetter(slice(slots[0], slots[0] + 1))


def _price(paths: list[str], path: str | None) -> tuple[int, str] | None:
    """Return slot and name of a price, whose path is added to ``paths``."""
    if path is None:
        return None
    paths.append(path)
    return len(paths) - 1, path.rpartition(".")[2]


class _Texts(dict[Any, str]):
    """The texts that a writer makes of values, kept for values that come again and again: securities, names, counts."""

    __slots__ = ("_write",)

    MOST: Final = 1000
    """Texts that are kept."""
    LONGEST: Final = 64
    """Characters of a value whose text is kept: the sender must not decide how large this grows."""

    def __init__(self, write: Writer) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, key: Any) -> str:
        text = self._write(key)
        if _length(key) <= self.LONGEST:
            if len(self) >= self.MOST:
                # What comes now is more like what comes next.
                self.clear()
            self[key] = text
        return text


class _LevelTexts(_Texts):
    """The texts of an order book's levels, (price, volume): most updates leave the best prices as they are."""

    __slots__ = ()

    def __missing__(self, key: Any) -> str:
        # 0.0 and -0.0 are equal, and written differently.
        return super().__missing__(key) if key[0] else self._write(key)


def _length(key: Any) -> int:
    """Return the characters of text in a value, or in a tuple of values."""
    if isinstance(key, tuple):
        return sum(map(_length, key))
    return len(key) if isinstance(key, str | bytes) else 0


def _kept(write: Writer) -> Writer:
    """Keep what is written of the same values. Not for floats: 0.0 and -0.0 are equal, and written differently."""
    return _Texts(write).__getitem__


class _Summaries(dict["type[Message]", Summary]):
    def __missing__(self, message_class: type[Message]) -> Summary:
        found = self[message_class] = Summary(message_class)
        return found


_summaries: Final = _Summaries()


def _payload_of(descriptor: Descriptor) -> FieldDescriptor | None:
    """Return the field that holds what a request or a response is about, if there is one."""
    names = descriptor.fields_by_name
    return next((names[name] for name in ("s2c", "c2s") if name in names and names[name].message_type), None)


def _fields_of(descriptor: Any, prefix: str) -> list[_Field]:
    """Return how the fields of a message are written: the security it is about, then in the order of their numbers."""
    fields = sorted(descriptor.fields, key=lambda field: (field.name != "security", field.number))
    names = descriptor.fields_by_name
    if all(side in names for side in BOOK):
        rest = [field for field in fields if field.name not in BOOK and not field.name.startswith(BOOK_TIMES)]
        fields = [*rest[:1], *(names[side] for side in BOOK), *rest[1:]]
    return [found for field in fields if (found := _field(field, prefix + field.name)) is not None]


def _field(field: FieldDescriptor, path: str) -> _Field | None:
    """Return how a field is written, ``None`` for one that is left out."""
    inner = field.message_type
    if inner is None:
        if is_secret(field):
            return None
        names = enum_names(field)
        if not is_repeated(field):
            return _Field(path, _scalar_writer(field, names))
        return _Field(path, _count_writer(field.name)) if names is None else _names_field(field.name, names, path)
    if inner.full_name == SECURITY:
        if is_repeated(field):
            return _Field(
                path, lambda columns: _few(map(_security, zip(*columns, strict=True))), _market_and_code(f"{path}[]")
            )
        return _Field(path, _kept(_security), _market_and_code(path))
    if is_repeated(field):
        if inner.full_name == LEVEL:
            return _best_field(BOOK.get(field.name, field.name), path)
        if inner.full_name in NEWEST:
            return _newest_field(field.name, NEWEST[inner.full_name], path)
        return _items_field(field.name, inner, path)
    if inner.name == "TrdHeader":
        return _parts_field(path, _fields_of(inner, f"{path}.")[:MAX_FACTS])
    finder = security_finder(inner)
    if finder is None:
        return None
    securities = _Field(
        path, lambda values: _few(finder.names(values)), tuple(f"{path}.{each}" for each in finder.paths)
    )
    news = [each for each in _fields_of(inner, f"{path}.") if each.path.rpartition(".")[2] in NEWS]
    return _parts_field(path, [securities, *news])


def _parts_field(path: str, fields: list[_Field]) -> _Field:
    """Return how a message is written of which some fields are."""
    paths = [field.path for field in fields]
    writers = [(field.write, _getter(paths, field.more)) for field in fields]

    def write(values: Values) -> str:
        pairs = zip(values, writers, strict=False)
        return " ".join(
            text
            for value, (write, get) in pairs
            if value is not None and (text := write(value if get is None else get(values)))
        )

    return _Field(path, write, tuple(paths))


def _items_field(name: str, item: Descriptor, path: str) -> _Field:
    """Return how a list of messages is written: their number, their securities, and the price of a single one."""
    count = _count_writer(name)
    price = next((f"{path}.{price}" for price in PRICES if price in item.fields_by_name), None)
    finder = security_finder(item)
    if finder is None:
        return _Field(path, count, price=price)

    def write(values: Values) -> str:
        rows = zip(*values[1:], strict=True)
        return f"{count(values[0])} {_few(each for row in rows for each in finder.names(row))}".rstrip()

    return _Field(path, write, (path, *(f"{path}[].{each}" for each in finder.paths)), price)


def _best_field(name: str, path: str) -> _Field:
    """Return how one side of an order book is written: the best price and its volume."""

    def write(values: Values) -> str:
        price, volume = values
        return f"{name}={price}x{volume}"

    return _Field(path, _LevelTexts(write).__getitem__, (f"{path}.price", f"{path}.volume"))


def _newest_field(name: str, price: str, path: str) -> _Field:
    """Return how a list is written whose last item is the newest: their number, and the newest price and volume."""

    def write(values: Values) -> str:
        count, prices, volumes = values
        return f"{name}[{count}]" + ("" if prices[-1] is None else f" {price}={prices[-1]}x{volumes[-1]}")

    return _Field(path, write, (path, f"{path}[].{price}", f"{path}[].volume"))


def _market_and_code(path: str) -> tuple[str, str]:
    return f"{path}.market", f"{path}.code"


def _security(values: tuple[int | None, str | None]) -> str:
    return _shown(security_name(*values))


def _few(names: Iterable[str]) -> str:
    """Write the first few different ones."""
    found: list[str] = []
    for name in names:
        if name not in found:
            if len(found) == MAX_SECURITIES:
                found.append("...")
                break
            found.append(name)
    return ",".join(map(_shown, found))


def _scalar_writer(field: FieldDescriptor, names: dict[int, str] | None) -> Writer:
    name = field.name
    if names is not None:
        return _kept(lambda value: f"{name}={_short(names.get(value)) or value}")
    if field.cpp_type == field.CPPTYPE_STRING:
        return _kept(lambda value: f"{name}={_quoted(value)}")
    if field.cpp_type == field.CPPTYPE_BOOL:
        return lambda value: f"{name}={'true' if value else 'false'}"
    return lambda value: f"{name}={value}"


def _count_writer(name: str) -> Writer:
    return _kept(lambda count: f"{name}[{count}]")


def _names_field(name: str, names: dict[int, str], path: str) -> _Field:
    """Return how a list of numbers is written that have names."""

    def write(numbers: list[int]) -> str:
        return f"{name}={','.join(_short(names.get(each)) or str(each) for each in numbers)}"

    return _Field(f"{path}[]", write)


_OUTCOME: Final = ("retType", "errCode", "retMsg")


def _failure_writer(descriptor: Descriptor) -> Writer:
    """Return what writes why OpenD refused a request."""
    field = descriptor.fields_by_name["retType"]

    def write(values: tuple[int | None, int | None, str | None]) -> str:
        ret_type, err_code, message = values
        if ret_type is None:
            # A response without it is no success. The schema's default, -400, was not sent.
            parts = ["retType absent"]
        else:
            name = _short(enum_name(field, ret_type))
            parts = [f"retType={ret_type}" + (f"({name})" if name else "")]
        if err_code:
            # Most often absent or 0.
            parts.append(f"errCode={err_code}")
        if message:
            parts.append(_quoted(message))
        return " ".join(parts)

    return write


def _short(name: str | None) -> str | None:
    return None if name is None else short_enum_name(name)


def _quoted(value: str | bytes) -> str:
    """Write text on one line; quoted where it would otherwise run into its neighbours."""
    text = _shown(value if isinstance(value, str) else value.decode(errors="backslashreplace"))
    return text if text.isalnum() else f'"{text}"'


def _shown(text: str) -> str:
    """Cut long text short, and escape what a terminal would obey: it came over the wire."""
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 3] + "..."
    return text if text.isprintable() else printable(text)
